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
    """The message, calling nobody where the hub will answer it, and whether it will. Who takes no confirmed part
    in an exchange with this account gets an agent, as ever."""
    found = work.threads.get((item.account.id, item.message.thread_key))
    conversation = work.final_conversation(found) if found else None
    if item.silent_import or conversation is None or not asks(item.message, rules):
        return item, False
    if any(one["key"] == item.message.sender.key and not one["confirmed"] for one in conversation["participants"]):
        return item, False
    quiet = replace(item.message, silent=True, silent_reason="asked how things stand: the hub answers by itself")
    return replace(item, message=quiet), True


def errand(item: Item, stored: MessageDoc) -> Errand:
    return Errand(
        _id=id_from(PROGRESS, stored["account_id"], stored["external_id"]),
        kind=PROGRESS,
        data={
            "message_id": new_id(),
            "account_id": stored["account_id"],
            "asked_id": stored["_id"],
            # A group is not called by who speaks there: what is theirs alone is not told to all.
            "alone": item.message.thread_key.rpartition("/")[2] == item.message.sender.value,
            "language": "zh" if _CHINESE.search(item.message.text) else "en",
        },
        due=now(),
        attempts=0,
    )
