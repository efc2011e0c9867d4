"""Every payload in the channel's folder, with what must be read from it."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from wechat_world import connector, event, request

from omnihub.connectors import wechat
from omnihub.connectors.wechat.connector import Connector
from omnihub.connectors.wechat_api.pushes import PushDoor
from omnihub.model.errors import OmnihubError, Unreadable, Unverified
from omnihub.model.inbound import Inbound, InboundMessage, Receipt
from omnihub.model.raw import RawRequest

FIXTURES = sorted((Path(wechat.__file__).parent / "fixtures").glob("*.json"))
REFUSALS: Mapping[str, type[OmnihubError]] = {"unverified": Unverified, "unreadable": Unreadable}


def loaded(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def connected(fixture: Any) -> Connector:
    return connector(**fixture.get("settings", {}))


def raw(fixture: Any) -> RawRequest:
    given = fixture["request"]
    body = base64.b64decode(given["body_base64"]) if "body_base64" in given else given["body"].encode()
    return request(body, given["query"])


def told(one: Inbound, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """As the fixtures write it: only the fields that this one names."""
    if isinstance(one, Receipt):
        return {"type": "receipt"} | {name: getattr(one, name) for name in wanted if name != "type"}
    assert isinstance(one, InboundMessage)
    allowance = one.allowance and {"seconds": one.allowance.seconds, "messages": one.allowance.messages}
    written: dict[str, Any] = {
        "type": "message",
        "sender": one.sender.key,
        "sent_at": one.sent_at and one.sent_at.isoformat(),
        "allowance": allowance,
        "extra": dict(one.extra),
        "media": [
            {"ref": dict(m.ref), "filename": m.filename, "content_type": m.content_type, "label": m.label}
            for m in one.media
        ],
    }
    special = ("text_holds", "attachments", "external_id_starts")
    return {name: written.get(name, getattr(one, name, None)) for name in wanted if name not in special}


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_every_fixture_is_read_as_it_must_be(path: Path) -> None:
    fixture = loaded(path)
    expect = fixture["expect"]
    if "door" in expect:
        with pytest.raises(REFUSALS[expect["door"]]) as refused:
            connected(fixture).verify(raw(fixture))
        assert type(refused.value) is REFUSALS[expect["door"]]
        return
    connected(fixture).verify(raw(fixture))
    if "dead_letter" in expect:
        with pytest.raises(REFUSALS[expect["dead_letter"]]):
            connected(fixture).parse(event(raw(fixture)))
        return
    read = connected(fixture).parse(event(raw(fixture)))
    assert len(read) == len(expect["read"])
    for one, wanted in zip(read, expect["read"], strict=True):
        plainly = {name: value for name, value in wanted.items() if name not in _HELD}
        assert told(one, wanted) == plainly
        if isinstance(one, InboundMessage):
            check_held(one, wanted)


_HELD = ("text_holds", "attachments", "external_id_starts")


def check_held(one: InboundMessage, wanted: Mapping[str, Any]) -> None:
    assert [words for words in wanted.get("text_holds", []) if words not in one.text] == []
    assert one.external_id.startswith(wanted.get("external_id_starts", ""))
    files = wanted.get("attachments", [])
    assert not files or [file.filename for file in one.attachments] == [file["filename"] for file in files]
    for file, held in zip(one.attachments, files, strict=False):
        assert held["holds"] in file.content.decode()


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_what_a_person_reads_in_the_fixture_is_what_was_sealed(path: Path) -> None:
    """They were sealed by WeRoBot, not by us; the hub's own door must find the same words within."""
    fixture = loaded(path)
    plain = fixture["request"].get("plain")
    if plain is None or "door" in fixture["expect"]:
        return
    settings = connected(fixture).settings
    door = PushDoor(token="any other", keys=settings.keys, appid=settings.app_id)
    assert door.read(raw(fixture)).body.decode() == plain


def test_there_are_enough_of_each() -> None:
    expected = [loaded(path)["expect"] for path in FIXTURES]
    assert len([one for one in expected if "read" in one]) >= 45
    assert len([one for one in expected if "door" in one]) >= 25


def test_a_repeat_is_known_by_its_content_however_it_was_sealed() -> None:
    hub = connector()
    keys = {}
    for path in FIXTURES:
        fixture = loaded(path)
        if "read" in fixture["expect"] and not fixture.get("settings"):
            keys[path.stem] = hub.source_key(raw(fixture))
    assert len(set(keys.values())) == len(keys) > 30


def test_all_things_that_happened_have_ids_of_their_own() -> None:
    ids = [
        one.external_id
        for path in FIXTURES
        if "read" in (fixture := loaded(path))["expect"]
        for one in connected(fixture).parse(event(raw(fixture)))
    ]
    assert all(ids)
    assert len(set(ids)) == len(ids)
