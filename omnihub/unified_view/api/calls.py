from collections.abc import Sequence

from aiohttp import web

from omnihub.model.account import DISPOSITIONS
from omnihub.model.documents import ActorDoc, MessageDoc, WrapUpDoc
from omnihub.model.errors import NotFound
from omnihub.outbound.calling import Calling, DialRequest
from omnihub.store.call_log import CallFilter
from omnihub.store.database import Session, now
from omnihub.store.events import event
from omnihub.store.store import Store
from omnihub.unified_view import call_export, call_views, views
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.problems import Problem
from omnihub.unified_view.shapes import calls as shapes
from omnihub.unified_view.shapes.messages import Message

api = Api("calls")

# One for the process: a call goes on being placed when whoever asked has gone.
CALLING = web.AppKey("calling", Calling)


@api.get("/calls", "Telephone calls", "通话记录", answer=shapes.CallPage, errors=("invalid", "try_later"))
async def list_calls(call: Call[shapes.CallList]) -> views.Doc:
    """Newest first. `state=active`: those that go on, for a board of who talks and who waits."""
    store, given = call.deps.store, call.given
    wanted = CallFilter(**given.model_dump(exclude={"cursor", "limit"}))
    page, following = await store.call_log.page(wanted, given.cursor, given.limit)
    return {"items": await call_views.rows(store, page), "next": following}


@api.get(
    "/calls/export",
    "Telephone calls as a table",
    "导出通话记录",
    gives_bytes=True,
    errors=("invalid", "try_later"),
)
async def export_calls(call: Call[shapes.CallChoice]) -> web.StreamResponse:
    """text/csv in UTF-8, newest first, at most 100,000 rows. Times are UTC; codes are those of the API. What a
    spreadsheet would take for a formula begins with an apostrophe."""
    wanted = CallFilter(**call.given.model_dump())
    return await call_export.answer(call.deps.store, call.request, wanted, call.language)


@api.get("/calls/lines", "Where calls can be placed", "可用于外呼的线路", answer=shapes.Lines)
async def list_lines(call: Call[None]) -> views.Doc:
    lines = await call.request.app[CALLING].lines()
    items = [{"account_id": one.id, "name": one.name, "channel": one.channel} for one in lines]
    return {"items": items, "extensions": call.caller.user.get("extensions", [])}


@api.post(
    "/calls",
    "Place a call",
    "拨打电话",
    answer=shapes.Dialled,
    once=True,
    errors=("invalid", "not_found", "conflict", "refused", "try_later", "uncertain"),
)
async def place_call(call: Call[shapes.NewCall]) -> views.Doc:
    """The caller's own telephone rings first; this answers once it was picked up, or was not, after a minute at
    most."""
    given = call.given
    request = DialRequest(
        actor=call.caller.actor,
        account_id=given.account_id,
        number=given.number,
        extension=_own_extension(call),
        ticket_id=given.ticket_id or "",
    )
    dialled = await call.request.app[CALLING].dial(request)
    return {"call_id": dialled.call_id, "picked_up": dialled.picked_up, "words": dialled.words}


def _own_extension(call: Call[shapes.NewCall]) -> str:
    own = call.caller.user.get("extensions", [])
    if not own:
        words = {
            "en": "you have none: an administrator can enter yours",
            "zh-CN": "您还没有分机，请联系管理员设置",
        }
        raise Problem("invalid", fields={"extension": words[call.language]})
    if call.given.extension and call.given.extension not in own:
        words = {"en": "is not one of yours", "zh-CN": "不是您的分机"}
        raise Problem("invalid", fields={"extension": words[call.language]})
    return call.given.extension or own[0]


@api.put(
    "/calls/{id}/wrap-up",
    "Sum up a call",
    "填写通话小结",
    answer=Message,
    errors=("not_found", "invalid"),
)
async def wrap_up(call: Call[shapes.WrapUpChange]) -> views.Doc:
    """`id` is the call's message. The last one who sums it up is named."""
    store, actor = call.deps.store, call.caller.actor
    message = await _call_message(store, call.id)
    disposition = call.given.disposition.strip()
    if disposition and disposition not in await _possible(store, message):
        words = {"en": "is not one of this account's", "zh-CN": "不在该账号的处理结果中"}
        raise Problem("invalid", fields={"disposition": words[call.language]})
    said = WrapUpDoc(
        disposition=disposition, note=call.given.note, user_id=actor["id"], name=actor["name"], at=now()
    )
    done = await store.transaction(lambda session: _sum_up(store, message["_id"], said, actor, session))
    return views.message(done)


async def _sum_up(store: Store, message_id: str, said: WrapUpDoc, actor: ActorDoc, session: Session) -> MessageDoc:
    message = await store.messages.get(message_id, session)
    before = message.get("wrap_up")
    if before and {**before, "at": said["at"]} == said:
        return message
    await store.messages.set_fields(message_id, {"wrap_up": dict(said)}, session)
    data = {"disposition": said["disposition"], "note": said["note"]}
    told = event("call.wrapped_up", message["ticket_id"], actor=actor, message_id=message_id, data=data)
    await store.events.add([told], session)
    return await store.messages.get(message_id, session)


async def _possible(store: Store, message: MessageDoc) -> Sequence[str]:
    """Those of its account, and the one that stands there already, though it was withdrawn since."""
    earlier = message.get("wrap_up")
    return [*await _dispositions(store, message["account_id"]), *([earlier["disposition"]] if earlier else [])]


async def _call_message(store: Store, message_id: str) -> MessageDoc:
    """Raises NotFound."""
    message = await store.messages.get(message_id)
    if message["kind"] != "call":
        raise NotFound("this message is no call")
    return message


async def _dispositions(store: Store, account_id: str) -> Sequence[str]:
    """Of an account that was removed those that every account begins with."""
    try:
        return (await store.accounts.get(account_id)).policy.calls.dispositions
    except NotFound:
        return DISPOSITIONS


@api.get(
    "/calls/dispositions",
    "How a call can be summed up",
    "可选的通话处理结果",
    answer=shapes.Dispositions,
    errors=("not_found",),
)
async def list_dispositions(call: Call[shapes.DispositionList]) -> views.Doc:
    """Codes; an admin may have added words of their own."""
    if not call.given.account_id:
        return {"items": list(DISPOSITIONS)}
    account = await call.deps.store.accounts.get(call.given.account_id)
    return {"items": list(account.policy.calls.dispositions)}


@api.get(
    "/calls/{id}/recording-accesses",
    "Who listened to a call's recordings",
    "录音收听记录",
    role="supervisor",
    answer=shapes.Accesses,
    errors=("not_found",),
)
async def list_recording_accesses(call: Call[None]) -> views.Doc:
    """Newest first, the latest 500. Who asks for more within ten minutes is named once."""
    message = await _call_message(call.deps.store, call.id)
    found = await call.deps.store.accesses.of_message(message["_id"])
    return {"items": [views.access(one) for one in found]}
