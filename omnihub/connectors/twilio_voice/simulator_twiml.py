"""Reads TwiML as strictly as Twilio does: known verbs, their attributes in their bounds, whole addresses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

_EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})
_SAY_LIMIT = 4096
_MOST_LEGS = 10


class Invalid(Exception):
    """With Twilio's error code."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Verb:
    name: str
    text: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    nouns: Sequence["Verb"] = ()


def read_twiml(status: int, kind: str, body: bytes) -> Sequence[Verb]:
    """Raises Invalid."""
    if status != 200:
        raise Invalid(f"11200: the answer was HTTP {status}")
    if kind not in ("text/xml", "application/xml"):
        raise Invalid(f"12300: invalid content type {kind}")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise Invalid(f"12100: document parse failure: {error}") from error
    if root.tag != "Response":
        raise Invalid("12100: the document is no Response")
    return [_checked(one) for one in root]


def _checked(element: ElementTree.Element) -> Verb:
    check = _CHECKS.get(element.tag)
    if check is None:
        raise Invalid(f"12200: unknown verb {element.tag}")
    nouns = [_noun(one) for one in element]
    verb = Verb(name=element.tag, text=element.text or "", given=dict(element.attrib), nouns=nouns)
    check(verb)
    return verb


def _noun(element: ElementTree.Element) -> Verb:
    noun = Verb(name=element.tag, text=element.text or "", given=dict(element.attrib))
    if noun.name not in ("Number", "Sip", "Client") or not noun.text:
        raise Invalid(f"12200: invalid noun {noun.name}")
    _address(noun, "statusCallback")
    _address(noun, "url")
    if not set(noun.given.get("statusCallbackEvent", "").split()) <= _EVENTS:
        raise Invalid("21626: unknown status callback event")
    return noun


def _say(verb: Verb) -> None:
    if not verb.text.strip() or len(verb.text) > _SAY_LIMIT:
        raise Invalid("13520: invalid text to say")


def _play(verb: Verb) -> None:
    if not verb.text.startswith("https://"):
        raise Invalid("13420: invalid content of Play")


def _dial(verb: Verb) -> None:
    if not 1 <= len(verb.nouns) <= _MOST_LEGS:
        raise Invalid("13213: dial one to ten at once")
    _between(verb, "timeout", 1, 600)
    _address(verb, "action")
    _address(verb, "recordingStatusCallback")


def _record(verb: Verb) -> None:
    _between(verb, "maxLength", 1, 14_400)
    _address(verb, "action")
    _address(verb, "recordingStatusCallback")


def _between(verb: Verb, name: str, least: int, most: int) -> None:
    value = verb.given.get(name, str(least))
    if not value.isdigit() or not least <= int(value) <= most:
        raise Invalid(f"132xx: invalid {name} {value}")


def _address(verb: Verb, name: str) -> None:
    value = verb.given.get(name)
    if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
        raise Invalid(f"11100: invalid address {value}")


_CHECKS: Mapping[str, Callable[[Verb], Any]] = {
    "Say": _say, "Play": _play, "Dial": _dial, "Record": _record, "Hangup": lambda verb: None,
}  # fmt: skip
