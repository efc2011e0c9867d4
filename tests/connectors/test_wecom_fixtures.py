import json
from typing import Any

import pytest
import wecom_reading as reading
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wechatpy.enterprise.crypto import WeChatCrypto
from wechatpy.exceptions import InvalidSignatureException

from omnihub.connectors.contract import Connector
from omnihub.connectors.sealed import Envelope
from omnihub.connectors.wecom_api import sample_calls as calls
from omnihub.connectors.wecom_api.platform import AES_KEY, CALLBACK_TOKEN, CORP_ID, sealed_call, xml_of
from omnihub.model import errors
from omnihub.model.errors import OmnihubError, Unreadable, Unverified
from omnihub.model.inbound import InboundMessage
from omnihub.model.raw import RawRequest

BOTH = pytest.mark.parametrize("channel", ["wecom", "wecom_kf"])
ALL = [*reading.fixtures("wecom"), *reading.fixtures("wecom_kf")]
# The sample call that Tencent's own WXBizMsgCrypt comes with.
ECHO_ACCOUNT: dict[str, Any] = {
    "corp_id": "wx5823bf96d3bd56c7", "token": "QDG6eK",
    "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
}  # fmt: skip
ECHO = {
    "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
    "timestamp": "1409659589",
    "nonce": "263014780",
    "echostr": "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
}


def test_there_are_enough_of_them() -> None:
    assert len(ALL) >= 80


@pytest.mark.parametrize("name", ALL)
def test_a_fixture_is_read_as_expected(name: str) -> None:
    fixture = reading.load(name)
    given_, expected = fixture["request"], fixture["expect"]
    connector = reading.connected(name.partition("/")[0], **given_.get("account", {}))
    request = reading.request_of(given_)
    if "refused" in expected:
        with pytest.raises(getattr(errors, expected["refused"])):
            take(connector, request)
        return
    assert take(connector, request) == expected["inbound"]
    assert connector.source_key(request) or request.source == "pull"


def take(connector: Connector, request: RawRequest) -> list[dict[str, Any]]:
    connector.verify(request)
    return [reading.shown(one) for one in connector.parse(reading.event_of(request))]


def get(query: dict[str, str]) -> RawRequest:
    return RawRequest(source="webhook", body=b"", received_at=reading.AT, method="GET", query=query)


@BOTH
def test_the_url_check_is_answered_with_the_bare_text(channel: str) -> None:
    connector = reading.connected(channel, **ECHO_ACCOUNT)
    for echostr in (ECHO["echostr"], ECHO["echostr"].replace("+", " ")):
        reply = connector.challenge(get({**ECHO, "echostr": echostr}))
        assert reply is not None
        assert (reply.status, reply.body, reply.content_type) == (200, b"1616140317555161061", "text/plain")


@BOTH
@pytest.mark.parametrize("changed", [{"timestamp": "1"}, {"msg_signature": ""}, {"echostr": ""}, {"nonce": "2"}])
def test_a_forged_url_check_is_refused(channel: str, changed: dict[str, str]) -> None:
    connector = reading.connected(channel, **ECHO_ACCOUNT)
    with pytest.raises(Unverified):
        connector.challenge(get({**ECHO, **changed}))


@BOTH
def test_a_url_check_for_another_company_is_refused(channel: str) -> None:
    connector = reading.connected(channel, **{**ECHO_ACCOUNT, "corp_id": "wwsomebodyelse0001"})
    with pytest.raises(Unverified):
        connector.challenge(get(ECHO))


@BOTH
def test_an_empty_200_acknowledges(channel: str) -> None:
    request = calls.call(xml_of(calls.text_message(1)), reading.AT)
    connector = reading.connected(channel)
    assert connector.challenge(request) is None
    reply = connector.acknowledge(request, "01k00000000000000000event1")
    assert (reply.status, reply.body) == (200, b"")


@BOTH
def test_a_call_sealed_with_the_key_before_is_read(channel: str) -> None:
    old, new = AES_KEY, "TheNewKeyOfTheDemoTheNewKeyOfTheDemo0123456"
    request = calls.call(xml_of(calls.text_message(7)), reading.AT, key=old)
    connector = reading.connected(channel, encoding_aes_key=new, previous_encoding_aes_key=old)
    connector.verify(request)
    (message,) = connector.parse(reading.event_of(request))
    assert isinstance(message, InboundMessage)
    assert message.text == calls.words(7)
    with pytest.raises(Unreadable):
        reading.connected(channel, encoding_aes_key=new, previous_encoding_aes_key="").verify(request)


@BOTH
def test_the_journal_stays_readable_when_the_token_changes(channel: str) -> None:
    request = calls.call(xml_of(calls.text_message(8)), reading.AT)
    connector = reading.connected(channel, token="aNewCallbackToken")
    with pytest.raises(Unverified):
        connector.verify(request)
    (message,) = connector.parse(reading.event_of(request))
    assert isinstance(message, InboundMessage)


@BOTH
def test_a_repeat_sealed_anew_is_the_same_hand_over(channel: str) -> None:
    connector = reading.connected(channel)
    plain = xml_of(calls.text_message(1))
    again = [
        calls.posted(sealed, query, reading.AT) for query, sealed in (sealed_call(plain, "5") for _ in range(2))
    ]
    assert again[0].body != again[1].body
    assert len({connector.source_key(request) for request in again}) == 1
    other = calls.call(xml_of(calls.text_message(2)), reading.AT)
    assert connector.source_key(other) != connector.source_key(again[0])


def test_two_changes_in_one_second_are_told_apart() -> None:
    connector = reading.connected("wecom")
    read = []
    for userid in ("NewHire1", "NewHire2"):
        fields = {
            "ToUserName": CORP_ID, "FromUserName": "sys", "CreateTime": 1, "MsgType": "event",
            "Event": "change_contact", "ChangeType": "create_user", "UserID": userid,
        }  # fmt: skip
        (message,) = connector.parse(reading.event_of(calls.call(xml_of(fields), reading.AT)))
        assert isinstance(message, InboundMessage)
        read.append(message)
    assert read[0].external_id == read[1].external_id
    assert read[0].fingerprint != read[1].fingerprint


# — an independent peer —


def test_wechatpy_reads_what_we_seal() -> None:
    plain = xml_of(calls.text_message(3)).decode()
    query, sealed = sealed_call(plain.encode(), "1409659813")
    peer = WeChatCrypto(CALLBACK_TOKEN, AES_KEY, CORP_ID)
    outer = xml_of({"ToUserName": CORP_ID, "AgentID": "218", "Encrypt": sealed}).decode()
    read = peer.decrypt_message(outer, query["msg_signature"], query["timestamp"], query["nonce"])
    assert (read if isinstance(read, str) else read.decode()) == plain
    with pytest.raises(InvalidSignatureException):
        peer.decrypt_message(outer, "0" * 40, query["timestamp"], query["nonce"])


@BOTH
def test_we_read_what_wechatpy_seals(channel: str) -> None:
    plain = xml_of(calls.text_message(4)).decode()
    sealed = WeChatCrypto(CALLBACK_TOKEN, AES_KEY, CORP_ID).encrypt_message(plain, "nonce1", "1409659813")
    body = sealed.encode() if isinstance(sealed, str) else sealed
    signed = body.split(b"<MsgSignature><![CDATA[")[1].split(b"]]>")[0].decode()
    query = {"msg_signature": signed, "timestamp": "1409659813", "nonce": "nonce1"}
    request = RawRequest(source="webhook", body=body, received_at=reading.AT, query=query)
    connector = reading.connected(channel)
    connector.verify(request)
    (message,) = connector.parse(reading.event_of(request))
    assert isinstance(message, InboundMessage)
    assert message.text == calls.words(4)


def test_wechatpy_answers_our_url_check() -> None:
    envelope = Envelope(token=CALLBACK_TOKEN, keys=(AES_KEY,), owner=CORP_ID)
    sealed = envelope.seal(b"1234567890")
    signed = envelope.sign(sealed, "1409659813", "nonce2")
    told = WeChatCrypto(CALLBACK_TOKEN, AES_KEY, CORP_ID).check_signature(signed, "1409659813", "nonce2", sealed)
    assert told in (b"1234567890", "1234567890")


# — whatever comes —

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from([name.partition("/")[2] for name in reading.fixtures("wecom_kf")])
NAMES = st.sampled_from([
    "msgid", "open_kfid", "external_userid", "send_time", "origin", "msgtype", "text", "image", "event",
    "merged_msg", "msgmenu", "servicer_userid", "location", "channels",
])  # fmt: skip


def changed(item: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The changes beside and within the event or content."""
    inner = {key: {**value, **changes} for key, value in item.items() if isinstance(value, dict)}
    return {**item, **inner, **changes}


@FUZZ
@given(kind=KINDS, changes=st.dictionaries(NAMES, VALUES, max_size=4))
def test_an_item_of_any_types_only_raises_the_error_tree(kind: str, changes: dict[str, Any]) -> None:
    item = reading.load(f"wecom_kf/{kind}")["request"].get("item", {})
    body = json.dumps(changed(item, changes)).encode()
    request = RawRequest(source="pull", body=body, received_at=reading.AT)
    connector = reading.connected("wecom_kf")
    try:
        read = list(connector.parse(reading.event_of(request)))
    except OmnihubError:
        return
    assert [one for one in read if isinstance(one, InboundMessage) and not one.sender.value] == []


@FUZZ
@given(
    fields=st.dictionaries(
        st.sampled_from(
            ["FromUserName", "CreateTime", "MsgType", "Event", "EventKey", "Content", "MsgId", "Format"]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=30)
        | st.sampled_from(["text", "event", "click", "voice", "subscribe", "location", "9" * 30, "-1"]),
        max_size=8,
    )
)
def test_a_pushed_message_of_any_fields_only_raises_the_error_tree(fields: dict[str, str]) -> None:
    connector = reading.connected("wecom")
    request = calls.call(xml_of({"MsgType": "text", "FromUserName": "LiNa", **fields}), reading.AT)
    try:
        connector.verify(request)
        (message,) = connector.parse(reading.event_of(request))
    except OmnihubError:
        return
    assert isinstance(message, InboundMessage)
    assert message.external_id
    assert message.thread_key
