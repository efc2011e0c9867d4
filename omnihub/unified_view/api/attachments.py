import asyncio
import hashlib
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, web

from omnihub.model.documents import AttachmentRef
from omnihub.model.ids import new_id
from omnihub.store.attachments import NewAttachment, true_type
from omnihub.unified_view import files, views
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.once import once
from omnihub.unified_view.problems import Problem
from omnihub.unified_view.serving import json_response
from omnihub.unified_view.shapes import messages as shapes

api = Api("attachments")

# Files are held in memory while they come in: this many at a time, the others wait.
UPLOADS = web.AppKey("uploads", asyncio.Semaphore)
_CHUNK = 262_144
_CHUNK_SECONDS = 30.0
_FRAMING = 16_384
RECORDING = "recording"


@api.post(
    "/attachments",
    "Upload a file",
    "上传文件",
    answer=shapes.Attachment,
    status=201,
    takes_file=True,
    once=True,
    errors=("too_large", "unsupported_type", "invalid"),
)
async def upload(call: Call[None]) -> web.Response:
    """multipart/form-data with the part `file`. Its type is found by its content. Name the id in a reply or
    note."""
    limit = call.deps.settings.storage.attachment_limit_bytes
    if call.request.content_type != "multipart/form-data":
        raise Problem("unsupported_type", wanted="multipart/form-data")
    if (call.request.content_length or 0) > limit + _FRAMING:
        raise Problem("too_large", limit=limit)
    async with call.request.app[UPLOADS]:
        return await _take(call, limit)


async def _take(call: Call[Any], limit: int) -> web.Response:
    filename, declared, content = await _received(call, limit)

    async def work() -> tuple[int, bytes]:
        new = NewAttachment(
            id=new_id(),
            filename=files.safe_filename(filename),
            content_type=files.clean_type(true_type(content, declared)),
            content=content,
        )
        (ref,) = await call.deps.store.attachments.store([new], owner=call.caller.id)
        return 201, views.dumps(ref)

    digest = hashlib.sha256(content).hexdigest()
    status, body, replayed = await once(call.deps.store, call.request, call.caller.id, digest, work)
    return json_response(call.request, body, status, replayed=replayed)


async def _received(call: Call[Any], limit: int) -> tuple[str, str, bytes]:
    """Name, declared type and content of the part `file`."""
    try:
        reader = await call.request.multipart()
        part = await _file_part(reader)
        if part is None:
            words = {"en": "is required", "zh-CN": "必填"}[call.language]
            raise Problem("invalid", fields={"file": words})
        content = await _read(part, limit)
        # What follows the part must be a boundary: a body that was cut off would pass for a whole file.
        await asyncio.wait_for(reader.next(), _CHUNK_SECONDS)
    except TimeoutError:
        raise Problem("too_slow") from None
    except (ValueError, RuntimeError, AssertionError, KeyError):  # what aiohttp raises at broken framing
        raise Problem("bad_request") from None
    return part.filename or "file", part.headers.get("Content-Type", ""), content


async def _file_part(reader: MultipartReader) -> BodyPartReader | None:
    while (part := await asyncio.wait_for(reader.next(), _CHUNK_SECONDS)) is not None:
        if isinstance(part, BodyPartReader) and part.name == "file":
            return part
    return None


async def _read(part: BodyPartReader, limit: int) -> bytes:
    content = bytearray()
    while chunk := await asyncio.wait_for(part.read_chunk(_CHUNK), _CHUNK_SECONDS):
        content += chunk
        if len(content) > limit:
            raise Problem("too_large", limit=limit)
    return bytes(content)


@api.get(
    "/attachments/{id}", "A file", "下载文件", gives_bytes=True, errors=("not_found", "forbidden", "bad_range")
)
async def download(call: Call[shapes.AttachmentQuery]) -> web.StreamResponse:
    """A download; `inline=1` shows images, sound and video instead. Answers Range and If-None-Match. A call's
    recording is for agents and higher roles, and who listens is written down."""
    ref, digest = await call.deps.store.attachments.find(call.id)
    is_recording = ref["label"] == RECORDING
    if is_recording:
        call.caller.require("agent", "read")
        await _note_listening(call, ref)
    return await files.attachment(
        call.deps.store, call.request, ref, digest, inline=call.given.inline, kept=not is_recording
    )


async def _note_listening(call: Call[shapes.AttachmentQuery], ref: AttachmentRef) -> None:
    """Before the first byte: nobody listens unseen."""
    store = call.deps.store
    message = await store.call_log.with_file(ref["id"])
    await store.accesses.note(
        attachment_id=ref["id"],
        message_id=message["_id"] if message else "",
        ticket_id=message["ticket_id"] if message else "",
        user_id=call.caller.id,
        name=call.caller.user["name"],
    )
