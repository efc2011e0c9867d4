"""What api.weixin.qq.com pushes to a door: official accounts (XML) and mini-programs (XML or JSON).

Official pages: developers.weixin.qq.com miniprogram/dev/framework/server-ability/message-push and
doc/service/guide/dev/push (read 2026-11).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import orjson

from omnihub.connectors import sealed
from omnihub.connectors.reading import Fields, read_json, read_xml, text_of
from omnihub.model.errors import Unreadable, Unverified
from omnihub.model.raw import RawRequest, Reply

Mode = Literal["safe", "compatible", "plain"]
Format = Literal["xml", "json"]

# Never encrypted, in no mode; anything else is shown to the customer as a fault.
SUCCESS = Reply(body=b"success")
_PROOF = ("msg_signature", "timestamp", "nonce")
_LONGEST_ID = 128


@dataclass(slots=True, frozen=True, kw_only=True)
class Push:
    """`body` is the text that was read, decrypted where it came encrypted."""

    fields: Fields
    body: bytes
    format: Format
    encrypted: bool


@dataclass(slots=True, frozen=True, kw_only=True)
class PushDoor:
    """`keys`: EncodingAESKeys, the present one first. `mode` is what must come: safe and compatible demand the
    encrypted copy, because `signature` does not cover the body; plain takes both."""

    token: str = field(repr=False)
    keys: Sequence[str] = field(repr=False)
    appid: str
    mode: Mode = "safe"

    def echo(self, request: RawRequest) -> Reply:
        """The answer to the URL check; `echostr` comes unencrypted even in safe mode. Raises Unverified."""
        self._check_signature(request.query)
        return Reply(body=request.query.get("echostr", "").encode("utf-8", "replace"))

    def open(self, request: RawRequest) -> Push:
        """Raises Unverified for a forged or a wrongly unencrypted push, Unreadable for what is neither XML nor
        JSON within."""
        if is_encrypted(request):
            outer = _read(request.body)[0]
            given, timestamp, nonce = (request.query.get(name, "") for name in _PROOF)
            opened = self._envelope().open(_cipher_text(outer), given, timestamp, nonce)
            return _push(opened.plain, encrypted=True)
        if self.mode != "plain":
            raise Unverified("the push is not encrypted, which this account's mode demands")
        self._check_signature(request.query)
        return _push(request.body, encrypted=False)

    def read(self, request: RawRequest) -> Push:
        """What `open` let in before, without asking for proof again: a token that was changed since must not
        make the journal unreadable. Raises Unreadable."""
        if not is_encrypted(request):
            return _push(request.body, encrypted=False)
        outer = _read(request.body)[0]
        return _push(self._envelope().decrypt(_cipher_text(outer)).plain, encrypted=True)

    def _envelope(self) -> sealed.Envelope:
        if not self.keys:
            raise Unreadable("the push is encrypted, and this account has no EncodingAESKey")
        return sealed.Envelope(token=self.token, keys=self.keys, owner=self.appid)

    def _check_signature(self, query: Mapping[str, str]) -> None:
        sealed.verify(query.get("signature", ""), self.token, query.get("timestamp", ""), query.get("nonce", ""))


def is_encrypted(request: RawRequest) -> bool:
    return request.query.get("encrypt_type", "") not in ("", "raw")


def text_id(fields: Fields, name: str) -> str:
    """An id as text. Raises Unreadable for one that no platform gives."""
    value = text_of(fields, name).strip()
    if len(value) > _LONGEST_ID or not value.isprintable():
        raise Unreadable(f"{name} is no id")
    return value


def sender_id(fields: Fields) -> str:
    """The openid. Raises Unreadable where nobody is named."""
    openid = text_id(fields, "FromUserName")
    if not openid:
        raise Unreadable("the push names no sender")
    return openid


def push_id(fields: Fields) -> str:
    """Names a message by ToUserName and MsgId; an event, which has no MsgId, by sender, second, event and key
    with a digest of all the rest: two events in one second may differ in nothing else. Raises Unreadable."""
    message_id = text_id(fields, "MsgId")
    if message_id and text_of(fields, "MsgType").lower() != "event":
        return f"{text_id(fields, 'ToUserName')}:{message_id}"
    parts = (text_of(fields, name)[:_LONGEST_ID] for name in ("FromUserName", "CreateTime", "Event", "EventKey"))
    return ":".join(("event", *parts, digest(fields)[:16]))


def source_key(fields: Fields) -> str:
    """Names a hand-over: a repeat has the same fields, however it was encrypted or signed this time."""
    return f"push:{digest(fields)}"


def digest(fields: Fields) -> str:
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


def said_at(fields: Fields) -> datetime | None:
    """CreateTime, in seconds."""
    digits = text_of(fields, "CreateTime").strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 11):
        return None
    return datetime.fromtimestamp(int(digits), UTC)


def _push(body: bytes, *, encrypted: bool) -> Push:
    fields, kind = _read(body)
    return Push(fields=fields, body=body, format=kind, encrypted=encrypted)


def _read(body: bytes) -> tuple[Fields, Format]:
    if body.lstrip()[:1] == b"{":
        return read_json(body), "json"
    return read_xml(body), "xml"


def _cipher_text(outer: Fields) -> str:
    cipher_text = text_of(outer, "Encrypt").strip()
    if not cipher_text:
        raise Unreadable("the push has no encrypted part")
    return cipher_text
