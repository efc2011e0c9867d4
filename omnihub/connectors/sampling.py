"""What the inherited suite must know about a channel to try it: class Sample in the channel's `sample.py`."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar, cast

from omnihub.connectors.contract import BaseConnector
from omnihub.connectors.registry import manifest
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest

C = TypeVar("C", bound=BaseConnector[Any])

# takes: well. refuses: for good, in its own words. silent: never says a word. mute: takes all of the
# message, then never says what became of it.
Mood = Literal["takes", "refuses", "silent", "mute"]


@dataclass(slots=True, frozen=True, kw_only=True)
class Said:
    """What must be read from a genuine request: the sender's handle, and words that its text holds."""

    sender: str
    words: str


class ChannelSample(ABC, Generic[C]):
    """Requests as the provider makes them, for the connector's own account. `settings`, as an admin would
    enter them, give a value to every secret. `patience`: module constants, by dotted name, that a test
    shortens so that nobody waits for a real timeout."""

    settings: ClassVar[Mapping[str, Any]]
    patience: ClassVar[Mapping[str, float]] = {}
    refusal_words: ClassVar[str] = ""

    def __init__(self, connector: C) -> None:
        self.connector = connector

    @abstractmethod
    def genuine(self, number: int) -> RawRequest:
        """Another message for each number, all of one customer."""

    @abstractmethod
    def said(self, number: int) -> Said: ...

    @abstractmethod
    def forged(self) -> Sequence[RawRequest]:
        """Calls that somebody makes who does not know the secret."""

    @abstractmethod
    def unreadable(self) -> Sequence[RawRequest]:
        """Authentic calls that nothing can be made of; they are refused at the door."""

    def unknown_type(self) -> RawRequest | None:
        """An event of a kind that the channel does not know; None where it has no kinds."""
        return None

    @asynccontextmanager
    async def provider(self, mood: Mood, folder: Path) -> AsyncIterator[Mapping[str, Any]]:
        """A provider on loopback; yields the settings that lead to it. `folder` is for its state."""
        raise NotImplementedError(f"{self.connector.manifest.key} says that it sends: its sample needs a provider")
        yield {}

    def outgoing(self, mood: Mood) -> Outgoing:
        """A reply that meets the provider's mood."""
        raise NotImplementedError(f"{self.connector.manifest.key} says that it sends: its sample needs a reply")


def sample_type(channel: str) -> type[ChannelSample[Any]]:
    module = importlib.import_module(f"omnihub.connectors.{manifest(channel).key}.sample")
    return cast("type[ChannelSample[Any]]", module.Sample)
