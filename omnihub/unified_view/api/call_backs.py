from typing import Any

from omnihub.model.documents import CallBackDoc
from omnihub.store.database import Session
from omnihub.store.events import event
from omnihub.unified_view import call_views, views
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.shapes import calls as shapes

api = Api("call-backs")


@api.get("/call-backs", "Whom to call back", "待回拨列表", answer=shapes.CallBackPage, errors=("invalid",))
async def list_call_backs(call: Call[shapes.CallBackList]) -> views.Doc:
    """Open ones: earliest due first. Done ones: newest first."""
    store, given = call.deps.store, call.given
    page, following = await store.call_backs.page(given.state, given.cursor, given.limit)
    items = await call_views.call_backs(store, page)
    return {"items": items, "next": following, "open": await store.call_backs.open_count()}


@api.post(
    "/call-backs/{id}/done",
    "Close a call-back",
    "标记为已回拨",
    answer=shapes.CallBack,
    errors=("not_found",),
)
async def finish_call_back(call: Call[None]) -> views.Doc:
    """One that is done already stays as it is."""
    store, actor = call.deps.store, call.caller.actor

    async def work(session: Session) -> CallBackDoc:
        finished = await store.call_backs.finish(call.id, actor, "closed", session)
        if finished is None:
            return await store.call_backs.get(call.id, session)
        data = {"number": _number(finished), "how": finished["how"]}
        await store.events.add([_told("call_back.done", finished, call, data)], session)
        return finished

    return await _shown(call, await store.transaction(work))


@api.post(
    "/call-backs/{id}/reopen",
    "Open a call-back again",
    "重新打开回拨任务",
    answer=shapes.CallBack,
    errors=("not_found", "conflict"),
)
async def reopen_call_back(call: Call[None]) -> views.Doc:
    """Refused where another one is open for this number."""
    store = call.deps.store

    async def work(session: Session) -> CallBackDoc:
        before = await store.call_backs.get(call.id, session)
        opened = await store.call_backs.reopen(call.id, session)
        if before["state"] == "done":
            data = {"number": _number(opened), "reason": opened["reason"], "due": opened["due"].isoformat()}
            await store.events.add([_told("call_back.added", opened, call, data)], session)
        return opened

    return await _shown(call, await store.transaction(work))


def _number(call_back: CallBackDoc) -> str:
    return call_back["number"].rpartition(":")[2]


def _told(kind: str, call_back: CallBackDoc, call: Call[None], data: dict[str, Any]) -> Any:
    message_id = call_back["message_ids"][-1] if call_back["message_ids"] else None
    return event(kind, call_back["ticket_id"], actor=call.caller.actor, message_id=message_id, data=data)


async def _shown(call: Call[None], call_back: CallBackDoc) -> views.Doc:
    return (await call_views.call_backs(call.deps.store, [call_back]))[0]
