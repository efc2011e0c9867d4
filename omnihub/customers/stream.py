"""What an open page is told as it happens: server-sent events, each with what is new to this page."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

import orjson
from aiohttp import web

from omnihub.connectors.simulation import Person
from omnihub.customers.channels import ChatChannel, Doc, line_doc, people_docs
from omnihub.customers.performance import Performance, Progress
from omnihub.customers.telephones import TelephoneChannel, state_doc

_KEEPALIVE = 15.0
_RETRY_MS = 1000

News = tuple[str, Doc]


class _Watched(Protocol):
    async def wait(self, look: Callable[[], bool], seconds: float) -> bool: ...


class Sight:
    """What one page knows already. `chat` is the one that is open on it."""

    def __init__(
        self,
        channels: Mapping[str, ChatChannel],
        telephones: Mapping[str, TelephoneChannel],
        performance: Performance,
        chat: tuple[ChatChannel, Person] | None = None,
    ) -> None:
        self._channels = channels
        self._telephones = telephones
        self._performance = performance
        self._chat = chat
        self._people: dict[str, Sequence[Doc]] = {}
        self._calls: dict[str, Doc] = {}
        self._lines: dict[int, Doc] | None = None
        self._progress: Progress | None = None

    def news(self) -> list[News]:
        """What changed since the last call; everything at the first."""
        people = [self._of_people(channel) for channel in self._channels.values()]
        calls = [self._of_telephones(channel) for channel in self._telephones.values()]
        found = (*people, *calls, self._of_chat(), self._of_performance())
        return [one for one in found if one is not None]

    async def wait(self, ending: asyncio.Event) -> None:
        """Until there is news or the end, or the line needs a sign of life."""
        looks: list[tuple[_Watched, Callable[[], bool]]] = [
            (channel.chats, partial(self._is_new, channel)) for channel in self._channels.values()
        ]
        looks += [(channel.telephones, partial(self._is_called, channel)) for channel in self._telephones.values()]
        looks.append((self._performance, lambda: self._performance.progress != self._progress))
        waits = [asyncio.ensure_future(watched.wait(look, _KEEPALIVE)) for watched, look in looks]
        waits.append(asyncio.ensure_future(ending.wait()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _is_new(self, channel: ChatChannel) -> bool:
        open_here = self._chat is not None and self._chat[0] is channel
        return people_docs(channel.chats) != self._people.get(channel.key) or (
            open_here and self._lines_now() != self._lines
        )

    def _is_called(self, channel: TelephoneChannel) -> bool:
        return state_doc(channel) != self._calls.get(channel.key)

    def _of_telephones(self, channel: TelephoneChannel) -> News | None:
        state = state_doc(channel)
        if state == self._calls.get(channel.key):
            return None
        self._calls[channel.key] = state
        return "telephones", {"channel": channel.key, **state}

    def _of_people(self, channel: ChatChannel) -> News | None:
        people = people_docs(channel.chats)
        if people == self._people.get(channel.key):
            return None
        self._people[channel.key] = people
        return "people", {"channel": channel.key, "people": people}

    def _of_chat(self) -> News | None:
        known, now = self._lines, self._lines_now()
        if self._chat is None or now == known:
            return None
        self._lines = now
        fresh = [doc for number, doc in now.items() if known is None or known.get(number) != doc]
        return "lines", {"whole": known is None, "lines": fresh}

    def _lines_now(self) -> dict[int, Doc]:
        if self._chat is None:
            return {}
        channel, person = self._chat
        return {line.number: line_doc(line) for line in channel.chats.lines(person.id)}

    def _of_performance(self) -> News | None:
        progress = self._performance.progress
        if progress == self._progress:
            return None
        self._progress = progress
        return "performance", performance_doc(progress)


def performance_doc(progress: Progress) -> Doc:
    channel, name = progress.speaker or ("", "")
    return {
        "state": progress.state,
        "said": progress.said,
        "total": progress.total,
        "waiting": progress.waiting,
        "speaker": {"channel": channel, "name": name} if channel else None,
    }


async def stream(request: web.Request, sight: Sight, ending: asyncio.Event) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    await response.prepare(request)
    # The browser leaves whenever it likes; that ends the line and nothing else.
    with suppress(ConnectionResetError):
        await response.write(f"retry: {_RETRY_MS}\n\n".encode())
        while not ending.is_set():
            news = sight.news()
            await response.write(b"".join(map(_event, news)) or b": still here\n\n")
            await sight.wait(ending)
    return response


def _event(news: News) -> bytes:
    name, doc = news
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(doc) + b"\n\n"
