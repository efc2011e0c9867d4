"""Calls that an agent places: first the agent's telephone rings, then the customer's."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from omnihub.connectors.contract import Connector, Dialled
from omnihub.connectors.numbers import e164
from omnihub.connectors.telephony.call import Call
from omnihub.connectors.telephony.telling import handle_of
from omnihub.model.account import Account
from omnihub.model.documents import ActorDoc, ConversationDoc, TicketDoc
from omnihub.model.errors import Conflict, Invalid, OmnihubError, Refused, TryLater, Uncertain
from omnihub.model.ids import new_id
from omnihub.model.inbound import Handle
from omnihub.outbound import addressees
from omnihub.outbound.request import LiveConnectors
from omnihub.store.database import Session, now
from omnihub.store.events import event
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.outbound")

# The telephones of the house. Longer ones are somebody's, and need a country.
_INTERNAL = re.compile(r"[0-9]{2,6}")
_WRITTEN = re.compile(r"[0-9 \u00a0()./-]+")
_LONGEST_SECONDS = 90.0


@dataclass(slots=True, frozen=True, kw_only=True)
class DialRequest:
    """`extension`: the agent's telephone. `ticket_id`: where the call is to stand, "" for wherever the number's
    calls do."""

    actor: ActorDoc
    account_id: str
    number: str
    extension: str
    ticket_id: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class _Order:
    request: DialRequest
    account: Account
    connector: Connector
    number: str
    call_id: str
    customer: Handle

    @property
    def thread(self) -> tuple[str, str]:
        return self.account.id, self.customer.value


@dataclass(slots=True, frozen=True, kw_only=True)
class _Place:
    """The conversation that was made ready. `made`: it is new; `reopened`: it had ended. `ended`: the one in
    another ticket that the number's calls had joined so far."""

    conversation: ConversationDoc
    made: bool = False
    reopened: bool = False
    ended: str = ""


class Calling:
    def __init__(self, store: Store, connectors: LiveConnectors) -> None:
        self._store = store
        self._connectors = connectors
        self._under_way: set[asyncio.Task[Dialled]] = set()

    async def lines(self) -> Sequence[Account]:
        """The accounts that can place calls."""
        found = []
        for account in await self._store.accounts.all():
            connector = await self._usable(account) if account.enabled else None
            if connector is not None and connector.manifest.capabilities.calls:
                found.append(account)
        return found

    async def dial(self, request: DialRequest) -> Dialled:
        """Returns once the agent's telephone was picked up, or was not. It goes on though whoever asked is gone.
        Raises NotFound, Conflict, Invalid, and what the exchange answers."""
        task = asyncio.create_task(self._dial(request))
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Waits for no telephone. What rings goes on ringing, and the exchange will tell of it."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _done(self, task: "asyncio.Task[Dialled]") -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.info("call.not_placed", error=str(error))

    async def _usable(self, account: Account) -> Connector | None:
        try:
            return await self._connectors.of(account)
        except OmnihubError as error:
            log.info("account.unusable", account_id=account.id, error=str(error))
            return None

    async def _dial(self, request: DialRequest) -> Dialled:
        order = await self._order(request)
        place = None
        if request.ticket_id:
            place = await self._store.transaction(lambda session: self._make_room(order, session))
        try:
            dialled = await self._rung(order)
        except (Invalid, Refused, TryLater):
            if place is not None:  # no call will come
                await self._store.transaction(lambda session: self._clear(order, place, session))
            raise
        except Uncertain as error:
            await self._tell(order, picked_up=False, words=str(error))
            raise
        await self._tell(order, picked_up=dialled.picked_up, words=dialled.words)
        return dialled

    async def _rung(self, order: _Order) -> Dialled:
        """Raises Uncertain as well where nobody waited for the end."""
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                return await order.connector.dial(order.request.extension, order.number, call_id=order.call_id)
        except TimeoutError:
            raise Uncertain(f"the exchange did not answer within {_LONGEST_SECONDS:g} seconds") from None
        except asyncio.CancelledError:
            raise Uncertain("the hub was stopped while the telephone rang") from None

    async def _order(self, request: DialRequest) -> _Order:
        account = await self._store.accounts.get(request.account_id)
        connector = await self._usable(account) if account.enabled else None
        if connector is None or not connector.manifest.capabilities.calls:
            words = "this account cannot place calls"
            raise Invalid(words, {"account_id": "cannot place calls"})
        number = dialable(request.number, region_of(connector))
        call = Call(id=new_id(), direction="out", state="ringing", customer=number)
        return _Order(
            request=request,
            account=account,
            connector=connector,
            number=number,
            call_id=call.id,
            # As it will stand in what the exchange tells, so that both meet.
            customer=handle_of(call, channel=account.channel, account_id=account.id, region=""),
        )

    async def _make_room(self, order: _Order, session: Session) -> _Place:
        """What the exchange tells of a number joins the number's open conversation: it has to be the ticket's."""
        ticket = _unmerged(await self._store.tickets.get(order.request.ticket_id, session))
        known = (await self._store.conversations.open_by_thread([order.thread], session)).get(order.thread)
        if known and known["ticket_id"] == ticket["_id"]:
            return _Place(conversation=known)
        changed = {known["_id"]: {"open": False}} if known else {}
        ended = known["_id"] if known else ""
        own = await self._ended_here(order, ticket, session)
        if own is not None:
            await self._store.conversations.save((), {**changed, own["_id"]: {"open": True}}, session)
            return _Place(conversation=own, reopened=True, ended=ended)
        fresh = await self._conversation(order, ticket, session)
        await self._store.conversations.save([fresh], changed, session)
        return _Place(conversation=fresh, made=True, ended=ended)

    async def _ended_here(self, order: _Order, ticket: TicketDoc, session: Session) -> ConversationDoc | None:
        conversations = await self._store.conversations.of_ticket(ticket["_id"], session)
        theirs = [one for one in conversations if (one["account_id"], one["thread_key"]) == order.thread]
        return theirs[-1] if theirs else None

    async def _conversation(self, order: _Order, ticket: TicketDoc, session: Session) -> ConversationDoc:
        known = await self._store.contacts.identities([order.customer.key], session)
        owner = known.get(order.customer.key)
        return ConversationDoc(
            _id=new_id(),
            account_id=order.account.id,
            channel=order.account.channel,
            thread_key=order.customer.value,
            contact_id=owner["contact_id"] if owner else ticket["contact_id"],
            ticket_id=ticket["_id"],
            open=True,
            pinned=False,
            subject="",
            participants=addressees.participants([order.customer], "from"),
            last_inbound_id=None,
            joined_into=None,
            created_at=now(),
        )

    async def _clear(self, order: _Order, place: _Place, session: Session) -> None:
        """As it was, unless somebody has used the place meanwhile."""
        own = place.conversation["_id"]
        current = (await self._store.conversations.open_by_thread([order.thread], session)).get(order.thread)
        if current is None or current["_id"] != own or not (place.made or place.reopened):
            return
        if place.made:
            if await self._store.messages.count_of_conversation(own, session):
                return
            await self._store.conversations.remove(own, session)
        changes = {own: {"open": False}} if place.reopened else {}
        await self._store.conversations.save((), changes, session)
        if place.ended:
            await self._store.conversations.save((), {place.ended: {"open": True}}, session)

    async def _tell(self, order: _Order, *, picked_up: bool, words: str) -> None:
        ticket_id = order.request.ticket_id or await self._ticket_of(order)
        if not ticket_id:
            return
        data = {
            "number": order.number,
            "extension": order.request.extension,
            "account_id": order.account.id,
            "call_id": order.call_id,
            "picked_up": picked_up,
            "words": words,
        }
        told = event("call.dialled", ticket_id, actor=order.request.actor, data=data)
        await self._store.events.add([told])

    async def _ticket_of(self, order: _Order) -> str:
        known = (await self._store.conversations.open_by_thread([order.thread])).get(order.thread)
        return known["ticket_id"] if known else ""


def region_of(connector: Connector) -> str:
    """Two letters, "" where the account has no country of its own."""
    settings = connector.settings
    return str(getattr(settings, "region", "") or getattr(settings, "phone_region", "") or "")


def dialable(typed: str, region: str) -> str:
    """As +4930…, or an internal number as it was typed. Raises Invalid."""
    number = typed.strip()
    if number.startswith("00") and not region:
        number = f"+{number[2:]}"
    if known := e164(number, region):
        return known
    if _INTERNAL.fullmatch(number):
        return number
    if _WRITTEN.fullmatch(number) and not region:
        words = "write it with its country code, such as +49"
    else:
        words = "is no telephone number"
    raise Invalid("this number cannot be dialled", {"number": words})


def _unmerged(ticket: TicketDoc) -> TicketDoc:
    if ticket["merged_into"]:
        raise Conflict("this ticket was merged into another one", merged_into=ticket["merged_into"])
    return ticket
