"""Every push in the channel's fixtures folder, sealed as the platform does, against its expected result."""

import base64
import json
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import orjson
import pytest
from wechatpy.crypto.cryptography import WeChatCipher
from wechatpy.crypto.pkcs7 import PKCS7Encoder

from omnihub.connectors import registry, sealed
from omnihub.connectors.contract import Connector, Toolbox
from omnihub.connectors.wechat_api.simulator_push import to_xml
from omnihub.connectors.wechat_miniprogram import connector as mini
from omnihub.connectors.wechat_miniprogram.sample import AES_KEY, APPID, OLD_KEY, TOKEN, Sample
from omnihub.model.account import Account
from omnihub.model.errors import OmnihubError
from omnihub.model.inbound import InboundMessage
from omnihub.model.raw import RawEvent, RawRequest

FIXTURES = Path(mini.__file__).parent / "fixtures"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.json"))
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
KEYS = {"present": AES_KEY, "previous": OLD_KEY, "unknown": "Z" * 43}
TIMESTAMP, NONCE = "1790000000", "415670741"


def connected(**settings: Any) -> Connector:
    account = Account(
        id="01account", key="a-key", channel="wechat_miniprogram", name="Mini", enabled=True,
        settings={**Sample.settings, **settings},
    )  # fmt: skip
    nobody = cast("aiohttp.ClientSession", SimpleNamespace())
    return registry.connect(
        account, Toolbox(http=nobody, public_url="http://h.test", sign=lambda a, b: b, now=lambda: NOW)
    )


def load(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))
    return read


def request_of(given: Mapping[str, Any]) -> RawRequest:
    query = {"signature": sealed.signature(TOKEN, TIMESTAMP, NONCE), "timestamp": TIMESTAMP, "nonce": NONCE}
    if "body" in given:
        return raw({**query, "encrypt_type": "aes"}, given["body"].encode())
    plain = base64.b64decode(given["plain_base64"]) if "plain_base64" in given else given["plain"].encode()
    if given.get("mode") == "plain":
        return raw(query, plain)
    cipher_text = seal(plain, given)
    query |= {"encrypt_type": "aes", "msg_signature": sealed.signature(TOKEN, TIMESTAMP, NONCE, cipher_text)}
    outer = {"ToUserName": "gh_1a2b3c4d5e6f", **given.get("beside", {}), "Encrypt": cipher_text}
    body = to_xml(outer) if given.get("outer") == "xml" else orjson.dumps(outer)
    return raw(query | given.get("query", {}), body)


def raw(query: Mapping[str, str], body: bytes) -> RawRequest:
    return RawRequest(source="webhook", body=body, received_at=NOW, query=query)


def seal(plain: bytes, given: Mapping[str, Any]) -> str:
    """By hand, so that what is wrong within can be made."""
    length = struct.pack(">I", given.get("claimed_length", len(plain)))
    text = b"0123456789abcdef" + length + plain + given.get("owner", APPID).encode()
    key = sealed.decode_key(KEYS[given.get("key", "present")])
    cipher_text = base64.b64encode(WeChatCipher(key).encrypt(PKCS7Encoder.encode(text))).decode()
    return cipher_text[: len(cipher_text) - given.get("cut", 0)]


def outcome(name: str) -> dict[str, Any]:
    doc = load(name)
    connector, request = connected(**doc.get("settings", {})), request_of(doc["request"])
    try:
        connector.verify(request)
        (message,) = connector.parse(RawEvent(id="01event", account_id="01account", request=request))
    except OmnihubError as error:
        return {"error": error.code}
    assert isinstance(message, InboundMessage)
    assert connector.source_key(request)
    return as_json(message)


def as_json(one: InboundMessage) -> dict[str, Any]:
    assert one.visible_text == one.text
    event_id = one.external_id.startswith("event:oMiniSample0000000000Customer:1790000000:")
    return {
        "kind": one.kind,
        "sender": one.sender.key,
        "thread_key": one.thread_key,
        "external_id": "event" if event_id else one.external_id,
        "text": one.text,
        "sent_at": one.sent_at and one.sent_at.isoformat(),
        "media": [
            {"ref": dict(m.ref), "filename": m.filename, "content_type": m.content_type, "label": m.label}
            for m in one.media
        ],
        "attachments": [file.filename for file in one.attachments],
        "silent": one.silent,
        "allowance": one.allowance and [one.allowance.seconds, one.allowance.messages],
        "extra": dict(one.extra),
    }


@pytest.mark.parametrize("name", NAMES)
def test_push_reads_as_expected(name: str) -> None:
    assert outcome(name) == load(name)["expect"]


def test_there_are_enough_troubles() -> None:
    assert len(NAMES) >= 35
    assert sum("error" in load(name)["expect"] for name in NAMES) >= 15
