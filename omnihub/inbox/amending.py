"""What its author changed, took back, or sent in parts."""

from dataclasses import dataclass
from datetime import datetime

from omnihub.inbox import going_on, media
from omnihub.inbox.placing import call_told, document
from omnihub.inbox.workset import Item, Workset
from omnihub.model.documents import AttachmentRef, MessageDoc
from omnihub.model.inbound import Amendment
from omnihub.store.database import Session
from omnihub.store.events import event
from omnihub.store.store import Store
from omnihub.threading import Placement

_PART = Placement(rule="part", reason="it is a part of another message")


@dataclass(slots=True, frozen=True, kw_only=True)
class Change:
    """An amendment of a message of this account. `at`: when the author made it, or when we heard."""

    account_id: str
    amendment: Amendment
    at: datetime


def whole_of(item: Item, work: Workset) -> MessageDoc | None:
    """The message that this one is a further part of."""
    if not item.message.part_of:
        return None
    return next(iter(work.by_id.get((item.account.id, item.message.part_of), [])), None)


def is_known_part(item: Item, work: Workset) -> bool:
    return bool(item.message.part_of and work.by_id.get((item.account.id, item.message.external_id)))


def add_part(item: Item, whole: MessageDoc, files: list[AttachmentRef], work: Workset) -> None:
    part = document(item, None, None, "", files, _PART)
    work.errands += media.errands(item.account.id, item.message, whole["_id"])
    whole["aliases"].append(part["external_id"])
    work.index({**part, "aliases": []})
    if any(whole is one for one in work.new_messages):
        whole["attachments"] += part["attachments"]
        whole["text"] = "\n".join(filter(None, (whole["text"], part["text"])))
        whole["visible_text"] = "\n".join(filter(None, (whole["visible_text"], part["visible_text"])))
        return
    work.added_parts.append((whole["_id"], part))
    work.stale_tickets.add(whole["ticket_id"])
    told = event("message.media", whole["ticket_id"], message_id=whole["_id"], data={"state": "added"})
    work.events.append(told)


async def save_parts(store: Store, work: Workset, session: Session) -> None:
    for message_id, part in work.added_parts:
        await store.messages.add_part(message_id, part, session)


async def apply(store: Store, changes: list[Change], work: Workset, session: Session) -> None:
    """To messages that are stored by now. What is known already, or was never seen, is left."""
    if not changes:
        return
    wanted: dict[str, set[str]] = {}
    for change in changes:
        wanted.setdefault(change.account_id, set()).add(change.amendment.external_id)
    known: dict[tuple[str, str], MessageDoc] = {}
    for message in await store.messages.named(wanted, session):
        for name in (message["external_id"], *message["aliases"]):
            known[message["account_id"], name] = message
    for change in changes:
        found = known.get((change.account_id, change.amendment.external_id))
        if found is not None:
            await _apply(store, change, found, work, session)


async def _apply(store: Store, change: Change, message: MessageDoc, work: Workset, session: Session) -> None:
    amendment = change.amendment
    if amendment.kind == "recalled":
        done, kind = await store.messages.mark_recalled(message["_id"], change.at, session), "message.recalled"
    elif amendment.kind == "updated":
        done, kind = await _update(store, amendment, message, session), "message.updated"
    elif amendment.message is not None:
        new = {name: getattr(amendment.message, name) for name in ("text", "visible_text", "html", "visible_html")}
        done, kind = await store.messages.amend(message["_id"], new, change.at, session), "message.edited"
    else:
        return
    if done and message["ticket_id"]:
        work.stale_tickets.add(message["ticket_id"])
        # This version may tell a part only: whoever watches is shown the whole.
        now = await store.messages.get(message["_id"], session)
        told = event(kind, message["ticket_id"], message_id=message["_id"], data=call_told(now["extra"]))
        await store.events.add([told], session)


async def _update(store: Store, amendment: Amendment, message: MessageDoc, session: Session) -> bool:
    """What became loud, such as a call that was missed, calls an agent from now on."""
    now_said = amendment.message
    if now_said is None:
        return False
    known = await store.messages.get(message["_id"], session)
    fields = going_on.news(known, now_said, amendment.sequence)
    if fields:
        sequence = max(amendment.sequence, known["extra"].get("sequence", 0))
        await store.messages.update_state(message["_id"], fields, sequence, session)
    have = {place["id"] for place in known["attachments"]}
    places = [one for one in media.places(message["account_id"], now_said) if one["id"] not in have]
    if places:
        await store.messages.add_places(message["_id"], places, session)
        await store.errands.add(media.errands(message["account_id"], now_said, message["_id"]), session)
    return bool(fields or places)
