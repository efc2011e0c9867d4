"""What is sent, in DingTalk's shapes. open.dingtalk.com, types of messages sent by robots (read 2026-11)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from omnihub.connectors.dingtalk import audio
from omnihub.model.outgoing import OutgoingAttachment

_IMAGE, _VOICE, _FILE = "image", "voice", "file"


@dataclass(slots=True, frozen=True, kw_only=True)
class Shaped:
    """`msgParam` is JSON as a string: an object there is refused."""

    key: str
    fields: Mapping[str, str]

    @property
    def body(self) -> dict[str, str]:
        return {"msgKey": self.key, "msgParam": orjson.dumps(dict(self.fields)).decode()}


def text(words: str) -> Shaped:
    return Shaped(key="sampleText", fields={"content": words})


def session_text(words: str, mentioned: str) -> dict[str, Any]:
    at = {"atUserIds": [mentioned] if mentioned else [], "isAtAll": False}
    return {"msgtype": "text", "text": {"content": words}, "at": at}


def upload_type(file: OutgoingAttachment) -> str:
    """As which type of media it is uploaded: sampleVideo would need a cover picture, so that a video goes as a
    file, and so does a sound of unknown length."""
    if file.content_type.startswith("image/"):
        return _IMAGE
    if file.content_type.startswith("audio/") and audio.milliseconds(file.content):
        return _VOICE
    return _FILE


def picture(address: str) -> Shaped:
    return Shaped(key="sampleImageMsg", fields={"photoURL": address})


def of_media(file: OutgoingAttachment, media_id: str) -> Shaped:
    return _SHAPES[upload_type(file)](file, media_id)


def _picture(_file: OutgoingAttachment, media_id: str) -> Shaped:
    return picture(media_id)


def _sound(file: OutgoingAttachment, media_id: str) -> Shaped:
    duration = str(audio.milliseconds(file.content))
    return Shaped(key="sampleAudio", fields={"mediaId": media_id, "duration": duration})


def _attached(file: OutgoingAttachment, media_id: str) -> Shaped:
    ending = file.filename.rpartition(".")[2].lower() if "." in file.filename else ""
    fields = {"mediaId": media_id, "fileName": file.filename or "file", "fileType": ending or "file"}
    return Shaped(key="sampleFile", fields=fields)


_SHAPES = {_IMAGE: _picture, _VOICE: _sound, _FILE: _attached}
