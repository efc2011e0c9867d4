"""The HTTP API of api.weixin.qq.com that official accounts and mini-programs share.

Official pages: api_getstableaccesstoken, api_sendcustommessage, api_typing, api_uploadtempmedia, api_getmedia
(developers.weixin.qq.com, read 2026-11).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
from aiohttp.payload import BytesIOPayload

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

BASE_URL = "https://api.weixin.qq.com"
SEND_SECONDS = 10.0
TOKEN_SECONDS = 10.0
MEDIA_SECONDS = 60.0

_CUSTOM_SEND = "/cgi-bin/message/custom/send"
TYPING_PATH = "/cgi-bin/message/custom/typing"
_STABLE_TOKEN = "/cgi-bin/stable_token"
_MEDIA_UPLOAD = "/cgi-bin/media/upload"

STALE = frozenset({40001, 40014, 42001})
_MEANINGS = {
    BUSY: later(5),
    45009: later(3600),  # the day's quota; nobody says when the day ends
    45011: later(60),  # the minute's
    45015: window_closed,
    45047: window_closed,
}


@dataclass(slots=True, frozen=True, kw_only=True)
class StableApi(ErrcodeApi):
    """`fetch_token` asks for the stable token. Where that is the very one that was just refused, a new one is
    forced, which the platform allows 20 times a day and not twice in 30 seconds."""

    appid: str
    secret: str = field(repr=False)

    async def token(self, stale: str = "") -> str:
        async def renewed() -> FreshToken:
            fresh = await self.fetch_token()
            if stale and fresh.value == stale:
                return await fetch_stable_token(self.http, self.base_url, self.appid, self.secret, force=True)
            return fresh

        return await self.tokens.get(self.token_name, renewed, stale=stale)


def wechat_api(
    http: aiohttp.ClientSession, tokens: SharedTokens, *, base_url: str, appid: str, secret: str
) -> StableApi:  # fmt: skip
    """One account's API. All processes share its token, under a name that a new secret changes."""
    base_url = base_url.rstrip("/")

    async def fetch() -> FreshToken:
        return await fetch_stable_token(http, base_url, appid, secret)

    mark = hashlib.sha256(f"{base_url}\n{secret}".encode()).hexdigest()[:12]
    return StableApi(
        http=http, base_url=base_url, tokens=tokens, token_name=f"wechat:{appid}:{mark}", fetch_token=fetch,
        stale=STALE, meanings=_MEANINGS, appid=appid, secret=secret,
    )  # fmt: skip


async def fetch_stable_token(
    http: aiohttp.ClientSession, base_url: str, appid: str, secret: str, *, force: bool = False
) -> FreshToken:
    """Raises TryLater, or Refused in the provider's words: wrong secret (40125), address not on the
    whitelist (40164)."""
    body = {"grant_type": "client_credential", "appid": appid, "secret": secret, "force_refresh": force}
    call = Call(method="POST", url=base_url + _STABLE_TOKEN, json=body, seconds=TOKEN_SECONDS)
    read = json_of(await ask(http, call), call)
    if code := errcode(read):
        if code in _MEANINGS:
            raise _MEANINGS[code](words_of(read))
        raise Refused(words_of(read))
    value, seconds = read.get("access_token"), read.get("expires_in")
    if not isinstance(value, str) or not value or not isinstance(seconds, int | float):
        raise TryLater("the provider gave no access token")
    return FreshToken(value=value, seconds=float(seconds))


async def send_custom(api: ErrcodeApi, body: Mapping[str, Any]) -> None:
    """A customer-service message; the provider gives it no id. Raises as BaseConnector.send."""
    await api.call(_post(_CUSTOM_SEND, body, handing_over=True))


async def hand_over(api: ErrcodeApi, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Any other message that must not go out twice."""
    return await api.call(_post(path, body, handing_over=True))


async def show_typing(api: ErrcodeApi, openid: str, *, path: str = TYPING_PATH, typing: bool = True) -> None:
    """For 15 seconds, or until something is sent. Raises Refused: 45080 where nobody wrote for 30 seconds,
    45081 where it is shown already."""
    await api.call(_post(path, {"touser": openid, "command": "Typing" if typing else "CancelTyping"}))


async def upload(api: ErrcodeApi, kind: str, filename: str, content_type: str, content: bytes) -> str:
    """The media_id, good for three days. `kind`: image, voice, video or thumb; `filename` in ASCII."""
    with aiohttp.MultipartWriter("form-data") as form:
        part = form.append(BytesIO(content), {"Content-Type": content_type})
        part.set_content_disposition("form-data", name="media", filename=filename)
    # In one piece that starts anew each time: with a stale token the call is made a second time.
    body = BytesIOPayload(BytesIO(await form.as_bytes()), content_type=form.content_type)
    call = Call(method="POST", url=_MEDIA_UPLOAD, query={"type": kind}, data=body, seconds=MEDIA_SECONDS)
    media_id = (await api.call(call)).get("media_id")
    if not isinstance(media_id, str) or not media_id:
        raise TryLater("the provider took the file, but gave it no media_id")
    return media_id


async def get(api: ErrcodeApi, path: str, query: Mapping[str, str]) -> dict[str, Any]:
    return await api.call(Call(method="GET", url=path, query=query))


async def check_credentials(api: ErrcodeApi) -> Finding:
    """Whether AppID and AppSecret are good and this server may call: asks for a token."""
    try:
        await api.token()
    except OmnihubError as error:
        return Finding(name="AppID and AppSecret", ok=False, detail=str(error), remedy=_remedy(str(error)))
    return Finding(name="AppID and AppSecret", ok=True, detail="WeChat gave an access token")


def _remedy(words: str) -> str:
    code = words.partition(" ")[0]
    return _REMEDIES.get(
        code, "Compare AppID and AppSecret with the console; look whether this server reaches it."
    )


_OTHERWISE = "Compare AppID and AppSecret with the console, and look whether this server reaches it."
_REMEDIES = {
    "40013": "The AppID is wrong: copy it again from the console.",
    "40125": "The AppSecret is wrong or was reset: copy the new one from the console.",
    "40164": "Add this server's public address to the IP whitelist in the console.",
    "40243": "The AppSecret is frozen: unfreeze it in the console.",
}


def _post(path: str, body: Mapping[str, Any], *, handing_over: bool = False) -> Call:
    return Call(method="POST", url=path, json=dict(body), seconds=SEND_SECONDS, handing_over=handing_over)
