"""What the page offers, and how it is told to the browser."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omnihub.connectors.contract import Manifest
from omnihub.connectors.simulation import Chats, Line, Person

Doc = Mapping[str, Any]
_PREVIEW = 80
_MEDIA = ("image", "audio", "video")
_AS_AUDIO = "voice"


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatChannel:
    """A channel whose customers are played here. `account` is the company's name in it."""

    manifest: Manifest
    account: str
    chats: Chats

    @property
    def key(self) -> str:
        return self.manifest.key


@dataclass(slots=True, frozen=True, kw_only=True)
class OtherPage:
    """A channel that has a page of its own."""

    manifest: Manifest
    path: str


def channel_doc(channel: ChatChannel) -> Doc:
    chats = channel.chats
    return named(channel.manifest) | {
        "account": channel.account,
        "kinds": list(chats.kinds),
        "actions": [{"key": one.key, "en": one.en, "zh": one.zh} for one in chats.actions],
        "people": people_docs(chats),
    }


def other_doc(page: OtherPage) -> Doc:
    return named(page.manifest) | {"path": page.path}


def named(manifest: Manifest) -> dict[str, Any]:
    label = {"en": manifest.label.en, "zh": manifest.label.zh}
    return {"key": manifest.key, "icon": manifest.icon or manifest.key, "label": label}


def people_docs(chats: Chats) -> list[Doc]:
    return [person_doc(chats, person) for person in chats.people]


def person_doc(chats: Chats, person: Person) -> Doc:
    """`answered` is the number of the company's last line, 0 before the first."""
    lines = chats.lines(person.id)
    answered = next((line.number for line in reversed(lines) if line.author == "desk"), 0)
    last = _preview(lines[-1]) if lines else None
    return {"id": person.id, "name": person.name, "answered": answered, "last": last}


def _preview(line: Line) -> Doc:
    shown = line_doc(line)
    words = " ".join(line.text.split())[:_PREVIEW]
    return {name: shown[name] for name in ("number", "author", "kind", "at", "recalled")} | {"text": words}


def line_doc(line: Line) -> Doc:
    return {
        "number": line.number,
        "author": line.author,
        "kind": line.kind,
        "text": "" if line.recalled else line.text,
        "at": line.at.isoformat(),
        "recalled": line.recalled,
        "file": _file(line),
    }


def _file(line: Line) -> Doc | None:
    if not line.media or line.recalled:
        return None
    return {"name": line.filename, "type": line.content_type, "size": len(line.media), "as": _shown_as(line)}


def _shown_as(line: Line) -> str:
    major = line.content_type.partition("/")[0]
    if line.kind == _AS_AUDIO:
        return "audio"
    return major if major in _MEDIA else "file"
