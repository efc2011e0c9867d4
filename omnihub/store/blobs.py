import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bson import Binary
from motor.motor_asyncio import AsyncIOMotorGridFSBucket
from pymongo import IndexModel, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from omnihub.model.errors import NotFound
from omnihub.store.database import Database, now

INDEXES: Mapping[str, Sequence[IndexModel]] = {"blobs": ()}

# Below this a blob lives in its own document: one insert for a whole batch instead of two round trips each.
_INLINE_BYTES = 262_144
_DUPLICATE_KEY = 11000


class Blobs(Protocol):
    """Content by its SHA-256 (hex). GridFS today; an S3-compatible store has the same four doors."""

    async def put(self, contents: Sequence[bytes]) -> list[str]: ...

    async def get(self, digest: str) -> bytes: ...

    def stream(self, digest: str) -> AsyncIterator[bytes]: ...

    async def forget(self, digest: str, *, unused_since: datetime) -> bool: ...


class GridFSBlobs:
    def __init__(self, db: Database) -> None:
        self._blobs = db["blobs"]
        self._attachments = db["attachments"]
        self._raw_events = db["raw_events"]
        self._bucket = AsyncIOMotorGridFSBucket(db.db, bucket_name="blobs")

    async def put(self, contents: Sequence[bytes]) -> list[str]:
        """Durable when it returns. The same content is kept once."""
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        unique = dict(zip(digests, contents, strict=True))
        small = {d: c for d, c in unique.items() if len(c) <= _INLINE_BYTES}
        await self._put_small(small)
        await asyncio.gather(*(self._put_large(d, c) for d, c in unique.items() if d not in small))
        return digests

    async def _put_small(self, contents: Mapping[str, bytes]) -> None:
        """Also says of what is kept already that it was wanted just now, so that nobody forgets it."""
        at = now()
        writes = [
            UpdateOne(
                {"_id": digest},
                {"$set": {"at": at}, "$setOnInsert": {"size": len(content), "data": Binary(content)}},
                upsert=True,
            )
            for digest, content in contents.items()
        ]
        if not writes:
            return
        try:
            await self._blobs.bulk_write(writes, ordered=False)
        except BulkWriteError as error:  # somebody else put the same at this very moment
            if any(e["code"] != _DUPLICATE_KEY for e in error.details["writeErrors"]):
                raise

    async def _put_large(self, digest: str, content: bytes) -> None:
        if (await self._blobs.update_one({"_id": digest}, {"$set": {"at": now()}})).matched_count:
            return
        file_id = await self._bucket.upload_from_stream(digest, content)
        try:
            await self._blobs.insert_one({"_id": digest, "size": len(content), "file_id": file_id, "at": now()})
        except DuplicateKeyError:  # another upload of the same content was quicker; its copy stays
            await self._bucket.delete(file_id)

    async def get(self, digest: str) -> bytes:
        return b"".join([chunk async for chunk in self.stream(digest)])

    async def stream(self, digest: str) -> AsyncIterator[bytes]:
        """Raises NotFound."""
        found = await self._blobs.find_one({"_id": digest})
        if found is None:
            raise NotFound("this file is no longer stored")
        if "data" in found:
            yield bytes(found["data"])
            return
        grid_out = await self._bucket.open_download_stream(found["file_id"])
        while chunk := await grid_out.readchunk():
            yield chunk

    async def forget(self, digest: str, *, unused_since: datetime) -> bool:
        """Removes it unless an attachment or a raw event has it, or somebody put it after `unused_since`.
        Finishes what was cut off."""
        for holders in (self._attachments, self._raw_events):
            if await holders.find_one({"blob": digest}, {"_id": 1}):
                return False
        found = await self._blobs.find_one_and_delete({"_id": digest, "at": {"$lt": unused_since}})
        if found and "file_id" in found:
            await self._bucket.delete(found["file_id"])
        await self._drop_strays(digest, unused_since)
        return found is not None

    async def _drop_strays(self, digest: str, before: datetime) -> None:
        """Bytes that lost their entry, as whoever removed it was ended before they were gone."""
        strays = [one._id async for one in self._bucket.find({"filename": digest, "uploadDate": {"$lt": before}})]
        if not strays:
            return
        kept = await self._blobs.find_one({"_id": digest}, {"file_id": 1})
        for file_id in strays:
            if kept is None or kept.get("file_id") != file_id:
                await self._bucket.delete(file_id)
