from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from omnihub.model.documents import (
    OPEN_STATUSES,
    ActorDoc,
    EventDoc,
    MessageDoc,
    PlacementDoc,
    Priority,
    SenderDoc,
    Status,
    TicketDoc,
)
from omnihub.model.errors import Conflict, Invalid
from omnihub.model.ids import new_id
from omnihub.model.previews import last_message
from omnihub.store.database import Session, now
from omnihub.store.events import SYSTEM, event
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.inbox")

_SUBJECT = 200
_TAG = 50

Plan = Callable[[TicketDoc, Session], Awaitable[tuple[Mapping[str, Any], Sequence[EventDoc]]]]


class AlreadyClaimed(Conflict):
    code = "already_claimed"


class TicketDesk:
    """What agents do with a ticket. Each deed is one transaction that holds its line of the trail."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def _do(self, ticket_id: str, plan: Plan) -> TicketDoc:
        async def work(session: Session) -> TicketDoc:
            ticket = await self._store.tickets.get(ticket_id, session)
            if ticket["merged_into"]:
                raise Conflict("this ticket was merged into another one", merged_into=ticket["merged_into"])
            changes, events = await plan(ticket, session)
            if not changes and not events:
                return ticket
            await self._store.events.add(events, session)
            return await self._store.tickets.change(ticket_id, changes, session) if changes else ticket

        return await self._store.transaction(work)

    async def claim(self, ticket_id: str, actor: ActorDoc) -> TicketDoc:
        """The first wins. Raises AlreadyClaimed for everybody after."""

        async def plan(ticket: TicketDoc, _: Session) -> tuple[Mapping[str, Any], Sequence[EventDoc]]:
            if ticket["assignee_id"] == actor["id"]:
                return {}, ()
            if ticket["assignee_id"]:
                raise AlreadyClaimed("somebody else has taken this ticket", assignee=ticket["assignee_id"])
            changes = {"assignee_id": actor["id"]} | _opened(ticket)
            return changes, [event("ticket.claimed", ticket_id, actor=actor)]

        return await self._do(ticket_id, plan)

    async def assign(
        self, ticket_id: str, actor: ActorDoc, *, assignee_id: str | None, team_id: str | None
    ) -> TicketDoc:
        async def plan(ticket: TicketDoc, _: Session) -> tuple[Mapping[str, Any], Sequence[EventDoc]]:
            data = await self._names(ticket, assignee_id, team_id)
            if (ticket["assignee_id"], ticket["team_id"]) == (assignee_id, team_id):
                return {}, ()
            changes = {"assignee_id": assignee_id, "team_id": team_id}
            return changes, [event("ticket.assigned", ticket_id, actor=actor, data=data)]

        return await self._do(ticket_id, plan)

    async def transfer(
        self,
        ticket_id: str,
        actor: ActorDoc,
        *,
        assignee_id: str | None,
        team_id: str | None,
        reason: str,
        note: str = "",
    ) -> TicketDoc:
        """To a colleague, a team or both, with the reason why. Raises Invalid without one."""
        wrong = {} if reason.strip() else {"reason": "is required"}
        if not assignee_id and not team_id:
            wrong["assignee_id"] = "name a colleague or a team"
        if wrong:
            raise Invalid("a transfer needs a receiver and a reason", wrong)

        async def plan(ticket: TicketDoc, session: Session) -> tuple[Mapping[str, Any], Sequence[EventDoc]]:
            data = await self._names(ticket, assignee_id, team_id)
            data |= {"reason": reason.strip(), "note": note.strip()}
            changes: dict[str, Any] = {"assignee_id": assignee_id, "team_id": team_id}
            if note.strip():
                changes |= await self._add_note(ticket, actor, note.strip(), (), session)
            return changes, [event("ticket.transferred", ticket_id, actor=actor, data=data)]

        return await self._do(ticket_id, plan)

    async def _names(self, ticket: TicketDoc, assignee_id: str | None, team_id: str | None) -> dict[str, Any]:
        """Who had it and who gets it, by name, for the trail. Raises NotFound or Invalid."""
        data: dict[str, Any] = {"from": ticket["assignee_id"], "from_team": ticket["team_id"]}
        data |= {"to": assignee_id, "to_team": team_id, "to_name": "", "to_team_name": ""}
        if assignee_id:
            user = await self._store.users.get(assignee_id)
            if not user["active"] or user["role"] == "readonly":
                raise Invalid("this colleague cannot take tickets", {"assignee_id": "cannot take tickets"})
            data["to_name"] = user["name"]
        if team_id:
            data["to_team_name"] = (await self._store.users.team(team_id))["name"]
        return data

    async def update(
        self,
        ticket_id: str,
        actor: ActorDoc,
        *,
        status: Status | None = None,
        priority: Priority | None = None,
        subject: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> TicketDoc:
        """Only what is given changes; what is already so leaves no trace."""

        async def plan(ticket: TicketDoc, _: Session) -> tuple[Mapping[str, Any], Sequence[EventDoc]]:
            wanted: dict[str, Any] = {"status": status, "priority": priority}
            wanted["subject"] = None if subject is None else _clean_subject(subject)
            wanted["tags"] = None if tags is None else _clean_tags(tags)
            was: Mapping[str, Any] = dict(ticket)
            changed = {k: v for k, v in wanted.items() if v is not None and v != was[k]}
            events = [
                event(f"ticket.{name}", ticket_id, actor=actor, data={"from": was[name], "to": value})
                for name, value in changed.items()
            ]
            return changed | (_status_changes(changed["status"]) if "status" in changed else {}), events

        return await self._do(ticket_id, plan)

    async def snooze(self, ticket_id: str, actor: ActorDoc, until: datetime) -> TicketDoc:
        """Out of sight until then, or until the customer writes. Raises Invalid for a time that has passed."""
        if until <= now():
            raise Invalid("this time has passed", {"until": "lies in the past"})

        async def plan(ticket: TicketDoc, _: Session) -> tuple[Mapping[str, Any], Sequence[EventDoc]]:
            if ticket["status"] not in OPEN_STATUSES:
                raise Conflict("a ticket that has ended cannot be snoozed: open it first")
            events = [event("ticket.snoozed", ticket_id, actor=actor, data={"until": until})]
            return {"snoozed_until": until}, events

        return await self._do(ticket_id, plan)

    async def wake(self, ticket_id: str, actor: ActorDoc = SYSTEM) -> TicketDoc:
        async def plan(ticket: TicketDoc, _: Session) -> tuple[Mapping[str, Any], Sequence[EventDoc]]:
            if ticket["snoozed_until"] is None:
                return {}, ()
            changes = {"snoozed_until": None, "last_message_at": now()}
            return changes, [event("ticket.woken", ticket_id, actor=actor)]

        return await self._do(ticket_id, plan)

    async def wake_due(self) -> int:
        """Wakes every ticket whose time has come. Returns how many."""
        woken = 0
        for ticket_id in await self._store.tickets.due_to_wake(200):
            try:
                await self.wake(ticket_id)
            except Conflict as error:  # merged a moment ago
                log.info("ticket.not_woken", ticket_id=ticket_id, error=str(error))
                continue
            woken += 1
        return woken

    async def mark_spam(self, ticket_id: str, actor: ActorDoc, spam: bool) -> TicketDoc:
        async def plan(ticket: TicketDoc, _: Session) -> tuple[Mapping[str, Any], Sequence[EventDoc]]:
            if ticket["spam"] == spam:
                return {}, ()
            return {"spam": spam}, [event("ticket.spam", ticket_id, actor=actor, data={"spam": spam})]

        return await self._do(ticket_id, plan)

    async def note(
        self, ticket_id: str, actor: ActorDoc, text: str, attachment_ids: Sequence[str] = (), once_key: str = ""
    ) -> MessageDoc:
        """For colleagues only; nothing of it ever goes to the customer. `once_key`: it may come again under it."""
        if once_key and (made := await self._store.sessions.made_once(once_key)):
            return await self._store.messages.get(made)
        if not text.strip() and not attachment_ids:
            raise Invalid("the note is empty", {"text": "is empty"})
        note_id = ""

        async def plan(ticket: TicketDoc, session: Session) -> tuple[Mapping[str, Any], Sequence[EventDoc]]:
            nonlocal note_id
            changes = await self._add_note(ticket, actor, text.strip(), attachment_ids, session)
            note_id = changes["last_message"]["id"]
            if once_key and not await self._store.sessions.bind_once(once_key, note_id, session):
                raise Conflict("this note is being written already")
            return changes, ()

        await self._do(ticket_id, plan)
        return await self._store.messages.get(note_id)

    async def _add_note(
        self,
        ticket: TicketDoc,
        actor: ActorDoc,
        text: str,
        attachment_ids: Sequence[str],
        session: Session,
    ) -> dict[str, Any]:
        files = [ref for ref, _ in await self._store.attachments.find_many(attachment_ids)]
        note = _note(ticket, actor, text)
        note["attachments"] = files
        await self._store.messages.insert([note], session)
        added = event("note.added", ticket["_id"], actor=actor, message_id=note["_id"])
        await self._store.events.add([added], session)
        return {"message_count": ticket["message_count"] + 1, "last_message": last_message(note)}


def _opened(ticket: TicketDoc) -> dict[str, Any]:
    return {"status": "open"} if ticket["status"] == "new" else {}


def _status_changes(status: Status) -> dict[str, Any]:
    if status in OPEN_STATUSES:
        return {"resolved_at": None}
    return {"resolved_at": now(), "snoozed_until": None, "waiting_since": None}


def _clean_subject(subject: str) -> str:
    clean = " ".join(subject.split())[:_SUBJECT]
    if not clean:
        raise Invalid("a ticket needs a subject", {"subject": "is empty"})
    return clean


def _clean_tags(tags: Sequence[str]) -> list[str]:
    clean = (" ".join(tag.split())[:_TAG] for tag in tags)
    return list(dict.fromkeys(tag for tag in clean if tag))[:50]


def _note(ticket: TicketDoc, actor: ActorDoc, text: str) -> MessageDoc:
    return MessageDoc(
        _id=new_id(),
        account_id="",
        external_id="",
        aliases=[],
        fingerprint="",
        refs=[],
        bulk=False,
        direction="note",
        kind="message",
        channel="",
        conversation_id="",
        ticket_id=ticket["_id"],
        contact_id=ticket["contact_id"],
        sender=SenderDoc(key="", name=actor["name"], user_id=actor["id"]),
        to=[],
        cc=[],
        bcc=[],
        subject="",
        text=text,
        html="",
        visible_text=text,
        quoted_text="",
        visible_html="",
        attachments=[],
        automatic=False,
        silent=True,
        silent_reason="",
        spam=[],
        problems=[],
        placement=PlacementDoc(rule="written_here", reason="written on this ticket", data={}),
        answering_id=None,
        delivery=None,
        wire={},
        raw_event_id=None,
        extra={},
        sent_at=None,
        at=now(),
    )
