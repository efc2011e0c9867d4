"""How Telegram pushes updates: one at a time for each chat, again and again until somebody answers 2xx."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from omnihub.connectors.reading import Fields
from omnihub.connectors.telegram.simulator_bot import BotState, Update


@dataclass(slots=True, frozen=True, kw_only=True)
class Patience:
    """Seconds: how long an answer may take, the pause after the second failure, and its limit. The first
    repeat comes at once, then the pauses double (tdlib/telegram-bot-api 01a3679, read 2026-11)."""

    deadline: float = 60.0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    longest_named: float = 3600.0


class Pusher:
    def __init__(self, bot: BotState, patience: Patience) -> None:
        self._bot = bot
        self._patience = patience
        self._http: aiohttp.ClientSession | None = None
        self._lanes: dict[int, asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None
        self.url = ""
        self._secret = ""
        self.failed_at = 0
        self.failed_words = ""
        self.attempts = 0

    async def set(self, url: str, secret: str) -> None:
        await self.stop()
        self.url, self._secret = url, secret
        if url:
            self.failed_at, self.failed_words = 0, ""
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._patience.deadline))
            self._watch = asyncio.create_task(self._keep_pushing())

    async def stop(self) -> None:
        tasks = [*self._lanes.values(), *([self._watch] if self._watch else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._lanes, self._watch = {}, None
        if self._http is not None:
            await self._http.close()
            self._http = None

    def info(self) -> Mapping[str, Any]:
        told = {"url": self.url, "has_custom_certificate": False, "pending_update_count": len(self._bot.pending)}
        if self.failed_at:
            told |= {"last_error_date": self.failed_at, "last_error_message": self.failed_words}
        if self.url:
            told |= {"max_connections": 40, "allowed_updates": sorted(self._bot.allowed)}
        return told

    async def _keep_pushing(self) -> None:
        while True:
            async with self._bot.changed:
                await self._bot.changed.wait_for(self._idle_lane)
            for lane in {update.lane for update in self._bot.pending.values()} - set(self._lanes):
                self._lanes[lane] = asyncio.create_task(self._empty(lane))

    def _idle_lane(self) -> bool:
        self._bot.expire()
        return any(update.lane not in self._lanes for update in self._bot.pending.values())

    async def _empty(self, lane: int) -> None:
        while update := next((one for one in self._bot.pending.values() if one.lane == lane), None):
            await self._deliver(update)
            self._bot.pending.pop(update.id, None)
            await self._bot.tell()
        del self._lanes[lane]

    async def _deliver(self, update: Update) -> None:
        """Returns when it was taken, or is too old."""
        pause, failures = self._patience.first_pause, 0
        while update.id in self._bot.pending:
            named = await self._try(update.body)
            if named is None:
                return
            failures += 1
            wait = named
            if not named and failures > 1:
                wait, pause = pause, min(pause * 2, self._patience.longest_pause)
            await asyncio.sleep(min(wait, self._patience.longest_named))
            self._bot.expire()

    async def _try(self, body: Fields) -> float | None:
        """None when it was taken, else the pause that was asked for, 0 for none."""
        assert self._http is not None
        self.attempts += 1
        headers = {"X-Telegram-Bot-Api-Secret-Token": self._secret} if self._secret else {}
        try:
            async with self._http.post(self.url, json=body, headers=headers, allow_redirects=False) as answer:
                if 200 <= answer.status < 300:
                    return None
                words = f"Wrong response from the webhook: {answer.status} {answer.reason}"
                named = answer.headers.get("Retry-After", "")
        except TimeoutError:
            words, named = "Read timeout expired", ""
        except aiohttp.ClientError as error:
            refused = isinstance(error, aiohttp.ClientConnectorError)
            words, named = "Connection refused" if refused else "Connection closed", ""
        self.failed_at, self.failed_words = self._bot.now(), words
        await self._bot.tell()
        return float(named) if named.isdigit() else 0.0
