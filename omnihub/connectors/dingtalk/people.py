"""Handles of DingTalk users.

A member of the organisation is known by the staff id (userid). People from outside have none; they are known
by `senderId`, which DingTalk encrypts per robot (open.dingtalk.com, robot receives messages, read 2026-11).
"""

from urllib.parse import unquote

from omnihub.connectors.reading import Fields, text_of
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import Handle

CHANNEL = "dingtalk"
GROUP = "group:"
# How every id begins that DingTalk encrypted, with its colon encoded.
_OUTSIDER = "$%3A"


def encoded(name: str) -> str:
    """A handle's value ends at its last colon, so that it may not hold one."""
    return name.replace("%", "%25").replace(":", "%3A")


def member_key(corp: str, staff: str) -> str:
    return f"{CHANNEL}:{encoded(corp)}:{encoded(staff)}"


def sender(said: Fields, robot: str) -> Handle:
    """Raises Unreadable where the message names nobody."""
    staff, outsider = text_of(said, "senderStaffId"), text_of(said, "senderId")
    corp = text_of(said, "senderCorpId") or text_of(said, "chatbotCorpId") or robot
    if staff:
        key = member_key(corp, staff)
    elif outsider:
        key = f"{CHANNEL}:{encoded(text_of(said, 'robotCode') or robot)}:{encoded(outsider)}"
    else:
        raise Unreadable("the message names no sender")
    union = text_of(said, "senderUnionId")
    proven = (f"{CHANNEL}-union:{encoded(union)}",) if union else ()
    return Handle(key=key, name=text_of(said, "senderNick"), proven=proven)


def staff_id(handle: Handle) -> str:
    """Empty for people from outside, whom the robot cannot write to by itself."""
    parts = handle.key.split(":")
    if len(parts) != 3 or parts[0] != CHANNEL or parts[2].startswith(_OUTSIDER):
        return ""
    return unquote(parts[2])


def scope(handle: Handle) -> str:
    return unquote(handle.key.split(":")[1]) if handle.key.count(":") == 2 else ""
