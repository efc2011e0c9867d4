"""A channel whose provider does what the test says; everything else around it is real."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from omnihub.connectors.contract import (
    BaseConnector,
    Capabilities,
    ChannelSettings,
    Connector,
    Manifest,
    Steps,
    Template,
    Toolbox,
    Words,
)
from omnihub.model.account import Account
from omnihub.model.inbound import Handle, Inbound
from omnihub.model.outgoing import Outgoing, Prepared, SendResult
from omnihub.model.raw import RawEvent, RawRequest

Answer = SendResult | Exception | Callable[[Outgoing], Awaitable[SendResult]]


def manifest(**changes: Any) -> Manifest:
    given: dict[str, Any] = {
        "key": "scripted",
        "label": Words(en="Scripted", zh="脚本"),
        "summary": Words(en="", zh=""),
        "arrives": ["webhook"],
        "conversation": "thread",
        "setup": Steps(en=[], zh=[]),
        "capabilities": Capabilities(html=True, subject=True, cc=True, attachments=True),
    }
    return Manifest(**(given | changes))


@dataclass
class Provider:
    """`answers`: by message text, one per attempt; what is not scripted is taken."""

    manifest: Manifest = field(default_factory=manifest)
    own: frozenset[str] = frozenset()
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    sent: list[Outgoing] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    templates: Sequence[Template] = ()
    reachable: tuple[str, ...] = ()
    recalled: list[Outgoing] = field(default_factory=list)
    typed: list[Outgoing] = field(default_factory=list)
    running: int = 0
    most_at_once: int = 0

    def texts(self) -> list[str]:
        return [one.text for one in self.sent]


class ScriptedConnector(BaseConnector[ChannelSettings]):
    def __init__(self, account: Account, toolbox: Toolbox, provider: Provider) -> None:
        super().__init__(account, ChannelSettings(), toolbox)
        self.provider = provider
        self.manifest = provider.manifest  # type: ignore[misc]

    def own_handles(self) -> frozenset[str]:
        return self.provider.own

    def verify(self, request: RawRequest) -> None: ...

    def templates(self) -> Sequence[Template]:
        return self.provider.templates

    def reaches(self, handle: Handle) -> bool:
        return handle.key.startswith(self.provider.reachable) if self.provider.reachable else False

    async def recall(self, message: Outgoing) -> None:
        self.provider.recalled.append(message)

    async def typing(self, message: Outgoing) -> None:
        self.provider.typed.append(message)

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        return ()

    def prepare(self, message: Outgoing) -> Prepared:
        return Prepared(external_id=f"{message.id}@hub.example.test", wire={"boundary": message.id[-6:]})

    async def send(self, message: Outgoing) -> SendResult:
        provider = self.provider
        provider.asked.append(message.text)
        provider.running += 1
        provider.most_at_once = max(provider.most_at_once, provider.running)
        try:
            return await self._answer(message)
        finally:
            provider.running -= 1

    async def _answer(self, message: Outgoing) -> SendResult:
        scripted = self.provider.answers.get(message.text)
        answer = scripted.pop(0) if scripted else SendResult(words="250 taken")
        if isinstance(answer, Exception):
            raise answer
        result = answer if isinstance(answer, SendResult) else await answer(message)
        self.provider.sent.append(message)
        return result


async def never(message: Outgoing) -> SendResult:
    await asyncio.Event().wait()
    raise AssertionError


class ScriptedConnectors:
    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self.providers: dict[str, Provider] = {}

    async def of(self, account: Account) -> Connector:
        return ScriptedConnector(account, self._toolbox, self.providers[account.id])
