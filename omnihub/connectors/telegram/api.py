"""The Bot API. Every call goes out through the hub's own session and error tree; python-telegram-bot's Bot
sits on top of it and puts together what is sent.

Not its own HTTP client: that cannot tell "never connected" from "silent after taking the message". And not
its Bot for reading: it keeps no raw update for the journal, and it needs fields that other server versions
leave out. Addresses, `repr(Bot)` and `File.file_path` hold the token: nothing of them leaves this module.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
from telegram import Bot
from telegram.error import TelegramError
from telegram.request import BaseRequest, RequestData

from omnihub.connectors.calls import Answer, Call, ask
from omnihub.connectors.telegram.people import whole
from omnihub.connectors.telegram.settings import Settings
from omnihub.model.errors import OmnihubError, Refused, TryLater, Uncertain

CALL_SECONDS = 15.0
UPLOAD_SECONDS = 60.0
# What getFile gives out (core.telegram.org/bots/api#getfile, read 2026-11).
LARGEST_FILE = 20 * 1024 * 1024
_LONGEST_WAIT = 3600.0
# A second one of these does no harm.
_HARMLESS_SENDS = frozenset({"sendChatAction"})
_NOTHING_TAKEN = frozenset({408, 429, 503})
_ADVICE = {
    401: "Telegram does not know this bot token (any more); enter the one that BotFather shows",
    404: "nothing is there; look at the bot token and the Bot API address",
    409: "another program uses this bot at the same time",
}


class BotApi:
    """One bot's calls. Raises TryLater, Refused in Telegram's words, and Uncertain; `details["status"]` is the
    number of the error and `details["moved_to"]` the new id of a group that became a supergroup."""

    def __init__(self, http: aiohttp.ClientSession, settings: Settings) -> None:
        self._http = http
        self._settings = settings
        self._bot: Bot | None = None

    @property
    def bot(self) -> Bot:
        """For sending; only within `plain_errors`."""
        if self._bot is None:
            request = _Request(self)
            base = f"{self._settings.api_url}/bot"
            self._bot = Bot(self._token, base_url=base, request=request, get_updates_request=request)
        return self._bot

    async def call(self, method: str, *, seconds: float | None = None, **fields: Any) -> Any:
        """The `result`, as it came."""
        answer = await self.answered(method, json=fields, seconds=seconds or CALL_SECONDS)
        return answer.json().get("result")

    async def answered(self, method: str, *, json: Any = None, data: Any = None, seconds: float) -> Answer:
        """Only what was answered with ok."""
        call = Call(
            method="POST",
            url=f"{self._settings.api_url}/bot{self._token}/{method}",
            json=json,
            data=data,
            seconds=seconds,
            handing_over=method.startswith("send") and method not in _HARMLESS_SENDS,
        )
        answer = await self._asked(call)
        if error := self._error(answer, call):
            raise error
        return answer

    async def download(self, file_id: str) -> tuple[str, Answer]:
        """The file's path at Telegram, and its bytes."""
        found = await self.call("getFile", file_id=file_id)
        path = found.get("file_path") if isinstance(found, dict) else None
        if not isinstance(path, str) or not path:
            raise TryLater("Telegram does not say where the file is")
        url = f"{self._settings.file_url}/bot{self._token}/{quote(path.lstrip('/'))}"
        call = Call(method="GET", url=url, seconds=UPLOAD_SECONDS, max_bytes=LARGEST_FILE)
        answer = await self._asked(call)
        if answer.status == 200:
            return path, answer
        words = f"Telegram did not give out the file: HTTP {answer.status}"
        # The address is good for an hour; a new one comes with the next try.
        raise TryLater(words) if answer.status >= 500 or answer.status in (404, 408, 429) else Refused(words)

    @property
    def _token(self) -> str:
        return self._settings.bot_token.get_secret_value()

    async def _asked(self, call: Call) -> Answer:
        try:
            return await ask(self._http, call)
        except OmnihubError as error:
            raise error from None  # what lies behind it may name the address, and the address the token

    def _error(self, answer: Answer, call: Call) -> OmnihubError | None:
        try:
            read = answer.json()
        except ValueError:
            return self._unreadable(answer, call)
        if answer.status == 200 and read.get("ok") is True:
            return None
        status = whole(read.get("error_code")) or answer.status
        words = self._without_token(str(read.get("description") or f"HTTP {answer.status}"))
        if advice := _ADVICE.get(status):
            words = f"{words} ({advice})"
        parameters = read.get("parameters")
        return _error(status, words, parameters if isinstance(parameters, dict) else {}, call)

    def _unreadable(self, answer: Answer, call: Call) -> OmnihubError:
        words = self._without_token(f"HTTP {answer.status}: {answer.start}")
        if answer.status != 200:
            return _error(answer.status, words, {}, call)
        unclear = f"the answer cannot be read: {words}"
        return Uncertain(unclear) if call.handing_over else TryLater(unclear)

    def _without_token(self, words: str) -> str:
        """Whatever stands between us and Telegram may repeat the address in its error page."""
        for secret in (self._token, quote(self._token, safe=""), self._token.partition(":")[2]):
            words = words.replace(secret, "…")
        return words


def _error(status: int, words: str, parameters: Mapping[str, Any], call: Call) -> OmnihubError:
    if status in _NOTHING_TAKEN or status == 409:
        wait = whole(parameters.get("retry_after"))
        after = min(float(wait), _LONGEST_WAIT) if wait is not None and wait > 0 else None
        return TryLater(words, after=after, status=status)
    if status >= 500:
        kind: Callable[..., OmnihubError] = Uncertain if call.handing_over else TryLater
        return kind(words, status=status)
    moved_to = whole(parameters.get("migrate_to_chat_id"))
    return Refused(words, status=status, **({"moved_to": moved_to} if moved_to else {}))


class _Carried(TelegramError):
    """Takes an error of ours through the Bot, which would wrap any other in one of its own."""

    def __init__(self, error: OmnihubError) -> None:
        super().__init__(type(error).__name__)
        self.error = error


@contextmanager
def plain_errors() -> Iterator[None]:
    """Around calls of the Bot: what comes out is the hub's own error tree."""
    try:
        yield
    except _Carried as carried:
        raise carried.error from None
    except (TelegramError, KeyError, TypeError, ValueError, AttributeError) as error:
        # Telegram said ok, else it were carried: what it took cannot be named.
        raise Uncertain(f"Telegram's answer cannot be read ({type(error).__name__})") from None


class _Request(BaseRequest):
    """Lets the Bot talk over the hub's calls."""

    __slots__ = ("_api",)

    def __init__(self, api: BotApi) -> None:
        self._api = api

    @property
    def read_timeout(self) -> float:
        return CALL_SECONDS

    async def initialize(self) -> None:
        """The hub's session is open already."""

    async def shutdown(self) -> None:
        """It is not ours to close."""

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *_: Any, **__: Any
    ) -> tuple[int, bytes]:
        fields: Mapping[str, str] = request_data.json_parameters if request_data else {}
        files = request_data.multipart_data if request_data and request_data.contains_files else {}
        data = _form(fields, files) if files else dict(fields)
        seconds = UPLOAD_SECONDS if files else CALL_SECONDS
        try:
            answer = await self._api.answered(url.rpartition("/")[2], data=data, seconds=seconds)
        except OmnihubError as error:
            raise _Carried(error) from None
        return answer.status, answer.body


def _form(fields: Mapping[str, str], files: Mapping[str, Any]) -> aiohttp.FormData:
    # Names of files go out as they are: Telegram shows percent signs to the customer.
    form = aiohttp.FormData(quote_fields=False)
    for name, value in fields.items():
        form.add_field(name, value)
    for name, (filename, content, content_type) in files.items():
        form.add_field(name, io.BytesIO(content), filename=filename, content_type=content_type)
    return form
