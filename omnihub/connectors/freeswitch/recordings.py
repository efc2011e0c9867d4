"""Recordings are files on FreeSWITCH's own disk: a web server in front of that folder lends them."""

import mimetypes
from pathlib import PurePosixPath
from urllib.parse import quote

import aiohttp

from omnihub.connectors import calls
from omnihub.connectors.freeswitch.settings import Settings
from omnihub.connectors.telephony.call import Call
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import FetchedMedia, LentMedia

FETCH_SECONDS = 60.0
_SOON = 30.0


def lent(call: Call, settings: Settings) -> LentMedia | None:
    """None for a recording that cannot be had: elsewhere on the disk, or with no web address."""
    path = relative(call.recording, settings.recordings_path)
    if not path or not settings.recordings_url:
        return None
    kind = mimetypes.guess_type(path)[0] or ""
    return LentMedia(ref={"path": path}, filename=PurePosixPath(path).name, content_type=kind, label="recording")


def relative(path: str, folder: str) -> str:
    """Below the folder, "" where it is not."""
    inner, outer = PurePosixPath(path), PurePosixPath(folder)
    if not path or ".." in inner.parts:
        return ""
    if not inner.is_absolute():
        return str(inner)
    return str(inner.relative_to(outer)) if outer in inner.parents else ""


async def fetch(http: aiohttp.ClientSession, media: LentMedia, settings: Settings) -> FetchedMedia:
    """Raises TryLater, or Refused where it is gone for good."""
    path = relative(str(media.ref.get("path", "")), "/")
    if not settings.recordings_url or not path:
        raise Refused("this account has no web address of its recordings")
    answer = await calls.ask(
        http,
        calls.Call(
            method="GET",
            url=f"{settings.recordings_url}/{quote(path)}",
            headers=_sign_in(settings),
            seconds=FETCH_SECONDS,
            max_bytes=settings.recording_max_mb * 1_048_576,
        ),
    )
    if answer.status == 200:
        return FetchedMedia(content=answer.body, content_type=answer.content_type)
    if answer.status in (401, 403, 410):
        raise Refused(f"the recordings' web server answered {answer.status}")
    # 404 as well: FreeSWITCH may still be writing the file, or moving it to where it is served from.
    raise TryLater(f"the recordings' web server answered {answer.status}", after=_SOON)


def _sign_in(settings: Settings) -> dict[str, str]:
    if not settings.recordings_user:
        return {}
    password = settings.recordings_password.get_secret_value()
    return {"Authorization": aiohttp.encode_basic_auth(settings.recordings_user, password)}
