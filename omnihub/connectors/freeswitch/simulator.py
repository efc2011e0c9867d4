"""A FreeSWITCH on loopback as far as its event socket goes: strict in what it takes, and with its faults."""

import asyncio
import heapq
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.freeswitch.simulator_calls import click_to_call
from omnihub.connectors.freeswitch.simulator_switch import Headers, Script, Switch

PASSWORD = "demo-socket"
_GOODBYE = "Disconnected, goodbye.\n"
_NOT_FOUND = "-ERR command not found"

_NOTES = {
    "en": "The exchange has the lines {line}; extensions are 1001 to 1003. Event socket: 127.0.0.1:{port}, "
    "password {password}.",
    "zh": "该交换机的号码为 {line}，分机为 1001 至 1003。事件套接字：127.0.0.1:{port}，密码 {password}。",
}


class _Socket:
    """One connection to the event socket."""

    def __init__(self, simulator: "Simulator", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._simulator = simulator
        self._reader = reader
        self.writer = writer
        self._format = "plain"
        self._events: set[str] = set()
        self._subclasses: set[str] = set()
        self._signed_in = False

    async def talk(self) -> None:
        if self._simulator.lets_nobody_in:
            self._send({"Content-Type": "text/rude-rejection"}, "Access Denied, go away.\n")
            return
        self._send({"Content-Type": "auth/request"})
        while True:
            lines = (await self._reader.readuntil(b"\n\n")).decode().strip("\n").split("\n")
            if self._simulator.is_mute:
                continue
            if not await self._take(lines[0].strip(), lines[1:]):
                self._send({"Content-Type": "text/disconnect-notice"}, _GOODBYE)
                return

    async def _take(self, command: str, headers: Sequence[str]) -> bool:
        """Whether the connection goes on."""
        word, _, rest = command.partition(" ")
        if word in ("auth", "userauth"):
            self._signed_in = rest in (PASSWORD, f"desk@example.test:{PASSWORD}")
            self._reply("+OK accepted" if self._signed_in else "-ERR invalid")
            return self._signed_in
        if word == "exit":
            self._reply("+OK bye")
            return False
        if not self._signed_in:
            self._reply(_NOT_FOUND)
            return True
        if word == "event":
            self._reply(self._subscribe(rest.split(" ")))
        elif word == "api":
            self._simulator.asked.append(rest)
            self._send({"Content-Type": "api/response"}, self._simulator.answer(rest))
        elif word == "bgapi":
            self._background(rest, headers)
        else:
            self._reply(_NOT_FOUND)
        return True

    def _subscribe(self, words: Sequence[str]) -> str:
        """Every word after CUSTOM is a subclass, as FreeSWITCH takes it."""
        if words[0] in ("json", "plain"):
            self._format, words = words[0], words[1:]
        if not words:
            return "-ERR no keywords supplied"
        at = words.index("CUSTOM") if "CUSTOM" in words else len(words)
        self._events |= set(words[:at])
        self._subclasses |= set(words[at + 1 :])
        return f"+OK event listener enabled {self._format}"

    def _background(self, rest: str, headers: Sequence[str]) -> None:
        named = (line.partition(":")[2].strip() for line in headers if line.startswith("Job-UUID:"))
        job = next(named, "7f4de4bc-17d7-4d3a-9f5c-0000000000aa")
        self._send({"Content-Type": "command/reply", "Reply-Text": f"+OK Job-UUID: {job}", "Job-UUID": job})
        self._simulator.start_job(job, rest)

    def _reply(self, words: str) -> None:
        self._send({"Content-Type": "command/reply", "Reply-Text": words})

    def wants(self, event: Headers) -> bool:
        if event["Event-Name"] == "CUSTOM":
            return event.get("Event-Subclass", "") in self._subclasses
        return event["Event-Name"] in self._events

    def tell(self, event: Headers) -> None:
        if not self.wants(event):
            return
        if self._format == "json":
            self._send({"Content-Type": "text/event-json"}, json.dumps(event))
            return
        body = event.get("_body", "")
        lines = [f"{name}: {quote(value)}" for name, value in event.items() if name != "_body"]
        inner = "\n".join([*lines, f"Content-Length: {len(body)}" if body else "", "", ""]).lstrip("\n")
        self._send({"Content-Type": "text/event-plain"}, inner + body)

    def _send(self, headers: Headers, body: str = "") -> None:
        raw = body.encode()
        lengthed = {"Content-Length": str(len(raw))} | headers if raw else headers
        head = "".join(f"{name}: {value}\n" for name, value in lengthed.items())
        data = head.encode() + b"\n" + raw
        # A frame may be torn anywhere on its way.
        size = self._simulator.torn_every or len(data)
        for at in range(0, len(data), size):
            if not self.writer.is_closing():
                self.writer.write(data[at : at + size])


class Simulator:
    """Faults: `torn_every` so many bytes a write, `is_mute`, `lets_nobody_in`, and `drop` for a broken line.
    `picks_up`: the agent whom `originate` rings; `why_not` is the cause where not.
    `play` runs scripts on the switch's own clock, without waiting."""

    def __init__(self, folder: Path, *, torn_every: int = 0) -> None:
        self._folder = folder
        self.torn_every = torn_every
        self.is_mute = False
        self.lets_nobody_in = False
        self.picks_up = True
        self.why_not = "NO_ANSWER"
        self.asked: list[str] = []
        self.log: list[Headers] = []
        self.port = 0
        self.switch = Switch(self._emit)
        self._sockets: set[_Socket] = set()
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self.drop()
            await self._server.wait_closed()
            self._server = None

    def accounts(self) -> Sequence[DemoAccount]:
        settings = {"host": "127.0.0.1", "port": self.port, "password": PASSWORD, "region": "DE"}
        told = {"line": "+49 30 555100", "port": self.port, "password": PASSWORD}
        notes = {language: note.format_map(told) for language, note in _NOTES.items()}
        return [DemoAccount(name="Demo FreeSWITCH", settings=settings, notes=notes)]

    def pages(self) -> web.Application | None:
        return None

    # — connections —

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        socket = _Socket(self, reader, writer)
        self._sockets.add(socket)
        await self._told()
        try:
            with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):  # they hung up
                await socket.talk()
        finally:
            self._sockets.discard(socket)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            await self._told()

    async def drop(self) -> None:
        """Every connection breaks; what happens then is not told to anybody."""
        for socket in list(self._sockets):
            socket.writer.transport.abort()
        await self.wait(lambda: not self._sockets)

    async def wait(self, look: Callable[[], bool], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(look)

    async def _told(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    @property
    def followers(self) -> int:
        """Connections that have subscribed to calls."""
        return sum(socket.wants({"Event-Name": "CHANNEL_CREATE"}) for socket in self._sockets)

    def _emit(self, event: Headers) -> None:
        self.log.append(event)
        for socket in self._sockets:
            socket.tell(event)

    # — what is asked —

    def answer(self, command: str) -> str:
        word, _, rest = command.partition(" ")
        answers: dict[str, Callable[[str], str]] = {
            "show": self._show, "uuid_dump": self._dump, "version": lambda _: "FreeSWITCH Version 1.10.12-sim\n",
            "module_exists": lambda _: "true",
        }  # fmt: skip
        known = answers.get(word)
        return known(rest) if known else f"-ERR {word} Command not found!\n"

    def _show(self, rest: str) -> str:
        if rest != "channels as json":
            return "-USAGE: show channels as json\n"
        rows = self.switch.rows()
        return json.dumps({"row_count": len(rows)} | ({"rows": rows} if rows else {}))

    def _dump(self, rest: str) -> str:
        channel, _, form = rest.partition(" ")
        told = self.switch.dump(channel) if form == "json" else None
        return json.dumps(told) if told else "-ERR No such channel!\n"

    def start_job(self, job: str, command: str) -> None:
        """`originate` as a script of its own: the job is done when the agent picked up, or did not."""
        self.asked.append(command)
        word, _, rest = command.partition(" ")
        braces, _, words = rest.removeprefix("{").partition("}")
        variables = dict(one.partition("=")[::2] for one in braces.split(","))
        address, *target = words.split(" ")
        if word != "originate" or len(target) != 3 or not address.startswith("user/"):
            self.switch.job(job, command, "-ERR DESTINATION_OUT_OF_ORDER")
            return
        made = variables.get("origination_uuid", "")
        script = click_to_call(
            self.switch, variables["omnihub_customer"], address.removeprefix("user/"),
            channel_id=made, picks_up=self.picks_up,
        )  # fmt: skip
        self.play([script])
        self.switch.job(job, command, f"+OK {made}" if self.picks_up else f"-ERR {self.why_not}")

    # — calls —

    def play(self, scripts: Iterable[Script], *, apart: float = 0.0) -> None:
        for _ in self.steps(scripts, apart=apart):
            pass

    def steps(self, scripts: Iterable[Script], *, apart: float = 0.0) -> Iterable[None]:
        """All scripts at once, each beginning so many seconds after the one before; a turn is one step."""
        begun = self.switch.now
        number = itertools.count()
        due = [(begun + int(apart * n * 1_000_000), next(number), one) for n, one in enumerate(scripts)]
        heapq.heapify(due)
        while due:
            at, _, script = heapq.heappop(due)
            self.switch.now = max(self.switch.now, at)
            try:
                seconds = next(script)
            except StopIteration:
                continue
            finally:
                self.switch.now += 1_000  # nothing happens in no time
            heapq.heappush(due, (self.switch.now + int(seconds * 1_000_000), next(number), script))
            yield
