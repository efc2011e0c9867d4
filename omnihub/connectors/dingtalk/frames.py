"""The frames of the Stream connection, and what is answered to them.

open-dingtalk/developerpedia, stream protocol (read 2026-11).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from omnihub.connectors.reading import Fields, inner, read_json, text_of

MESSAGES = "/v1.0/im/bot/messages/get"
PING = "ping"
DISCONNECT = "disconnect"


@dataclass(slots=True, frozen=True, kw_only=True)
class Frame:
    """`data` is JSON as text; `type` SYSTEM, CALLBACK or EVENT."""

    type: str
    topic: str
    headers: Fields
    data: str

    @property
    def id(self) -> str:
        return text_of(self.headers, "messageId")

    def content(self) -> Fields:
        """Raises Unreadable."""
        return read_json(self.data.encode("utf-8", "replace"))


def read_frame(raw: bytes) -> Frame:
    """Raises Unreadable."""
    fields = read_json(raw)
    headers, data = inner(fields, "headers"), fields.get("data")
    return Frame(
        type=text_of(fields, "type"),
        topic=text_of(headers, "topic"),
        headers=headers,
        data=data if isinstance(data, str) else orjson.dumps(data if data is not None else {}).decode(),
    )


def acknowledgement(frame: Frame) -> str:
    """What stops DingTalk from handing the frame over again."""
    return _answer(frame, _ACCEPTED.get(frame.type, _ACCEPTED[""]))


def pong(frame: Frame) -> str:
    return _answer(frame, frame.data)


def _answer(frame: Frame, data: str) -> str:
    answer = {
        "code": 200,
        "headers": {"contentType": "application/json", "messageId": frame.id},
        "message": "OK",
        "data": data,
    }
    return orjson.dumps(answer).decode()


_ACCEPTED: Mapping[str, str] = {
    "EVENT": '{"status":"SUCCESS","message":"success"}',
    "": '{"response":null}',
}
