import re
import unicodedata
from urllib.parse import quote

from aiohttp import web

from omnihub.model.documents import AttachmentRef
from omnihub.model.raw import RawEvent
from omnihub.store.store import Store
from omnihub.unified_view.problems import Problem

_TYPE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.+-]{0,80}/[a-zA-Z0-9][a-zA-Z0-9.+-]{0,80}")
_INLINE = re.compile(r"image/(png|jpeg|gif|webp)|(audio|video)/[a-z0-9.+-]+")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]')
_LONGEST = 180
# A file is what a stranger sent: whatever it is, it must not run as part of the hub.
_HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


def safe_filename(name: str) -> str:
    """Without folders, control characters, direction overrides and reserved signs; with its ending kept."""
    last = re.split(r"[/\\]", name)[-1]
    clean = _UNSAFE.sub("_", unicodedata.normalize("NFC", last.encode("utf-8", "replace").decode()))
    clean = clean.strip(" .") or "file"
    stem, dot, ending = clean.rpartition(".")
    if not dot or len(ending) > 20:
        return clean[:_LONGEST]
    return f"{stem[: _LONGEST - len(ending) - 1]}.{ending}"


def disposition(kind: str, filename: str) -> str:
    """RFC 6266: an ASCII name for old programs, and the true one by RFC 5987."""
    name = safe_filename(filename)
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r'[%"\\;]', "_", plain).strip() or "file"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def clean_type(content_type: str) -> str:
    bare = content_type.partition(";")[0].strip().lower()
    return bare if _TYPE.fullmatch(bare) else "application/octet-stream"


async def attachment(
    store: Store,
    request: web.Request,
    ref: AttachmentRef,
    digest: str,
    *,
    inline: bool,
    listed: bool = True,
    kept: bool = True,
) -> web.StreamResponse:
    """Streamed; answers If-None-Match and a single Range. `listed`: search engines may name it. `kept`: by the
    reader's browser, which then does not ask again."""
    content_type = clean_type(ref["content_type"])
    shown = inline and _INLINE.fullmatch(content_type) is not None
    headers = {
        **_HARMLESS,
        "Content-Disposition": disposition("inline" if shown else "attachment", ref["filename"]),
        "ETag": f'"{digest}"',
        "Cache-Control": "private, max-age=31536000, immutable" if kept else "no-store",
        "Accept-Ranges": "bytes",
        **({} if listed else {"X-Robots-Tag": "noindex"}),
    }
    if digest in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    start, end = _range(request, ref["size"])
    partial = (start, end) != (0, ref["size"])
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{ref['size']}"
    response = web.StreamResponse(status=206 if partial else 200, headers=headers)
    response.content_type = content_type
    response.content_length = end - start
    if request.method == "HEAD":  # aiohttp would send what is written, and it would pass for the next answer
        return response
    await _write(store, request, response, digest, start, end)
    return response


async def _write(
    store: Store, request: web.Request, response: web.StreamResponse, digest: str, start: int, end: int
) -> None:
    place = 0
    async for chunk in store.blobs.stream(digest):
        piece = chunk[max(0, start - place) : end - place]
        place += len(chunk)
        if piece:
            # Prepared with the first bytes in hand, so that a file that is gone still gets a proper 404.
            if not response.prepared:
                await response.prepare(request)
            await response.write(piece)
        if place >= end:
            break
    if not response.prepared:
        await response.prepare(request)
    await response.write_eof()


def _range(request: web.Request, size: int) -> tuple[int, int]:
    if "Range" not in request.headers or "If-Range" in request.headers:
        return 0, size
    try:
        asked = request.http_range
    except ValueError:  # several ranges, or another unit: the whole is a right answer, too
        return 0, size
    start, stop, _ = asked.indices(size)
    if start >= stop:
        raise Problem("bad_range", headers={"Content-Range": f"bytes */{size}"})
    return start, stop


def original(message_id: str, event: RawEvent) -> web.Response:
    declared = {name.lower(): value for name, value in event.request.headers.items()}.get("content-type", "")
    content_type = clean_type(declared) if declared else "message/rfc822"
    ending = {"message/rfc822": "eml", "application/json": "json", "text/plain": "txt"}.get(content_type, "bin")
    headers = {**_HARMLESS, "Content-Disposition": disposition("attachment", f"{message_id}.{ending}")}
    return web.Response(
        body=event.request.body,
        content_type=content_type,
        headers=headers | {"Cache-Control": "private, no-cache"},
    )
