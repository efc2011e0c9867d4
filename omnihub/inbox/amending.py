"""What its author changed, took back, or sent in parts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omnihub.inbox import going_on, media
from omnihub.inbox.calls import OUT_OF_HOURS, Calls
from omnihub.inbox.placing import call_told, document
from omnihub.inbox.workset import Item, Workset
from omnihub.model.account import Account
from omnihub.model.documents import AttachmentRef, MessageDoc
from omnihub.model.inbound import Amendment
from omnihub.store.database import Session
from omnihub.store.events import event
from omnihub.store.store import Store
from omnihub.threading import Placement

_PART = Placement(rule="part", reason="it is a part of another message")


@dataclass(slots=True, frozen=True, kw_only=True)
class Change:
    """An amendment of a message of this account. `at`: when the author made it, or when we heard. `quietly`: it is
    history, and calls nobody."""

    account: Account
    amendment: Amendment
    at: datetime
    quietly: bool = False


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


async def apply(store: Store, calls: Calls, changes: list[Change], work: Workset, session: Session) -> None:
    """To messages that are stored by now. What is known already, or was never seen, is left."""
    if not changes:
        return
    wanted: dict[str, set[str]] = {}
    for change in changes:
        wanted.setdefault(change.account.id, set()).add(change.amendment.external_id)
    known: dict[tuple[str, str], list[MessageDoc]] = {}
    for message in await store.messages.named(wanted, session):
        for name in (message["external_id"], *message["aliases"]):
            known.setdefault((message["account_id"], name), []).append(message)
    for change in changes:
        if candidates := known.get((change.account.id, change.amendment.external_id)):
            message = _meant(change.amendment, candidates)
            if change.amendment.kind == "updated":
                await _update(store, calls, change, message["_id"], work, session)
            else:
                await _amend(store, change, message, work, session)


def _meant(amendment: Amendment, candidates: list[MessageDoc]) -> MessageDoc:
    """Of several messages that came under one id, the one that says the same of itself; else the first so
    named."""
    told = amendment.message.fingerprint if amendment.message else ""
    return min(
        candidates,
        key=lambda one: (not told or one["fingerprint"] != told, one["external_id"] != amendment.external_id),
    )


async def _amend(store: Store, change: Change, message: MessageDoc, work: Workset, session: Session) -> None:
    amendment = change.amendment
    if amendment.kind == "recalled":
        done, kind = await store.messages.mark_recalled(message["_id"], change.at, session), "message.recalled"
    elif amendment.message is not None and (new := await _new_words(store, amendment, message, session)):
        done, kind = await store.messages.amend(message["_id"], new, change.at, session), "message.edited"
    else:
        return
    if done and message["ticket_id"]:
        work.stale_tickets.add(message["ticket_id"])
        work.events.append(event(kind, message["ticket_id"], message_id=message["_id"]))


async def _update(
    store: Store, calls: Calls, change: Change, message_id: str, work: Workset, session: Session
) -> None:
    """What became loud, such as a call that was missed, calls an agent from now on."""
    amendment = change.amendment
    now_said = amendment.message
    if now_said is None:
        return
    known = await store.messages.get(message_id, session)
    fields = going_on.news(known, now_said, amendment.sequence)
    if fields:
        sequence = max(amendment.sequence, known["extra"].get("sequence", 0))
        await store.messages.update_state(message_id, fields, sequence, session)
    have = {place["id"] for place in known["attachments"]}
    places = [one for one in media.places(known["account_id"], now_said) if one["id"] not in have]
    if places:
        await store.messages.add_places(message_id, places, session)
        await store.errands.add(media.errands(known["account_id"], now_said, message_id), session)
    if fields and not change.quietly:
        await calls.went_on(known, change.account, work, session)
    if fields or places:
        await _tell_updated(store, message_id, work, session)


async def _tell_updated(store: Store, message_id: str, work: Workset, session: Session) -> None:
    """This version may tell a part only: whoever watches is shown all that is known."""
    message = await store.messages.get(message_id, session)
    if not message["ticket_id"]:
        return
    work.stale_tickets.add(message["ticket_id"])
    data: dict[str, Any] = {**call_told(message["extra"]), "silent": message["silent"]}
    if message["extra"].get(OUT_OF_HOURS):
        data[OUT_OF_HOURS] = True
    work.events.append(event("message.updated", message["ticket_id"], message_id=message_id, data=data))


async def _new_words(store: Store, amendment: Amendment, message: MessageDoc, session: Session) -> dict[str, str]:
    """Of a further part, such as one picture of an album, they stand beside the words of the others."""
    new = {name: getattr(amendment.message, name) for name in ("text", "visible_text", "html", "visible_html")}
    whole = message["external_id"]
    if whole == amendment.external_id or whole.startswith(f"{amendment.external_id}#"):
        return new
    current = await store.messages.get(message["_id"], session)
    if not new["text"] or new["text"] in current["text"]:
        return {}
    added = {"text": new["text"], "visible_text": new["visible_text"]}
    return {name: "\n".join(filter(None, (str(current[name]), words))) for name, words in added.items()}  # type: ignore[literal-required]
