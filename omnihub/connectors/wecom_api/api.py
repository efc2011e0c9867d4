"""The HTTP API of qyapi.weixin.qq.com, as apps and 微信客服 use it.

Official pages: developer.work.weixin.qq.com/document/path 91039 (token), 90313 (codes), read 2026-11.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import aiohttp

from omnihub.connectors.calls import Call, ask
from omnihub.connectors.contract import Finding
from omnihub.connectors.errcode_api import (
    BUSY,
    ErrcodeApi,
    errcode,
    json_of,
    later,
    window_closed,
    words_of,
)
from omnihub.connectors.tokens import FreshToken, SharedTokens
from omnihub.model.errors import OmnihubError, Refused, TryLater

BASE_URL = "https://qyapi.weixin.qq.com"
CALL_SECONDS = 10.0
TOKEN_SECONDS = 10.0

_STALE = frozenset({40014, 42001})
MEANINGS = {
    BUSY: later(5),
    6000: later(2),  # somebody else changes the same thing at this moment
    45009: later(60),
    45033: later(3),
    95001: window_closed,
    95002: window_closed,
}


def wecom_api(
    http: aiohttp.ClientSession, tokens: SharedTokens, *, base_url: str, corp_id: str, secret: str
) -> ErrcodeApi:
    """One app's API. All processes share its token, under a name that a new secret changes."""
    base_url = base_url.rstrip("/")

    async def fetch() -> FreshToken:
        return await _fetch_token(http, base_url, corp_id, secret)

    mark = hashlib.sha256(f"{base_url}\n{secret}".encode()).hexdigest()[:12]
    return ErrcodeApi(
        http=http, base_url=base_url, tokens=tokens, token_name=f"wecom:{corp_id}:{mark}", fetch_token=fetch,
        stale=_STALE, meanings=MEANINGS,
    )  # fmt: skip


async def _fetch_token(http: aiohttp.ClientSession, base_url: str, corp_id: str, secret: str) -> FreshToken:
    """Raises TryLater, or Refused in the provider's words: wrong corpid (40013) or secret (40001, 40091)."""
    query = {"corpid": corp_id, "corpsecret": secret}
    call = Call(method="GET", url=f"{base_url}/cgi-bin/gettoken", query=query, seconds=TOKEN_SECONDS)
    read = json_of(await ask(http, call), call)
    if code := errcode(read):
        raise MEANINGS.get(code, Refused)(words_of(read))
    value, seconds = read.get("access_token"), read.get("expires_in")
    if not isinstance(value, str) or not value or not isinstance(seconds, int | float):
        raise TryLater("the provider gave no access token")
    return FreshToken(value=value, seconds=float(seconds))


def post(path: str, body: Mapping[str, Any], *, handing_over: bool = False) -> Call:
    return Call(method="POST", url=path, json=dict(body), seconds=CALL_SECONDS, handing_over=handing_over)


def get(path: str, query: Mapping[str, str]) -> Call:
    return Call(method="GET", url=path, query=query, seconds=CALL_SECONDS)


def code_of(error: OmnihubError) -> int:
    """The errcode that a refusal's words begin with, 0 where they do not."""
    digits = str(error).partition(" ")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


async def check_credentials(api: ErrcodeApi) -> Finding:
    name = "CorpID and Secret"
    try:
        await api.token()
    except OmnihubError as error:
        return Finding(name=name, ok=False, detail=str(error), remedy=remedy(error))
    return Finding(name=name, ok=True, detail="WeCom gave an access token")


_REMEDIES = {
    40001: "The Secret is wrong or was reset: copy it again from the app's page in the admin console.",
    40013: "The CorpID is wrong: copy it again from 我的企业 (My Company) in the admin console.",
    40091: "The Secret is wrong or was reset: copy it again from the app's page in the admin console.",
    40056: "The AgentId is wrong: copy it again from the app's page in the admin console.",
    48002: "The app lacks this permission: grant it on the app's page in the admin console.",
    60011: "The person is outside the app's visible range: widen it on the app's page in the admin console.",
    60020: "Add this server's public address to the app's trusted IPs (企业可信IP) in the admin console.",
    95011: "Use the Secret of the app that 微信客服 lists under 可调用接口的应用.",
    95012: "Use the Secret of the app that 微信客服 lists under 可调用接口的应用.",
    95017: "Switch on the API on the 微信客服 page in the admin console and choose this app there.",
    301002: "AgentId and Secret belong to different apps: copy both from the same app's page.",
}


def remedy(error: OmnihubError) -> str:
    if isinstance(error, TryLater):
        return "Look whether this server reaches the API's address, then test again."
    default = "Compare CorpID and Secret with the admin console, and test again."
    return _REMEDIES.get(code_of(error), default)
