"""Files that a provider lends: a place in the message at once, the bytes afterwards."""

import mimetypes
from datetime import datetime
from typing import Any

import orjson

from omnihub.connectors.registry import Connectors
from omnihub.inbox.judging import judged
from omnihub.model.documents import AttachmentRef, MessageDoc
from omnihub.model.errors import NotFound, Refused, Unreadable
from omnihub.model.ids import id_from
from omnihub.model.inbound import FetchedMedia, InboundMessage, LentMedia
from omnihub.store.attachments import NewAttachment, true_type
from omnihub.store.database import Session, now
from omnihub.store.errands import Errand
from omnihub.store.events import event
from omnihub.store.store import Store

MEDIA = "media"
RECORDING = "recording"


def places(account_id: str, message: InboundMessage) -> list[AttachmentRef]:
    """Where each lent file will stand, under an id made from the message's own."""
    return [
        AttachmentRef(
            id=_place_id(account_id, message, number, media),
            filename=media.filename or media.label,
            content_type=media.content_type,
            size=media.size,
            inline=False,
            content_id="",
            label=media.label,
            state="fetching",
        )
        for number, media in enumerate(message.media)
    ]


def errands(account_id: str, message: InboundMessage, stored_id: str) -> list[Errand]:
    return [
        Errand(
            _id=id_from(MEDIA, _place_id(account_id, message, number, media)),
            kind=MEDIA,
            data={
                "account_id": account_id,
                "message_id": stored_id,
                "attachment_id": _place_id(account_id, message, number, media),
                "media": _plain(media),
            },
            due=now(),
            attempts=0,
        )
        for number, media in enumerate(message.media)
    ]


def _place_id(account_id: str, message: InboundMessage, number: int, media: LentMedia) -> str:
    """Of a message that goes on, several versions may lend a first file each: there its name tells them apart."""
    if message.kind == "call":
        return id_from(
            MEDIA, account_id, message.external_id, orjson.dumps(media.ref, option=orjson.OPT_SORT_KEYS).decode()
        )
    return id_from(MEDIA, account_id, message.external_id, message.fingerprint, str(number))


def _plain(media: LentMedia) -> dict[str, Any]:
    return {
        "ref": dict(media.ref),
        "filename": media.filename,
        "content_type": media.content_type,
        "size": media.size,
        "label": media.label,
    }


class MediaErrands:
    """Fetches what is lent. Harmless when repeated: the file's id was fixed beforehand."""

    def __init__(self, store: Store, connectors: Connectors) -> None:
        self._store = store
        self._connectors = connectors

    async def do(self, errand: Errand) -> None:
        """Raises TryLater, and what else the connector raises."""
        data = errand["data"]
        media = LentMedia(**data["media"])
        try:
            account = await self._store.accounts.get(data["account_id"])
            connector = await self._connectors.of(account)
            fetched = await connector.fetch(media)
        except (Refused, NotFound, Unreadable) as error:
            await self.give_up(errand, str(error))
            return
        message = await self._store.messages.find(data["message_id"])
        file = _file(data["attachment_id"], media, fetched, _recorded_at(media, message))
        (ref,) = await self._store.attachments.store([file], owner=data["account_id"])
        await self._put(data["message_id"], ref)

    async def give_up(self, errand: Errand, words: str) -> None:
        data = errand["data"]
        message = await self._store.messages.find(data["message_id"])
        places = message["attachments"] if message else []
        for place in places:
            if place["id"] == data["attachment_id"] and place.get("state") == "fetching":
                await self._put(data["message_id"], {**place, "state": "lost", "problem": words})

    async def _put(self, message_id: str, ref: AttachmentRef) -> None:
        async def work(session: Session) -> MessageDoc | None:
            message = await self._store.messages.put_attachment(message_id, ref, session)
            if message is not None and message["ticket_id"]:
                data = {"attachment_id": ref["id"], "state": ref.get("state", "ready")}
                told = event("message.media", message["ticket_id"], message_id=message_id, data=data)
                await self._store.events.add([told], session)
            return message

        await self._store.transaction(work)


def _recorded_at(media: LentMedia, message: MessageDoc | None) -> datetime | None:
    call = judged(message) if message and media.label == RECORDING else None
    return min(call.at, now()) if call else None


def _file(
    attachment_id: str, media: LentMedia, fetched: FetchedMedia, recorded_at: datetime | None
) -> NewAttachment:
    content_type = true_type(fetched.content, fetched.content_type or media.content_type)
    return NewAttachment(
        id=attachment_id,
        filename=named(media.filename or fetched.filename or media.label or "file", content_type),
        content_type=content_type,
        content=fetched.content,
        label=media.label,
        recorded_at=recorded_at,
    )


def named(filename: str, content_type: str) -> str:
    """With an ending, so that the agent's computer knows what to do with it."""
    if "." in filename.strip("."):
        return filename
    return filename + (_ENDINGS.get(content_type) or mimetypes.guess_extension(content_type) or "")


_ENDINGS = {
    "audio/amr": ".amr",
    "audio/ogg": ".ogg",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "audio/mpeg": ".mp3",
}
