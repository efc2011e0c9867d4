"""Files that DingTalk lends by a download code. open.dingtalk.com, download files of robots (read 2026-11)."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import aiohttp
import filetype

from omnihub.connectors.calls import Answer, Call, ask
from omnihub.connectors.dingtalk.api import Api
from omnihub.connectors.dingtalk.profiles import fetchable
from omnihub.connectors.reading import text_of
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import FetchedMedia, LentMedia

MAX_BYTES = 20_971_520
FETCH_SECONDS = 60.0
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}")


async def fetch(api: Api, http: aiohttp.ClientSession, media: LentMedia, robot: str) -> FetchedMedia:
    """Raises TryLater, or Refused where it is gone or too large."""
    code = str(media.ref.get("code") or "")
    # A code opens the file for the robot only that it was given to.
    body = {"downloadCode": code, "robotCode": str(media.ref.get("robot") or robot)}
    read = await api.modern(Call(method="POST", url="/v1.0/robot/messageFiles/download", json=body))
    address = text_of(read, "downloadUrl")
    if not fetchable(address, api):
        raise Refused("DingTalk lends this file at an address that is not safe to call")
    answer = await ask(http, Call(method="GET", url=address, seconds=FETCH_SECONDS, max_bytes=MAX_BYTES))
    if answer.status != 200:
        raise _failed(answer.status)
    return _named(answer, media, address)


def _failed(status: int) -> TryLater | Refused:
    words = f"DingTalk's file store answers HTTP {status}"
    return TryLater(words) if status >= 500 or status in (408, 429) else Refused(words)


def _named(answer: Answer, media: LentMedia, address: str) -> FetchedMedia:
    """DingTalk names most files `….file`; what they are, their first bytes say."""
    guessed = filetype.guess(answer.body[:8192])
    told = answer.content_type if "/" in answer.content_type else ""
    content_type = guessed.mime if guessed else ("" if told == "application/octet-stream" else told)
    filename = media.filename
    if not filename:
        stored = PurePosixPath(unquote(urlsplit(address).path)).suffix
        ending = f".{guessed.extension}" if guessed else stored
        usable = ending if _ENDING.fullmatch(ending) and ending != ".file" else ""
        filename = f"{media.label or 'file'}{usable}"
    return FetchedMedia(content=answer.body, filename=filename, content_type=content_type)
