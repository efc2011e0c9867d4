"""Files of a customer's message: lent by Twilio's API, which passes on to a store for pictures."""

import re
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp

from omnihub.connectors.calls import Answer, Call, ask
from omnihub.connectors.reading import text_of
from omnihub.connectors.sms.api import Api
from omnihub.connectors.sms.files import ending_of
from omnihub.connectors.sms.settings import Settings
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import FetchedMedia, LentMedia

FETCH_SECONDS = 60.0
_HOPS = 5
_MOVED = (301, 302, 303, 307, 308)
# No user, no backslash, no blank: a host, perhaps its port, and a path.
_PLAIN = re.compile(r"https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?(/[^\s\\]*)?", re.ASCII)
_API_HOSTS = ("api.twilio.com",)


async def fetch(api: Api, settings: Settings, http: aiohttp.ClientSession, media: LentMedia) -> FetchedMedia:
    """Raises TryLater, or Refused where it is gone, too large or not at Twilio's."""
    url = text_of(dict(media.ref), "url")
    limit = int(settings.media_max_mb * 1_048_576)
    for _ in range(_HOPS):
        if not is_allowed(url, settings):
            raise Refused("the file is not at an address of Twilio's")
        headers = api.credentials if is_ours(url, api, settings) else {}
        answer = await ask(
            http, Call(method="GET", url=url, seconds=FETCH_SECONDS, max_bytes=limit, headers=headers)
        )
        if answer.status not in _MOVED:
            return _fetched(answer, media)
        url = urljoin(url, answer.headers.get("location", ""))
    raise Refused("the file's address leads in circles")


def _fetched(answer: Answer, media: LentMedia) -> FetchedMedia:
    if answer.status == 200:
        kind = answer.content_type
        stem = media.filename.partition(".")[0] or "file"
        ending = ending_of(kind) or ending_of(media.content_type)
        return FetchedMedia(
            content=answer.body, filename=f"{stem}{ending}", content_type=kind or media.content_type
        )
    if answer.status == 429 or answer.status >= 500:
        raise TryLater(f"Twilio answered {answer.status}")
    if answer.status == 401:
        raise TryLater("Twilio did not accept the account SID and auth token", after=300.0)
    raise Refused(f"the file is no longer at Twilio (HTTP {answer.status})")


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
    if parts.scheme != "https" or not usual:
        return False
    return any(_listed(entry, parts.hostname or "", parts.path) for entry in settings.media_hosts)


def _listed(entry: str, host: str, path: str) -> bool:
    name, slash, below = entry.partition("/")
    if slash and (not path.startswith(f"/{below}") or ".." in unquote(path)):
        return False
    return host == name or (name.startswith(".") and host.endswith(name))


def is_ours(url: str, api: Api, settings: Settings) -> bool:
    """The credentials go to the API only, and there only to our own account's files."""
    parts = urlsplit(url)
    at_api = _same_origin(url, settings.api_base_url) or parts.hostname in _API_HOSTS
    return at_api and parts.path.startswith(f"{api.account_path}/") and ".." not in unquote(parts.path)


def _same_origin(url: str, base: str) -> bool:
    try:
        return urlsplit(url)[:2] == urlsplit(base)[:2]
    except ValueError:
        return False
