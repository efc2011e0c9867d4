import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from omnihub.connectors.email.imap_session import ImapSession, LoginError
from omnihub.connectors.email.oauth import AccessTokens
from omnihub.connectors.email.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

_GRACE = 2.0  # seconds a cut connection gets to notice


class ImapThread:
    """An IMAP connection and the one thread that may touch it. Cancelling a call cuts the connection."""

    def __init__(self, settings: Settings, tokens: AccessTokens | None) -> None:
        self.session = ImapSession(settings)
        self._tokens = tokens
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="imap")

    async def open(self) -> None:
        """Raises LoginError, OSError, or what the token's provider says."""
        if self._tokens:
            await self._tokens.use(self._open, LoginError)
        else:
            await self._open("")

    async def _open(self, token: str) -> None:
        await self.call(self.session.open, token)

    async def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        job = asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            self.session.cut()
            done, _ = await asyncio.wait([job], timeout=_GRACE)
            for one in done:
                one.exception()  # the error that the cut caused; nobody else will ask for it
            raise

    async def close(self) -> None:
        job = asyncio.get_running_loop().run_in_executor(self._thread, self.session.close)
        done, _ = await asyncio.wait([job], timeout=_GRACE)
        if not done:
            self.session.cut()
        self._thread.shutdown(wait=False)
        for one in done:
            one.result()
