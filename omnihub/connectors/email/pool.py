import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiosmtplib

from omnihub.model.errors import OmnihubError

MAX_AGE = 300.0
MAX_MAILS = 50  # many servers close a connection after a hundred mails or fewer
FRESH = 5.0  # seconds of rest after which a connection must prove that it lives
PROBE_TIMEOUT = 5.0


@dataclass(slots=True)
class Line:
    """One SMTP connection. `spoilt` ones are closed instead of being kept."""

    client: aiosmtplib.SMTP
    born: float = field(default_factory=time.monotonic)
    rested: float = field(default_factory=time.monotonic)
    mails: int = 0
    spoilt: bool = False

    @property
    def reused(self) -> bool:
        return self.mails > 0

    async def alive(self) -> bool:
        now = time.monotonic()
        if not self.client.is_connected or now - self.born > MAX_AGE or self.mails >= MAX_MAILS:
            return False
        if now - self.rested < FRESH:
            return True
        try:
            await self.client.noop(timeout=PROBE_TIMEOUT)
        except (aiosmtplib.SMTPException, OSError):
            return False
        return True


class SmtpPool:
    """At most `size` connections at once; a connection that has rested is checked before it is lent."""

    def __init__(self, dial: Callable[[], Awaitable[aiosmtplib.SMTP]], size: int) -> None:
        self._dial = dial
        self._room = asyncio.Semaphore(size)
        self._resting: list[Line] = []
        self._closed = False

    @asynccontextmanager
    async def line(self, *, fresh: bool = False) -> AsyncIterator[Line]:
        """`fresh`: no connection that was used before."""
        async with self._room:
            line = await self._take(fresh=fresh)
            orderly = False
            try:
                yield line
                orderly = True
            except OmnihubError:
                orderly = True  # the server said no; the connection is as good as before
                raise
            finally:
                self._put_back(line, keep=orderly and not line.spoilt)

    async def close(self) -> None:
        self._closed = True
        resting, self._resting = self._resting, []
        for line in resting:
            await hang_up(line.client)

    async def _take(self, *, fresh: bool) -> Line:
        while self._resting and not fresh:
            line = self._resting.pop()
            if await line.alive():
                return line
            line.client.close()
        return Line(await self._dial())

    def _put_back(self, line: Line, *, keep: bool) -> None:
        line.mails += 1
        line.rested = time.monotonic()
        if keep and not self._closed and line.client.is_connected:
            self._resting.append(line)
        else:
            line.client.close()


async def hang_up(client: aiosmtplib.SMTP) -> None:
    """Says QUIT where somebody still listens."""
    try:
        if client.is_connected:
            await client.quit(timeout=2)
    except (aiosmtplib.SMTPException, OSError):
        pass  # the server left first, which is what was wanted
    finally:
        client.close()
