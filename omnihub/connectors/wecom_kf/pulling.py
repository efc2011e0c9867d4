"""How messages come: developer.work.weixin.qq.com/document/path 94670 (sync_msg) and 96427 (welcome), read
2026-11.
A callback only rings; what was said is pulled."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson

from omnihub.connectors.contract import Desk
from omnihub.connectors.errcode_api import ErrcodeApi
from omnihub.connectors.reading import Fields, inner, items, text_of
from omnihub.connectors.wecom_api.api import code_of, post
from omnihub.connectors.wecom_kf.events import ENTERED
from omnihub.connectors.wecom_kf.settings import Settings
from omnihub.model.errors import OmnihubError, Refused, TryLater
from omnihub.model.raw import RawRequest

PULLED = "pull"
_PAGE = 1000
_TOKEN_EXPIRED = 95007
_LISTED_AT_ONCE = 100
_PAUSES = (2.0, 5.0, 15.0, 60.0)
# Where there is no bell, the desk returns only after the whole wait: never be deaf for longer than this.
_LONGEST_WAIT = 5.0
# The code of a welcome message is good for 20 seconds; clocks differ.
_WELCOME_SECONDS = 30.0
# Said before the account was connected, and no news.
_HISTORY = timedelta(minutes=5)


@dataclass(slots=True, frozen=True, kw_only=True)
class Bell:
    """`token` lets pull without a strict limit, for ten minutes."""

    open_kfid: str
    token: str


@dataclass(slots=True, kw_only=True)
class _Watch:
    """When to look at one KF account again, in seconds of the monotonic clock."""

    due: float = 0.0
    token: str = ""
    failures: int = 0


async def list_accounts(api: ErrcodeApi) -> list[Fields]:
    """Raises TryLater or Refused."""
    found: list[Fields] = []
    while True:
        body = {"offset": len(found), "limit": _LISTED_AT_ONCE}
        page = items(await api.call(post("/cgi-bin/kf/account/list", body)), "account_list")
        found += [one for one in page if isinstance(one, dict) and text_of(one, "open_kfid")]
        if len(page) < _LISTED_AT_ONCE:
            return found


class Puller:
    """The only one that pulls for this account; its lease sees to that."""

    def __init__(
        self, api: ErrcodeApi, settings: Settings, desk: Desk, *, now: Callable[[], datetime],
        bell: Callable[[RawRequest], Bell | None], since: datetime | None,
    ) -> None:  # fmt: skip
        self._api = api
        self._settings = settings
        self._desk = desk
        self._now = now
        self._bell = bell
        self._since = since
        self._watched: dict[str, _Watch] = {}
        self._list = _Watch()
        self._unwell: dict[str, str] = {}
        self._not_welcomed = ""

    async def run(self) -> None:
        """Until cancelled. What WeCom refuses for one KF account does not hold up the others."""
        while True:
            await self._look()
            watches = (self._list, *self._watched.values())
            wait = min(watch.due for watch in watches) - time.monotonic()
            self._answer(await self._desk.rung(min(max(0.05, wait), _LONGEST_WAIT)))

    def _answer(self, requests: Sequence[RawRequest]) -> None:
        chosen = self._settings.open_kfids
        for bell in filter(None, map(self._bell, requests)):
            if not chosen or bell.open_kfid in chosen:
                watch = self._watched.setdefault(bell.open_kfid, _Watch())
                watch.token, watch.due = bell.token, 0.0

    async def _look(self) -> None:
        if self._list.due <= time.monotonic():
            await self._try("the list of KF accounts", self._list, self._find_accounts)
        for open_kfid, watch in list(self._watched.items()):
            if watch.due <= time.monotonic():
                await self._try(open_kfid, watch, partial(self._pull, open_kfid, watch.token))

    async def _find_accounts(self) -> None:
        chosen = self._settings.open_kfids
        found = chosen or [text_of(one, "open_kfid") for one in await list_accounts(self._api)]
        self._watched = {open_kfid: self._watched.get(open_kfid) or _Watch() for open_kfid in found}
        self._unwell = {name: words for name, words in self._unwell.items() if name in self._watched}

    async def _try(self, name: str, watch: _Watch, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (TryLater, Refused) as error:
            pause = _PAUSES[min(watch.failures, len(_PAUSES) - 1)]
            watch.due = time.monotonic() + (getattr(error, "after", None) or pause)
            watch.failures += 1
            self._unwell[name] = f"{name}: {error}"
        else:
            watch.due = time.monotonic() + self._settings.poll_seconds
            watch.token, watch.failures = "", 0
            self._unwell.pop(name, None)
        details = (*self._unwell.values(), self._not_welcomed)
        await self._desk.report(ok=not self._unwell, detail="; ".join(filter(None, details)))

    async def _pull(self, open_kfid: str, token: str) -> None:
        """All that is new. The cursor moves only when what lies before it is on disk."""
        name = f"kf:{open_kfid}"
        known = await self._desk.load_cursor(name)
        cursor = text_of(dict(known or {}), "cursor")
        while True:
            page, token = await self._page(open_kfid, cursor, token)
            # What is no object becomes one, which nobody can read: a dead letter, not a gap.
            listed = [one if isinstance(one, dict) else {"item": one} for one in items(page, "msg_list")]
            await self._journal(open_kfid, listed)
            following = text_of(page, "next_cursor")
            moved = bool(following) and following != cursor
            if moved:
                await self._desk.save_cursor(name, {"cursor": following})
                cursor = following
            await self._welcome(listed)
            # An empty page may well be followed by a full one.
            if text_of(page, "has_more") not in ("1", "true") or not moved:
                return

    async def _page(self, open_kfid: str, cursor: str, token: str) -> tuple[Fields, str]:
        """With the token that is left to go on with."""
        body: dict[str, Any] = {"open_kfid": open_kfid, "limit": _PAGE, "voice_format": 0}
        body |= ({"cursor": cursor} if cursor else {}) | ({"token": token} if token else {})
        try:
            return await self._api.call(post("/cgi-bin/kf/sync_msg", body)), token
        except Refused as error:
            if not token or code_of(error) != _TOKEN_EXPIRED:
                raise
        return await self._page(open_kfid, cursor, "")

    async def _journal(self, open_kfid: str, listed: Sequence[Fields]) -> None:
        history = [one for one in listed if self._is_history(one)]
        news = [one for one in listed if not self._is_history(one)]
        for silent, part in ((True, history), (False, news)):
            if part:
                await self._desk.journal([self._request(open_kfid, one) for one in part], silent=silent)

    def _is_history(self, item: Fields) -> bool:
        sent = item.get("send_time")
        if self._since is None or not isinstance(sent, int):
            return False
        return sent < (self._since - _HISTORY).timestamp()

    def _request(self, open_kfid: str, item: Fields) -> RawRequest:
        body = orjson.dumps(item)
        # Without a name of its own it is named by what it says.
        key = text_of(item, "msgid")[:500] or f"item:{hashlib.sha256(body).hexdigest()}"
        return RawRequest(
            source=PULLED, body=body, received_at=self._now(), source_key=key, meta={"open_kfid": open_kfid}
        )

    async def _welcome(self, listed: Sequence[Fields]) -> None:
        if not self._settings.welcome_text:
            return
        for item in listed:
            code = welcome_code(item, self._now())
            if code:
                await self._greet(code, text_of(item, "msgid"))

    async def _greet(self, code: str, msgid: str) -> None:
        """Once: a welcome that comes later is worse than none, and none holds up the messages."""
        own = "w" + hashlib.sha256(f"{code}\n{msgid}".encode("utf-8", "surrogatepass")).hexdigest()[:31]
        said: Mapping[str, Any] = {"msgtype": "text", "text": {"content": self._settings.welcome_text}}
        try:
            await self._api.call(post("/cgi-bin/kf/send_msg_on_event", {"code": code, "msgid": own, **said}))
            self._not_welcomed = ""
        except OmnihubError as error:
            self._not_welcomed = f"the last welcome message was not sent: {error}"


def welcome_code(item: Fields, at: datetime) -> str:
    """Empty where there is none, or where it is no longer good."""
    event, sent = inner(item, "event"), item.get("send_time")
    fresh = isinstance(sent, int) and abs(at.timestamp() - sent) <= _WELCOME_SECONDS
    return text_of(event, "welcome_code") if fresh and text_of(event, "event_type") == ENTERED else ""
