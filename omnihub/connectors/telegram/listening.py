"""How updates arrive: fetched by long polling, or pushed to a webhook that is kept registered."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from omnihub.connectors.contract import Desk
from omnihub.connectors.reading import Fields, items, text_of
from omnihub.connectors.telegram.api import BotApi
from omnihub.connectors.telegram.people import moment, whole
from omnihub.connectors.telegram.updates import ALLOWED_UPDATES, update_key
from omnihub.model.errors import OmnihubError, Refused
from omnihub.model.raw import RawRequest

POLL_SECONDS = 25
_ANSWER_SECONDS = 15.0
LOOK_SECONDS = 60.0
_CURSOR = "updates"
# Telegram keeps updates for a day. An older cursor confirms nothing, and could confirm by mistake: after a
# quiet week ids start anew at random, also lower.
_CURSOR_LIFE = timedelta(hours=24)
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 60.0
_FAULTY_FOR = timedelta(minutes=5)
_TOKENS_FAULT = frozenset({401, 404})


@dataclass(slots=True)
class Pause:
    """Grows with every failure in a row."""

    seconds: float = 0.0

    async def after(self, error: OmnihubError) -> None:
        named = getattr(error, "after", None)
        last = error.details.get("status") in _TOKENS_FAULT  # nobody mends a token within seconds
        self.seconds = min(max(_FIRST_PAUSE, self.seconds * 2), _LAST_PAUSE)
        await asyncio.sleep(named or (_LAST_PAUSE if last else self.seconds))

    def over(self) -> None:
        self.seconds = 0.0


class Poller:
    """Fetches updates in turns. What was fetched is confirmed by the next turn, once it is on disk."""

    def __init__(self, api: BotApi, desk: Desk, bot_id: int, now: Callable[[], datetime]) -> None:
        self._api = api
        self._desk = desk
        self._bot_id = bot_id
        self._now = now

    async def run(self) -> None:
        """Until cancelled."""
        offset, pause, webhook_gone = await self._kept_offset(), Pause(), False
        well = False
        while True:
            try:
                if not webhook_gone:
                    await self._api.call("deleteWebhook", drop_pending_updates=False)
                    webhook_gone = True
                # The first one does not wait, so that the health line says at once how it stands.
                updates = await self._fetch(offset, POLL_SECONDS if well else 0)
                # Confirmed by this very call: from here on, whatever is there is new, under whatever id.
                offset = await self._take(updates) if updates else 0
            except OmnihubError as error:
                webhook_gone = webhook_gone and error.details.get("status") != 409
                well = False
                await self._desk.report(ok=False, detail=str(error))
                await pause.after(error)
                continue
            well = True
            pause.over()
            await self._desk.report(ok=True)

    async def _fetch(self, offset: int, wait: int) -> Sequence[Fields]:
        fields: dict[str, Any] = {"timeout": wait, "allowed_updates": list(ALLOWED_UPDATES)}
        if offset:
            fields["offset"] = offset
        found = await self._api.call("getUpdates", seconds=wait + _ANSWER_SECONDS, **fields)
        if not isinstance(found, list):
            raise Refused("Telegram's updates cannot be read")
        return [one for one in found if isinstance(one, dict)]

    async def _take(self, updates: Sequence[Fields]) -> int:
        """The offset that confirms them, now that they are on disk."""
        ids = [found for one in updates if (found := whole(one.get("update_id"))) is not None]
        if not ids:
            raise Refused("Telegram's updates have no ids")
        now = self._now()
        await self._desk.journal([_handed_over(one, now) for one in updates])
        offset = max(ids) + 1
        await self._desk.save_cursor(_CURSOR, {"offset": offset, "bot_id": self._bot_id, "at": now.isoformat()})
        return offset

    async def _kept_offset(self) -> int:
        cursor = await self._desk.load_cursor(_CURSOR) or {}
        try:
            at = datetime.fromisoformat(str(cursor.get("at")))
            young = self._now() - at < _CURSOR_LIFE
        except (TypeError, ValueError):
            return 0
        return whole(cursor.get("offset")) or 0 if young and cursor.get("bot_id") == self._bot_id else 0


def _handed_over(update: Fields, now: datetime) -> RawRequest:
    body = orjson.dumps(update)
    return RawRequest(source="poll", body=body, received_at=now, source_key=update_key(update))


@dataclass(slots=True, frozen=True, kw_only=True)
class Webhook:
    url: str
    secret: str


async def keep_webhook(api: BotApi, desk: Desk, webhook: Webhook, now: Callable[[], datetime]) -> None:
    """Registers the webhook and looks after it. Until cancelled."""
    pause, registered = Pause(), False
    while True:
        try:
            info = await _info(api) if registered else {}
            taken_over = registered and not _is_ours(info, webhook)
            if not registered or taken_over:
                await _register(api, webhook)
                registered, info = True, await _info(api)
        except OmnihubError as error:
            await desk.report(ok=False, detail=str(error))
            await pause.after(error)
            continue
        pause.over()
        ok, detail = _health(info, now())
        words = "somebody else had changed the webhook; it is registered again" if taken_over else detail
        await desk.report(ok=ok, detail=words, counts={"waiting": waiting(info)})
        await asyncio.sleep(LOOK_SECONDS)


async def _register(api: BotApi, webhook: Webhook) -> None:
    await api.call(
        "setWebhook", url=webhook.url, secret_token=webhook.secret, allowed_updates=list(ALLOWED_UPDATES)
    )


async def _info(api: BotApi) -> Fields:
    info = await api.call("getWebhookInfo")
    return info if isinstance(info, dict) else {}


def _is_ours(info: Fields, webhook: Webhook) -> bool:
    same_kinds = {str(one) for one in items(info, "allowed_updates")} == set(ALLOWED_UPDATES)
    return text_of(info, "url") == webhook.url and same_kinds


def waiting(info: Mapping[str, Any]) -> int:
    return whole(info.get("pending_update_count")) or 0


def _health(info: Fields, now: datetime) -> tuple[bool, str]:
    """An error that is over stays in Telegram's books; only a fresh one with updates waiting is news."""
    failed = moment(info.get("last_error_date"))
    words = text_of(info, "last_error_message")
    if failed is None or not waiting(info) or now - failed > _FAULTY_FOR:
        return True, ""
    return False, f"Telegram could not deliver: {words}; {waiting(info)} waiting"
