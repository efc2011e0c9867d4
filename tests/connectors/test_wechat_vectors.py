"""Known answers from the platform's own pages, and independent implementations of the same scheme.

The vectors, in the channel's `fixtures/vectors.jsonl`, name their official page in `src`; they were computed
again with two independent implementations.
"""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wechat_world import connector, event, request
from werobot.crypto import MessageCrypt

from omnihub.connectors import sealed, wechat
from omnihub.connectors.wechat.sample import AES_KEY, APPID, TOKEN, Sample
from omnihub.connectors.wechat_api.pushes import push_id, said_at, source_key
from omnihub.connectors.wechat_api.simulator_push import Pusher, to_xml
from omnihub.model.errors import Unreadable, Unverified
from omnihub.model.inbound import InboundMessage

_LINES = (Path(wechat.__file__).parent / "fixtures" / "vectors.jsonl").read_text("utf-8").splitlines()
VECTORS: dict[str, Any] = {vector["id"]: vector for vector in map(json.loads, _LINES)}


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_signatures_are_the_official_ones(name: str) -> None:
    vector = VECTORS[name]
    if "signature" in vector:
        made = sealed.signature(vector["token"], vector["timestamp"], vector["nonce"])
        assert made == vector["signature"]
    if "msg_signature" in vector:
        envelope = sealed.Envelope(token=vector["token"], keys=(_key(vector),), owner=vector["tail"])
        made = envelope.sign(vector["encrypt"], vector["timestamp"], vector["nonce"])
        assert made == vector["msg_signature"]


def test_the_official_url_check_is_answered_with_its_own_words() -> None:
    vector = VECTORS["wx-url"]
    query = {name: vector[name] for name in ("signature", "timestamp", "nonce", "echostr")}
    reply = connector(token=vector["token"]).challenge(request(b"", query, "GET"))
    assert reply is not None
    assert (reply.status, reply.body) == (200, b"4375120948345356249")
    assert reply.content_type.startswith("text/plain")
    with pytest.raises(Unverified):
        connector(token=vector["token"]).challenge(request(b"", query | {"nonce": "1"}, "GET"))
    assert connector(token=vector["token"]).challenge(request(b"", query)) is None


def test_the_official_sealed_push_is_read() -> None:
    vector = VECTORS["wx-safe-json"]
    hub = connector(token=vector["token"], aes_key=_key(vector), app_id=vector["tail"])
    query = {name: vector[name] for name in ("timestamp", "nonce", "msg_signature")} | {"encrypt_type": "aes"}
    outer = json.dumps({"ToUserName": "gh_97417a04a28d", "Encrypt": vector["encrypt"]}).encode()
    pushed = request(outer, query)
    hub.verify(pushed)
    (message,) = hub.parse(event(pushed))
    assert isinstance(message, InboundMessage)
    assert message.kind == "unsupported"
    assert message.sender.key == "wechat:wxba5fad812f8e6fb9:o9AgO5Kd5ggOC-bXrbNODIiE3bGY"
    assert "debug_demo" in message.text
    assert "hello world" in message.text
    assert message.attachments[0].content.decode() == vector["plain"]


def test_sealing_gives_the_official_cipher_text_again() -> None:
    vector = VECTORS["wx-safe-json"]
    envelope = sealed.Envelope(token=vector["token"], keys=(_key(vector),), owner=vector["tail"])
    made = envelope.seal(vector["plain"].encode(), random=vector["random16"].encode())
    assert made == vector["encrypt"]


def _key(vector: Any) -> str:
    return "A" * 43 if vector["aes"] == "A*43" else str(vector["aes"])


# — WeRoBot, an implementation that knows nothing of ours —

PEER = MessageCrypt(token=TOKEN, encoding_aes_key=AES_KEY, app_id=APPID)
OURS = sealed.Envelope(token=TOKEN, keys=(AES_KEY,), owner=APPID)
TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=300)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_werobot_opens_what_we_seal(text: str) -> None:
    cipher_text = OURS.seal(text.encode())
    opened = PEER.decrypt_message("1790000000", "n1", OURS.sign(cipher_text, "1790000000", "n1"), cipher_text)
    assert opened.decode() == text


@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_we_open_what_werobot_seals(text: str) -> None:
    tree = ElementTree.fromstring(PEER.encrypt_message(text, timestamp="1790000000", nonce="n1"))
    cipher_text, given_signature = tree.findtext("Encrypt", ""), tree.findtext("MsgSignature", "")
    opened = OURS.open(cipher_text, given_signature, "1790000000", "n1")
    assert (opened.plain.decode(), opened.tail, opened.key) == (text, APPID, 0)


# — properties of reading —

NUMBERS = st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    "ToUserName", "CreateTime", "Content", "MsgId", "MediaId", "PicUrl", "Format", "Recognition", "Location_X",
    "Label", "Title", "Url", "EventKey", "Ticket", "MsgID", "Status", "ScanCodeInfo", "SendPicsInfo", "List",
    "SendLocationInfo", "SubscribeMsgPopupEvent", "SubscribeMsgSentEvent", "bizmsgmenuid", "TotalCount",
]  # fmt: skip
TYPES = ["text", "image", "voice", "video", "shortvideo", "location", "link", "event", "EVENT", ""]
EVENTS = [
    "subscribe", "unsubscribe", "SCAN", "CLICK", "VIEW", "LOCATION", "scancode_push", "pic_weixin",
    "location_select", "TEMPLATESENDJOBFINISH", "MASSSENDJOBFINISH", "kf_switch_session",
    "subscribe_msg_popup_event", "subscribe_msg_change_event", "subscribe_msg_sent_event", "of_tomorrow",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    fields=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8),
    kind=st.sampled_from(TYPES) | VALUES,
    name=st.sampled_from(EVENTS) | VALUES,
)
def test_fields_of_any_type_are_read_or_kept(fields: dict[str, Any], kind: Any, name: Any) -> None:
    pushed = {**fields, "FromUserName": "oAnybody", "MsgType": kind, "Event": name}
    outer = json.dumps({"Encrypt": OURS.seal(json.dumps(pushed).encode())})
    query = {"encrypt_type": "aes", "timestamp": "1", "nonce": "2"}
    query["msg_signature"] = OURS.sign(json.loads(outer)["Encrypt"], "1", "2")
    hub = connector()
    hub.verify(request(outer.encode(), query))
    try:
        read = hub.parse(event(request(outer.encode(), query)))
    except Unreadable:
        assert not all(str(fields.get(one, "")).strip().isprintable() for one in ("ToUserName", "MsgId"))
        return
    assert read
    for one in read:
        assert one.external_id
        if isinstance(one, InboundMessage):
            assert one.thread_key == one.sender.value == "oAnybody"
            assert one.text or one.media or kind == "text"


def test_two_events_of_one_second_are_two() -> None:
    clicked: dict[str, Any] = {
        "FromUserName": "oA",
        "CreateTime": 5,
        "MsgType": "event",
        "Event": "CLICK",
        "EventKey": "K1",
    }
    other = clicked | {"EventKey": "K2"}
    finished: dict[str, Any] = {
        "FromUserName": "oA",
        "CreateTime": "5",
        "MsgType": "event",
        "Event": "TEMPLATESENDJOBFINISH",
    }
    all_of_them = [clicked, other, finished | {"MsgID": 1}, finished | {"MsgID": 2}]
    assert len({push_id(one) for one in all_of_them}) == 4
    assert len({source_key(one) for one in all_of_them}) == 4
    assert push_id(clicked) == push_id(dict(reversed(clicked.items())))


def test_a_message_is_named_by_receiver_and_id() -> None:
    said = {"ToUserName": "gh_1", "FromUserName": "oA", "CreateTime": "5", "MsgType": "text", "MsgId": "7"}
    assert push_id(said) == push_id(said | {"CreateTime": "6"}) == "gh_1:7"
    assert push_id(said | {"ToUserName": "gh_2"}) == "gh_2:7"
    assert source_key(said) != source_key(said | {"Content": "another"})


@pytest.mark.parametrize("written", ["", "x", "-1", "1.5", "٣", "9" * 12])
def test_a_time_that_is_none_is_left_out(written: str) -> None:
    assert said_at({"CreateTime": written}) is None


def test_an_answer_of_the_door_is_the_bare_word() -> None:
    hub = connector()
    for number in (1, 2):
        reply = hub.acknowledge(Sample(hub).genuine(number), "01k00000000000000000event1")
        assert (reply.status, reply.body) == (200, b"success")


def test_a_push_stays_readable_after_the_token_was_changed() -> None:
    pushed = Sample(connector()).genuine(1)
    (message,) = connector(token="aNewToken2026").parse(event(pushed))
    assert isinstance(message, InboundMessage)
    assert "question number 1" in message.text
    with pytest.raises(Unverified):
        connector(token="aNewToken2026").verify(pushed)


def test_the_simulators_own_writing_is_read_back() -> None:
    fields = {"ToUserName": "gh_1", "FromUserName": "oA", "CreateTime": 5, "MsgType": "text",
              "Content": "a]]>b]]>", "MsgId": 9}  # fmt: skip
    query, body = Pusher(appid=APPID, token=TOKEN, aes_key=AES_KEY, mode="plain").envelope(fields)
    assert body == to_xml(fields)
    (message,) = connector(mode="plain").parse(event(request(body, query)))
    assert isinstance(message, InboundMessage)
    assert message.text == "a]]>b]]>"


def test_an_event_is_never_named_by_a_message_id() -> None:
    """Some programs in between fill in a MsgId of 0 for all of them."""
    clicked = {"ToUserName": "gh_1", "FromUserName": "oA", "CreateTime": 5, "MsgType": "event", "MsgId": 0}
    ids = {push_id(clicked | {"Event": "CLICK", "EventKey": key}) for key in ("K1", "K2")}
    assert len(ids) == 2
    assert all(one.startswith("event:oA:5:CLICK:K") for one in ids)
