"""A channel whose customers telephone: their telephones, and those of the desk, as the browser shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from omnihub.connectors.contract import Manifest
from omnihub.connectors.simulation import Person
from omnihub.connectors.telephony.playing import CalledLine, Handset, Key, LastCall, Telephones
from omnihub.customers.channels import Doc, named

KEYS: Mapping[str, Key] = {key: key for key in get_args(Key)}


@dataclass(slots=True, frozen=True, kw_only=True)
class TelephoneChannel:
    """`account` is the company's name in it."""

    manifest: Manifest
    account: str
    telephones: Telephones

    @property
    def key(self) -> str:
        return self.manifest.key

    def knows(self, telephone: str) -> bool:
        return telephone in self.telephones.extensions or self.telephones.person(telephone) is not None


def telephone_doc(channel: TelephoneChannel) -> Doc:
    lines = [_line_doc(line) for line in channel.telephones.lines]
    return named(channel.manifest) | {"account": channel.account, "lines": lines} | state_doc(channel)


def state_doc(channel: TelephoneChannel) -> dict[str, Any]:
    """What changes."""
    telephones = channel.telephones
    desk = [
        {"extension": extension, "handset": _handset_doc(telephones.handset(extension))}
        for extension in telephones.extensions
    ]
    return {"people": [caller_doc(telephones, person) for person in telephones.people], "desk": desk}


def caller_doc(telephones: Telephones, person: Person) -> Doc:
    last = telephones.last(person.id)
    return {
        "id": person.id,
        "name": person.name,
        "handset": _handset_doc(telephones.handset(person.id)),
        "last_call": _last_doc(last) if last else None,
    }


def _line_doc(line: CalledLine) -> Doc:
    return {"number": line.number, "en": line.en, "zh": line.zh}


def _handset_doc(handset: Handset) -> Doc:
    return {
        "state": handset.state,
        "call": handset.call_id,
        "placed": handset.placed,
        "other": handset.other,
        "other_name": handset.other_name,
        "line": handset.line,
        "position": handset.position,
        "since": handset.since.isoformat() if handset.since else None,
    }


def _last_doc(last: LastCall) -> Doc:
    return {
        "ending": last.ending,
        "placed": last.placed,
        "seconds": last.talked_seconds,
        "at": last.at.isoformat(),
    }
