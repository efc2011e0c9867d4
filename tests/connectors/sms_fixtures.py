"""The channel's fixtures as requests, and a connector to read them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import aiohttp
import orjson

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.sms.connector import Connector
from omnihub.connectors.sms.sample import NUMBER, Sample
from omnihub.connectors.sms.signature import Key, sign
from omnihub.model.account import Account
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawEvent, RawRequest

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
FOLDER = Path(registry.__file__).parent / "sms" / "fixtures"
TOKEN = str(Sample.settings["auth_token"])
KEYS = {
    "token": Key(secret=TOKEN),
    "previous": Key(secret="previous-token-of-the-sample"),
    "shared": Key(secret="shared-key-of-the-sample", algorithm="HMAC_SHA256", id="webhooks_sharedkey_1"),
    "empty": Key(secret=""),
}
EMMA = "+12025550117"
BARE = {name: Sample.settings[name] for name in ("account_sid", "auth_token", "from_numbers")}


def connected(
    http: aiohttp.ClientSession | None = None, *, public_url: str = "http://hub.example.test", now: datetime = NOW,
    created_at: datetime | None = None, **settings: Any,
) -> Connector:  # fmt: skip
    values = registry.plain(registry.read_settings("sms", {**BARE, **settings}))
    account = Account(
        id="01account", key="a-key", channel="sms", name="Sample", enabled=True, settings=values,
        created_at=created_at,
    )  # fmt: skip
    toolbox = Toolbox(
        http=http or cast("aiohttp.ClientSession", SimpleNamespace()),
        public_url=public_url,
        sign=lambda purpose, data: b"",
        now=lambda: now,
    )
    return cast("Connector", registry.connect(account, toolbox))


def request_of(given: Mapping[str, Any]) -> RawRequest:
    tail = given.get("tail", "")
    query: Mapping[str, str] = given.get("query", {})
    if given.get("source") == "reconcile":
        return RawRequest(source="reconcile", body=orjson.dumps(given["json"]), received_at=NOW)
    pairs = [(name, value) for name, value in given.get("form", [])]
    body = given["body"].encode() if "body" in given else urlencode(pairs).encode()
    url = given.get("url", "http://hub.example.test/in/sms/a-key") + (f"/{tail}" if tail else "")
    written = given.get("url_query", urlencode(query))
    signed = dict(sign(KEYS[given.get("sign", "token")], f"{url}?{written}" if written else url, pairs)) if (
        given.get("sign") != "none"
    ) else {}  # fmt: skip
    headers = {"content-type": "application/x-www-form-urlencoded", **signed, **given.get("headers", {})}
    return RawRequest(source="webhook", body=body, received_at=NOW, tail=tail, query=query, headers=headers)


def event(request: RawRequest) -> RawEvent:
    return RawEvent(id="01k00000000000000000event1", account_id="01account", request=request)


def outgoing(text: str = "It is on its way.", to: str = EMMA, **changed: Any) -> Outgoing:
    message = Outgoing(
        id="01kmessage0000000000000001", conversation_id="01kconversation00000000001", ticket_number=1001,
        thread_key=to, to=(Handle(key=f"phone:{to}"),), text=text, created_at=datetime.now(UTC),
        answering={"number": NUMBER, "channel": "sms"},
    )  # fmt: skip
    return replace(message, **changed)
