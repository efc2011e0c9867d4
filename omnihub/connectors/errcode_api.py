"""APIs that answer HTTP 200 with a numeric `errcode` and take an `access_token` in the query: WeChat, WeCom,
DingTalk's older one."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from omnihub.connectors.calls import Answer, Call, ask
from omnihub.connectors.tokens import FreshToken, SharedTokens
from omnihub.model.errors import OmnihubError, Refused, TryLater, Uncertain, WindowClosed

BUSY = -1


def refused(words: str) -> OmnihubError:
    return Refused(words)


def window_closed(words: str) -> OmnihubError:
    return WindowClosed(words)


def later(seconds: float | None = None) -> Callable[[str], OmnihubError]:
    return lambda words: TryLater(words, after=seconds)


@dataclass(slots=True, frozen=True, kw_only=True)
class ErrcodeApi:
    """`token_name` names the token among all processes. `stale`: the codes for a token that is no longer good;
    such a call is made again once with a new one. `meanings`: what else a code means; others are refusals."""

    http: aiohttp.ClientSession
    base_url: str
    tokens: SharedTokens
    token_name: str
    fetch_token: Callable[[], Awaitable[FreshToken]]
    stale: frozenset[int]
    meanings: Mapping[int, Callable[[str], OmnihubError]] = field(default_factory=dict)

    async def call(self, call: Call) -> dict[str, Any]:
        """`call.url` is the path. Raises TryLater, Refused (in the provider's words), WindowClosed, Uncertain."""
        return (await self._authorised(call))[1]

    async def download(self, call: Call) -> Answer:
        """For answers that are a file, or JSON where something is wrong. Raises as `call` does."""
        return (await self._authorised(call, binary=True))[0]

    async def token(self, stale: str = "") -> str:
        return await self.tokens.get(self.token_name, self.fetch_token, stale=stale)

    async def _authorised(self, call: Call, *, binary: bool = False) -> tuple[Answer, dict[str, Any]]:
        token = await self.token()
        answer, read = await self._once(call, token, binary=binary)
        if errcode(read) in self.stale:
            answer, read = await self._once(call, await self.token(stale=token), binary=binary)
        self._check(read)
        return answer, read

    async def _once(self, call: Call, token: str, *, binary: bool) -> tuple[Answer, dict[str, Any]]:
        full = replace(call, url=self.base_url + call.url, query={**call.query, "access_token": token})
        answer = await ask(self.http, full)
        if binary and answer.status == 200 and not _looks_like_json(answer):
            return answer, {}
        return answer, json_of(answer, call)

    def _check(self, read: Mapping[str, Any]) -> None:
        code = errcode(read)
        if code == 0:
            return
        words = words_of(read)
        if code in self.meanings:
            raise self.meanings[code](words)
        raise TryLater(words) if code == BUSY or code in self.stale else Refused(words)


def errcode(read: Mapping[str, Any]) -> int:
    """0 where the answer names none. What is no number stands for an unknown error."""
    value = read.get("errcode", 0)
    try:
        return int(value)
    except (TypeError, ValueError):
        return -9_999


def words_of(read: Mapping[str, Any]) -> str:
    return f"{read.get('errcode')} {read.get('errmsg', '')}".strip()


def json_of(answer: Answer, call: Call) -> dict[str, Any]:
    """Raises TryLater, Uncertain or Refused where it is not the API that answers, but something before it."""
    if answer.status >= 500 or answer.status in (408, 429):
        raise unsettled(answer, call)
    try:
        return answer.json()
    except ValueError:
        if answer.status == 200 and call.handing_over:
            raise Uncertain(f"the answer cannot be read: {answer.start}") from None
        raise Refused(f"HTTP {answer.status}: {answer.start}") from None


def unsettled(answer: Answer, call: Call) -> OmnihubError:
    """Too busy (408, 429, 503) took nothing; any other failing server may have taken it."""
    words = f"HTTP {answer.status}: {answer.start}"
    if call.handing_over and answer.status not in (408, 429, 503):
        return Uncertain(words)
    return TryLater(words, after=retry_after(answer))


def retry_after(answer: Answer) -> float | None:
    value = answer.headers.get("retry-after", "")
    return min(float(value), 3600.0) if value.isdigit() else None


def _looks_like_json(answer: Answer) -> bool:
    return answer.content_type in ("application/json", "text/plain", "text/json") and answer.body[:1] in (
        b"{",
        b" ",
    )
