"""What a message tells of goes on, and each version may know a part only: a webhook speaks of one moment of a
call. Every field keeps the word of the latest version that spoke of it, in whatever order they come."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from omnihub.connectors.telephony.call import Call, Outcome, from_json
from omnihub.connectors.telephony.telling import amendment_of, words_of
from omnihub.model.documents import MessageDoc
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import InboundMessage

# Which version each field's word is of, by the field's name: "call state".
_TOLD = "told"
_CALL = "call"
_WORDS = ("text", "visible_text", "silent", "silent_reason")
# The last word on a call does not know whether anybody had talked before.
_NOBODY = frozenset({"missed", "abandoned", "busy", "no_answer", "failed"})
_DERIVED = ("outcome", "waited_seconds", "talked_seconds")


def news(known: MessageDoc, said: InboundMessage, sequence: int) -> Mapping[str, Any]:
    """The stored message's fields that this version changes; nothing where all of it was known."""
    extra: Mapping[str, Any] = known["extra"]
    told: dict[str, int] = dict(extra.get(_TOLD, {}))
    fresh = {name: value for name, value in _flat(said.extra) if told.get(" ".join(name), -1) < sequence}
    if not fresh:
        return {}
    told |= {" ".join(name): sequence for name in fresh}
    fields: dict[str, Any] = {".".join(("extra", *name)): value for name, value in fresh.items()}
    fields[f"extra.{_TOLD}"] = told
    call = _merged(extra, told, fresh)
    if said.kind == _CALL and call:
        return fields | _retold(call, known, said, sequence)
    return fields | _as_said(known, said, sequence)


def is_applied(message: MessageDoc) -> bool:
    """False of one that is stored as it came first, while the first version is still to be applied to it."""
    return _TOLD in message["extra"]


def unjudged(first: InboundMessage) -> InboundMessage:
    """A call calls nobody before it has been applied: where it belongs is decided by how it went."""
    if first.kind != _CALL or not isinstance(first.extra.get(_CALL), Mapping):
        return first
    return replace(first, silent=True)


def _flat(extra: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in extra.items():
        if name == _CALL and isinstance(value, Mapping):
            yield from (((name, inner), one) for inner, one in value.items())
        else:
            yield (name,), value


def _merged(
    extra: Mapping[str, Any], told: Mapping[str, int], fresh: Mapping[tuple[str, ...], Any]
) -> dict[str, Any]:
    """The call as all versions together tell it, without what was only derived."""
    stored = extra.get(_CALL)
    kept = {name: value for name, value in (stored or {}).items() if f"{_CALL} {name}" in told}
    return kept | {name[1]: value for name, value in fresh.items() if len(name) == 2}


def _as_said(known: MessageDoc, said: InboundMessage, sequence: int) -> dict[str, Any]:
    if sequence < known["extra"].get("sequence", 0):
        return {}
    return {name: getattr(said, name) for name in _WORDS}


def _retold(
    merged: dict[str, Any], known: MessageDoc, said: InboundMessage, sequence: int
) -> dict[str, Any]:  # fmt: skip
    try:
        call = settled(merged)
    except Unreadable:  # the part that says which call it is, or how it stands, is still to come
        return _as_said(known, said, sequence)
    derived = {f"extra.{_CALL}.{name}": getattr(call, name) for name in _DERIVED}
    if merged == said.extra.get(_CALL) and call == from_json(merged):
        return derived | _as_said(known, said, sequence)
    given = amendment_of(call, channel=known["channel"], account_id=known["account_id"], region="").message
    if given is None:
        return {}
    key = known["sender"]["key"]
    text = words_of(call, key.rpartition(":")[2] if key.startswith("phone:") else "")
    words = {"text": text, "visible_text": text, "silent": given.silent, "silent_reason": given.silent_reason}
    return words | derived


def settled(merged: Mapping[str, Any]) -> Call:
    """With what follows from the parts where none of them said it. Raises Unreadable."""
    call = from_json(dict(merged))
    if call.state != "ended" and call.ended_at:
        call = replace(call, state="ended")
    talked = bool(call.answered_by or call.answered_at)
    if "outcome" not in merged or (talked and (not call.outcome or call.outcome in _NOBODY)):
        call = replace(call, outcome=_outcome(call))
    if "waited_seconds" not in merged:
        until = call.answered_at or call.ended_at
        call = replace(call, waited_seconds=_seconds(call.started_at, until))
    if "talked_seconds" not in merged:
        call = replace(call, talked_seconds=_seconds(call.answered_at, call.ended_at))
    return call


def _outcome(call: Call) -> Outcome:
    if call.answered_by or call.answered_at:
        return "answered"
    if call.state != "ended":
        return ""
    if call.direction == "out":
        return "no_answer"
    return "abandoned" if call.queue else "missed"


def _seconds(begin: datetime | None, end: datetime | None) -> int:
    return max(0, round((end - begin).total_seconds())) if begin and end else 0
