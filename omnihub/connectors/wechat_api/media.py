"""Files that a customer sent, lent for three days (api_getmedia, read 2026-11)."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from omnihub.connectors.calls import Answer, Call, ask
from omnihub.connectors.errcode_api import ErrcodeApi, unsettled
from omnihub.connectors.reading import Fields, text_of
from omnihub.connectors.wechat_api.api import MEDIA_SECONDS
from omnihub.model.errors import Refused
from omnihub.model.inbound import FetchedMedia, LentMedia

_MEDIA_GET = "/cgi-bin/media/get"
MAX_BYTES = 20_971_520
# Where the platform keeps what it does not hand out itself: videos and pictures.
VIDEO_HOSTS = ("qq.com", "qpic.cn")
_NAMED = re.compile(r'filename="?([^";]+)"?', re.IGNORECASE)
_TYPES = {
    "image": ("image/jpeg", ".jpg"), "voice": ("audio/amr", ".amr"),
    "video": ("video/mp4", ".mp4"), "shortvideo": ("video/mp4", ".mp4"),
}  # fmt: skip


def lent(fields: Fields, kind: str) -> LentMedia | None:
    """The file of a pushed message of this kind; None where it names none."""
    media_id = text_of(fields, "MediaId").strip()
    pic_url = text_of(fields, "PicUrl").strip()
    if not media_id and not pic_url:
        return None
    content_type, ending = _TYPES[kind]
    voice_format = text_of(fields, "Format").strip().lower()
    if kind == "voice" and re.fullmatch(r"[a-z0-9]{1,8}", voice_format):
        content_type, ending = f"audio/{voice_format}", f".{voice_format}"
    ref = {"media_id": media_id} | ({"pic_url": pic_url} if pic_url else {})
    return LentMedia(ref=ref, filename=f"{kind}{ending}", content_type=content_type, label=kind)


async def download(api: ErrcodeApi, media: LentMedia, hosts: Sequence[str] = VIDEO_HOSTS) -> FetchedMedia:
    """A video is only named, by an address that is asked only where it is of `hosts` or of the API itself; a
    picture whose media_id is gone may still be had at its own address. Raises TryLater or Refused."""
    media_id, pic_url = str(media.ref.get("media_id", "")), str(media.ref.get("pic_url", ""))
    if not media_id:
        return await _from(api, pic_url, hosts)
    call = Call(
        method="GET", url=_MEDIA_GET, query={"media_id": media_id}, seconds=MEDIA_SECONDS, max_bytes=MAX_BYTES
    )
    try:
        answer = await api.download(call)
    except Refused as error:
        if pic_url and str(error).startswith("40007"):
            return await _from(api, pic_url, hosts)
        raise
    url = _video_url(answer)
    return await _from(api, url, hosts) if url else _fetched(answer)


def is_welcome(url: str, base_url: str, hosts: Sequence[str]) -> bool:
    """Whether the hub may ask this address: one of the platform's hosts, or the API's own."""
    try:
        parts, base = urlsplit(url), urlsplit(base_url)
        origin = (parts.scheme, parts.hostname, parts.port)
        own = origin == (base.scheme, base.hostname, base.port)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or parts.username is not None or not parts.hostname:
        return False
    named = any(parts.hostname == host or parts.hostname.endswith(f".{host}") for host in hosts)
    return own or (named and parts.port in (None, 80, 443))


async def _from(api: ErrcodeApi, url: str, hosts: Sequence[str]) -> FetchedMedia:
    if not is_welcome(url, api.base_url, hosts):
        raise Refused(f"the file lies at an address that is not the platform's: {url[:200]}")
    call = Call(method="GET", url=url, seconds=MEDIA_SECONDS, max_bytes=MAX_BYTES)
    answer = await ask(api.http, call)
    if answer.status >= 500 or answer.status in (408, 429):
        raise unsettled(answer, call)
    if answer.status != 200:
        raise Refused(f"HTTP {answer.status} where the file should be")
    return _fetched(answer)


def _video_url(answer: Answer) -> str:
    if answer.body[:1] != b"{":
        return ""
    try:
        return text_of(answer.json(), "video_url")
    except ValueError:
        return ""


def _fetched(answer: Answer) -> FetchedMedia:
    if not answer.body:
        raise Refused("the file is empty")
    named = _NAMED.search(answer.headers.get("content-disposition", ""))
    return FetchedMedia(
        content=answer.body, filename=named[1].strip() if named else "", content_type=answer.content_type
    )
