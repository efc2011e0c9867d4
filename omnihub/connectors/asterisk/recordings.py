"""Files that MixMonitor wrote, from a folder or a web server."""

import asyncio
import mimetypes
from datetime import datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import aiohttp

from omnihub.connectors.asterisk.settings import Settings
from omnihub.connectors.calls import Call as HttpCall
from omnihub.connectors.calls import ask
from omnihub.connectors.telephony.call import Call
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import FetchedMedia, LentMedia

LARGEST_BYTES = 104_857_600
# A recording may be mixed, converted or copied after the call.
_COMES_WITHIN = 900.0
_AGAIN_SECONDS = 20.0


def lent(call: Call) -> LentMedia | None:
    if not call.recording or call.ended_at is None:
        return None
    name = PurePosixPath(call.recording).name
    return LentMedia(
        ref={"recording": call.recording, "ended_at": call.ended_at.timestamp()},
        filename=name,
        content_type=_type_of(name),
        label="recording",
    )


def _type_of(name: str) -> str:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return "audio/wav" if kind == "audio/x-wav" else kind


def _named(media: LentMedia) -> PurePosixPath:
    """Raises Refused for a name that leads anywhere but into the folder of recordings: the exchange's
    variables can be set by whoever writes its dialplan."""
    name = media.ref.get("recording")
    if not isinstance(name, str) or not name or "\0" in name or "\\" in name or "://" in name:
        raise Refused("it is not said which recording this is")
    path = PurePosixPath(name)
    if path.is_absolute() or any(part in ("..", ".") for part in name.split("/")):
        raise Refused("the recording's name leads out of the folder of recordings")
    return path


async def fetch(media: LentMedia, settings: Settings, http: aiohttp.ClientSession, now: datetime) -> FetchedMedia:
    """Raises TryLater while the file may still come, Refused afterwards."""
    path = _named(media)
    if settings.recordings == "none":
        raise Refused("the account's settings do not say where recordings are")
    if settings.recordings == "folder":
        content = await asyncio.to_thread(_from_folder, Path(settings.recording_folder), path)
    else:
        content = await _from_web(settings, path, http)
    if content is None:
        ended_at = media.ref.get("ended_at")
        since = now.timestamp() - ended_at if isinstance(ended_at, int | float) else _COMES_WITHIN
        if since < _COMES_WITHIN:
            raise TryLater("the recording is not there yet", after=_AGAIN_SECONDS)
        raise Refused("there is no such recording")
    return FetchedMedia(content=content, filename=path.name, content_type=_type_of(path.name))


def _from_folder(folder: Path, path: PurePosixPath) -> bytes | None:
    root = folder.resolve()
    found = (root / path).resolve()  # links are followed before it is asked where they lead
    if not found.is_relative_to(root):
        raise Refused("the recording's name leads out of the folder of recordings")
    if not found.is_file():
        if not root.is_dir():
            raise TryLater("the folder of recordings is not there")
        return None
    try:
        with found.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise TryLater(f"the recording cannot be read: {error.strerror or error}") from error
    if len(content) > LARGEST_BYTES:
        raise Refused(f"the recording is larger than {LARGEST_BYTES} bytes")
    return content


async def _from_web(settings: Settings, path: PurePosixPath, http: aiohttp.ClientSession) -> bytes | None:
    headers = {}
    if settings.recording_username:
        password = settings.recording_password.get_secret_value()
        headers["Authorization"] = aiohttp.encode_basic_auth(settings.recording_username, password, "utf-8")
    url = f"{settings.recording_url.rstrip('/')}/{quote(str(path))}"
    answer = await ask(
        http, HttpCall(method="GET", url=url, headers=headers, seconds=120.0, max_bytes=LARGEST_BYTES)
    )
    if answer.status == 404:
        return None
    if answer.status >= 500 or answer.status == 429:
        raise TryLater(f"the server of recordings answered {answer.status}")
    if answer.status != 200:
        raise Refused(f"the server of recordings answered {answer.status}")
    return answer.body
