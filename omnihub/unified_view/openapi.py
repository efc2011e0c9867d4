import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from omnihub.connectors.registry import door_documents
from omnihub.unified_view.endpoint import PREFIX, Endpoint
from omnihub.unified_view.shapes.common import Problem
from omnihub.unified_view.words import CATALOGUE

Json = dict[str, Any]

_PROBLEM = "application/problem+json"
_BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}
_TAGS = {
    "session": "Signing in and out",
    "tickets": "Tickets, their timeline, and moving things between them",
    "messages": "Replies, notes and what becomes of them",
    "calls": "Telephone calls: who talks, who waits, and the log",
    "call-backs": "Numbers that called in vain and are to be called back",
    "attachments": "Files",
    "contacts": "The people who write",
    "search": "Finding things by their words",
    "accounts": "Channels and the accounts connected to them",
    "people": "Users, teams and API tokens",
    "upkeep": "Dead letters, the outbox and the hub's state",
    "live": "What happens, as it happens",
}
_LIVE_NOTES = (
    'A WebSocket. Say `{"resume": null}` first, or the last cursor that you know. You hear `hello` with a '
    "cursor, then `events` with their cursor, the events, and the rows of the tickets concerned; `ping` every "
    "20 seconds; `reset` when the cursor is too old: read everything anew and go on from the `hello` that "
    "follows. Nothing that is committed after a cursor is left out."
)


def document(endpoints: Sequence[Endpoint], server: str) -> Json:
    """OpenAPI 3.1, from the same models that validate."""
    refs, schemas = _schemas(endpoints)
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, refs)
    paths["/live"] = {"get": _live()}
    return _with_doors(_document(paths, schemas, server), server)


def _with_doors(document: Json, server: str) -> Json:
    """Channels that other systems are programmed against describe their doors themselves."""
    for door in door_documents(server):
        document["tags"].append(dict(door.tag))
        document["paths"] |= door.paths
        document["webhooks"] = {**document.get("webhooks", {}), **door.webhooks}
        for kind, parts in door.components.items():
            document["components"][kind] |= parts
    return document


def _document(paths: Json, schemas: Json, server: str) -> Json:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "omnihub",
            "version": version("omnihub"),
            "description": "One inbox for every channel. Times are UTC; errors are problem+json (RFC 9457).",
        },
        "servers": [{"url": server + PREFIX}],
        "tags": [{"name": name, "description": words} for name, words in _TAGS.items()],
        "security": [{"session": []}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "omnihub_session",
                    "description": "Calls that change something also need the header X-CSRF-Token.",
                },
                "token": {"type": "http", "scheme": "bearer", "description": "An API token, oh_…"},
            },
        },
    }


Refs = dict[tuple[Any, JsonSchemaMode], Json]


def _schemas(endpoints: Sequence[Endpoint]) -> tuple[Refs, Json]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    for endpoint in endpoints:
        if endpoint.given is not None:
            wanted[(endpoint.given, "validation")] = None
        if endpoint.answer is not None:
            wanted[(endpoint.answer, "serialization")] = None
    refs, definitions = models_json_schema(list(wanted), ref_template="#/components/schemas/{model}")
    return dict(refs), definitions["$defs"]


def _operation(endpoint: Endpoint, refs: Refs) -> Json:
    summary, summary_zh = endpoint.summary
    needs = f"Role: {endpoint.role} or higher. Scope: {endpoint.scope}." if endpoint.role else "For anybody."
    operation: Json = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": summary,
        "x-summary-zh": summary_zh,
        "description": f"{endpoint.notes}\n\n{needs}".strip(),
        "parameters": [*_path_parameters(endpoint.path), *_parameters(endpoint, refs)],
        "responses": _responses(endpoint, refs),
        "x-role": endpoint.role or "anybody",
        "x-scope": endpoint.scope,
    }
    if endpoint.role is None:
        operation["security"] = []
    if body := _body(endpoint, refs):
        operation["requestBody"] = body
    return operation


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _parameters(endpoint: Endpoint, refs: Refs) -> list[Json]:
    parameters: list[Json] = []
    if endpoint.method == "GET" and endpoint.given is not None:
        schema = endpoint.given.model_json_schema(ref_template="#/components/schemas/{model}")
        required = schema.get("required", [])
        for name, one in schema["properties"].items():
            parameters.append({"name": name, "in": "query", "required": name in required, "schema": one})
    if endpoint.once:
        words = "The same key with the same content gets the first answer again, for a day."
        schema = {"type": "string", "maxLength": 255}
        parameters.append({"name": "Idempotency-Key", "in": "header", "description": words, "schema": schema})
    return parameters


def _body(endpoint: Endpoint, refs: Refs) -> Json | None:
    if endpoint.takes_file:
        schema = {"type": "object", "required": ["file"], "properties": {"file": _BINARY}}
        return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    if endpoint.method == "GET" or endpoint.given is None:
        return None
    return {"required": True, "content": {"application/json": {"schema": refs[(endpoint.given, "validation")]}}}


def _responses(endpoint: Endpoint, refs: Refs) -> Json:
    answered: Json = {"description": "Done"}
    if endpoint.gives_bytes:
        answered["content"] = {"application/octet-stream": {"schema": _BINARY}}
    elif endpoint.answer is not None:
        answered["content"] = {"application/json": {"schema": refs[(endpoint.answer, "serialization")]}}
    responses: Json = {str(endpoint.status): answered}
    for status, codes in sorted(_problems(endpoint).items()):
        responses[str(status)] = _problem(", ".join(codes), refs)
    responses["default"] = _problem("Any other problem", refs)
    return responses


def _problems(endpoint: Endpoint) -> dict[int, list[str]]:
    codes = [*endpoint.errors]
    codes += ["not_signed_in", "forbidden"] if endpoint.role else []
    codes += ["invalid"] if endpoint.given is not None else []
    codes += ["in_progress", "key_reused"] if endpoint.once else []
    grouped: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        grouped.setdefault(CATALOGUE[code].status, []).append(code)
    return grouped


def _problem(description: str, refs: Refs) -> Json:
    schema = refs[(Problem, "serialization")]
    return {"description": description, "content": {_PROBLEM: {"schema": schema}}}


def _live() -> Json:
    return {
        "operationId": "live",
        "tags": ["live"],
        "summary": "What happens, as it happens",
        "x-summary-zh": "实时事件",
        "description": _LIVE_NOTES,
        "x-role": "readonly",
        "x-scope": "read",
        "responses": {"101": {"description": "The WebSocket is open"}, "default": {"description": "Refused"}},
    }
