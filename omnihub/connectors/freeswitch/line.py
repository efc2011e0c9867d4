"""One connection to FreeSWITCH's event socket: signed in, subscribed, asked."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from omnihub.connectors.freeswitch.wire import Event, Frame, Frames, command, read_event
from omnihub.model.errors import Refused, TryLater, Unreadable

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 15.0
# Beyond that the socket is not read on; FreeSWITCH then keeps what it may, and a new listing finds the rest.
_EVENTS_AT_ONCE = 10_000
_CHUNK = 65_536

# CUSTOM comes last: FreeSWITCH takes every word after it for a subclass.
EVENTS = (
    "CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_UNBRIDGE", "CHANNEL_HOLD", "CHANNEL_UNHOLD",
    "CHANNEL_PARK", "CHANNEL_UNPARK", "CHANNEL_HANGUP_COMPLETE", "RECORD_STOP", "BACKGROUND_JOB", "HEARTBEAT",
    "CUSTOM", "callcenter::info",
)  # fmt: skip


@dataclass(slots=True, frozen=True, kw_only=True)
class Server:
    host: str
    port: int
    password: str
    user: str = ""

    @property
    def sign_in(self) -> bytes:
        return command(f"userauth {self.user}:{self.password}" if self.user else f"auth {self.password}")


class Line:
    """Answers come in the order of the questions; events in between are kept for `batch`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = Frames()
        self._greeting: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._asked: deque[asyncio.Future[Frame]] = deque([self._greeting])
        self._events: asyncio.Queue[Event] = asyncio.Queue(_EVENTS_AT_ONCE)
        self._over: str = ""
        self.unread = 0
        self._reading = asyncio.create_task(self._read())

    async def sign_in(self, server: Server) -> None:
        """Raises Refused for a wrong password or an address that is not let in, TryLater for silence."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                greeting = await self._greeting
        except TimeoutError:
            raise TryLater("FreeSWITCH took the connection but does not say anything") from None
        if greeting.kind == "text/rude-rejection":
            raise Refused(f"FreeSWITCH lets this address not in: {greeting.text.strip()}")
        if greeting.kind != "auth/request":
            raise Refused("this is no FreeSWITCH event socket")
        answer = await self.ask(server.sign_in)
        if not answer.reply.startswith("+OK"):
            raise Refused(f"FreeSWITCH refused the password: {answer.reply}")

    async def subscribe(self, events: Sequence[str] = EVENTS) -> None:
        answer = await self.ask(command(f"event json {' '.join(events)}"))
        if not answer.reply.startswith("+OK"):
            raise Refused(f"FreeSWITCH refused the subscription: {answer.reply}")

    async def api(self, words: str) -> str:
        """The output of an api command, -ERR … included."""
        return (await self.ask(command(f"api {words}"))).text

    async def ask(self, line: bytes) -> Frame:
        """Raises TryLater when the line breaks or stays silent."""
        if self._over:
            raise TryLater(self._over)
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        try:
            self._writer.write(line)
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._writer.drain()
                return await answer
        except TimeoutError:
            # From here on answers and questions would not fit together.
            self._end("FreeSWITCH does not answer any more")
        except (OSError, RuntimeError) as error:  # uvloop's word for a transport that is closed already
            self._end(f"the connection to FreeSWITCH broke: {error}")
        raise TryLater(self._over)

    async def batch(self, seconds: float, limit: int = 500) -> list[Event]:
        """What has come in; waits so long for the first. Empty: it was silent. Raises TryLater once the line
        is over and all that came was taken."""
        events: list[Event] = []
        if self._events.empty() and not self._over:
            next_one = asyncio.ensure_future(self._events.get())
            try:
                await asyncio.wait({next_one, self._reading}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not next_one.done():
                    next_one.cancel()
            if next_one.done() and not next_one.cancelled():
                events.append(next_one.result())
        while len(events) < limit and not self._events.empty():
            events.append(self._events.get_nowait())
        if not events and self._over:
            raise TryLater(self._over)
        return events

    async def close(self) -> None:
        self._end("the line was closed")
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._writer.close()
        with suppress(OSError, TimeoutError):  # it is gone either way
            async with asyncio.timeout(2):
                await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(_CHUNK):
                for frame in self._frames.feed(data):
                    await self._take(frame)
            self._end("FreeSWITCH closed the connection")
        except Unreadable as error:
            self._end(f"FreeSWITCH sent what is no event socket's: {error}")
        except OSError as error:
            self._end(f"the connection to FreeSWITCH broke: {error}")

    async def _take(self, frame: Frame) -> None:
        if frame.is_event:
            try:
                await self._events.put(read_event(frame))
            except Unreadable:
                self.unread += 1  # whoever follows the calls then looks at all of them anew
        elif frame.kind == "text/disconnect-notice":
            self._end(f"FreeSWITCH ended the connection: {frame.text.strip()}")
        elif self._asked:
            answer = self._asked.popleft()
            if not answer.done():
                answer.set_result(frame)

    def _end(self, words: str) -> None:
        self._over = self._over or words
        while self._asked:
            answer = self._asked.popleft()
            if not answer.done():
                answer.set_exception(TryLater(self._over))
                answer.exception()  # whoever waits hears it; where nobody does, that is no news


@asynccontextmanager
async def opened(server: Server) -> AsyncIterator[Line]:
    """Signed in. Raises TryLater where nobody answers, Refused where we are not let in."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(server.host, server.port)
    except TimeoutError:
        raise TryLater(f"{server.host}:{server.port} does not answer") from None
    except OSError as error:
        raise TryLater(f"{server.host}:{server.port} cannot be reached: {error.strerror or error}") from None
    line = Line(reader, writer)
    try:
        await line.sign_in(server)
        yield line
    finally:
        await line.close()
