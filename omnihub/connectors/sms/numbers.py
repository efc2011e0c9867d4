import re
from dataclasses import dataclass
from urllib.parse import quote

from omnihub.connectors.numbers import e164
from omnihub.model.inbound import Handle

WHATSAPP = "whatsapp:"
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
# What Twilio puts in From where the sender hides the number; as digits they spell the word.
_HIDDEN = {
    "": "unknown",
    "anonymous": "anonymous",
    "+266696687": "anonymous",
    "restricted": "restricted",
    "+7378742833": "restricted",
    "+2562533": "blocked",
    "unknown": "unknown",
    "+8656696": "unknown",
    "unavailable": "unknown",
    "+86282452253": "unknown",
}
_HIDDEN_MARK = "hidden-"
_KEPT = 100


@dataclass(slots=True, frozen=True, kw_only=True)
class Sender:
    """`hidden`: nobody knows who it is, and nobody can answer."""

    handle: Handle
    whatsapp: bool = False
    hidden: bool = False


def is_short_code(text: str) -> bool:
    return bool(_SHORT_CODE.fullmatch(text))


def plain(address: str) -> str:
    """Without the channel's prefix. A plus sign that somebody failed to escape has become a blank."""
    bare = address.removeprefix(WHATSAPP)
    return f"+{bare[1:].strip()}" if re.fullmatch(r" [0-9]{7,15}", bare) else bare.strip()


def sender_of(address: str, name: str, *, account_id: str, region: str, message_id: str) -> Sender:
    """A number is known everywhere as phone:+…; a short code or a name means something to this account only.
    Each message of a hidden number is a stranger's of its own: two of them must never share a conversation."""
    whatsapp = address.startswith(WHATSAPP)
    bare = plain(address)
    hidden = _HIDDEN.get(bare.lower())
    if hidden is not None:
        key = f"sms:{account_id}:{_HIDDEN_MARK}{hidden}-{message_id}"
        return Sender(handle=Handle(key=key, name=name), hidden=True, whatsapp=whatsapp)
    number = e164(bare, region)
    if number:
        return Sender(handle=Handle(key=f"phone:{number}", name=name), whatsapp=whatsapp)
    key = f"sms:{account_id}:{quote(bare[:_KEPT], safe=' +@._-')}"
    return Sender(handle=Handle(key=key, name=name), whatsapp=whatsapp)


def is_hidden(handle: Handle) -> bool:
    return handle.channel == "sms" and handle.value.startswith(_HIDDEN_MARK)
