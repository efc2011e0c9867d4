from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from openapi_spec_validator import validate

from omnihub.model import documents
from omnihub.unified_view import openapi, views
from omnihub.unified_view.application import ENDPOINTS
from omnihub.unified_view.endpoint import PREFIX
from omnihub.unified_view.shapes import calls, contacts, messages, people, tickets
from omnihub.unified_view.words import CATALOGUE
from tests.unified_view.browser import Browser, Hub


async def test_the_document_is_valid_openapi_and_names_every_route(hub: Hub, agent: Browser) -> None:
    document = (await agent.get("/openapi.json")).json
    validate(document)
    described = {
        (method.upper(), PREFIX + path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "servers" not in operation  # the doors of channels, which stand elsewhere
    }
    served = {
        (route.method, route.resource.canonical)
        for route in hub.server.app.router.routes()
        if route.resource and route.resource.canonical.startswith(PREFIX) and route.method != "HEAD"
    }
    assert described == served - {("GET", f"{PREFIX}/openapi.json")}


def test_every_operation_says_what_it_takes_answers_and_refuses() -> None:
    document = openapi.document(ENDPOINTS, "http://hub.example.test")
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    for one in operations:
        assert one["summary"]
        assert one["x-summary-zh"]
        assert "default" in one["responses"]
    for endpoint in ENDPOINTS:
        assert set(endpoint.errors) <= set(CATALOGUE), endpoint.name
        assert endpoint.path.count("{") == endpoint.path.count("{id}")


def test_no_schema_shows_what_is_internal() -> None:
    schemas = openapi.document(ENDPOINTS, "http://hub.example.test")["components"]["schemas"]
    names = {name for schema in schemas.values() for name in schema.get("properties", {})}
    assert not names & {"_id", "password_hash", "bucket", "lists", "words_index", "wire", "lease_until", "digest"}


def test_stored_documents_and_shapes_have_the_same_fields() -> None:
    pairs: list[tuple[Any, Any, set[str]]] = [
        (documents.TicketDoc, tickets.Ticket, set()),
        (documents.MessageDoc, messages.Message, {"wire"}),
        (documents.WrapUpDoc, messages.WrapUp, set()),
        (documents.AccessDoc, calls.Access, {"id", "attachment_id", "message_id", "ticket_id"}),
        (documents.DeliveryDoc, messages.Delivery, {"lease_until", "process", "abandoned"}),
        (documents.ConversationDoc, tickets.Conversation, set()),
        (documents.EventDoc, tickets.Event, set()),
        (documents.OperationDoc, tickets.Operation, {"before"}),
        (documents.ContactDoc, contacts.ContactRow, set()),
        (documents.AttachmentRef, messages.Attachment, set()),
        (documents.UserDoc, people.User, {"password_hash"}),
        (documents.TeamDoc, people.Team, set()),
    ]
    for doc, shape, hidden in pairs:
        stored = {"id" if name == "_id" else name for name in doc.__annotations__}
        assert set(shape.model_fields) == stored - hidden, shape


def test_an_answer_writes_times_in_utc_with_z() -> None:
    china = datetime(2026, 5, 1, 17, 0, tzinfo=timezone(timedelta(hours=8)))
    assert views.dumps({"at": datetime(2026, 5, 1, 9, 0, 0, 5000, UTC)}) == b'{"at":"2026-05-01T09:00:00.005000Z"}'
    assert views.dumps({"at": china}).endswith(b'+08:00"}')


async def test_the_page_brings_everything_with_it(agent: Browser) -> None:
    for path, kind in (("", "html"), ("/docs.js", "javascript"), ("/docs.css", "css")):
        async with agent.http.get(agent.hub.server.make_url(f"/api/docs{path}")) as answer:
            assert answer.status == 200
            assert answer.content_type.endswith(kind)
            text = await answer.text()
            assert "https://" not in text
            assert "//cdn" not in text
