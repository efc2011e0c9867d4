"""From the journal to tickets: a batch at a time, in one transaction, harmless when repeated."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from omnihub.connectors.contract import Connector
from omnihub.connectors.registry import Connectors
from omnihub.inbox import amending, joining, profiles, progress, workset
from omnihub.inbox.calls import Calls
from omnihub.inbox.contacts import unite
from omnihub.inbox.files import new_attachments
from omnihub.inbox.in_flight import InFlight
from omnihub.inbox.notices import take_notice
from omnihub.inbox.parsed import Parsed, lanes_of, touched_by
from omnihub.inbox.placing import arrival, take_in
from omnihub.inbox.rearranging import TICKET_NUMBERS, Rearranging
from omnihub.inbox.receipts import note_receipt
from omnihub.inbox.summary import summarise_many
from omnihub.inbox.workset import Item, Workset
from omnihub.model.documents import AttachmentRef, MessageDoc
from omnihub.model.errors import OmnihubError
from omnihub.model.ids import id_from, new_id
from omnihub.model.inbound import Inbound, InboundMessage
from omnihub.model.raw import RawEvent
from omnihub.settings import Settings
from omnihub.store.database import Session, is_outage, now
from omnihub.store.errands import ERRANDS, Errand
from omnihub.store.journal import INTAKE
from omnihub.store.presence import holder_name
from omnihub.store.store import Store
from omnihub.threading import ReplyTokens

log = structlog.get_logger("omnihub.inbox")

_TRIES = 8
_MANY = 10
_IDLE_SECONDS = 1.0
_LARGE_BYTES = 262_144
_WORTH_LANES = 40
_BACKLOG = "intake:backlog"
_BACKLOG_SECONDS = 30.0
Still = Callable[[], Awaitable[bool]]


class Intake:
    """Any number may run side by side: whoever loses a race sees the winner's work and begins anew."""

    def __init__(self, store: Store, connectors: Connectors, settings: Settings) -> None:
        self._store = store
        self._connectors = connectors
        self._settings = settings
        self._tokens = ReplyTokens(store.vault.sign)
        self._name = holder_name()
        self._in_flight = InFlight()
        self._calls = Calls(store, Rearranging(store, settings), self._number)

    async def run(self) -> None:
        """Until cancelled; what is being written then is finished. Survives every database outage, and begins
        with what such a one left behind."""
        try:
            await self._run()
        finally:
            await self._in_flight.ended()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        behind, swept_at = True, loop.time()
        while True:
            try:
                if behind:
                    behind = not await self._clear()
                if loop.time() - swept_at > self._settings.intake.sweep_seconds:
                    swept_at = loop.time()
                    await self._clear(older_than=self._settings.intake.sweep_seconds)
                await self._take_rung(_IDLE_SECONDS)
            except PyMongoError as error:
                behind = True
                log.warning("intake.database_away", error=str(error))
                await asyncio.sleep(_IDLE_SECONDS)

    async def _clear(self, older_than: float = 0) -> bool:
        """The backlog is one worker's: two would take in the same events, each in vain. Where that one dies,
        the next sweep finds the rest. While rings still wait to be answered, what is old is only waiting its
        turn: were it swept, one worker would take in what the others are being rung for. False while the backlog
        is another's, who may have died."""
        if await self._store.bell.waiting(INTAKE) >= self._settings.intake.batch:
            return True

        async def ours() -> bool:
            return await self._store.leases.take(_BACKLOG, self._name, _BACKLOG_SECONDS)

        if not await ours():
            return False
        try:
            await self.drain(older_than, still=ours)
        finally:
            await self._store.leases.release(_BACKLOG, self._name)
        return True

    async def turn(self, wait_seconds: float = 0.01) -> int:
        """Takes in what was rung. Returns how many raw events that were."""
        count = await self._take_rung(wait_seconds)
        await self._in_flight.ended()
        return count

    async def _take_rung(self, wait_seconds: float) -> int:
        batch = self._settings.intake.batch
        ids = await self._store.bell.answer(INTAKE, self._name, batch, wait_seconds)
        if ids is None:  # no bell: look by ourselves
            await asyncio.sleep(_IDLE_SECONDS)
            await self._in_flight.ended()
            ids = await self._store.journal.waiting(0, batch)
        await self._process_all(ids)
        return len(ids)

    async def drain(self, older_than: float = 0, *, still: Still | None = None) -> int:
        """Takes in what nobody rang for, or whose worker died, while `still` says so. Returns how many raw
        events that were."""
        done = 0
        while still is None or await still():
            ids = await self._waiting(older_than)
            if not ids and self._in_flight.ids:
                await self._in_flight.ended()
                ids = await self._waiting(older_than)
            if not ids:
                return done
            await self._process_all(ids)
            done += len(ids)
        await self._in_flight.ended()
        return done

    async def _waiting(self, older_than: float) -> Sequence[str]:
        """But what is being written at this moment."""
        batch = self._settings.intake.batch
        in_hand = self._in_flight.ids
        ids = await self._store.journal.waiting(older_than, batch + len(in_hand))
        return [one for one in ids if one not in in_hand][:batch]

    async def _process_all(self, ids: Sequence[str]) -> None:
        """One portion is read while others are written."""
        async for events in self._store.journal.portions(ids):
            parsed = await self._parse_all(events)
            touched = touched_by(parsed)
            await self._in_flight.room(len(parsed), touched)
            in_hand = frozenset(one.event.id for one in parsed)
            self._in_flight.begin(in_hand, touched, self._write_lanes(parsed))

    async def process(self, events: Sequence[RawEvent]) -> None:
        await self._commit_all(await self._parse_all(events))

    async def _parse_all(self, events: Sequence[RawEvent]) -> list[Parsed]:
        return [p for event in events if (p := await self._parse(event)) is not None]

    async def _write_lanes(self, parsed: list[Parsed]) -> None:
        """A large portion in several transactions side by side: while the database works at one, we do at
        another. What may belong together, as one mail in two mailboxes, goes by one lane."""
        lanes = lanes_of(parsed) if len(parsed) >= _WORTH_LANES else [parsed]
        ended = await asyncio.gather(*(self._commit_all(lane) for lane in lanes), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def _commit_all(self, parsed: list[Parsed]) -> None:
        if not parsed:
            return
        try:
            await self._commit(parsed)
        except Exception as error:
            if is_outage(error):
                raise
            if len(parsed) > 1:  # one of them spoils the batch: find it
                half = len(parsed) // 2
                await self._commit_all(parsed[:half])
                await self._commit_all(parsed[half:])
                return
            log.exception("intake.failed", event_id=parsed[0].event.id)
            dead = parsed[0].event.attempts + 1 >= self._settings.intake.attempts
            await self._store.journal.fail(parsed[0].event.id, f"{type(error).__name__}: {error}", dead=dead)

    async def _parse(self, event: RawEvent) -> Parsed | None:
        """None when it became a dead letter."""
        try:
            account = await self._store.accounts.get(event.account_id)
            connector = await self._connectors.of(account)
            parsed = Parsed(event=event, connector=connector)
            for said in await _read(connector, event):
                parsed.add(said)
        except PyMongoError:
            raise
        except OmnihubError as error:
            await self._store.journal.fail(event.id, str(error), dead=True)
            return None
        except Exception as error:
            log.exception("intake.unreadable", event_id=event.id)
            await self._store.journal.fail(event.id, f"{type(error).__name__}: {error}", dead=True)
            return None
        return parsed

    async def _commit(self, parsed: list[Parsed]) -> None:
        await self._store_files(parsed)
        error: Exception | None = None
        for _ in range(_TRIES):
            try:
                written = await self._store.transaction(lambda session: self._write(parsed, session))
            except (DuplicateKeyError, BulkWriteError) as lost:
                if is_outage(lost):
                    raise
                error = lost  # somebody else stored one of these a moment ago: look again
                continue
            await self._after(parsed, written)
            return
        raise RuntimeError(f"gave up after {_TRIES} tries: {error}")

    async def _store_files(self, parsed: list[Parsed]) -> None:
        for one in parsed:
            for message in one.messages:
                if message.attachments:
                    files = new_attachments(one.event.account_id, message)
                    refs = await self._store.attachments.store(files, owner=one.event.account_id)
                    one.attachments[message.external_id] = refs

    async def _write(self, parsed: list[Parsed], session: Session) -> Workset:
        items = [(one, self._item(one, message)) for one in parsed for message in one.messages]
        work = await workset.load(self._store, [item for _, item in items], self._tokens, session)
        taken = await self._numbers(len(items))
        work.numbers_left = list(taken)
        try:
            for one, item in items:
                self._take_in(one, item, work)
        finally:
            await self._store.counters.give_back(TICKET_NUMBERS, work.numbers_left)
        await self._save(work, [change for one in parsed for change in one.changes], session)
        for one in parsed:
            for receipt in one.receipts:
                await note_receipt(self._store, one.event.account_id, receipt, session, quietly=one.event.silent)
        await self._store.journal.settle([one.event.id for one in parsed], session)
        return work

    async def _numbers(self, count: int) -> Sequence[int]:
        if count == 0:
            return ()
        return await self._store.counters.take(TICKET_NUMBERS, count, self._settings.tickets.number_start)

    async def _number(self) -> int:
        return (await self._numbers(1))[0]

    def _item(self, one: Parsed, message: InboundMessage) -> Item:
        return Item(
            raw_event_id=one.event.id,
            account=one.connector.account,
            message=_mass_mail_marked(message),
            silent_import=one.event.silent,
        )

    def _take_in(self, one: Parsed, item: Item, work: Workset) -> None:
        own = one.connector.own_handles()
        refs = one.attachments.get(item.message.external_id, ())
        named = _renamed_if_taken(item, work, own)
        if named is None:
            return
        item = named
        received: datetime = one.event.request.received_at
        if amending.is_known_part(item, work):
            return
        whole = amending.whole_of(item, work)
        if whole is not None:
            amending.add_part(item, whole, list(refs), work)
        elif item.message.kind == "notice":
            take_notice(item, arrival(item, received), work)
        else:
            self._take_message(one, item, received, refs, work)

    def _take_message(
        self, one: Parsed, item: Item, received: datetime, refs: Sequence[AttachmentRef], work: Workset
    ) -> None:
        item, wants_progress = progress.noticed(item, work, self._settings.progress)
        stored = take_in(item, received, refs, work, self._tokens, one.connector.own_handles())
        if wants_progress:
            work.errands.append(progress.errand(item, stored))
        confirmation = _confirmation(one, item, stored, work)
        if confirmation:
            work.errands.append(confirmation)
        if one.connector.manifest.capabilities.profiles:
            work.errands += profiles.errands(item, work)

    async def _save(self, work: Workset, changes: list[amending.Change], session: Session) -> None:
        store = self._store
        await store.contacts.save(work.new_contacts, work.new_identities, session)
        handles: dict[str, list[str]] = {}
        for key, contact_id in work.proven_identities:
            handles.setdefault(contact_id, []).append(key)
        await store.contacts.add_handles(handles, session)
        await store.tickets.save(list(work.new_tickets.values()), work.changed_tickets, session)
        await store.conversations.save(list(work.new_conversations.values()), work.changed_conversations, session)
        await joining.move_stored(store, work, session)
        await store.messages.insert(work.new_messages, session)
        await amending.save_parts(store, work, session)
        await amending.apply(store, self._calls, changes, work, session)
        await store.errands.add(work.errands, session)
        await store.events.add(work.events, session)
        await joining.finish(store, work, session)
        for operation in work.operations:
            await store.operations.add(operation, session)
        await summarise_many(store, work.stale_tickets, session)
        for one, other, evidence in work.proven_contacts:
            await unite(store, one, other, evidence, session)

    async def _after(self, parsed: list[Parsed], work: Workset) -> None:
        await self._store.bell.ring(ERRANDS, [errand["_id"] for errand in work.errands])
        await self._store.accounts.note_event(sorted({one.event.account_id for one in parsed}))


async def _read(connector: Connector, event: RawEvent) -> Sequence[Inbound]:
    """Lets the process's other work go on meanwhile: a live view or a timer must not wait for a batch."""
    if len(event.request.body) > _LARGE_BYTES:
        return await asyncio.to_thread(connector.parse, event)
    await asyncio.sleep(0)
    return connector.parse(event)


def _mass_mail_marked(message: InboundMessage) -> InboundMessage:
    """What we ourselves sent to nobody by name, or to many, proves as little as any newsletter."""
    receivers = sum(1 for p in message.participants if p.role in ("to", "cc"))
    if message.direction == "inbound" or 1 <= receivers <= _MANY:
        return message
    return replace(message, evidence=replace(message.evidence, bulk=True))


def _renamed_if_taken(item: Item, work: Workset, own: frozenset[str]) -> Item | None:
    """None for a message that is stored already. A different one under the same id, as broken senders make
    them, gets a second name: nothing that a customer sent is dropped for its id."""
    message = item.message
    stored = work.stored.get((item.account.id, message.external_id))
    if stored is None:
        return item
    if _is_same(message, stored, own):
        return None
    second = f"{message.external_id}#{message.fingerprint[:16]}"
    if (item.account.id, second) in work.stored:
        return None
    problem = "another message came under the same id"
    # A mail is its own thread's name: under the taken one it would continue a stranger's.
    thread_key = second if message.thread_key == message.external_id else message.thread_key
    renamed = replace(message, external_id=second, thread_key=thread_key, problems=(*message.problems, problem))
    return replace(item, message=renamed, aliases=(message.external_id,))


def _is_same(message: InboundMessage, stored: MessageDoc, own: frozenset[str]) -> bool:
    """Our own answers have no fingerprint: a customer's mail under the id of one is not its copy."""
    if not message.fingerprint or stored["fingerprint"] == message.fingerprint:
        return True
    ours = stored["direction"] == "outbound" and message.direction == "inbound"
    return not stored["fingerprint"] and not (ours and message.sender.key not in own)


def _confirmation(one: Parsed, item: Item, stored: MessageDoc, work: Workset) -> Errand | None:
    """Where the channel confirms receipt by another way, note it in the same transaction."""
    if item.silent_import or stored["ticket_id"] not in work.new_tickets:
        return None
    words = one.connector.confirmation(item.message, work.tickets[stored["ticket_id"]]["number"])
    if words is None or not item.account.policy.reply_via or not item.message.sender.claims:
        return None
    subject, text = words
    return Errand(
        _id=id_from("confirmation", stored["account_id"], stored["external_id"]),
        kind="confirmation",
        data={
            "message_id": new_id(),
            "ticket_id": stored["ticket_id"],
            "account_id": item.account.policy.reply_via,
            "contact_id": stored["contact_id"],
            "to_keys": list(item.message.sender.claims),
            "subject": subject,
            "text": text,
        },
        due=now(),
        attempts=0,
    )
