"""A customer who sends only 进度 or status wants to know how things stand, not to be answered by a person."""

import re
from dataclasses import replace

from omnihub.inbox.workset import Item, Workset
from omnihub.model.documents import MessageDoc
from omnihub.model.ids import id_from, new_id
from omnihub.model.inbound import InboundMessage
from omnihub.settings import Progress
from omnihub.store.database import now
from omnihub.store.errands import Errand

PROGRESS = "progress"
_DECORATION = re.compile(r"[\s?？!！.。,，:：/#]+")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_LONGEST = 40


def asks(message: InboundMessage, rules: Progress) -> bool:
    text = message.visible_text or message.text
    if not rules.enabled or message.kind != "message" or message.direction != "inbound" or message.silent:
        return False
    if message.attachments or message.media or message.spam or len(text) > _LONGEST:
        return False
    return _bare(text) in {_bare(word) for word in rules.words if word}


def _bare(text: str) -> str:
    return _DECORATION.sub("", text).casefold()


def noticed(item: Item, work: Workset, rules: Progress) -> tuple[Item, bool]:
    """The message, calling nobody where the hub will answer it, and whether it will. Who has no exchange with
    this account gets an agent, as ever."""
    found = work.threads.get((item.account.id, item.message.thread_key))
    if item.silent_import or not found or not asks(item.message, rules):
        return item, False
    quiet = replace(item.message, silent=True, silent_reason="asked how things stand: the hub answers by itself")
    return replace(item, message=quiet), True


def errand(item: Item, stored: MessageDoc) -> Errand:
    return Errand(
        _id=id_from(PROGRESS, stored["account_id"], stored["external_id"]),
        kind=PROGRESS,
        data={
            "message_id": new_id(),
            "ticket_id": stored["ticket_id"],
            "account_id": stored["account_id"],
            "contact_id": stored["contact_id"],
            "to_key": stored["sender"]["key"],
            "language": "zh" if _CHINESE.search(item.message.text) else "en",
        },
        due=now(),
        attempts=0,
    )
