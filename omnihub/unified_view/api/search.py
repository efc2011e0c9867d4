import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from omnihub.search.asking import Group, Hit, Question, search, text_of
from omnihub.search.highlight import excerpt, marked
from omnihub.store.search import KINDS, Kind
from omnihub.store.store import Store
from omnihub.store.tickets import Filter
from omnihub.unified_view import people_views, views
from omnihub.unified_view.callers import Caller
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.problems import Problem
from omnihub.unified_view.shapes import search as shapes

api = Api("search")

_NO_FILTERS = frozenset({"q", "kind", "cursor", "limit", "sort"})


@api.get("/search", "Find tickets, messages, contacts and files", "搜索", answer=shapes.SearchAnswer)
async def find(call: Call[shapes.Search]) -> views.Doc:
    """Every word must be there, the last letters of each may be missing. What was stored a moment ago is found
    `lag_seconds` later."""
    given, store = call.given, call.deps.store
    if given.cursor and given.kind == "all":
        words = {"en": "goes with one kind only", "zh-CN": "只能用于单一类别"}[call.language]
        raise Problem("invalid", fields={"cursor": words})
    question = Question(
        words=given.q,
        kinds=_kinds(given),
        sort=given.sort,
        filter=Filter(
            user_id=call.caller.id, **given.model_dump(exclude={"q", "kind", "cursor", "limit", "sort"})
        ),
        visible=visible_to(call.caller),
        cursor=given.cursor,
        limit=given.limit,
    )
    answer, state = await asyncio.gather(search(store, question), store.search_state.load())
    groups = [await _group(store, group, answer.needles) for group in answer.groups]
    rebuilding = state.rebuild is None or not state.rebuild.is_over
    return {
        "groups": groups,
        "words": list(answer.needles),
        "lag_seconds": round(state.lag(), 1),
        "rebuilding": rebuilding,
    }


def visible_to(caller: Caller) -> Mapping[str, Any]:
    """What of the tickets this caller may see, as a query. Every role sees all of them."""
    return {}


def _kinds(given: shapes.Search) -> Sequence[Kind]:
    if given.kind != "all":
        return (given.kind,)
    filtered = any(
        getattr(given, name) != field.default
        for name, field in shapes.Search.model_fields.items()
        if name not in _NO_FILTERS
    )
    return tuple(kind for kind in KINDS if kind != "contacts") if filtered else KINDS


async def _group(store: Store, group: Group, needles: Sequence[str]) -> views.Doc:
    contacts = [hit.contact for hit in group.hits if hit.contact]
    rows = {row["id"]: row for row in await people_views.contact_rows(store, contacts)} if contacts else {}
    return {
        "kind": group.kind,
        "items": [_hit(hit, needles, rows) for hit in group.hits],
        "count": group.count,
        "more": group.more,
        "certain": group.certain,
        "next": group.next,
    }


def _hit(hit: Hit, needles: Sequence[str], contacts: Mapping[str, views.Doc]) -> views.Doc:
    title = hit.ticket["subject"] if hit.ticket else hit.contact["name"] if hit.contact else ""
    return {
        "kind": hit.kind,
        "id": hit.id,
        "title": marked(title, needles),
        "ticket": views.ticket(hit.ticket) if hit.ticket else None,
        "message": _message(hit, needles) if hit.message else None,
        "contact": contacts.get(hit.id),
        "files": _files(hit, needles) if hit.kind == "files" else [],
    }


def _message(hit: Hit, needles: Sequence[str]) -> views.Doc:
    assert hit.message is not None
    body = {**hit.message, "subject": ""}
    shown_there = excerpt(text_of(body, "messages"), needles)
    if not any(part["hit"] for part in shown_there):  # it was found by its subject
        shown_there = excerpt(text_of(hit.message, "messages"), needles)
    shown = {name: hit.message[name] for name in ("direction", "channel", "sender", "at")}
    return {"id": hit.message["_id"], **shown, "excerpt": shown_there}


def _files(hit: Hit, needles: Sequence[str]) -> list[views.Doc]:
    """Those whose names were meant; all of them where the words are spread over several."""
    files = hit.message["attachments"] if hit.message else []
    named = [{**file, "name_parts": marked(file["filename"], needles)} for file in files]
    return [one for one in named if any(part["hit"] for part in one["name_parts"])] or named
