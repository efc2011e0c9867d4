"""Every payload in the channel's fixtures folder against its expected result."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from webform_form import ACCOUNT_ID, NOW, make_form, sign

from omnihub.connectors.webform import connector as webform
from omnihub.connectors.webform.proof import StartTokens
from omnihub.model.errors import Invalid, OmnihubError
from omnihub.model.inbound import InboundMessage
from omnihub.model.raw import RawEvent, RawRequest

FIXTURES = Path(webform.__file__).parent / "fixtures"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.http"))


def load(name: str) -> tuple[RawRequest, dict[str, Any]]:
    head, _, body = (FIXTURES / f"{name}.http").read_bytes().partition(b"\r\n\r\n")
    start = StartTokens(sign, ACCOUNT_ID).issue(NOW - timedelta(minutes=2))
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    request = RawRequest(
        source="webhook",
        body=body.replace(b"{{START}}", start.encode()),
        received_at=NOW,
        headers=headers,
        remote="192.0.2.7",
    )
    return request, json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))


def outcome(name: str) -> dict[str, Any]:
    request, expected = load(name)
    form = make_form(**expected["settings"])
    try:
        form.verify(request)
        (message,) = form.parse(RawEvent(id="01jq00000000000000000000zz", account_id=ACCOUNT_ID, request=request))
    except OmnihubError as error:
        wrong = dict(error.fields) if isinstance(error, Invalid) else {}
        return {"settings": expected["settings"], "error": error.code, "words": str(error), "fields": wrong}
    return {"settings": expected["settings"], "message": as_json(message)}


def as_json(message: InboundMessage) -> dict[str, Any]:
    assert message.sent_at == datetime(2025, 3, 1, 12, tzinfo=UTC)
    return {
        "external_id": message.external_id,
        "sender": {
            "key": message.sender.key,
            "name": message.sender.name,
            "claims": list(message.sender.claims),
        },
        "subject": message.subject,
        "text": message.text,
        "visible_text": message.visible_text,
        "attachments": [
            {"filename": a.filename, "content_type": a.content_type, "size": len(a.content), "label": a.label}
            for a in message.attachments
        ],
        "spam": list(message.spam),
        "problems": list(message.problems),
        "extra": dict(message.extra),
    }


@pytest.mark.parametrize("name", NAMES)
def test_payload_reads_as_expected(name: str) -> None:
    assert outcome(name) == load(name)[1]


def test_there_are_enough_troubles() -> None:
    assert len(NAMES) >= 15
    assert {path.stem for path in FIXTURES.glob("*.json")} == set(NAMES)
