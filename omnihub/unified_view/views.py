"""Stored documents as callers see them: chosen fields, `_id` as `id`, times in UTC with Z."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson

from omnihub.connectors.contract import Manifest
from omnihub.model.documents import (
    CallBackDoc,
    ConversationDoc,
    EventDoc,
    IdentityDoc,
    MessageDoc,
    OperationDoc,
    TeamDoc,
    TicketDoc,
    UserDoc,
)

Doc = dict[str, Any]
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC


def dumps(value: Any) -> bytes:
    return orjson.dumps(value, _unusual, _OPTIONS)


def _unusual(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value)} has no place in an answer")


def _fields(doc_type: type, *hidden: str) -> tuple[str, ...]:
    return tuple(name for name in doc_type.__annotations__ if name not in {"_id", *hidden})


_TICKET = _fields(TicketDoc)
_MESSAGE = _fields(MessageDoc, "wire", "delivery")
_DELIVERY = ("state", "due", "attempts", "words", "refused", "sent_at", "updated_at")
_EVENT = _fields(EventDoc)
_OPERATION = _fields(OperationDoc, "before")
_CONVERSATION = _fields(ConversationDoc)
_USER = _fields(UserDoc, "password_hash")
_TEAM = _fields(TeamDoc)
_CONTACT = ("name", "avatar_id", "merged_into", "created_at", "updated_at")
_IDENTITY = _fields(IdentityDoc, "contact_id", "created_at")
_TOKEN = ("user_id", "name", "scopes", "created_at")
_CALL_BACK = _fields(CallBackDoc, "message_ids", "ticket_id", "number", "done_by")
_ACCESS = ("user_id", "name", "at", "last_at", "requests")
_OTHER = ("number", "subject", "status", "last_message_at")


def _shown(doc: Mapping[str, Any], names: Sequence[str]) -> Doc:
    return {"id": doc["_id"], **{name: doc[name] for name in names if name in doc}}


def ticket(doc: Mapping[str, Any]) -> Doc:
    return _shown(doc, _TICKET)


def message(doc: Mapping[str, Any]) -> Doc:
    delivery = doc["delivery"]
    shown = {name: delivery[name] for name in _DELIVERY} if delivery else None
    # Which version each part of a call was told by is our own business.
    extra = {name: value for name, value in doc["extra"].items() if name != "told"}
    return _shown(doc, _MESSAGE) | {"delivery": shown, "extra": extra}


def event(doc: Mapping[str, Any]) -> Doc:
    return _shown(doc, _EVENT)


def operation(doc: Mapping[str, Any]) -> Doc:
    return _shown(doc, _OPERATION)


def conversation(doc: Mapping[str, Any]) -> Doc:
    return _shown(doc, _CONVERSATION)


def user(doc: Mapping[str, Any]) -> Doc:
    return _shown(doc, _USER)


def team(doc: Mapping[str, Any]) -> Doc:
    return _shown(doc, _TEAM)


def token(doc: Mapping[str, Any]) -> Doc:
    return _shown(doc, _TOKEN)


def contact(doc: Mapping[str, Any], identities: Sequence[Mapping[str, Any]]) -> Doc:
    rows = [{"key": one["_id"], **{name: one[name] for name in _IDENTITY}} for one in identities]
    return _shown(doc, _CONTACT) | {"identities": rows}


def call_back(doc: Mapping[str, Any], contact_name: str, ticket: Mapping[str, Any] | None) -> Doc:
    return _shown(doc, _CALL_BACK) | {
        "number": doc["number"].rpartition(":")[2],
        "contact_name": contact_name,
        "ticket": other_ticket(ticket) if ticket else None,
        "done_by": doc["done_by"]["name"] if doc["done_by"] else None,
    }


def access(doc: Mapping[str, Any]) -> Doc:
    return {name: doc[name] for name in _ACCESS}


def other_ticket(doc: Mapping[str, Any]) -> Doc:
    return _shown(doc, _OTHER)


def channel(manifest: Manifest, settings_schema: Mapping[str, Any]) -> Doc:
    names = {"key", "label", "summary", "icon", "arrives", "conversation", "capabilities", "setup",
             "undo_seconds", "text_limit", "text_unit", "attachment_limit_bytes", "media",
             "reply_window"}  # fmt: skip
    return manifest.model_dump(include=names) | {"settings_schema": settings_schema}


def findings(found: Sequence[Any]) -> Doc:
    return {"findings": [asdict(one) for one in found]}


def plain(value: Any) -> Any:
    """Stored documents inside error details: `_id` becomes `id`, and nothing internal goes along."""
    if isinstance(value, Mapping):
        hidden = {"password_hash", "wire", "bucket", "lists"}
        return {("id" if k == "_id" else k): plain(v) for k, v in value.items() if k not in hidden}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
