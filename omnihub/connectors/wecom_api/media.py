"""Files both ways: developer.work.weixin.qq.com/document/path/96484, read 2026-11."""

import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from aiohttp import MultipartWriter

from omnihub.connectors.calls import Answer, Call, ask
from omnihub.connectors.errcode_api import ErrcodeApi, errcode, json_of, words_of
from omnihub.connectors.reading import text_of
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import FetchedMedia, LentMedia
from omnihub.model.outgoing import OutgoingAttachment

MEDIA_SECONDS = 60.0
MAX_BYTES = 104_857_600
PIECE_BYTES = 20_971_520
_SENT_AT_ONCE = 65_536
TOO_LARGE_AT_ONCE = 830002
_NAMED = re.compile(r'filename\*=(?:utf-8|UTF-8)\'[^\']*\'([^;]+)|filename="([^"]*)"|filename=([^;]+)')
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


async def upload(api: ErrcodeApi, kind: str, file: OutgoingAttachment) -> str:
    """The media_id, good for three days. `kind`: image, voice, video or file. Raises TryLater or Refused."""
    with MultipartWriter("form-data") as form:
        part = form.append(io.BytesIO(file.content), {"Content-Type": file.content_type})
        # The name is shown to the receiver and must come in plain UTF-8: names in the form of RFC 5987 are
        # not understood here and end in 44001.
        part.set_content_disposition(
            "form-data", quote_fields=False, name="media", filename=_one_line(file.filename)
        )
    body = await form.as_bytes()
    call = Call(
        method="POST", url="/cgi-bin/media/upload", query={"type": kind}, data=_Pieces(body),
        headers={"Content-Type": form.content_type, "Content-Length": str(len(body))}, seconds=MEDIA_SECONDS,
    )  # fmt: skip
    media_id = text_of(await api.call(call), "media_id")
    if not media_id:
        raise TryLater("the provider took the file, but gave it no media_id")
    return media_id


class _Pieces:
    """A large body that may be sent again, because a call with a stale token is made a second time."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._body), _SENT_AT_ONCE):
            yield self._body[at : at + _SENT_AT_ONCE]


async def fetch(api: ErrcodeApi, media: LentMedia) -> FetchedMedia:
    """Raises TryLater, or Refused where it is gone (three days) or larger than we take."""
    lent = _Lent(api=api, media_id=str(media.ref.get("media_id", "")))
    answer = await lent.ask()
    if errcode(lent.said) == TOO_LARGE_AT_ONCE:
        return await _in_pieces(lent)
    return _named(lent.checked(answer), answer.body)


async def _in_pieces(lent: "_Lent") -> FetchedMedia:
    pieces: list[bytes] = []
    at, total = 0, 1
    while at < total:
        answer = lent.checked(await lent.ask(f"bytes={at}-{at + PIECE_BYTES - 1}"))
        found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
        if answer.status != 206 or not found or int(found[1]) != at or not answer.body:
            raise TryLater("the provider did not give the piece of the file that was asked for")
        total = int(found[3])
        if total > MAX_BYTES:
            raise Refused(f"the file is larger than {MAX_BYTES} bytes")
        pieces.append(answer.body)
        at += len(answer.body)
    return _named(answer, b"".join(pieces))


@dataclass(slots=True, kw_only=True)
class _Lent:
    """`said`: the last answer where it was no file, but words."""

    api: ErrcodeApi
    media_id: str
    said: dict[str, Any] = field(default_factory=dict)

    async def ask(self, piece: str = "") -> Answer:
        call = Call(
            method="GET", url=f"{self.api.base_url}/cgi-bin/media/get", query={"media_id": self.media_id},
            headers={"Range": piece} if piece else {}, seconds=MEDIA_SECONDS, max_bytes=MAX_BYTES,
        )  # fmt: skip
        token = await self.api.token()
        answer = await self._once(call, token)
        if errcode(self.said) in self.api.stale:
            answer = await self._once(call, await self.api.token(stale=token))
        return answer

    def checked(self, answer: Answer) -> Answer:
        """Raises what the provider's words mean."""
        if not self.said:
            return answer
        code, words = errcode(self.said), words_of(self.said)
        raise TryLater(words) if code in self.api.stale else self.api.meanings.get(code, Refused)(words)

    async def _once(self, call: Call, token: str) -> Answer:
        answer = await ask(self.api.http, replace(call, query={**call.query, "access_token": token}))
        self.said = {} if _is_file(answer) else json_of(answer, call)
        return answer


def _is_file(answer: Answer) -> bool:
    """A customer's own JSON file looks like an error, but comes as an attachment, which errors do not."""
    worded = answer.content_type in ("application/json", "text/plain", "text/json", "text/html")
    return answer.status in (200, 206) and ("content-disposition" in answer.headers or not worded)


def _named(answer: Answer, content: bytes) -> FetchedMedia:
    return FetchedMedia(content=content, filename=_filename(answer), content_type=_content_type(answer))


def _filename(answer: Answer) -> str:
    found = _NAMED.search(answer.headers.get("content-disposition", ""))
    if not found:
        return ""
    return unquote(found[1]) if found[1] else (found[2] or found[3] or "").strip()


def _content_type(answer: Answer) -> str:
    return "" if answer.content_type == "application/octet-stream" else answer.content_type


def _one_line(filename: str) -> str:
    return " ".join(filename.replace('"', "'").replace("\\", "_").split()) or "file"
