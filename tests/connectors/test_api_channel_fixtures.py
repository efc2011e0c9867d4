"""Every payload in the channel's fixtures folder against its expected result, field by field."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import orjson
import pytest

from omnihub.connectors import registry
from omnihub.connectors.api import connector as api
from omnihub.connectors.api import signing
from omnihub.connectors.api.simulator import SECRET
from omnihub.connectors.contract import Connector, Toolbox
from omnihub.model.account import Account
from omnihub.model.errors import Invalid, OmnihubError
from omnihub.model.inbound import Amendment, Inbound, InboundMessage, Receipt
from omnihub.model.raw import RawEvent, RawRequest

FIXTURES = Path(api.__file__).parent / "fixtures"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.json"))
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def connected(**settings: Any) -> Connector:
    account = Account(
        id="01account", key="a-key", channel="api", name="App", enabled=True,
        settings={"signing_secret": SECRET, **settings},
    )  # fmt: skip
    nobody = cast("aiohttp.ClientSession", SimpleNamespace())
    return registry.connect(
        account, Toolbox(http=nobody, public_url="http://h.test", sign=lambda a, b: b, now=lambda: NOW)
    )


def load(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))
    return read


def request_of(given: Mapping[str, Any]) -> RawRequest:
    if "json" in given:
        body = orjson.dumps(given["json"])
    else:
        body = given["text"].encode() if "text" in given else base64.b64decode(given["base64"])
    headers = {name.lower(): value for name, value in signing.sign(SECRET, body, NOW).items()}
    tail = given.get("tail", "")
    return RawRequest(source="webhook", body=body, received_at=NOW, headers=headers, tail=tail)


def outcome(name: str) -> Any:
    doc = load(name)
    connector, request = connected(**doc.get("settings", {})), request_of(doc["request"])
    try:
        connector.verify(request)
        read = connector.parse(RawEvent(id="01event", account_id="01account", request=request))
    except OmnihubError as error:
        return {"error": error.code} | ({"fields": sorted(error.fields)} if isinstance(error, Invalid) else {})
    return [as_json(one) for one in read]


def as_json(one: Inbound) -> dict[str, Any]:
    if isinstance(one, Receipt):
        told = {"external_id": one.external_id, "status": one.status, "words": one.words, "code": one.code}
        return {"type": "receipt", **told, "at": one.at and one.at.isoformat()}
    if isinstance(one, Amendment):
        return {
            "type": "amendment",
            "external_id": one.external_id,
            "kind": one.kind,
            "at": one.at and one.at.isoformat(),
            "message": one.message and as_json(one.message),
        }
    assert one.visible_text == one.text
    return {
        "type": "message",
        "external_id": one.external_id,
        "thread_key": one.thread_key,
        "sender": one.sender.key,
        "name": one.sender.name,
        "claims": list(one.sender.claims),
        "proven": list(one.sender.proven),
        "kind": one.kind,
        "subject": one.subject,
        "text": one.text,
        "attachments": files_of(one),
        "media": [{"ref": dict(m.ref), "filename": m.filename, "content_type": m.content_type} for m in one.media],
        "silent": one.silent,
        "problems": list(one.problems),
        "extra": dict(one.extra),
        "sent_at": one.sent_at and one.sent_at.isoformat(),
    }


def files_of(message: InboundMessage) -> list[dict[str, Any]]:
    shown = []
    for one in message.attachments:
        file: dict[str, Any] = {"filename": one.filename, "content_type": one.content_type}
        if one.filename == "event.json":
            shown.append(file | {"content": one.content.decode()})
        else:
            shown.append(file | {"size": len(one.content)})
    return shown


def without_holds(expected: Any, found: Any) -> Any:
    """Of an attached event the fixture names what it must hold, not its very bytes."""
    if not isinstance(expected, list):
        return expected
    for wanted, one in zip(expected, found, strict=True):
        for file, given in zip(wanted.get("attachments", []), one.get("attachments", []), strict=True):
            if holds := file.pop("holds", None):
                assert [word for word in holds if word not in given["content"]] == []
                file["content"] = given["content"]
    return expected


@pytest.mark.parametrize("name", NAMES)
def test_payload_reads_as_expected(name: str) -> None:
    found = outcome(name)
    assert found == without_holds(load(name)["expect"], found)


def test_there_are_enough_troubles() -> None:
    assert len(NAMES) >= 30
    assert sum("error" in load(name)["expect"] for name in NAMES) >= 15
