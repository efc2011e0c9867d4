"""What a robot was told, one small reader per msgtype.

Fields: open.dingtalk.com, robot receives messages (read 2026-11). Every reader takes whatever type a field has.
"""

from collections.abc import Callable
from dataclasses import dataclass

from omnihub.connectors.reading import Fields, inner, items, text_of
from omnihub.model.inbound import LentMedia


@dataclass(slots=True, frozen=True, kw_only=True)
class Read:
    """`known` False: nothing that a person could use was found."""

    text: str = ""
    media: tuple[LentMedia, ...] = ()
    problems: tuple[str, ...] = ()
    known: bool = True


UNKNOWN = Read(known=False)


def read(said: Fields, robot: str) -> Read:
    reader = _READERS.get(text_of(said, "msgtype"))
    return reader(said, text_of(said, "robotCode") or robot) if reader else UNKNOWN


def _text(said: Fields, robot: str) -> Read:
    # DingTalk leaves the space that stood behind the mention of the robot.
    text = text_of(inner(said, "text"), "content").strip()
    return Read(text=text) if text else UNKNOWN


def _picture(said: Fields, robot: str) -> Read:
    return _lent(_file(inner(said, "content"), robot, "image"))


def _audio(said: Fields, robot: str) -> Read:
    content = inner(said, "content")
    spoken = text_of(content, "recognition").strip()
    lent = _file(content, robot, "voice")
    return Read(text=spoken, media=(lent,) if lent else ()) if spoken or lent else UNKNOWN


def _video(said: Fields, robot: str) -> Read:
    content = inner(said, "content")
    kind = text_of(content, "videoType").lower()
    filename = f"video.{kind}" if kind.isalnum() and kind.isascii() and len(kind) <= 5 else ""
    return _lent(_file(content, robot, "video", filename))


def _attached(said: Fields, robot: str) -> Read:
    content = inner(said, "content")
    return _lent(_file(content, robot, "file", text_of(content, "fileName")))


def _rich(said: Fields, robot: str) -> Read:
    """Texts and pictures in their order; the place of a picture is marked where there is text around it."""
    parts: list[str] = []
    media: list[LentMedia] = []
    odd: list[str] = []
    for part in items(inner(said, "content"), "richText"):
        fields = part if isinstance(part, dict) else {}
        lent = _file(fields, robot, "image")
        if lent:
            media.append(lent)
            parts.append(f"[{len(media)}]")
        elif words := text_of(fields, "text"):
            parts.append(words)
        else:
            odd.append(text_of(fields, "type") or type(part).__name__)
    if not parts:
        return UNKNOWN
    text = "" if len(parts) == len(media) else "".join(parts).strip()
    problems = tuple(f"a part of kind {kind[:40]!r} is not shown" for kind in odd[:5])
    return Read(text=text, media=tuple(media), problems=problems)


def _file(content: Fields, robot: str, label: str, filename: str = "") -> LentMedia | None:
    code = text_of(content, "downloadCode")
    if not code:
        return None
    return LentMedia(ref={"code": code, "robot": robot, "label": label}, filename=filename, label=label)


def _lent(lent: LentMedia | None) -> Read:
    return Read(media=(lent,)) if lent else UNKNOWN


_READERS: dict[str, Callable[[Fields, str], Read]] = {
    "text": _text,
    "richText": _rich,
    "picture": _picture,
    "audio": _audio,
    "video": _video,
    "file": _attached,
}
