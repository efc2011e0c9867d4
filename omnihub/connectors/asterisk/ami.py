"""One connection to the manager interface."""

import asyncio
import hashlib
import itertools
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from omnihub.connectors.asterisk.frames import Decoder, Frame, encode
from omnihub.connectors.asterisk.settings import Settings
from omnihub.model.errors import OmnihubError, Refused, TryLater, Unreadable

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 10.0
_CHUNK = 65_536
_MOST_ROWS = 20_000

Hear = Callable[[Frame], None]


def _ignore(frame: Frame) -> None:
    """For connections that only ask."""


@dataclass(slots=True)
class _Asked:
    """An action under way. `rows`: the events of its list, where it answers with one."""

    answer: asyncio.Future[Frame]
    rows: list[Frame] | None = None


class Ami:
    """Actions are matched to their answers by ActionID; every other event goes to `hear`, in order. Use
    `connected`, which also reads."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear: Hear) -> None:
        self._reader = reader
        self._writer = writer
        self._hear = hear
        self._decoder = Decoder()
        self._asked: dict[str, _Asked] = {}
        self._numbers = itertools.count(1)
        self._prefix = f"hub-{id(self):x}"

    @property
    def greeting(self) -> str:
        return self._decoder.greeting

    def new_action_id(self) -> str:
        return f"{self._prefix}-{next(self._numbers)}"

    async def read(self) -> None:
        """Until the connection is over. Raises TryLater, or Unreadable for what is no manager."""
        try:
            while data := await self._reader.read(_CHUNK):
                for frame in self._decoder.feed(data):
                    self._take(frame)
            raise TryLater("the telephone exchange closed the connection")
        except OSError as error:
            raise TryLater(f"the connection to the telephone exchange broke: {error}") from error

    def _take(self, frame: Frame) -> None:
        asked = self._asked.get(frame.action_id)
        if frame.get("Response") and not frame.event:
            if asked is None or asked.answer.done():
                return
            if asked.rows is None or frame.get("Response").lower() == "error":
                asked.answer.set_result(frame)
            return
        if asked is None or asked.rows is None:
            self._hear(frame)
            return
        if frame.get("EventList").lower() == "complete" and not asked.answer.done():
            asked.answer.set_result(frame)
        elif len(asked.rows) < _MOST_ROWS:
            asked.rows.append(frame)
        # The rows are heard in their place among the events: what happened before is older than they.
        self._hear(frame)

    async def ask(self, action: str, *fields: tuple[str, str], action_id: str = "") -> Frame:
        """The answer. Raises Refused with the manager's own words, TryLater where none comes, Invalid."""
        answer, _ = await self._ask(action, fields, action_id, listing=False)
        return answer

    async def rows(self, action: str, *fields: tuple[str, str]) -> Sequence[Frame]:
        """Of an action that answers with a list of events."""
        _, rows = await self._ask(action, fields, "", listing=True)
        return rows

    async def _ask(
        self, action: str, fields: Sequence[tuple[str, str]], action_id: str, *, listing: bool
    ) -> tuple[Frame, Sequence[Frame]]:
        name = action_id or self.new_action_id()
        wire = encode(action, (("ActionID", name), *fields))
        asked = _Asked(asyncio.get_running_loop().create_future(), [] if listing else None)
        self._asked[name] = asked
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._write(wire)
                answer = await asked.answer
        except TimeoutError:
            raise TryLater(f"the telephone exchange did not answer {action} in time") from None
        except OSError as error:
            raise TryLater(f"the connection to the telephone exchange broke: {error}") from error
        finally:
            del self._asked[name]
        if answer.get("Response").lower() == "error":
            raise Refused(answer.get("Message") or f"{action} was refused", action=action)
        return answer, asked.rows or ()

    async def _write(self, wire: bytes) -> None:
        try:
            self._writer.write(wire)
            await self._writer.drain()
        except RuntimeError as error:  # uvloop's word for a transport that is closed already
            raise ConnectionResetError(str(error)) from error

    async def login(self, settings: Settings, events: str) -> None:
        """`events`: the classes of events to hear, "off" for none. Raises Refused for a wrong secret."""
        secret = settings.secret.get_secret_value()
        given: tuple[tuple[str, str], ...] = (("Secret", secret),)
        if settings.login == "challenge":
            challenge = (await self.ask("Challenge", ("AuthType", "MD5"))).get("Challenge")
            # The manager knows no better digest; it keeps the secret itself off the wire.
            key = hashlib.md5((challenge + secret).encode(), usedforsecurity=False).hexdigest()
            given = (("AuthType", "MD5"), ("Key", key))
        await self.ask("Login", ("Username", settings.username), *given, ("Events", events))

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError, ssl.SSLError, TimeoutError):  # it is over either way
            async with asyncio.timeout(2):
                await self._writer.wait_closed()


async def _dial(settings: Settings) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(settings.host, settings.port, ssl=_tls(settings))
    except ssl.SSLCertVerificationError as error:
        raise Refused(f"the exchange's certificate is not trusted: {error.verify_message}") from error
    except TimeoutError:
        raise TryLater("the telephone exchange cannot be reached in time") from None
    except OSError as error:
        raise TryLater(f"the telephone exchange cannot be reached: {error.strerror or error}") from error


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    context = ssl.create_default_context()
    if not settings.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@asynccontextmanager
async def connected(settings: Settings, hear: Hear = _ignore, events: str = "off") -> AsyncIterator[Ami]:
    """Logged in, and reading in the background; when the reading ends, so does the body, by the reading's
    error. Raises TryLater, Refused or Unreadable."""
    ami = Ami(*await _dial(settings), hear)
    try:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(ami.read(), name="read the manager interface")
            await ami.login(settings, events)
            yield ami
            reading.cancel()
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    finally:
        await ami.close()


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one that says most: a refusal tells more than the silence that follows it."""
    found = list(_leaves(errors))
    for kind in (Refused, Unreadable, OmnihubError):
        for error in found:
            if isinstance(error, kind):
                return error
    return found[0]


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
