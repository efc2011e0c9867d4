"""Keeps the search index up with what is stored, off the way that messages take."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from pymongo.errors import PyMongoError

from omnihub.search.cutter import Cutter, CutterGone
from omnihub.search.entries import of_source
from omnihub.search.words import is_word
from omnihub.store.database import Doc, now
from omnihub.store.events import FeedGap
from omnihub.store.presence import holder_name
from omnihub.store.search_changes import ChangeFeed
from omnihub.store.search_state import BEAT_SECONDS, SOURCES, Rebuild
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.search")

# How tokens are made: a change of it is a new number, and every index is rebuilt by itself.
SCHEME = 1
LEASE = "search"
_LEASE_SECONDS = 10.0
_RENEW_SECONDS = 3.0
_LOOK_SECONDS = 2.0
_BATCH = 500
# What comes within this time is indexed together: few at a time cost several times as much each.
_GATHER_SECONDS = 0.25
# Of a rebuild between two looks at what has changed meanwhile.
_REBUILD_SECONDS = 1.5
# So many events waiting for intake mean that it is behind. Then the index may be, too, up to a minute.
_BUSY = 400
_PATIENCE_SECONDS = 10.0
_FAR_BEHIND_SECONDS = 60.0
_SWEEP = "sweep"
_SWEPT = 20_000
_WORDS_SECONDS = 10.0
_MOST_WORDS = 30_000
_CUTTER_IDLE_SECONDS = 30.0
_PAUSE_SECONDS = 1.0


class LeaseLost(Exception):
    """Somebody else feeds now."""


class Feeder:
    """One among all processes feeds; what it does is harmless when repeated."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._name = holder_name()
        self._cutter = Cutter()
        self._words: Counter[str] = Counter()
        self._renewed = self._beat = self._looked = self._counted = self._worked = 0.0
        self._lag = 0.0
        self._turn = 0
        self._rebuild: Rebuild | None = None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    if await self._store.leases.take(LEASE, self._name, _LEASE_SECONDS):
                        self._renewed = _clock()
                        await self._feed()
                except (PyMongoError, CutterGone) as error:
                    log.warning("search.interrupted", error=str(error), retry_in=_PAUSE_SECONDS)
                    await asyncio.sleep(_PAUSE_SECONDS)
                except LeaseLost:
                    log.info("search.taken_over")
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await self._cutter.rest()
            await self._give_back()

    async def _give_back(self) -> None:
        try:
            await self._store.leases.release(LEASE, self._name)
        except PyMongoError as error:
            log.warning("lease.not_released", lease=LEASE, error=str(error))

    async def _feed(self) -> None:
        feed = ChangeFeed(self._store.db)
        try:
            await self._begin(feed)
            while True:
                await self._step(feed)
        finally:
            await feed.close()

    async def _begin(self, feed: ChangeFeed) -> None:
        """Where the last feeder stopped. What the database no longer remembers is looked up in the trails."""
        state = await self._store.search_state.load()
        self._beat = self._looked = 0.0
        if state.scheme != SCHEME or state.cursor is None:
            await feed.open(None)
            cursor = (await feed.take(1)).cursor
            await self._store.search_state.save(scheme=SCHEME, cursor=cursor, lag_seconds=0.0, beat=now())
            if state.scheme or state.rebuild is None:  # else somebody has just asked for the first
                await self._store.search_state.ask_for_rebuild()
            await feed.close()
            state = replace(state, cursor=cursor)
        try:
            await feed.open(state.cursor)
        except FeedGap as gap:
            await self._bridge(feed, state.beat or datetime.min, gap)

    async def _bridge(self, feed: ChangeFeed, since: datetime, gap: FeedGap) -> None:
        log.warning("search.gap", since=since, error=str(gap))
        await feed.close()
        await feed.open(None)
        await self._look_at_rebuild()
        touched = await self._store.search_state.touched_since(since)
        tickets = list(touched["tickets"])
        messages = dict.fromkeys(touched["messages"])
        for at in range(0, len(tickets), _BATCH):
            messages |= dict.fromkeys(await self._store.search_state.messages_of(tickets[at : at + _BATCH]))
        for source, ids in (*touched.items(), ("messages", list(messages))):
            for at in range(0, len(ids), _BATCH):
                await self._apply({source: ids[at : at + _BATCH]})
                await self._renew()

    async def _step(self, feed: ChangeFeed) -> None:
        await self._renew()
        await self._look_at_rebuild()
        try:
            changes = await feed.take(_BATCH)
        except FeedGap as gap:
            state = await self._store.search_state.load()
            await self._bridge(feed, state.beat or datetime.min, gap)
            return
        if changes.count:
            await self._give_way()
            await self._apply(changes.ids)
        if self._rebuild is not None:
            await self._go_on_rebuilding()
        await self._count_words(at_rest=not changes.count and self._rebuild is None)
        self._lag = max(0.0, (now() - changes.at).total_seconds()) if changes.at else 0.0
        if changes.count or _clock() - self._beat > BEAT_SECONDS:
            self._beat = _clock()
            await self._store.search_state.save(cursor=changes.cursor, lag_seconds=self._lag, beat=now())
        if 0 < changes.count < _BATCH and self._rebuild is None:
            await asyncio.sleep(_GATHER_SECONDS)
        if _clock() - self._worked > _CUTTER_IDLE_SECONDS:
            await self._cutter.rest()

    async def _give_way(self) -> None:
        """What customers wrote is taken in first, as long as search is not far behind."""
        end = _clock() + _PATIENCE_SECONDS
        while self._lag < _FAR_BEHIND_SECONDS and _clock() < end:
            if len(await self._store.journal.waiting(0, _BUSY)) < _BUSY:
                return
            await asyncio.sleep(_GATHER_SECONDS)
            await self._renew()

    async def _renew(self) -> None:
        if _clock() - self._renewed < _RENEW_SECONDS:
            return
        if not await self._store.leases.take(LEASE, self._name, _LEASE_SECONDS):
            raise LeaseLost
        self._renewed = _clock()

    async def _look_at_rebuild(self) -> None:
        """Whether somebody asked for one."""
        if self._rebuild is not None or (self._looked and _clock() - self._looked < _LOOK_SECONDS):
            return
        self._looked = _clock()
        wanted = (await self._store.search_state.load()).rebuild
        if wanted is not None:
            self._turn = wanted.turn
            self._rebuild = None if wanted.is_over else wanted

    async def _apply(self, ids: Mapping[str, Sequence[str]]) -> None:
        for source, some in ids.items():
            await self._index(source, some, await self._store.search_state.read(source, some))

    async def _index(self, source: str, ids: Sequence[str], docs: Sequence[Doc]) -> None:
        drafts, gone = of_source(source, ids, docs)
        found = await self._cutter.tokens([draft.text for draft in drafts])
        entries = [draft.entry(cut) for draft, cut in zip(drafts, found, strict=True)]
        await self._store.search.put(entries, gone, self._turn)
        self._worked = _clock()
        for entry in entries:
            self._words.update(token for token in entry.tokens if is_word(token))

    async def _count_words(self, *, at_rest: bool) -> None:
        due = at_rest or len(self._words) > _MOST_WORDS or _clock() - self._counted > _WORDS_SECONDS
        if due and self._words:
            words, self._words = self._words, Counter()
            self._counted = _clock()
            await self._store.search.count_words(words)

    async def _go_on_rebuilding(self) -> None:
        end = _clock() + _REBUILD_SECONDS
        while self._rebuild is not None and _clock() < end:
            await self._rebuild_more(self._rebuild)
            await self._renew()

    async def _rebuild_more(self, rebuild: Rebuild) -> None:
        if rebuild.source == _SWEEP:
            after = await self._store.search.forget_older(rebuild.after, rebuild.turn, _SWEPT)
            rebuild = replace(rebuild, after=after, finished_at=None if after else now())
        else:
            docs = await self._store.search_state.read_on(rebuild.source, rebuild.after, _BATCH)
            await self._index(rebuild.source, (), docs)
            rebuild = _further(rebuild, docs)
        await self._store.search_state.save(rebuild=rebuild)
        self._rebuild = None if rebuild.is_over else rebuild


def _further(rebuild: Rebuild, docs: Sequence[Doc]) -> Rebuild:
    done = rebuild.done + len(docs)
    if len(docs) == _BATCH:
        return replace(rebuild, after=docs[-1]["_id"], done=done)
    at = SOURCES.index(rebuild.source)
    following = (*SOURCES, _SWEEP)[at + 1]
    return replace(rebuild, source=following, after="", done=done)


def _clock() -> float:
    return asyncio.get_running_loop().time()
