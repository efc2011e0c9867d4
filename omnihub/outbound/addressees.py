import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omnihub.model.documents import ContactDoc, ConversationDoc, IdentityDoc, MessageDoc, ParticipantDoc
from omnihub.model.errors import Invalid, Refused
from omnihub.model.inbound import Handle

_KEY = re.compile(r"[a-z][a-z0-9-]*:.+")
_UNUSABLE = re.compile(r"[\s\x00-\x1f\x7f]")


def author_of(message: MessageDoc, own: frozenset[str]) -> tuple[Handle, ...]:
    """Who wrote the message being answered, at the handles where they want the answer; for one of our own
    messages, those who got it. Raises Refused where only we ourselves remain."""
    if message["direction"] == "outbound":
        wanted = [Handle(key=person["key"], name=person["name"]) for person in message["to"]]
    else:
        sender = Handle(key=message["sender"]["key"], name=message["sender"]["name"])
        asked = [one for one in _reply_to(message["extra"]) if one.key not in own]
        wanted = asked or [sender]
    found = _unique(one for one in wanted if one.key and one.key not in own)
    if not found:
        raise Refused("the message being answered leads to nobody but this account itself")
    return found


def first_of(conversation: ConversationDoc, own: frozenset[str]) -> tuple[Handle, ...]:
    """Where no message stands to be answered: the conversation's customer. Raises Refused."""
    people = [p for p in conversation["participants"] if p["role"] == "from" and p["key"] not in own]
    if not people:
        raise Refused("nobody has written in this conversation")
    return (Handle(key=people[0]["key"], name=people[0]["name"]),)


def copies(wanted: Sequence[Handle | str], kind: str, but: Iterable[str], field: str) -> tuple[Handle, ...]:
    """cc and bcc as handles, without those who get it anyway. Raises Invalid."""
    left_out = set(but)
    handles = [one if isinstance(one, Handle) else _read(one, kind, field) for one in wanted]
    return _unique(one for one in handles if one.key not in left_out)


def reachable(
    kinds: frozenset[str],
    *,
    answered: MessageDoc | None,
    contact: ContactDoc | None,
    identities: Sequence[IdentityDoc],
) -> Handle | None:
    """A handle of one of these kinds for a person who wrote where no answer can go. What they gave for the
    answer in that very message comes first, then a proven handle, then any that they claim."""
    writer = answered["sender"]["key"] if answered else ""
    claims_of_writer = [claim for one in identities if one["_id"] == writer for claim in one["claims"]]
    given = [str(answered["extra"].get("contact_email", ""))] if answered else []
    keys = [_with_kind(one, "email") for one in given if one]
    keys += [one["_id"] for one in identities]
    keys += claims_of_writer + [claim for one in identities for claim in one["claims"]]
    name = (answered["sender"]["name"] if answered else "") or (contact["name"] if contact else "")
    return next((Handle(key=key, name=name) for key in keys if Handle(key=key).channel in kinds), None)


def participants(handles: Sequence[Handle], role: str) -> list[ParticipantDoc]:
    return [ParticipantDoc(key=one.key, name=one.name, role=role, confirmed=True) for one in handles]


def _reply_to(extra: Mapping[str, Any]) -> list[Handle]:
    found = []
    for one in extra.get("reply_to") or ():
        if isinstance(one, Mapping):
            found.append(Handle(key=str(one.get("key", "")), name=str(one.get("name", ""))))
        else:
            found.append(Handle(key=str(one)))
    return [one for one in found if one.key]


def _read(written: str, kind: str, field: str) -> Handle:
    key = _with_kind(written.strip(), kind)
    if not Handle(key=key).value or _UNUSABLE.search(key):
        raise Invalid(f"{written!r} is not an address", {field: f"{written!r} is not an address"})
    return Handle(key=key)


def _with_kind(written: str, kind: str) -> str:
    return written if _KEY.fullmatch(written) else f"{kind}:{written}"


def _unique(handles: Iterable[Handle]) -> tuple[Handle, ...]:
    return tuple({one.key: one for one in reversed(list(handles))}.values())[::-1]
