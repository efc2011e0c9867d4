"""Every payload in the channel's fixtures folder against its expected result."""

import base64
import json
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.dingtalk import door
from omnihub.connectors.dingtalk.connector import Connector
from omnihub.connectors.sealed import Envelope
from omnihub.model.account import Account
from omnihub.model.errors import OmnihubError
from omnihub.model.inbound import InboundMessage
from omnihub.model.raw import RawEvent, RawRequest

FIXTURES = Path(door.__file__).parent / "fixtures"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.json"))
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
SECRET, PREVIOUS_SECRET = "secret-of-the-fixtures", "secret-before-that"
TOKEN, CLIENT = "tokenOfTheFixtures", "dingclient1"
KEYS = {"present": "A" * 43, "previous": "B" * 42 + "A", "foreign": "C" * 42 + "A"}


def made(**changed: Any) -> Connector:
    values = {
        "client_id": CLIENT, "client_secret": SECRET, "previous_client_secret": PREVIOUS_SECRET,
        "robot_code": "dingrobot1", "event_token": TOKEN, "event_aes_key": KEYS["present"],
        "previous_event_aes_key": KEYS["previous"], **changed,
    }  # fmt: skip
    account = Account(id="01a", key="k", channel="dingtalk", name="DingTalk", enabled=True, settings=values)
    nobody = cast("aiohttp.ClientSession", SimpleNamespace())
    toolbox = Toolbox(http=nobody, public_url="http://hub.test", sign=lambda _, data: data, now=lambda: NOW)
    return cast("Connector", registry.connect(account, toolbox))


def request_of(given_: dict[str, Any]) -> RawRequest:
    if given_["by"] == "stream":
        return RawRequest(source="stream", method="", body=json.dumps(given_["json"]).encode(), received_at=NOW)
    return sealed(given_) if given_["by"] == "event" else signed(given_)


def signed(given_: dict[str, Any]) -> RawRequest:
    raw = base64.b64decode(given_["raw"]) if "raw" in given_ else json.dumps(given_["json"]).encode()
    at = str(round((NOW + timedelta(seconds=given_.get("skew", 0))).timestamp() * 1000))
    secret = {"": SECRET, "previous": PREVIOUS_SECRET}.get(given_.get("secret", ""), given_.get("secret", ""))
    headers = {"timestamp": at, "sign": door.header_signature(at, secret), **given_.get("headers", {})}
    return RawRequest(
        source="webhook", body=raw, received_at=NOW, headers={n: v for n, v in headers.items() if v is not None}
    )


def sealed(given_: dict[str, Any]) -> RawRequest:
    keys = (KEYS[given_.get("key", "present")],)
    envelope = Envelope(token=TOKEN, keys=keys, owner=given_.get("owner", CLIENT))
    plain = json.dumps(given_["json"], ensure_ascii=False).encode()
    text = seal_of_length(envelope, plain, given_["length"]) if "length" in given_ else envelope.seal(plain)
    if cut := given_.get("cut"):
        text = base64.b64encode(base64.b64decode(text)[:-cut]).decode()
    body = given_["json"] if given_.get("clear") else {"encrypt": text}
    query = {"timestamp": "1795163400000", "nonce": "n0"}
    query["msg_signature"] = given_.get("signature") or envelope.sign(text, query["timestamp"], query["nonce"])
    raw = json.dumps(body).encode()
    return RawRequest(source="webhook", tail="events", body=raw, received_at=NOW, query=query)


def seal_of_length(envelope: Envelope, plain: bytes, length: int) -> str:
    """Sealed well, but the length within is a lie."""
    from wechatpy.crypto.cryptography import WeChatCipher
    from wechatpy.crypto.pkcs7 import PKCS7Encoder

    from omnihub.connectors.sealed import decode_key

    text = PKCS7Encoder.encode(b"r" * 16 + struct.pack(">I", length) + plain + envelope.owner.encode())
    return base64.b64encode(WeChatCipher(decode_key(envelope.keys[0])).encrypt(text)).decode()


def outcome(request: RawRequest) -> dict[str, Any]:
    connector = made()
    try:
        if request.source != "stream":
            connector.verify(request)
        (message,) = connector.parse(RawEvent(id="01e", account_id="01a", request=request))
    except OmnihubError as error:
        return {"error": error.code}
    assert isinstance(message, InboundMessage)
    return as_json(message)


def as_json(message: InboundMessage) -> dict[str, Any]:
    for one in message.attachments:
        assert b"sendBySession" not in one.content, "the session's address is as good as a password"
        json.loads(one.content)
    return {
        "external_id": message.external_id,
        "thread_key": message.thread_key,
        "sender": message.sender.key,
        "name": message.sender.name,
        "proven": list(message.sender.proven),
        "kind": message.kind,
        "silent": message.silent,
        "text": message.text,
        "subject": message.subject,
        "sent_at": message.sent_at.isoformat() if message.sent_at else None,
        "media": [{"ref": dict(m.ref), "filename": m.filename, "label": m.label} for m in message.media],
        "attachments": [one.filename for one in message.attachments],
        "problems": list(message.problems),
        "wire": dict(message.wire),
        "extra": dict(message.extra),
    }


@pytest.mark.parametrize("name", NAMES)
def test_payload_reads_as_expected(name: str) -> None:
    case = json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))
    assert outcome(request_of(case["request"])) == case["expect"]


def test_there_are_enough() -> None:
    assert len(NAMES) >= 60


def test_a_single_chats_thread_is_its_person() -> None:
    for name in NAMES:
        read = outcome(request_of(json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))["request"]))
        if read.get("extra", {}).get("conversation_type") == "single":
            assert read["thread_key"] == read["sender"].rpartition(":")[2]
            assert read["sender"].count(":") == 2


def test_a_repeat_has_the_same_name_however_it_comes() -> None:
    said = json.loads((FIXTURES / "text.json").read_text("utf-8"))["request"]["json"]
    again = {**said, "sessionWebhook": "https://oapi.dingtalk.com/robot/sendBySession?session=s2"}
    frame = {"type": "CALLBACK", "headers": {"topic": "/v1.0/im/bot/messages/get", "messageId": "f9"}}
    requests = [
        request_of({"by": "http", "json": said}),
        request_of({"by": "http", "json": again}),
        request_of({"by": "stream", "json": {**frame, "data": json.dumps(said)}}),
    ]
    connector = made()
    assert {connector.source_key(request) for request in requests} == {"message:msgTEXT01=="}


def test_a_repeated_event_is_sealed_anew_and_has_the_same_name() -> None:
    case = json.loads((FIXTURES / "event-user-joined.json").read_text("utf-8"))["request"]
    first, second = request_of(case), request_of(case)
    assert first.body != second.body
    assert made().source_key(first) == made().source_key(second) != ""
    other = request_of({**case, "json": {**case["json"], "TimeStamp": 1}})
    assert made().source_key(other) != made().source_key(first)


def test_the_address_for_events_is_shown_to_the_admin() -> None:
    assert made().public_urls() == {"events": "http://hub.test/in/dingtalk/k/events"}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "conversationId", "conversationType", "msgId", "senderId", "senderNick", "senderStaffId", "senderUnionId",
    "senderCorpId", "sessionWebhook", "sessionWebhookExpiredTime", "createAt", "robotCode", "text", "content",
    "errorCode", "errorMessage", "conversationTitle",
)  # fmt: skip
KINDS = st.sampled_from(["text", "richText", "picture", "audio", "video", "file", "x"])


@settings(deadline=None, max_examples=300)
@given(said=st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, ANYTHING)), kind=KINDS, part=ANYTHING)
def test_whatever_stands_in_a_field_is_read_or_refused(said: dict[str, Any], kind: str, part: Any) -> None:
    if kind == "richText":
        said["content"] = {"richText": part}
    request = signed({"json": {**said, "msgtype": kind}})
    connector = made()
    try:
        connector.verify(request)
        (message,) = connector.parse(RawEvent(id="01e", account_id="01a", request=request))
    except OmnihubError:
        return
    assert isinstance(message, InboundMessage)
    assert message.external_id
    assert message.thread_key
    assert message.sender.key.count(":") == 2
    assert message.text or message.media or message.attachments


@settings(deadline=None, max_examples=200)
@given(frame=st.fixed_dictionaries({}, optional={"type": ANYTHING, "headers": ANYTHING, "data": ANYTHING}))
def test_whatever_comes_as_a_frame_is_read_or_refused(frame: dict[str, Any]) -> None:
    request = request_of({"by": "stream", "json": frame})
    connector = made()
    connector.source_key(request)
    try:
        assert len(connector.parse(RawEvent(id="01e", account_id="01a", request=request))) == 1
    except OmnihubError:
        return
