"""A form without a hub around it: what the web form's tests share."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import aiohttp

from omnihub.connectors.contract import Toolbox
from omnihub.connectors.webform.connector import Connector
from omnihub.connectors.webform.proof import StartTokens
from omnihub.connectors.webform.settings import Settings
from omnihub.model.account import Account
from omnihub.model.raw import RawEvent, RawRequest

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
ACCOUNT_ID = "01jq0000000000000000000001"
EVENT_ID = "01jq00000000000000abcdefgh"
BOUNDARY = "synthetic-boundary"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63600000"
    "02000001e221bc330000000049454e44ae426082"
)


def sign(purpose: str, data: bytes) -> bytes:
    return hmac.new(b"a key for tests", purpose.encode() + b"\0" + data, hashlib.sha256).digest()


def make_form(now: datetime = NOW, public_url: str = "http://hub.example.test", **settings: Any) -> Connector:
    # A form calls nobody: any use of the client would fail the test.
    http = cast("aiohttp.ClientSession", SimpleNamespace())
    account = Account(id=ACCOUNT_ID, key="formkey", channel="webform", name="Form", enabled=True)
    toolbox = Toolbox(http=http, public_url=public_url, sign=sign, now=lambda: now)
    return Connector(account, Settings.model_validate(settings), toolbox)


def start_token(ago: float = 60) -> str:
    return StartTokens(sign, ACCOUNT_ID).issue(NOW - timedelta(seconds=ago))


def request(body: bytes = b"", content_type: str = "", **values: Any) -> RawRequest:
    headers = {"Content-Type": content_type, "Accept": "application/json", **values.pop("headers", {})}
    defaults: dict[str, Any] = {"source": "webhook", "received_at": NOW, "remote": "192.0.2.7"}
    return RawRequest(body=body, headers=headers, **(defaults | values))


def post(
    fields: dict[str, str] | None = None,
    files: tuple[tuple[str, str, bytes], ...] = (),
    *,
    ago: float = 60,
    boundary: str = BOUNDARY,
    **values: Any,
) -> RawRequest:
    """A filled-in contact form, as a browser encodes it."""
    person = {"name": "Ann Example", "email": "Ann@Example.com", "message": "The pump is loud."}
    inputs = {"_start": start_token(ago), "_homepage": "", **person, **(fields or {})}
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in inputs.items()]
    parts += [f'name="{name}"; filename="{filename}"\r\n\r\n'.encode() + data for name, filename, data in files]
    lines = [f"--{boundary}\r\nContent-Disposition: form-data; ".encode() + part + b"\r\n" for part in parts]
    body = b"".join(lines) + f"--{boundary}--\r\n".encode()
    return request(body, f"multipart/form-data; boundary={boundary}", **values)


def event(raw: RawRequest, event_id: str = EVENT_ID) -> RawEvent:
    return RawEvent(id=event_id, account_id=ACCOUNT_ID, request=raw)
