from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import filetype
from pymongo import IndexModel, ReplaceOne

from omnihub.model.documents import AttachmentRef
from omnihub.model.errors import NotFound
from omnihub.store import blobs
from omnihub.store.blobs import Blobs
from omnihub.store.database import Database, Doc, Session, now

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    **blobs.INDEXES,
    "attachments": (
        IndexModel([("blob", 1)]),
        IndexModel([("owner", 1), ("recorded_at", 1)], partialFilterExpression={"recorded_at": {"$exists": True}}),
    ),
}


@dataclass(slots=True, frozen=True, kw_only=True)
class NewAttachment:
    """`recorded_at`: of a call's recording, which is kept only as long as its account says."""

    id: str
    filename: str
    content_type: str
    content: bytes
    inline: bool = False
    content_id: str = ""
    label: str = ""
    recorded_at: datetime | None = None


def true_type(content: bytes, declared: str) -> str:
    """By the content's first bytes where they tell, else what was declared."""
    kind = filetype.guess(content[:8192])
    return str(kind.mime) if kind else declared or "application/octet-stream"


class Attachments:
    """Names and types of files; the bytes are in the blob store."""

    def __init__(self, db: Database, blob_store: Blobs) -> None:
        self._attachments = db["attachments"]
        self.blobs = blob_store

    async def store(self, files: Sequence[NewAttachment], *, owner: str = "") -> list[AttachmentRef]:
        """Blobs first, then names, so that no name ever points at nothing. Repeats are harmless."""
        if not files:
            return []
        digests = await self.blobs.put([file.content for file in files])
        refs = [_ref(file) for file in files]
        at = now()
        writes = [
            ReplaceOne(
                {"_id": ref["id"]},
                {
                    **{k: v for k, v in ref.items() if k != "id"},
                    **({"recorded_at": file.recorded_at} if file.recorded_at else {}),
                    "blob": digest,
                    "owner": owner,
                    "at": at,
                },
                upsert=True,
            )
            for file, ref, digest in zip(files, refs, digests, strict=True)
        ]
        await self._attachments.bulk_write(writes, ordered=False)
        return refs

    async def find(self, attachment_id: str, session: Session | None = None) -> tuple[AttachmentRef, str]:
        """The reference and the blob's digest. Raises NotFound."""
        found = await self._attachments.find_one({"_id": attachment_id}, session=session)
        if found is None:
            raise NotFound("this attachment does not exist")
        return _from_doc(found), str(found["blob"])

    async def find_many(self, ids: Sequence[str]) -> list[tuple[AttachmentRef, str]]:
        """In the order asked. Raises NotFound when one is missing."""
        found = {doc["_id"]: doc async for doc in self._attachments.find({"_id": {"$in": list(ids)}})}
        missing = [one for one in ids if one not in found]
        if missing:
            raise NotFound(f"these attachments do not exist: {', '.join(missing)}")
        return [(_from_doc(found[one]), str(found[one]["blob"])) for one in ids]

    async def recorded_before(self, owner: str, moment: datetime, limit: int) -> list[str]:
        """Ids of an account's recordings, oldest first."""
        query = {"owner": owner, "recorded_at": {"$lt": moment}}
        found = self._attachments.find(query, {"_id": 1}).sort("recorded_at", 1).limit(limit)
        return [doc["_id"] async for doc in found]

    async def remove(self, attachment_id: str, session: Session) -> str | None:
        """The digest of its bytes, which are still there; None where it is gone already."""
        found = await self._attachments.find_one_and_delete({"_id": attachment_id}, session=session)
        return str(found["blob"]) if found else None


def _ref(file: NewAttachment) -> AttachmentRef:
    return AttachmentRef(
        id=file.id,
        filename=file.filename,
        content_type=file.content_type,
        size=len(file.content),
        inline=file.inline,
        content_id=file.content_id,
        label=file.label,
    )


def _from_doc(doc: Doc) -> AttachmentRef:
    return AttachmentRef(
        id=doc["_id"],
        filename=doc["filename"],
        content_type=doc["content_type"],
        size=doc["size"],
        inline=doc["inline"],
        content_id=doc["content_id"],
        label=doc["label"],
    )
