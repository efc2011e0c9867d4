from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from omnihub.model.documents import ConversationDoc, MessageDoc, ParticipantDoc
from omnihub.model.errors import NotFound
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import Outgoing, OutgoingAttachment, Quoted, TemplateUse
from omnihub.store.database import now
from omnihub.store.store import Store
from omnihub.threading.tokens import ReplyTokens

MAX_REFERENCES = 20
# How long a provider may take to fetch a file itself.
_FETCHING = timedelta(days=2)
_NEVER_OUT = ("failed", "cancelled")


class Composer:
    """Makes of a stored message what its connector needs. The same message makes the same Outgoing every
    time, so that a retry repeats it exactly."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tokens = ReplyTokens(lambda purpose, data: store.vault.sign(purpose, data))

    async def load(self, message: MessageDoc) -> Outgoing:
        """With the files' bytes. Raises NotFound where one of them is gone."""
        conversation = await self._store.conversations.get(message["conversation_id"])
        ticket = await self._store.tickets.get(message["ticket_id"])
        answered = await self._answered(message)
        files = await self._files(message)
        last = answered or await self._last_heard(conversation)
        return self.outgoing(message, conversation, ticket["number"], answered, files, last)

    def outgoing(
        self,
        message: MessageDoc,
        conversation: ConversationDoc,
        ticket_number: int,
        answered: MessageDoc | None,
        files: Sequence[OutgoingAttachment] = (),
        last_heard: MessageDoc | None = None,
    ) -> Outgoing:
        used = message["extra"].get("template")
        there = answered is not None and answered["conversation_id"] == conversation["_id"]
        return Outgoing(
            id=message["_id"],
            conversation_id=conversation["_id"],
            ticket_number=ticket_number,
            thread_key=conversation["thread_key"],
            to=_handles(message["to"]),
            cc=_handles(message["cc"]),
            bcc=_handles(message["bcc"]),
            author=message["sender"]["name"],
            subject=message["subject"],
            text=message["text"],
            html=message["html"],
            attachments=tuple(files),
            token=self._tokens.issue(conversation["_id"]),
            references=tuple(message["refs"]),
            quoted=None if answered is None or message["automatic"] else _quoted(answered),
            automatic=message["automatic"],
            answering=_wire(last_heard or answered, conversation),
            answered_id=_known_there(answered) if answered and there else "",
            template=TemplateUse(id=used["id"], values=used["values"]) if used else None,
            created_at=message["at"],
            external_id=message["external_id"],
            wire=message["wire"],
        )

    async def _answered(self, message: MessageDoc) -> MessageDoc | None:
        if not message["answering_id"]:
            return None
        try:
            return await self._store.messages.get(message["answering_id"])
        except NotFound:  # removed since; the answer goes out without quoting it
            return None

    async def _last_heard(self, conversation: ConversationDoc) -> MessageDoc | None:
        if not conversation["last_inbound_id"]:
            return None
        return await self._store.messages.find(conversation["last_inbound_id"])

    async def _files(self, message: MessageDoc) -> list[OutgoingAttachment]:
        found = await self._store.attachments.find_many([ref["id"] for ref in message["attachments"]])
        return [
            OutgoingAttachment(
                filename=ref["filename"],
                content_type=ref["content_type"],
                content=await self._store.attachments.blobs.get(digest),
                inline=ref["inline"],
                content_id=ref["content_id"],
                url=self._store.file_links.url(ref["id"], ref["filename"], now(), _FETCHING),
            )
            for ref, digest in found
        ]


def references(thread: Sequence[MessageDoc], answered: MessageDoc | None, conversation_id: str) -> list[str]:
    """Ids of the conversation's messages, oldest first, the answered one last. Ids of another conversation
    mean nothing to this one's provider."""
    known = [_known_there(m) for m in thread if m["external_id"] and not _never_out(m)]
    if answered and answered["conversation_id"] == conversation_id and answered["external_id"]:
        last = _known_there(answered)
        known = [one for one in known if one != last] + [last]
    return known[-MAX_REFERENCES:]


def _wire(heard: MessageDoc | None, conversation: ConversationDoc) -> Mapping[str, Any]:
    """What of the customer's message an answer needs, where the answer goes the same way back."""
    if heard is None or heard["direction"] != "inbound" or heard["conversation_id"] != conversation["_id"]:
        return {}
    return heard["wire"]


def _known_there(message: MessageDoc) -> str:
    """By which id the other side knows it: a customer's mail under a taken id is stored under another."""
    if message["direction"] == "inbound":
        for alias in message["aliases"]:
            if message["external_id"].startswith(f"{alias}#"):
                return alias
    return message["external_id"]


def _never_out(message: MessageDoc) -> bool:
    return message["delivery"] is not None and message["delivery"]["state"] in _NEVER_OUT


def _handles(people: Sequence[ParticipantDoc]) -> tuple[Handle, ...]:
    return tuple(Handle(key=person["key"], name=person["name"]) for person in people)


def _quoted(message: MessageDoc) -> Quoted:
    sender = message["sender"]
    return Quoted(
        sender=sender["name"] or Handle(key=sender["key"]).value,
        sent_at=message["sent_at"] or message["at"],
        text=message["visible_text"] or message["text"],
        html=message["visible_html"],
    )
