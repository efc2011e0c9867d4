"""Twilio's REST API, version 2010-04-01, its failures named for what happens next."""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode, urljoin, urlsplit

import aiohttp

from omnihub.connectors.calls import Answer, Call, ask
from omnihub.connectors.reading import Fields, inner, items, read_json, text_of
from omnihub.connectors.sms.settings import Settings
from omnihub.connectors.sms.statuses import words_for
from omnihub.model.errors import NotFound, OmnihubError, Refused, TryLater, Uncertain, Unreadable, WindowClosed

SEND_SECONDS = 15.0
READ_SECONDS = 20.0
_PAGE = 200
_LIST_BYTES = 8_388_608
# Wrong credentials are the account's fault: once an admin has mended them, the message still goes out.
_SIGN_IN_RETRY = 300.0
_QUEUE_RETRY = 60.0


@dataclass(slots=True, frozen=True, kw_only=True)
class Trouble:
    """An answer that is no success: Twilio's code and words."""

    status: int
    code: str
    words: str
    retry_after: float | None = None


class Api:
    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._http = http
        self.account_path = f"/2010-04-01/Accounts/{settings.account_sid}"

    @property
    def credentials(self) -> Mapping[str, str]:
        """As a header; aiohttp is giving up its own class for it."""
        pair = f"{self._settings.account_sid}:{self._settings.auth_token.get_secret_value()}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}

    async def create_message(self, pairs: Sequence[tuple[str, str]]) -> Fields:
        """Hands a message over. Raises TryLater (nothing was taken), Refused, WindowClosed or Uncertain."""
        call = Call(
            method="POST",
            url=f"{self._settings.api_base_url}{self.account_path}/Messages.json",
            headers={"Content-Type": "application/x-www-form-urlencoded", **self.credentials},
            data=urlencode(pairs, errors="replace").encode(),
            seconds=SEND_SECONDS,
            handing_over=True,
        )
        answer = await ask(self._http, call)
        if answer.status >= 500:
            # Twilio promises to have taken nothing for 429 only.
            raise Uncertain(f"Twilio answered {answer.status}; it may have taken the message")
        if not 200 <= answer.status < 300:
            raise error_of(_trouble(answer))
        try:
            return read_json(answer.body)
        except Unreadable as error:
            raise Uncertain("Twilio took the message, but its answer cannot be read") from error

    async def messages(self, query: Mapping[str, str]) -> AsyncIterator[Sequence[Fields]]:
        """Page by page, the newest first. Raises TryLater, Refused or NotFound."""
        url = f"{self._settings.api_base_url}{self.account_path}/Messages.json"
        page = await self.get(url, {**query, "PageSize": str(_PAGE)})
        seen = {url}
        while True:
            yield [one for one in items(page, "messages") if isinstance(one, dict)]
            following = text_of(page, "next_page_uri")
            if not following:
                return
            url = self._beside(following)
            if url in seen:
                raise Refused("Twilio's list of messages leads back to itself")
            seen.add(url)
            page = await self.get(url)

    async def media_of(self, message_sid: str) -> Sequence[Fields]:
        """Nothing where the files were deleted. Raises TryLater or Refused."""
        url = f"{self._settings.api_base_url}{self.account_path}/Messages/{message_sid}/Media.json"
        try:
            page = await self.get(url, {"PageSize": "50"})
        except NotFound:
            return []
        return [one for one in items(page, "media_list") if isinstance(one, dict)]

    async def account(self) -> Fields:
        return await self.get(f"{self._settings.api_base_url}{self.account_path}.json")

    async def number(self, number: str) -> Fields | None:
        url = f"{self._settings.api_base_url}{self.account_path}/IncomingPhoneNumbers.json"
        page = await self.get(url, {"PhoneNumber": number})
        found = [one for one in items(page, "incoming_phone_numbers") if isinstance(one, dict)]
        return next((one for one in found if text_of(one, "phone_number") == number), None)

    async def service(self) -> Fields:
        settings = self._settings
        return await self.get(f"{settings.messaging_base_url}/v1/Services/{settings.messaging_service_sid}")

    async def get(self, url: str, query: Mapping[str, str] | None = None) -> Fields:
        """Raises TryLater, NotFound, or Refused."""
        call = Call(
            method="GET", url=url, query=query or {}, headers=self.credentials, seconds=READ_SECONDS,
            max_bytes=_LIST_BYTES,
        )  # fmt: skip
        answer = await ask(self._http, call)
        if answer.status == 200:
            try:
                return read_json(answer.body)
            except Unreadable as error:
                raise TryLater("Twilio's answer cannot be read") from error
        trouble = _trouble(answer)
        if answer.status == 404:
            raise NotFound(trouble.words)
        if answer.status >= 500:
            raise TryLater(f"Twilio answered {answer.status}: {trouble.words}")
        raise error_of(trouble)

    def _beside(self, uri: str) -> str:
        """The credentials go where the settings say, whatever a page names as its next one."""
        url = urljoin(self._settings.api_base_url, uri)
        if urlsplit(url)[:2] != urlsplit(self._settings.api_base_url)[:2]:
            raise Refused("Twilio's list of messages goes on at a strange address")
        return url


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def error_of(trouble: Trouble) -> OmnihubError:
    """For what Twilio refused without taking it."""
    words = f"{trouble.words} ({trouble.code or trouble.status})"
    if trouble.status == 429 or trouble.code == "20429":
        return TryLater(words, after=trouble.retry_after)
    if trouble.status in (401, 403) and trouble.code in ("", "20003"):
        return TryLater(words, after=_SIGN_IN_RETRY)
    if trouble.code == "21611":
        return TryLater(words, after=_QUEUE_RETRY)
    if trouble.code == "63016":
        return WindowClosed(words)
    return Refused(words, provider_code=trouble.code)


def _trouble(answer: Answer) -> Trouble:
    """Twilio's own words, then what they mean; of an answer that is not Twilio's, its beginning."""
    try:
        said = read_json(answer.body)
    except Unreadable:
        said = {}
    code = text_of(said, "code")
    told = text_of(said, "message") or text_of(inner(said, "error"), "message")
    words = words_for(code, told) or f"HTTP {answer.status} {answer.start}".strip()
    return Trouble(status=answer.status, code=code, words=words, retry_after=_seconds(answer.headers))


def _seconds(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "").strip()
    return min(float(text), 3600.0) if text.isascii() and text.isdigit() and len(text) < 8 else None
