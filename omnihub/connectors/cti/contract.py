"""Zammad's generic CTI contract (docs.zammad.org, "Generic CTI", read 2026-11): newCall, answer, hangup."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import orjson

from omnihub.connectors.cti.bodies import read
from omnihub.connectors.cti.settings import WITHHELD, Settings
from omnihub.connectors.numbers import e164, is_withheld
from omnihub.connectors.reading import Fields, items, text_of
from omnihub.connectors.telephony.call import clean
from omnihub.model.errors import Unreadable
from omnihub.model.raw import RawRequest

NEW_CALL, ANSWER, HANGUP = "newCall", "answer", "hangup"
EVENTS = {name.lower(): name for name in (NEW_CALL, ANSWER, HANGUP)}
_IDS = ("callId", "callid", "call_id")
# The documents' table says user, their examples for answer say caller.
_PEOPLE = ("user", "caller")
_MOST_PEOPLE = 50
_LONGEST_ID = 120


@dataclass(slots=True, frozen=True, kw_only=True)
class Told:
    """One hand-over. `event` is "" for one that the contract does not have, `word` is what it was called.
    `customer` and `line` are None where nothing was said of them, "" where the number was withheld."""

    event: str
    word: str
    call_id: str
    direction: Literal["in", "out"] | None
    origin: str | None
    target: str | None
    people: tuple[str, ...]
    queue: str
    answering_number: str
    cause: str

    @property
    def customer(self) -> str | None:
        return {"in": self.origin, "out": self.target}.get(self.direction or "")

    @property
    def line(self) -> str | None:
        return {"in": self.target, "out": self.origin}.get(self.direction or "")


def told(request: RawRequest) -> Told:
    """Raises Unreadable."""
    fields = read(request)
    word = clean(text_of(fields, "event"))
    call_id = next((found for name in _IDS if (found := text_of(fields, name).strip())), "")
    if not word or not call_id:
        raise Unreadable("this names neither a call nor what happened to it" if not word else "the call has no id")
    return Told(
        event=EVENTS.get(word.lower(), ""),
        word=word,
        call_id=_short(call_id),
        direction=_direction(fields),
        origin=_number(fields, "from"),
        target=_number(fields, "to"),
        people=_people(fields),
        queue=clean(text_of(fields, "queue")),
        answering_number=clean(text_of(fields, "answeringNumber")),
        cause=clean(text_of(fields, "cause"), 60),
    )


def source_key(heard: Told) -> str:
    """The same for a repeat. Two answers of one call that name other people are two hand-overs."""
    said = [heard.direction, heard.origin, heard.target, heard.people, heard.queue]
    said += [heard.answering_number, heard.cause]
    digest = hashlib.sha256(orjson.dumps(said)).hexdigest()[:24]
    return f"{heard.word}:{heard.call_id}:{digest}"


def normalised(number: str, settings: Settings) -> str:
    """As +4930609854180; "" where it is withheld or an extension."""
    bare = re.sub(r"[\s()\-./]", "", number)
    if is_withheld(bare) or len(bare.lstrip("+")) <= settings.extension_digits:
        return ""
    if bare.startswith("00"):
        bare = f"+{bare[2:]}"
    international = settings.numbers == "international" and bare.isascii() and bare.isdigit()
    if international and not bare.startswith("0"):
        bare = f"+{bare}"
    return e164(bare, settings.phone_region)


def is_internal(heard: Told, settings: Settings) -> bool:
    """Whether both ends are extensions of our own."""
    return all(_is_extension(number, settings) for number in (heard.origin, heard.target))


def _is_extension(number: str | None, settings: Settings) -> bool:
    bare = re.sub(r"[\s()\-./]", "", number or "")
    return bare.isascii() and bare.isdigit() and len(bare) <= settings.extension_digits


def is_blocked(heard: Told, settings: Settings) -> bool:
    """Whether an incoming call is to be turned away."""
    if heard.direction != "in" or heard.origin is None:
        return False
    if is_withheld(heard.origin):
        return WITHHELD in settings.blocked
    number = normalised(heard.origin, settings)
    return bool(number) and any(_fits(number, pattern) for pattern in settings.blocked)


def answer(heard: Told, settings: Settings) -> Mapping[str, str]:
    """What the phone system is to do with a new call; nothing for it to do as it would."""
    if heard.event != NEW_CALL:
        return {}
    if is_blocked(heard, settings):
        return {"action": "reject", "reason": "busy"}
    if heard.direction == "out" and heard.target:
        return _dial(heard.target, settings)
    return {}


def _dial(target: str, settings: Settings) -> Mapping[str, str]:
    number = normalised(target, settings)
    if not number:
        return {}
    shown = next(
        (shown for begin, shown in settings.rules if number.startswith(begin)), settings.default_caller_id
    )
    if not shown:
        return {}
    return {"action": "dial", "caller_id": shown.lstrip("+"), "number": number.lstrip("+")}


def _fits(number: str, pattern: str) -> bool:
    return number.startswith(pattern[:-1]) if pattern.endswith("*") else number == pattern


def _short(call_id: str) -> str:
    """Two ids that differ stay different, whatever they are made of."""
    if len(call_id) <= _LONGEST_ID and clean(call_id) == call_id:
        return call_id
    return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()


def _direction(fields: Fields) -> Literal["in", "out"] | None:
    said = text_of(fields, "direction").strip().lower()
    return {"in": "in", "inbound": "in", "out": "out", "outbound": "out"}.get(said)  # type: ignore[return-value]


def _number(fields: Fields, name: str) -> str | None:
    if fields.get(name) is None:
        return None
    number = clean(text_of(fields, name), 100)
    # A plus sign that somebody failed to escape has become a blank, which `clean` took away.
    return f"+{number}" if re.match(r" [0-9]{7,15}$", text_of(fields, name)) else number


def _people(fields: Fields) -> tuple[str, ...]:
    found = (text_of({"one": one}, "one") for name in _PEOPLE for one in _listed(fields, name))
    named = (clean(one) for one in found)
    return tuple(dict.fromkeys(one for one in named if one))[:_MOST_PEOPLE]


def _listed(fields: Fields, name: str) -> list[object]:
    return [*items(fields, name), *items(fields, f"{name}[]")]
