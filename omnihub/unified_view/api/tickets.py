import asyncio
from collections.abc import Mapping
from typing import Any

from omnihub.model.documents import TicketDoc
from omnihub.outbound.request import ReplyOption
from omnihub.store.tickets import Filter
from omnihub.unified_view import people_views, timeline, views
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.inner_words import in_chinese
from omnihub.unified_view.languages import Language
from omnihub.unified_view.problems import Problem
from omnihub.unified_view.shapes import tickets as shapes
from omnihub.unified_view.shapes.common import IdOrNumber, Listing

api = Api("tickets")


@api.get("/tickets", "A page of tickets", "工单列表", answer=shapes.TicketPage, errors=("invalid",))
async def list_tickets(call: Call[shapes.TicketList]) -> views.Doc:
    """Newest first, except by `waiting_since`: who has waited longest comes first."""
    given = call.given
    wanted = Filter(user_id=call.caller.id, **given.model_dump(exclude={"cursor", "limit"}))
    page, following = await call.deps.store.tickets.page(wanted, given.cursor, given.limit)
    return {"items": [views.ticket(ticket) for ticket in page], "next": following}


@api.get("/tickets/counts", "How many tickets there are", "工单数量", answer=shapes.TicketCounts)
async def count_tickets(call: Call[None]) -> views.Doc:
    return await call.deps.store.tickets.counts(call.caller.id)


@api.get(
    "/tickets/{id}",
    "A ticket by id or number",
    "按 ID 或编号查看工单",
    answer=shapes.TicketDetail,
    errors=("not_found",),
)
async def read_ticket(call: Call[None]) -> views.Doc:
    deps = call.deps
    ticket = await deps.store.tickets.find(call.id)
    contact, conversations, elsewhere, operations = await asyncio.gather(
        people_views.contact(deps.store, ticket["contact_id"], but_ticket=ticket["_id"]),
        _conversations(deps, ticket, call.language),
        deps.options.elsewhere(ticket),
        deps.store.operations.of_ticket(ticket["_id"]),
    )
    return {
        "ticket": views.ticket(ticket),
        "contact": contact,
        "conversations": conversations,
        "elsewhere": [_other_way(option, call.language) for option in elsewhere],
        "links": ticket["links"],
        "operations": [views.operation(operation) for operation in operations],
    }


async def _conversations(deps: Deps, ticket: TicketDoc, language: Language) -> list[views.Doc]:
    docs, accounts, options = await asyncio.gather(
        deps.store.conversations.of_ticket(ticket["_id"]),
        deps.store.accounts.all(),
        deps.options.of(ticket),
    )
    names = {account.id: account.name for account in accounts}
    by_conversation: dict[str, Mapping[str, Any]] = {}
    for option in options:
        by_conversation.setdefault(option["conversation_id"], option)
    return [
        views.conversation(doc)
        | {"account_name": names.get(doc["account_id"], "")}
        | _reply_part(by_conversation.get(doc["_id"], {}), language)
        for doc in docs
    ]


def _reply_part(option: Mapping[str, Any], language: Language) -> views.Doc:
    return {
        "can_reply": option.get("can_reply", False),
        "reply_reason": _reason(option.get("reason", ""), language),
        "reply_account_id": option.get("account_id", ""),
        "reply_to": option.get("to", []),
        "capabilities": option.get("capabilities", {}),
        "undo_seconds": option.get("undo_seconds", 0),
        "window": option.get("window"),
        "templates": option.get("templates", []),
    }


def _other_way(option: ReplyOption, language: Language) -> views.Doc:
    return {
        "account_id": option["account_id"],
        "account_name": option["account_name"],
        "channel": option["channel"],
        **_reply_part(option, language),
    }


def _reason(words: str, language: Language) -> str:
    return (in_chinese(words) or words) if language == "zh-CN" else words


@api.get(
    "/tickets/{id}/timeline",
    "What happened in a ticket",
    "工单时间线",
    answer=shapes.Timeline,
    errors=("not_found", "invalid"),
)
async def read_timeline(call: Call[Listing]) -> views.Doc:
    """Oldest first inside a page; `next` leads to the older page. Events that only repeat a message are left
    out."""
    ticket = await call.deps.store.tickets.find(call.id)
    return await timeline.page(call.deps.store, ticket["_id"], call.given.cursor, call.given.limit)


@api.patch("/tickets/{id}", "Change a ticket", "修改工单", answer=shapes.Ticket, errors=("not_found", "conflict"))
async def change_ticket(call: Call[shapes.TicketChange]) -> views.Doc:
    changes = call.given.model_dump(exclude_none=True)
    if not changes:
        return views.ticket(await call.deps.store.tickets.get(call.id))
    return views.ticket(await call.deps.tickets.update(call.id, call.caller.actor, **changes))


@api.post(
    "/tickets/{id}/claim",
    "Take a ticket",
    "领取工单",
    answer=shapes.Ticket,
    errors=("not_found", "already_claimed"),
)
async def claim_ticket(call: Call[None]) -> views.Doc:
    return views.ticket(await call.deps.tickets.claim(call.id, call.caller.actor))


@api.post("/tickets/{id}/assign", "Assign a ticket", "分配工单", answer=shapes.Ticket, errors=("not_found",))
async def assign_ticket(call: Call[shapes.Assignment]) -> views.Doc:
    """null takes the person, or the team, off the ticket."""
    given = call.given
    await _require_assignees(call)
    ticket = await call.deps.tickets.assign(
        call.id, call.caller.actor, assignee_id=given.assignee_id, team_id=given.team_id
    )
    return views.ticket(ticket)


@api.post(
    "/tickets/{id}/transfer",
    "Hand a ticket over",
    "转交工单",
    answer=shapes.Ticket,
    errors=("not_found", "invalid"),
)
async def transfer_ticket(call: Call[shapes.Transfer]) -> views.Doc:
    given = call.given
    await _require_assignees(call)
    ticket = await call.deps.tickets.transfer(
        call.id,
        call.caller.actor,
        assignee_id=given.assignee_id,
        team_id=given.team_id,
        reason=given.reason,
        note=given.note,
    )
    return views.ticket(ticket)


async def _require_assignees(call: Call[shapes.Assignment] | Call[shapes.Transfer]) -> None:
    given, users = call.given, call.deps.store.users
    fields: dict[str, str] = {}
    if given.assignee_id and not any(u["_id"] == given.assignee_id and u["active"] for u in await users.all()):
        fields["assignee_id"] = {"en": "is not an active user", "zh-CN": "不是有效用户"}[call.language]
    if given.team_id and not any(team["_id"] == given.team_id for team in await users.teams()):
        fields["team_id"] = {"en": "is not a team", "zh-CN": "不是有效团队"}[call.language]
    if fields:
        raise Problem("invalid", fields=fields)


@api.post(
    "/tickets/{id}/snooze", "Put a ticket off", "稍后处理", answer=shapes.Ticket, errors=("not_found", "invalid")
)
async def snooze_ticket(call: Call[shapes.Snooze]) -> views.Doc:
    return views.ticket(await call.deps.tickets.snooze(call.id, call.caller.actor, call.given.until))


@api.post(
    "/tickets/{id}/wake", "Bring a snoozed ticket back", "恢复处理", answer=shapes.Ticket, errors=("not_found",)
)
async def wake_ticket(call: Call[None]) -> views.Doc:
    return views.ticket(await call.deps.tickets.wake(call.id, call.caller.actor))


@api.post(
    "/tickets/{id}/spam", "Mark or unmark as spam", "标记或取消垃圾", answer=shapes.Ticket, errors=("not_found",)
)
async def mark_spam(call: Call[shapes.SpamMark]) -> views.Doc:
    return views.ticket(await call.deps.tickets.mark_spam(call.id, call.caller.actor, call.given.spam))


async def _ticket_id(deps: Deps, id_or_number: IdOrNumber) -> str:
    return (await deps.store.tickets.find(str(id_or_number)))["_id"]


@api.post(
    "/tickets/{id}/merge",
    "Merge a ticket into another",
    "合并工单",
    answer=shapes.Rearranged,
    once=True,
    errors=("not_found", "conflict"),
)
async def merge_ticket(call: Call[shapes.TicketMerge]) -> views.Doc:
    into = await _ticket_id(call.deps, call.given.into)
    done = await call.deps.rearranging.merge(call.id, into, call.caller.actor, call.given.reason)
    return _rearranged(*done)


@api.post(
    "/tickets/{id}/split",
    "Move messages into a new ticket",
    "拆分工单",
    answer=shapes.Rearranged,
    once=True,
    errors=("not_found", "conflict", "invalid"),
)
async def split_ticket(call: Call[shapes.TicketSplit]) -> views.Doc:
    """The answer's ticket is the new one."""
    given = call.given
    done = await call.deps.rearranging.split(
        call.id, given.message_ids, call.caller.actor, subject=given.subject, reason=given.reason
    )
    return _rearranged(*done)


@api.post(
    "/tickets/{id}/move",
    "Move a conversation to another ticket",
    "移动会话",
    answer=shapes.Rearranged,
    once=True,
    errors=("not_found", "conflict"),
)
async def move_conversation(call: Call[shapes.ConversationMove]) -> views.Doc:
    given = call.given
    conversation = await call.deps.store.conversations.get(given.conversation_id)
    if conversation["ticket_id"] != call.id:
        words = {"en": "is not in this ticket", "zh-CN": "不属于该工单"}[call.language]
        raise Problem("invalid", fields={"conversation_id": words})
    target = await _ticket_id(call.deps, given.to)
    done = await call.deps.rearranging.move(given.conversation_id, target, call.caller.actor, given.reason)
    return _rearranged(*done)


def _rearranged(ticket: Mapping[str, Any], operation: Mapping[str, Any]) -> views.Doc:
    return {"ticket": views.ticket(ticket), "operation": views.operation(operation)}


@api.post(
    "/operations/{id}/undo",
    "Take a split, move or merge back",
    "撤销拆分、移动或合并",
    answer=shapes.Undone,
    errors=("not_found", "conflict"),
)
async def undo_operation(call: Call[None]) -> views.Doc:
    return {"operation": views.operation(await call.deps.rearranging.undo(call.id, call.caller.actor))}


@api.post(
    "/conversations/{id}/participants/confirm",
    "Confirm a new participant",
    "确认新的参与者",
    answer=shapes.Conversation,
    errors=("not_found",),
)
async def confirm_participant(call: Call[shapes.ParticipantKey]) -> views.Doc:
    doc = await call.deps.contacts.confirm_participant(call.id, call.given.key, call.caller.actor)
    return views.conversation(doc)
