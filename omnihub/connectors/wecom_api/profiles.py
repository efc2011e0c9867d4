"""Who an employee is: /cgi-bin/user/get, as other clients read it; its page was not at hand in 2026-11."""

import re

from omnihub.connectors.calls import Call, ask
from omnihub.connectors.errcode_api import ErrcodeApi
from omnihub.connectors.reading import Fields, text_of
from omnihub.connectors.wecom_api.api import code_of, get
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import Profile

AVATAR_BYTES = 1_048_576
AVATAR_SECONDS = 10.0
# No such member, outside the visible range, no permission to read members.
_TELLS_NOTHING = frozenset({40003, 46004, 48002, 50002, 60011, 60111})
_MOBILE_CN = re.compile(r"1\d{10}")
_EMAIL = re.compile(r"[^@\s:]+@[^@\s:]+")
_MOBILE = re.compile(r"\+\d{6,15}")


async def employee_profile(api: ErrcodeApi, userid: str) -> Profile | None:
    """None where this app may not know. Newer apps are said to be told neither phone nor avatar. Raises TryLater
    or Refused."""
    try:
        read = await api.call(get("/cgi-bin/user/get", {"userid": userid}))
    except Refused as error:
        if code_of(error) in _TELLS_NOTHING:
            return None
        raise
    phone = phone_key(text_of(read, "mobile"))
    return Profile(
        name=text_of(read, "name").strip(),
        avatar=await avatar(api, text_of(read, "avatar")),
        proven=(phone,) if phone else (),
        claims=email_claims(read),
    )


def email_claims(read: Fields) -> tuple[str, ...]:
    """What stands in the company's address book: nobody has checked that it is theirs."""
    written = (text_of(read, name).strip().lower() for name in ("email", "biz_mail"))
    return tuple(dict.fromkeys(f"email:{one}" for one in written if _EMAIL.fullmatch(one)))


def phone_key(mobile: str) -> str:
    """WeCom writes Chinese numbers bare and others with a plus; empty for what is neither."""
    digits = re.sub(r"[\s\-()]", "", mobile)
    if _MOBILE_CN.fullmatch(digits):
        return f"phone:+86{digits}"
    return f"phone:{digits}" if _MOBILE.fullmatch(digits) else ""


async def avatar(api: ErrcodeApi, url: str) -> bytes:
    """Empty where there is none: a picture is not worth a second try."""
    if not url.startswith(("https://", "http://")):
        return b""
    call = Call(method="GET", url=url, seconds=AVATAR_SECONDS, max_bytes=AVATAR_BYTES, redirects=True)
    try:
        answer = await ask(api.http, call)
    except (TryLater, Refused):
        return b""
    return answer.body if answer.status == 200 and answer.content_type.startswith("image/") else b""
