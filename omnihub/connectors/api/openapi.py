"""This channel's part of the OpenAPI 3.1 document, from the models that validate. Pure data: schemas are
referred to as `#/components/schemas/<name>`, and `components()` holds them."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from omnihub.connectors.api import bodies
from omnihub.connectors.api.signing import SIGNATURE, TIMESTAMP

Json = dict[str, Any]

TAG = {
    "name": "api-channel",
    "description": "Messages from your own systems, and replies to them",
    "x-description-zh": "自有系统投递消息与接收回复",
}
_IN = (bodies.ApiMessage, bodies.ApiReceipt, bodies.ApiEdit, bodies.ApiTaken)
_OUT = (bodies.ApiAccepted, bodies.ApiReply, bodies.ApiPing)
_MESSAGE = '{"id":"m-1","sender":{"id":"u-1001","name":"Li Na"},"text":"Where is my order?"}'
_RECEIPT = '{"message_id":"01k…","status":"delivered"}'
_EDIT = '{"id":"m-1","text":"Where is my order 4711?"}'
_SECURITY: list[Json] = [{"channelSignature": [], "channelTimestamp": []}, {"channelToken": []}]
_REFUSALS = {
    "401": "The signature or the token is wrong, or the time is more than five minutes off",
    "404": "There is no such account, or it is disabled",
    "413": "The body is too large",
    "422": "`fields` names what is wrong",
    "503": "Not stored: send it again",
}


def paths(server: str = "") -> Json:
    """`server`: where the doors are, when the document's own server is another."""
    base = "/in/api/{key}"
    described: dict[str, tuple[str, str, str, type[BaseModel]]] = {
        base: ("Hand over a customer's message", "投递客户消息", "postChannelMessage", bodies.ApiMessage),
        f"{base}/receipts": (
            "Say what became of a reply",
            "上报回复的送达状态",
            "postChannelReceipt",
            bodies.ApiReceipt,
        ),
        f"{base}/edits": ("Change or take back a message", "修改或撤回消息", "postChannelEdit", bodies.ApiEdit),
    }
    examples = {base: _MESSAGE, f"{base}/receipts": _RECEIPT, f"{base}/edits": _EDIT}
    servers = {"servers": [{"url": server}]} if server else {}
    return {
        path: {"post": {**servers, **_operation(*words), "x-curl": _curl(server, path, examples[path])}}
        for path, words in described.items()
    }


def webhooks() -> Json:
    return {
        "channelReply": {
            "post": _webhook("A reply for your customer", "发给客户的回复", "channelReply", bodies.ApiReply)
        },
        "channelPing": {
            "post": _webhook("An admin tests the connection", "管理员测试连接", "channelPing", bodies.ApiPing)
        },
    }


def components() -> Json:
    wanted = [(model, "validation") for model in _IN] + [(model, "serialization") for model in _OUT]
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    signature = f"v1= and the hex HMAC-SHA256 of the {TIMESTAMP}, a full stop and the body"
    return {
        "schemas": found["$defs"],
        "securitySchemes": {
            "channelSignature": {"type": "apiKey", "in": "header", "name": SIGNATURE, "description": signature},
            "channelTimestamp": {
                "type": "apiKey",
                "in": "header",
                "name": TIMESTAMP,
                "description": "Seconds since 1970",
            },
            "channelToken": {"type": "http", "scheme": "bearer", "description": "Where the account allows it"},
        },
    }


def _curl(server: str, path: str, body: str) -> str:
    return f"""DOOR={server}{path.replace("{key}", "YOUR_KEY")}
BODY='{body}'
TIMESTAMP=$(date +%s)
SIGNATURE="v1=$(printf '%s.%s' "$TIMESTAMP" "$BODY" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1)"
curl -sS "$DOOR" -H 'Content-Type: application/json' \\
  -H "{TIMESTAMP}: $TIMESTAMP" -H "{SIGNATURE}: $SIGNATURE" --data-binary "$BODY"
"""


def _operation(summary: str, summary_zh: str, name: str, model: type[BaseModel]) -> Json:
    return {
        "tags": [TAG["name"]],
        "summary": summary,
        "x-summary-zh": summary_zh,
        "operationId": name,
        "security": _SECURITY,
        "parameters": [
            {
                "name": "key",
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
                "description": "The account's key, part of the address that its settings page shows",
            }
        ],
        "requestBody": {"required": True, "content": _json(model)},
        "responses": {
            "200": {"description": "Stored; the same answer for a repeat", "content": _json(bodies.ApiAccepted)},
            **{status: {"description": words} for status, words in _REFUSALS.items()},
            "default": {"description": "problem+json, as everywhere"},
        },
    }


def _webhook(summary: str, summary_zh: str, name: str, model: type[BaseModel]) -> Json:
    return {
        "tags": [TAG["name"]],
        "summary": summary,
        "x-summary-zh": summary_zh,
        "operationId": name,
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
            for name in (TIMESTAMP, SIGNATURE, "Idempotency-Key")
        ],
        "requestBody": {"required": True, "content": _json(model)},
        "responses": {
            "2XX": {"description": "Taken", "content": _json(bodies.ApiTaken)},
            "429": {"description": "Sent again after Retry-After; 408, 425 and 503 likewise"},
            "4XX": {"description": "Refused for good; the words are shown to the agent"},
            "5XX": {"description": "Sent again under the same id"},
        },
    }


def _json(model: type[BaseModel]) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
