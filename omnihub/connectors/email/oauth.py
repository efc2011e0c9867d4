import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp

from omnihub.connectors.email import tls
from omnihub.connectors.email.settings import Settings
from omnihub.model.errors import Refused, TryLater

T = TypeVar("T")
_MARGIN = 120.0  # seconds before its end at which a token counts as used up
_TIMEOUT = aiohttp.ClientTimeout(total=20)


class AccessTokens:
    """Short-lived access tokens from the account's refresh token, one request at a time."""

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._http = http
        self._lock = asyncio.Lock()
        self._token = ""
        self._good_until = 0.0
        self._refresh_token = settings.oauth_refresh_token.get_secret_value()

    async def current(self) -> str:
        """Raises Refused where the provider says no, TryLater where it cannot be reached."""
        async with self._lock:
            if not self._is_good():
                await self._refresh()
            return self._token

    async def use(self, sign_in: Callable[[str], Awaitable[T]], refused: type[Exception]) -> T:
        """Signs in with the token at hand. One that was kept may have been revoked meanwhile: where the
        server does not take it, a new one is tried at once; a new one that is refused stays refused."""
        kept = self._is_good()
        token = await self.current()
        try:
            return await sign_in(token)
        except refused:
            self._forget(token)
            if not kept:
                raise
        token = await self.current()
        try:
            return await sign_in(token)
        except refused:
            self._forget(token)
            raise

    def _forget(self, token: str) -> None:
        if token == self._token:  # else somebody has fetched another one already
            self._token = ""

    def _is_good(self) -> bool:
        return bool(self._token) and time.monotonic() < self._good_until

    async def _refresh(self) -> None:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self._refresh_token,
            "client_id": self._settings.oauth_client_id,
            "client_secret": self._settings.oauth_client_secret.get_secret_value(),
            "scope": self._settings.oauth_scope,
        }
        form = {name: value for name, value in form.items() if value}
        try:
            async with self._http.post(self._settings.oauth_token_url, data=form, timeout=_TIMEOUT) as answer:
                words = await answer.json(content_type=None)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise TryLater(f"the OAuth token address cannot be used: {tls.explained(error)}") from error
        if status >= 500 or status == 429:
            raise TryLater(f"the OAuth token address answered {status}")
        if status != 200 or not isinstance(words, dict) or not words.get("access_token"):
            raise Refused(f"no access token: {_reason(words)}")
        self._token = str(words["access_token"])
        self._good_until = time.monotonic() + float(words.get("expires_in") or 3600) - _MARGIN
        # Microsoft may rotate the refresh token; the old one stays good for the account's own start.
        self._refresh_token = str(words.get("refresh_token") or self._refresh_token)


def _reason(words: object) -> str:
    if not isinstance(words, dict):
        return "the answer was not understood"
    return str(words.get("error_description") or words.get("error") or "the answer holds none")[:500]
