"""Every kind of update, one fixture each, and whatever else may come in its place."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telegram import Update
from telegram_desk import NOW, connector, event

from omnihub.connectors import registry, telegram
from omnihub.model.errors import Invalid, OmnihubError, Unreadable, Unverified
from omnihub.model.inbound import Amendment, Handle, Inbound, InboundMessage
from omnihub.model.raw import RawRequest

FIXTURES = sorted((Path(telegram.__file__).parent / "fixtures").glob("*.json"))
KNOWN = {path.stem: json.loads(path.read_text("utf-8")) for path in FIXTURES}
# What no Bot API server makes: the peer need not take it.
MADE_UP = frozenset(
    {
        "odd_types_everywhere", "huge_numbers", "entities_beyond_the_text", "date_beyond_time",
        "entity_in_the_middle_of_an_emoji", "message_of_tomorrow", "update_of_tomorrow",
    }
)  # fmt: skip


def body_of(request: Mapping[str, Any]) -> bytes:
    if "hex" in request:
        return bytes.fromhex(request["hex"])
    return request["body"].encode() if "body" in request else orjson.dumps(request["update"])


def raw(body: bytes, secret: str) -> RawRequest:
    headers = {"x-telegram-bot-api-secret-token": secret}
    return RawRequest(source="webhook", body=body, received_at=NOW, headers=headers)


def told(one: Inbound) -> dict[str, Any]:
    """What was read, in the fixtures' words."""
    assert not isinstance(one, Amendment) or one.message is not None
    message = one.message if isinstance(one, Amendment) else one
    assert isinstance(message, InboundMessage)
    if isinstance(one, Amendment):
        assert one.external_id == message.external_id
    return {
        "type": one.kind if isinstance(one, Amendment) else "message",
        "at": one.at.isoformat() if isinstance(one, Amendment) and one.at else None,
        "kind": message.kind,
        "sender": message.sender.key,
        "name": message.sender.name,
        "proven": list(message.sender.proven),
        "external_id": message.external_id,
        "thread_key": message.thread_key,
        "sent_at": message.sent_at.isoformat() if message.sent_at else None,
        "text": message.text,
        "quoted": message.quoted_text,
        "silent": message.silent,
        "notice": message.extra.get("notice"),
        "reachable": message.reachable,
        "part_of": message.part_of,
        "references": list(message.evidence.references),
        "wire": dict(message.wire),
        "attachments": [one.filename for one in message.attachments],
        "media": [
            {
                "file_id": lent.ref["file_id"], "filename": lent.filename, "content_type": lent.content_type,
                "size": lent.size, "label": lent.label,
            }
            for lent in message.media
        ],
        "extra": dict(message.extra),
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name, one in KNOWN.items() if "expect" in one])
def test_what_is_read_of_an_update(name: str) -> None:
    case = KNOWN[name]
    by = connector(**case.get("settings", {}))
    request = raw(body_of(case["request"]), by.secret)
    by.verify(request)
    assert by.source_key(request) == by.source_key(request) != ""
    (read,) = by.parse(event(request))
    (expected,) = case["expect"]
    found = told(read)
    extra = expected.pop("extra", {})
    assert {key: found[key] for key in expected} == expected
    assert {key: found["extra"].get(key) for key in extra} == extra
    message = read.message if isinstance(read, Amendment) else read
    assert isinstance(message, InboundMessage)
    assert message.visible_text == message.text
    if message.kind == "unsupported":
        assert orjson.loads(message.attachments[-1].content) == case["request"]["update"]
    if message.silent:
        assert message.silent_reason


@pytest.mark.parametrize("name", [name for name, one in KNOWN.items() if "refused_by" in one])
def test_what_is_refused(name: str) -> None:
    case = KNOWN[name]
    by = connector()
    request = raw(body_of(case["request"]), by.secret)
    if case["refused_by"] == "verify":
        with pytest.raises(Unreadable):
            by.verify(request)
    else:
        by.verify(request)  # taken, so that Telegram does not hold back the whole chat for it
    with pytest.raises(OmnihubError):
        by.parse(event(request))


REAL = [name for name, one in KNOWN.items() if "expect" in one and name not in MADE_UP]


@pytest.mark.parametrize("name", REAL)
def test_the_peer_reads_the_same(name: str) -> None:
    """python-telegram-bot takes our fixtures for real updates, and finds the same in them."""
    update = KNOWN[name]["request"]["update"]
    theirs = Update.de_json(json.loads(json.dumps(update)), None)
    assert theirs is not None
    by = connector(**KNOWN[name].get("settings", {}))
    (read,) = by.parse(event(raw(orjson.dumps(update), by.secret)))
    assert theirs.update_id == update["update_id"]
    message = theirs.effective_message
    if message is None or theirs.callback_query is not None:
        return
    assert read.external_id == f"{message.chat.id}:{message.message_id}"
    ours = read.message if isinstance(read, Amendment) else read
    assert isinstance(ours, InboundMessage)
    assert ours.sent_at == message.date
    author = message.sender_chat or message.from_user
    assert author is not None
    assert ours.sender.key == f"telegram:{author.id}"
    if message.photo:
        assert ours.media[0].ref["file_id"] == max(message.photo, key=lambda one: one.width).file_id
    for mark, label in {**message.parse_entities(), **message.parse_caption_entities()}.items():
        if mark.type == "text_link" and label != str(mark.url).rstrip("/"):
            assert f"{label} ({mark.url})" in ours.text


# — the secret, and what names a hand-over —


def test_another_bot_and_another_account_have_other_secrets() -> None:
    other = connector(bot_token="7000000002:AAanother-token-of-another-bot-xyz")
    assert connector().secret == connector(mode="webhook").secret != other.secret
    assert set(connector().secret) <= set("0123456789abcdef")
    assert 1 <= len(connector().secret) <= 256
    with pytest.raises(Unverified):
        other.verify(raw(b'{"update_id":1}', connector().secret))


def test_an_old_id_that_comes_again_for_something_else_is_another_hand_over() -> None:
    by = connector()
    first, second = (raw(orjson.dumps({"update_id": 7, "message": {"text": t}}), "") for t in ("a", "b"))
    spaced = raw(b'{ "message" : {"text": "a"}, "update_id": 7 }', "")
    assert by.source_key(first) == by.source_key(spaced) != by.source_key(second)


@pytest.mark.parametrize(
    "token", ["", "no token", "123", "12:short", "abc:" + "A" * 35, "123456:" + "A" * 30 + " x"]
)
def test_what_is_no_token_is_not_taken(token: str) -> None:
    with pytest.raises(Invalid) as refused:
        registry.read_settings("telegram", {"bot_token": token})
    assert set(refused.value.fields) == {"bot_token"}
    assert not token or token not in str(refused.value.fields)


@pytest.mark.parametrize(
    "address", ["", "api.telegram.org", "ftp://x", "https://", "http://u:p@h", "http://h:x", "http://h/?a"]
)
def test_what_is_no_address_is_not_taken(address: str) -> None:
    with pytest.raises(Invalid):
        registry.read_settings("telegram", {"bot_token": "123456:" + "A" * 35, "api_url": address})


def test_mentions_need_the_bots_name() -> None:
    with pytest.raises(Invalid):
        registry.read_settings("telegram", {"bot_token": "123456:" + "A" * 35, "mention_only": True})


def test_a_bot_is_no_customer_and_cannot_write_to_groups_first() -> None:
    by = connector()
    assert by.own_handles() == {"telegram:7000000001"}
    assert by.reaches(Handle(key="telegram:5"))
    for key in ("telegram:7000000001", "telegram:-100123", "telegram:unknown", "phone:+4915", "telegram:٣"):
        assert not by.reaches(Handle(key=key))


# — whatever comes —

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
UPDATES = [one["request"]["update"] for one in KNOWN.values() if "update" in one["request"]]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [path, *(one for key, inner in value.items() for one in paths(inner, (*path, key)))]
    if isinstance(value, list):
        return [path, *(one for at, inner in enumerate(value) for one in paths(inner, (*path, at)))]
    return [path]


@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_any_field_may_be_anything(data: st.DataObject) -> None:
    update = json.loads(json.dumps(data.draw(st.sampled_from(UPDATES))))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from([path for path in paths(update) if path]))
        place = update
        for step in way:
            place = place[step]
        place[last] = data.draw(JSON)
    by = connector(groups=data.draw(st.booleans()), mention_only=True, bot_username="omnihub_demo_bot")
    request = raw(orjson.dumps(update), by.secret)
    try:
        by.verify(request)
        read = list(by.parse(event(request)))
    except OmnihubError:
        return
    assert len(read) == 1
    found = told(read[0])
    assert found["sender"].startswith("telegram:")
    assert found["thread_key"]
    json.dumps({**found, "wire": found["wire"]}, ensure_ascii=False).encode()  # nothing that a database refuses
