import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from omnihub.model.errors import Invalid
from omnihub.store.database import Doc

Cursor = tuple[datetime, str]


def encode(at: datetime, doc_id: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([at.timestamp(), doc_id])).decode().rstrip("=")


def decode(cursor: str) -> Cursor | None:
    """Where the last page ended; None for the first page. Raises Invalid."""
    if not cursor:
        return None
    try:
        seconds, doc_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return datetime.fromtimestamp(round(float(seconds), 3), UTC), str(doc_id)
    except (ValueError, TypeError, binascii.Error, OverflowError, OSError) as error:
        raise Invalid("this is not a cursor of ours", {"cursor": "unreadable"}) from error


def older_than(cursor: Cursor | None, field: str) -> Doc:
    """The rest of a list that runs from the newest to the oldest."""
    if cursor is None:
        return {}
    at, doc_id = cursor
    return {field: {"$lte": at}, "$or": [{field: {"$lt": at}}, {field: at, "_id": {"$lt": doc_id}}]}


def next_cursor(page: Sequence[Any], limit: int, field: str) -> str | None:
    if len(page) < limit or not page:
        return None
    last = page[-1]
    return encode(last[field], last["_id"])
