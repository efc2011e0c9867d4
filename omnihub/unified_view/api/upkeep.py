import asyncio
from importlib.metadata import version
from typing import Any

from omnihub.model.errors import NotFound
from omnihub.store.journal import DeadLetter
from omnihub.store.outbox import OPEN_STATES
from omnihub.store.search_state import State
from omnihub.unified_view import views
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.health import engines
from omnihub.unified_view.shapes import upkeep as shapes
from omnihub.unified_view.shapes.common import Count, Listing

api = Api("upkeep")

_PREVIEW = 200
_BODY_TEXT = 200_000


@api.get("/dead-letters", "What could not be read", "死信列表", role="supervisor", answer=shapes.DeadLetterPage)
async def list_dead_letters(call: Call[Listing]) -> views.Doc:
    """Newest first."""
    given = call.given
    found = await call.deps.store.journal.dead(before=given.cursor, limit=given.limit)
    names = {account.id: account for account in await call.deps.store.accounts.all()}
    items = [_dead_letter(one, names) for one in found]
    return {"items": items, "next": found[-1].event.id if len(found) == given.limit else None}


def _dead_letter(letter: DeadLetter, accounts: dict[str, Any]) -> views.Doc:
    event = letter.event
    account = accounts.get(event.account_id)
    return {
        "id": event.id,
        "account_id": event.account_id,
        "account_name": account.name if account else "",
        "channel": account.channel if account else "",
        "source": event.request.source,
        "received_at": letter.received_at,
        "error": letter.error,
        "attempts": event.attempts,
        "size": letter.size,
        "preview": _text(event.request.body, _PREVIEW),
    }


def _text(body: bytes, limit: int) -> str:
    # A character takes up to four bytes: enough of them to be cut at characters, not within one.
    return body[: limit * 4].decode("utf-8", "replace").replace("\0", "\ufffd")[:limit]


@api.get(
    "/dead-letters/{id}",
    "A dead letter with its content",
    "死信详情",
    role="supervisor",
    answer=shapes.DeadLetter,
    errors=("not_found",),
)
async def read_dead_letter(call: Call[None]) -> views.Doc:
    letter = await call.deps.store.journal.dead_letter(call.id)
    names = {account.id: account for account in await call.deps.store.accounts.all()}
    request = letter.event.request
    return _dead_letter(letter, names) | {
        "headers": dict(request.headers),
        "body_text": _text(request.body, _BODY_TEXT),
    }


@api.post(
    "/dead-letters/{id}/replay",
    "Try a dead letter again",
    "重新处理死信",
    role="supervisor",
    answer=Count,
    errors=("not_found",),
)
async def replay_dead_letter(call: Call[None]) -> views.Doc:
    count = await call.deps.store.journal.replay(ids=[call.id])
    if not count:
        raise NotFound("this is not a dead letter, or no longer one")
    return {"count": count}


@api.post(
    "/dead-letters/replay-all", "Try all dead letters again", "重新处理全部死信", role="supervisor", answer=Count
)
async def replay_dead_letters(call: Call[None]) -> views.Doc:
    return {"count": await call.deps.store.journal.replay()}


@api.post(
    "/dead-letters/{id}/discard",
    "Discard a dead letter",
    "丢弃死信",
    role="supervisor",
    answer=Count,
    errors=("not_found",),
)
async def discard_dead_letter(call: Call[None]) -> views.Doc:
    await call.deps.store.journal.discard(call.id)
    return {"count": 1}


@api.get("/outbox", "Replies that are not yet, or not surely, sent", "发件箱", answer=shapes.OutboxPage)
async def list_outbox(call: Call[shapes.OutboxList]) -> views.Doc:
    """Newest first. Agents see what they wrote themselves, supervisors everything."""
    given, store = call.given, call.deps.store
    states = OPEN_STATES if given.state == "all-open" else (given.state,)
    if call.caller.is_at_least("supervisor"):
        page, following = await store.outbox.page(states, given.cursor, given.limit)
    else:
        page, following = await store.outbox.page_of(call.caller.id, states, given.cursor, given.limit)
    tickets = await store.tickets.get_many({one["ticket_id"] for one in page})
    names = {account.id: account.name for account in await store.accounts.all()}
    items = [
        views.message(one)
        | {
            "ticket_number": tickets[one["ticket_id"]]["number"],
            "ticket_subject": tickets[one["ticket_id"]]["subject"],
            "account_name": names.get(one["account_id"], ""),
        }
        for one in page
    ]
    return {"items": items, "next": following}


@api.get("/status", "How the hub is doing", "系统状态", answer=shapes.Status)
async def read_status(call: Call[None]) -> views.Doc:
    store = call.deps.store
    state, intake, outbound, accounts, search = await asyncio.gather(
        engines(store),
        store.journal.counts(),
        store.outbox.counts(),
        store.accounts.all(),
        store.search_state.load(),
    )
    return {
        "version": version("omnihub"),
        "engines": state,
        "intake": intake | {"closed": store.pressure.closed},
        "outbound": {name: outbound[name] for name in ("queued", "failed", "uncertain")},
        "search": _search(search),
        "demo": any(account.demo for account in accounts),
    }


def _search(state: State) -> views.Doc:
    rebuild = state.rebuild
    going_on = rebuild if rebuild and not rebuild.is_over else None
    return {
        "fed": state.is_fed,
        "lag_seconds": round(state.lag(), 1),
        "rebuild": {"done": going_on.done, "total": going_on.total} if going_on else None,
    }
