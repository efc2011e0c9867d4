"""Both generations of DingTalk's API, their refusals named for what happens next.

api.dingtalk.com answers real HTTP statuses with {code, message, requestid}; oapi.dingtalk.com answers 200 with
errcode. One access token serves both. open.dingtalk.com, access token and error codes (read 2026-11).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from omnihub.connectors.calls import Answer, Call, ask
from omnihub.connectors.errcode_api import json_of, unsettled
from omnihub.connectors.reading import text_of
from omnihub.connectors.tokens import FreshToken, SharedTokens
from omnihub.model.errors import OmnihubError, Refused, TryLater

SECONDS = 15.0
_PAUSE_AFTER_TOO_FAST = 60.0
# "10000 calls in 20 seconds from one address": a page of HTML for five minutes.
_PAUSE_WHEN_BLOCKED = 300.0
_BLOCKED = frozenset({"text/html", "application/xhtml+xml"})
_STALE = frozenset({"InvalidAuthentication", "40014", "42001", "40001"})
# After how many seconds to come again. The month's quota is not among them: it will not come back so soon.
_LATER: Mapping[str, float] = {
    "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi": 2.0,
    "Forbidden.AccessDenied.QpsLimitForApi": 2.0,
    "send.too.fast": _PAUSE_AFTER_TOO_FAST,
    "90018": 2.0,
    "90002": 2.0,
    "90020": 2.0,
    "130101": _PAUSE_AFTER_TOO_FAST,
    "-1": 5.0,
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Fault:
    """What the API said instead of yes, in its own words."""

    code: str
    words: str

    def error(self) -> OmnihubError:
        if self.code in _LATER:
            return TryLater(self.words, after=_LATER[self.code])
        return TryLater(self.words) if self.code in _STALE else Refused(self.words, provider_code=self.code)


_Said = tuple[dict[str, Any], Fault | None]
_Once = Callable[[Call, str], Awaitable[_Said]]


@dataclass(slots=True, frozen=True, kw_only=True)
class Api:
    http: aiohttp.ClientSession
    tokens: SharedTokens
    api_url: str
    oapi_url: str
    client_id: str
    client_secret: str = field(repr=False)

    async def modern(self, call: Call) -> dict[str, Any]:
        """A call to api.dingtalk.com; `call.url` is the path. Raises TryLater, Refused or Uncertain."""
        return await self._authorised(call, self._modern)

    async def classic(self, call: Call) -> dict[str, Any]:
        """A call to oapi.dingtalk.com; `call.url` is the path. Raises as `modern` does."""
        return await self._authorised(call, self._classic)

    async def token(self, stale: str = "") -> str:
        return await self.tokens.get(f"dingtalk:{self.api_url}:{self.client_id}", self._fetch_token, stale=stale)

    async def open_connection(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Without `Accept` the answer would be XML."""
        url = f"{self.api_url}/v1.0/gateway/connections/open"
        call = Call(method="POST", url=url, json=body, headers={"Accept": "application/json"}, seconds=SECONDS)
        return _settled(*read_modern(await ask(self.http, call), call))

    async def _authorised(self, call: Call, once: _Once) -> dict[str, Any]:
        token = await self.token()
        read, fault = await once(call, token)
        if fault is not None and fault.code in _STALE:
            read, fault = await once(call, await self.token(stale=token))
        return _settled(read, fault)

    async def _modern(self, call: Call, token: str) -> _Said:
        headers = {**call.headers, "x-acs-dingtalk-access-token": token, "Accept": "application/json"}
        full = replace(call, url=self.api_url + call.url, headers=headers)
        return read_modern(await ask(self.http, full), full)

    async def _classic(self, call: Call, token: str) -> _Said:
        full = replace(call, url=self.oapi_url + call.url, query={**call.query, "access_token": token})
        return read_classic(await ask(self.http, full), full)

    async def _fetch_token(self) -> FreshToken:
        body = {"appKey": self.client_id, "appSecret": self.client_secret}
        url = f"{self.api_url}/v1.0/oauth2/accessToken"
        call = Call(method="POST", url=url, json=body, headers={"Accept": "application/json"}, seconds=SECONDS)
        read = _settled(*read_modern(await ask(self.http, call), call))
        value, seconds = text_of(read, "accessToken"), read.get("expireIn")
        if not value:
            raise Refused("DingTalk gave no access token")
        return FreshToken(value=value, seconds=float(seconds) if isinstance(seconds, int | float) else 7200.0)


def read_modern(answer: Answer, call: Call) -> _Said:
    """Raises TryLater, Uncertain or Refused where it is not the API that answers."""
    _check_not_blocked(answer, call)
    read = json_of(answer, call)
    if answer.status < 400:
        return read, None
    code = text_of(read, "code") or f"HTTP {answer.status}"
    return read, Fault(code=code, words=f"{code} {text_of(read, 'message')}".strip())


def read_classic(answer: Answer, call: Call) -> _Said:
    """errcode 88 is only a cover: sub_code says what is wrong. Raises as `read_modern` does."""
    _check_not_blocked(answer, call)
    read = json_of(answer, call)
    code = text_of(read, "errcode")
    if answer.status < 400 and code in ("", "0"):
        return read, None
    inside = text_of(read, "sub_code") if code == "88" else ""
    words = " ".join(filter(None, (code, text_of(read, "errmsg"), inside, text_of(read, "sub_msg"))))
    return read, Fault(code=inside or code or f"HTTP {answer.status}", words=words or f"HTTP {answer.status}")


def _settled(read: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
    if fault is not None:
        raise fault.error()
    return read


def _check_not_blocked(answer: Answer, call: Call) -> None:
    """The block stands before the API: whatever the status, nothing was taken."""
    if answer.content_type not in _BLOCKED:
        return
    if answer.status >= 500:
        raise unsettled(answer, call)
    words = f"DingTalk answers with a web page instead (HTTP {answer.status}): too many calls from this address?"
    raise TryLater(words, after=_PAUSE_WHEN_BLOCKED)
