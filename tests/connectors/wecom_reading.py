"""Fixtures of both WeCom channels: what was handed over, and all that must be read from it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp

from omnihub import connectors
from omnihub.connectors import registry
from omnihub.connectors.contract import Connector, Toolbox
from omnihub.connectors.sampling import sample_type
from omnihub.connectors.wecom_api import sample_calls as calls
from omnihub.model.account import Account
from omnihub.model.inbound import Amendment, Inbound, InboundMessage, LentMedia, Receipt
from omnihub.model.raw import RawEvent, RawRequest

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
FOLDER = Path(connectors.__file__).parent


def fixtures(channel: str) -> Sequence[str]:
    return [f"{channel}/{path.stem}" for path in sorted((FOLDER / channel / "fixtures").glob("*.json"))]


def load(name: str) -> dict[str, Any]:
    channel, _, stem = name.partition("/")
    read: dict[str, Any] = json.loads((FOLDER / channel / "fixtures" / f"{stem}.json").read_text("utf-8"))
    return read


def connected(
    channel: str,
    http: aiohttp.ClientSession | None = None,
    account: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Connector:
    values = registry.plain(registry.read_settings(channel, {**sample_type(channel).settings, **settings}))
    toolbox = Toolbox(
        http=http or cast("aiohttp.ClientSession", SimpleNamespace()), public_url="http://hub.example.test",
        sign=lambda purpose, data: b"", now=lambda: datetime.now(UTC) if http else AT,
    )  # fmt: skip
    made = Account(id="01account", key="a-key", channel=channel, name="Sample", enabled=True, settings=values)
    return registry.connect(replace(made, **(account or {})), toolbox)


def request_of(given: Mapping[str, Any]) -> RawRequest:
    """`xml` is sealed as WeCom does; `item` is one entry of a msg_list; `sealed` came so from outside."""
    if "item" in given or "bytes" in given:
        body = bytes.fromhex(given["bytes"]) if "bytes" in given else json.dumps(given["item"]).encode()
        key = "" if "bytes" in given else str(given["item"].get("msgid", ""))
        meta = {"open_kfid": given.get("open_kfid", "wkService")}
        return RawRequest(source="pull", body=body, received_at=AT, source_key=key, meta=meta)
    if "sealed" in given:
        return calls.posted(given["sealed"], given["query"], AT)
    xml = bytes.fromhex(given["xml_bytes"]) if "xml_bytes" in given else given["xml"].encode()
    return calls.call(xml * given.get("times", 1), AT)


def event_of(request: RawRequest) -> RawEvent:
    return RawEvent(id="01k00000000000000000event1", account_id="01account", request=request)


def shown(one: Inbound) -> dict[str, Any]:
    """All that was read, but for what is empty."""
    told: dict[str, Any]
    if isinstance(one, Receipt):
        told = {"receipt": one.external_id, "status": one.status, "words": one.words, "code": one.code}
    elif isinstance(one, Amendment):
        told = {"amendment": one.external_id, "amended": one.kind}
    else:
        told = _message(one)
    at = one.sent_at if isinstance(one, InboundMessage) else one.at
    told["at"] = at.isoformat() if at else ""
    return {name: value for name, value in told.items() if value or (name == "reachable" and value is not None)}


def _message(one: InboundMessage) -> dict[str, Any]:
    return {
        "external_id": one.external_id, "thread_key": one.thread_key, "sender": one.sender.key, "kind": one.kind,
        "direction": "" if one.direction == "inbound" else one.direction, "text": one.text,
        "media": [_lent(media) for media in one.media], "silent": one.silent, "reachable": one.reachable,
        "participants": [f"{person.role} {person.handle.key}" for person in one.participants],
        "attachments": [file.filename for file in one.attachments], "extra": dict(one.extra),
    }  # fmt: skip


def _lent(media: LentMedia) -> dict[str, Any]:
    return {"ref": dict(media.ref), "filename": media.filename, "type": media.content_type, "label": media.label}
