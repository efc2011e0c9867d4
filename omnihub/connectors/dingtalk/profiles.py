"""Who a member is. open.dingtalk.com, query user details (read 2026-11)."""

import re
from contextlib import suppress

import aiohttp
import phonenumbers

from omnihub.connectors.calls import Call, ask
from omnihub.connectors.dingtalk.addresses import is_loopback, is_safe, split
from omnihub.connectors.dingtalk.api import Api
from omnihub.connectors.dingtalk.people import CHANNEL, encoded, staff_id
from omnihub.connectors.reading import Fields, inner, text_of
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import Handle, Profile

_AVATAR_BYTES = 2_097_152
_NOBODY = "60121"
_EMAIL = re.compile(r"[^@\s:]+@[^@\s:]+")
_CHINA = "86"


async def profile(api: Api, http: aiohttp.ClientSession, handle: Handle) -> Profile | None:
    """None for people from outside and for who has left. Raises TryLater or Refused."""
    staff = staff_id(handle)
    if not staff or handle.channel != CHANNEL:
        return None
    call = Call(method="POST", url="/topapi/v2/user/get", json={"userid": staff, "language": "zh_CN"})
    try:
        told = inner(await api.classic(call), "result")
    except Refused as refused:
        if refused.details.get("provider_code") == _NOBODY:
            return None
        raise
    return Profile(
        name=text_of(told, "name"),
        avatar=await _avatar(http, api, told),
        proven=_proven(told),
        claims=_claims(told),
    )


def _claims(told: Fields) -> tuple[str, ...]:
    """What stands in the company's address book: nobody has checked that it is theirs."""
    email = text_of(told, "email").strip().lower()
    return (f"email:{email}",) if _EMAIL.fullmatch(email) else ()


def _proven(told: Fields) -> tuple[str, ...]:
    union, phone = text_of(told, "unionid"), _phone(told)
    keys = (f"{CHANNEL}-union:{encoded(union)}" if union else "", f"phone:{phone}" if phone else "")
    return tuple(key for key in keys if key)


def _phone(told: Fields) -> str:
    """In E.164. DingTalk gives it without the country, which stands in `state_code`; only with the permission."""
    digits, country = text_of(told, "mobile").strip(), text_of(told, "state_code").lstrip("+") or _CHINA
    if not digits:
        return ""
    try:
        number = phonenumbers.parse(digits if digits.startswith("+") else f"+{country}{digits}", None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


async def _avatar(http: aiohttp.ClientSession, api: Api, told: Fields) -> bytes:
    """A missing picture must not keep the name back."""
    address = text_of(told, "avatar")
    if not fetchable(address, api):
        return b""
    with suppress(TryLater, Refused):
        answer = await ask(http, Call(method="GET", url=address, max_bytes=_AVATAR_BYTES))
        if answer.status == 200 and answer.content_type.startswith("image/"):
            return answer.body
    return b""


def fetchable(address: str, api: Api) -> bool:
    """Over https; from this machine only where DingTalk itself is played there."""
    url = split(address)
    if url is None or not is_safe(address):
        return False
    played_here = is_loopback((split(api.api_url) or url).hostname or "")
    return played_here or not is_loopback(url.hostname or "")
