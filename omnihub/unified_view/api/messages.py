from aiohttp import web

from omnihub.model.errors import StaleView
from omnihub.model.outgoing import TemplateUse
from omnihub.outbound.request import ReplyRequest
from omnihub.unified_view import files, views
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.problems import Problem
from omnihub.unified_view.shapes import messages as shapes

api = Api("messages")


@api.post(
    "/tickets/{id}/replies",
    "Answer the customer",
    "回复客户",
    answer=shapes.Message,
    status=201,
    once=True,
    errors=("not_found", "invalid", "stale_view", "refused", "window_closed"),
)
async def reply(call: Call[shapes.NewReply]) -> views.Doc:
    """Queued when this answers; it can be taken back until `delivery.due`. When something came in
    between, the problem `stale_view` holds what came in; send again with `force` to answer anyway."""
    given = call.given
    request = ReplyRequest(
        ticket_id=call.id,
        actor=call.caller.actor,
        attachment_ids=tuple(given.attachment_ids),
        cc=tuple(given.cc),
        bcc=tuple(given.bcc),
        template=TemplateUse(id=given.template.id, values=given.template.values) if given.template else None,
        once_key=call.once_key,
        **given.model_dump(exclude={"attachment_ids", "cc", "bcc", "template"}),
    )
    try:
        return views.message(await call.deps.submit.reply(request))
    except StaleView as stale:
        unseen = await call.deps.store.messages.get_many(stale.message_ids)
        raise Problem("stale_view", details={"messages": [views.message(one) for one in unseen]}) from None


@api.post(
    "/tickets/{id}/typing",
    "Show the customer that somebody writes",
    "向客户显示正在输入",
    answer=shapes.Typed,
    errors=("not_found",),
)
async def show_typing(call: Call[shapes.Typing]) -> views.Doc:
    """Where the channel can; every few seconds at most, however often it is asked."""
    shown = await call.deps.gestures.typing(call.id, call.given.conversation_id, call.caller.actor)
    return {"shown": shown}


@api.post(
    "/tickets/{id}/notes",
    "Write a note for colleagues",
    "添加内部备注",
    answer=shapes.Message,
    status=201,
    once=True,
    errors=("not_found", "invalid"),
)
async def write_note(call: Call[shapes.NewNote]) -> views.Doc:
    given = call.given
    files = tuple(given.attachment_ids)
    return views.message(
        await call.deps.tickets.note(call.id, call.caller.actor, given.text, files, once_key=call.once_key)
    )


@api.post(
    "/messages/{id}/cancel",
    "Take a reply back",
    "撤回回复",
    answer=shapes.Message,
    errors=("not_found", "conflict"),
)
async def cancel_message(call: Call[None]) -> views.Doc:
    """Only while it is queued."""
    return views.message(await call.deps.submit.cancel(call.id, call.caller.actor))


@api.post(
    "/messages/{id}/recall",
    "Take back a reply that has gone out",
    "撤回已发送的回复",
    answer=shapes.Message,
    errors=("not_found", "conflict", "refused"),
)
async def recall_message(call: Call[None]) -> views.Doc:
    """Where the channel can, and within the hours that it names."""
    return views.message(await call.deps.gestures.recall(call.id, call.caller.actor))


@api.post(
    "/messages/{id}/resend",
    "Send a reply again",
    "重新发送",
    answer=shapes.Message,
    errors=("not_found", "conflict", "refused", "window_closed"),
)
async def resend_message(call: Call[None]) -> views.Doc:
    return views.message(await call.deps.submit.resend(call.id, call.caller.actor))


@api.post(
    "/messages/{id}/settle",
    "Say whether an uncertain reply arrived",
    "确认未知结果的回复是否送达",
    answer=shapes.Message,
    errors=("not_found", "conflict"),
)
async def settle_message(call: Call[shapes.Settlement]) -> views.Doc:
    return views.message(await call.deps.submit.settle(call.id, call.caller.actor, call.given.sent))


@api.get("/messages/{id}/raw", "The original, byte for byte", "原始内容", gives_bytes=True, errors=("not_found",))
async def read_raw(call: Call[None]) -> web.StreamResponse:
    message = await call.deps.store.messages.get(call.id)
    if not message["raw_event_id"]:
        raise Problem("not_found")
    event = await call.deps.store.journal.get(message["raw_event_id"])
    return files.original(message["_id"], event)
