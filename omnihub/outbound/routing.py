from collections.abc import Sequence
from dataclasses import dataclass, replace

from omnihub.connectors.contract import Connector, Manifest
from omnihub.model.account import Account
from omnihub.model.documents import ConversationDoc, MessageDoc, TicketDoc
from omnihub.model.errors import Invalid, NotFound, Refused
from omnihub.model.ids import new_id
from omnihub.model.inbound import Handle
from omnihub.outbound import addressees
from omnihub.outbound.request import LiveConnectors
from omnihub.outbound.window import Window, window_of
from omnihub.store.database import Session, now
from omnihub.store.store import Store

_LOOK_BACK = 50


@dataclass(slots=True, frozen=True, kw_only=True)
class Route:
    """How an answer goes out. `source` is the conversation being answered, `conversation` the one that
    carries the answer: another one where the source's channel cannot send. `thread` is its end."""

    account: Account
    connector: Connector
    source: ConversationDoc
    conversation: ConversationDoc
    is_new: bool
    answered: MessageDoc | None
    to: tuple[Handle, ...]
    thread: Sequence[MessageDoc]

    @property
    def manifest(self) -> Manifest:
        return self.connector.manifest


class Routing:
    """Which conversation carries an answer, through which account, to whom."""

    def __init__(self, store: Store, connectors: LiveConnectors) -> None:
        self._store = store
        self._connectors = connectors

    async def find(
        self, ticket: TicketDoc, conversation_id: str, answering_id: str, session: Session | None = None
    ) -> Route:
        """Raises NotFound, Invalid, or Refused where there is no way."""
        answered = await self._answered(ticket, answering_id, session) if answering_id else None
        if not (conversation_id or answered or ticket["last_inbound_id"]):
            return await self._any(ticket, session)
        source = await self._source(ticket, conversation_id, answered, session)
        if answered and answered["conversation_id"] != source["_id"]:
            if not await self._same_person(answered["contact_id"], source["contact_id"], session):
                raise Invalid(
                    "the message being answered is somebody else's than this conversation",
                    {"answering_id": "was written by somebody else"},
                )
            answered = None  # the same person, answered where the agent chose to
        return await self.of(ticket, source, answered, session)

    async def of(
        self,
        ticket: TicketDoc,
        source: ConversationDoc,
        answered: MessageDoc | None = None,
        session: Session | None = None,
    ) -> Route:
        """The way back through one conversation. Raises Refused where there is none."""
        account, connector = await self._live(source["account_id"])
        thread = await self._thread(source)
        answered = answered or _last_of_customer(thread)
        if not connector.manifest.capabilities.send:
            return await self._instead(ticket, source, account, answered, session)
        own = connector.own_handles()
        return Route(
            account=account,
            connector=connector,
            source=source,
            conversation=source,
            is_new=False,
            answered=answered,
            to=addressees.author_of(answered, own) if answered else addressees.first_of(source, own),
            thread=thread,
        )

    async def to_handle(
        self, ticket: TicketDoc, account_id: str, handle: Handle, contact_id: str, session: Session | None
    ) -> Route:
        """To a known handle, in the ticket's conversation with it or a new one. Raises Refused."""
        account, connector = await self._live(account_id)
        if not connector.manifest.capabilities.send and account.policy.reply_via:
            account, connector = await self._live(account.policy.reply_via)
        if not connector.manifest.capabilities.send:
            raise Refused(f"{account.name} cannot send")
        conversation = await self._exchange(ticket, account, handle, session)
        fresh = conversation or _conversation(ticket, account, connector, handle, contact_id)
        return Route(
            account=account,
            connector=connector,
            source=fresh,
            conversation=fresh,
            is_new=conversation is None,
            answered=None,
            to=(handle,),
            thread=await self._thread(conversation) if conversation else (),
        )

    async def window(self, message: MessageDoc) -> Window | None:
        """What may still go where this message went, the message itself not counted. Raises Refused."""
        _, connector = await self._live(message["account_id"])
        conversation = await self._store.conversations.get(message["conversation_id"])
        others = [one for one in await self._thread(conversation) if one["_id"] != message["_id"]]
        return window_of(connector.reply_window(), others, now())

    async def reaches(self, account: Account, handle: Handle) -> bool:
        """Whether this account may begin to write to this handle. Raises Refused."""
        _, connector = await self._live(account.id)
        return connector.manifest.capabilities.send and connector.reaches(handle)

    async def elsewhere(self, ticket: TicketDoc, account_id: str, to_key: str, session: Session) -> Route:
        """To another handle of the ticket's customer, as an agent chose. Raises Invalid or Refused."""
        identities = await self._store.contacts.identities_of(ticket["contact_id"], session)
        chosen = next((one for one in identities if one["_id"] == to_key), None)
        if chosen is None:
            raise Invalid("this is no handle of the customer", {"to_key": "is no handle of the customer"})
        handle = Handle(key=to_key, name=chosen["name"])
        account, _ = await self._live(account_id)
        if not await self.reaches(account, handle):
            raise Refused(f"{account.name} cannot write to {handle.value}")
        return await self.to_handle(ticket, account_id, handle, ticket["contact_id"], session)

    async def _same_person(self, one: str, other: str, session: Session | None) -> bool:
        """A message keeps naming the contact that its writer was, also when that one is joined to another."""
        if one == other:
            return True
        try:
            first = await self._store.contacts.final(one, session)
            return first["_id"] == (await self._store.contacts.final(other, session))["_id"]
        except NotFound:
            return False

    async def _answered(self, ticket: TicketDoc, message_id: str, session: Session | None) -> MessageDoc:
        message = await self._store.messages.get(message_id, session)
        if message["ticket_id"] != ticket["_id"]:
            raise NotFound("the message being answered is not in this ticket")
        if message["direction"] == "note":
            words = "a note cannot be answered to a customer"
            raise Invalid(words, {"answering_id": words})
        return message

    async def _source(
        self, ticket: TicketDoc, conversation_id: str, answered: MessageDoc | None, session: Session | None
    ) -> ConversationDoc:
        if not conversation_id:
            last = answered or await self._store.messages.get(str(ticket["last_inbound_id"]), session)
            return await self._store.conversations.get(last["conversation_id"], session)
        conversation = await self._store.conversations.final(conversation_id, session)
        if conversation["ticket_id"] != ticket["_id"]:
            raise NotFound("this conversation is not in this ticket")
        return conversation

    async def _any(self, ticket: TicketDoc, session: Session | None) -> Route:
        """The latest conversation that can carry an answer."""
        why = "this ticket has no conversation"
        for conversation in reversed(await self._store.conversations.of_ticket(ticket["_id"], session)):
            try:
                return await self.of(ticket, conversation, session=session)
            except Refused as error:
                why = str(error)
        raise Refused(why)

    async def _instead(
        self,
        ticket: TicketDoc,
        source: ConversationDoc,
        account: Account,
        answered: MessageDoc | None,
        session: Session | None,
    ) -> Route:
        """Through the account that carries answers where this channel cannot."""
        if not account.policy.reply_via:
            raise Refused(f"{account.name} cannot send, and no other account carries its answers")
        carrier, connector = await self._live(account.policy.reply_via)
        if not connector.manifest.capabilities.send:
            raise Refused(f"{account.name} cannot send, and neither can {carrier.name}")
        kinds = frozenset(key.partition(":")[0] for key in connector.own_handles()) or {carrier.channel}
        contacts = await self._store.contacts.get_many([source["contact_id"]], session)
        handle = addressees.reachable(
            frozenset(kinds),
            answered=answered,
            contact=contacts.get(source["contact_id"]),
            identities=await self._store.contacts.identities_of(source["contact_id"], session),
        )
        if handle is None:
            raise Refused(f"{account.name} cannot send, and the customer left no address for {carrier.name}")
        if handle.key in connector.own_handles():
            raise Refused(f"the address that the customer left is {carrier.name} itself")
        conversation = await self._exchange(ticket, carrier, handle, session)
        fresh = conversation or _conversation(ticket, carrier, connector, handle, source["contact_id"])
        return Route(
            account=carrier,
            connector=connector,
            source=source,
            conversation=fresh,
            is_new=conversation is None,
            answered=answered,
            to=(handle,),
            thread=await self._thread(conversation) if conversation else (),
        )

    async def _thread(self, conversation: ConversationDoc) -> Sequence[MessageDoc]:
        """Its end, and the customer's last word also where much that is none came after it."""
        thread = await self._store.messages.thread(conversation["_id"], _LOOK_BACK)
        last = conversation["last_inbound_id"]
        if len(thread) < _LOOK_BACK or not last or any(one["_id"] == last for one in thread):
            return thread
        heard = await self._store.messages.find(last)
        return [heard, *thread] if heard and heard["conversation_id"] == conversation["_id"] else thread

    async def _exchange(
        self, ticket: TicketDoc, account: Account, handle: Handle, session: Session | None
    ) -> ConversationDoc | None:
        """The ticket's latest conversation with this handle through this account."""
        known = await self._store.conversations.of_ticket(ticket["_id"], session)
        theirs = [
            one
            for one in known
            if one["account_id"] == account.id and any(p["key"] == handle.key for p in one["participants"])
        ]
        return theirs[-1] if theirs else None

    async def _live(self, account_id: str) -> tuple[Account, Connector]:
        try:
            account = await self._store.accounts.get(account_id)
        except NotFound:
            raise Refused("the account of this conversation was removed") from None
        try:
            return account, await self._connectors.of(account)
        except Invalid as error:
            raise Refused(f"the settings of {account.name} are not complete: {error}") from error


def with_thread_key(route: Route, external_id: str) -> Route:
    """A new thread is known by its first message, a lasting exchange by the person."""
    if not route.is_new or route.conversation["thread_key"]:
        return route
    conversation: ConversationDoc = {**route.conversation, "thread_key": external_id or route.conversation["_id"]}
    return replace(route, conversation=conversation)


def _last_of_customer(thread: Sequence[MessageDoc]) -> MessageDoc | None:
    """A bounce is no customer's word: nobody reads what is answered to it."""
    written = [m for m in thread if m["direction"] == "inbound" and m["kind"] not in ("bounce", "notice")]
    return written[-1] if written else None


def _conversation(
    ticket: TicketDoc, account: Account, connector: Connector, handle: Handle, contact_id: str
) -> ConversationDoc:
    return ConversationDoc(
        _id=new_id(),
        account_id=account.id,
        channel=account.channel,
        thread_key=handle.value if connector.manifest.conversation == "contact" else "",
        contact_id=contact_id,
        ticket_id=ticket["_id"],
        open=True,
        pinned=False,
        subject=ticket["subject"],
        participants=addressees.participants([handle], "from"),
        last_inbound_id=None,
        joined_into=None,
        created_at=now(),
    )
