"""Recordings are lent by Twilio's API, which may pass on to a store."""

import re
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp

from omnihub.connectors.calls import Answer, Call, ask
from omnihub.connectors.reading import text_of
from omnihub.connectors.twilio_voice.settings import Settings
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import FetchedMedia, LentMedia

FETCH_SECONDS = 120.0
_HOPS = 5
_MOVED = (301, 302, 303, 307, 308)
# No user, no backslash, no blank: a host, perhaps its port, and a path.
_PLAIN = re.compile(r"https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?(/[^\s\\]*)?", re.ASCII)
_SID = re.compile(r"[A-Za-z0-9]{2,64}")
_API_HOSTS = ("api.twilio.com",)


async def fetch(http: aiohttp.ClientSession, settings: Settings, media: LentMedia) -> FetchedMedia:
    """Raises TryLater, or Refused where it is gone, too large or not at Twilio's."""
    url = _address(media, settings)
    limit = int(settings.recording_max_mb * 1_048_576)
    for _ in range(_HOPS):
        if not is_allowed(url, settings):
            raise Refused("the recording is not at an address of Twilio's")
        headers = credentials(settings) if is_ours(url, settings) else {}
        answer = await ask(
            http, Call(method="GET", url=url, seconds=FETCH_SECONDS, max_bytes=limit, headers=headers)
        )  # fmt: skip
        if answer.status not in _MOVED:
            return _fetched(answer, media)
        url = urljoin(url, answer.headers.get("location", ""))
    raise Refused("the recording's address leads in circles")


def credentials(settings: Settings) -> Mapping[str, str]:
    """As a header; aiohttp is giving up its own class for it."""
    pair = f"{settings.account_sid}:{settings.auth_token.get_secret_value()}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _address(media: LentMedia, settings: Settings) -> str:
    """The format is chosen by the ending."""
    url, sid = text_of(dict(media.ref), "url"), text_of(dict(media.ref), "sid")
    if not url and _SID.fullmatch(sid):
        url = f"{settings.api_base_url}/2010-04-01/Accounts/{settings.account_sid}/Recordings/{sid}"
    bare = re.sub(r"\.(mp3|wav|json)$", "", url)
    return f"{bare}.{settings.recording_format}"


def _fetched(answer: Answer, media: LentMedia) -> FetchedMedia:
    if answer.status == 200:
        return FetchedMedia(
            content=answer.body, filename=media.filename, content_type=answer.content_type or media.content_type
        )
    if answer.status == 429 or answer.status >= 500:
        raise TryLater(f"Twilio answered {answer.status}")
    if answer.status == 401:
        raise TryLater("Twilio did not accept the account SID and auth token", after=300.0)
    raise Refused(f"the recording is no longer at Twilio (HTTP {answer.status})")


def is_allowed(url: str, settings: Settings) -> bool:
    """By https and at a listed host; the API's own address may be any that the settings name. What two readers
    of an address could understand differently is refused."""
    if not _PLAIN.fullmatch(url):
        return False
    if _same_origin(url, settings.api_base_url):
        return True
    try:
        parts = urlsplit(url)
        usual = parts.port in (None, 443)
    except ValueError:
        return False
    host = (parts.hostname or "").lower()
    return parts.scheme == "https" and usual and any(_listed(entry, host) for entry in settings.recording_hosts)


def _listed(entry: str, host: str) -> bool:
    return host == entry or (entry.startswith(".") and host.endswith(entry))


def is_ours(url: str, settings: Settings) -> bool:
    """The credentials go to the API only, and there only to our own account's recordings."""
    parts = urlsplit(url)
    secure = parts.scheme == "https" and parts.port in (None, 443) and parts.hostname in _API_HOSTS
    at_api = secure or _same_origin(url, settings.api_base_url)
    own = f"/2010-04-01/Accounts/{settings.account_sid}/"
    return at_api and parts.path.startswith(own) and ".." not in unquote(parts.path)


def _same_origin(url: str, base: str) -> bool:
    try:
        return urlsplit(url)[:2] == urlsplit(base)[:2]
    except ValueError:
        return False
