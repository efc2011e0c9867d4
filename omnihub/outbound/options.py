"""What the composer offers: the ways to answer, and what each still allows."""

from collections.abc import Sequence

from omnihub.connectors.contract import Template
from omnihub.model.account import Account
from omnihub.model.documents import ConversationDoc, IdentityDoc, TicketDoc
from omnihub.model.errors import Refused
from omnihub.model.inbound import Handle
from omnihub.outbound import drafting
from omnihub.outbound.request import Addressee, LiveConnectors, ReplyOption, TemplateOption, WindowState
from omnihub.outbound.routing import Route, Routing
from omnihub.outbound.window import window_of
from omnihub.store.database import now
from omnihub.store.store import Store


class Options:
    def __init__(self, store: Store, connectors: LiveConnectors) -> None:
        self._store = store
        self._routing = Routing(store, connectors)

    async def of(self, ticket: TicketDoc) -> list[ReplyOption]:
        """By the ticket's conversations, best first: the one that the customer used last."""
        conversations = await self._store.conversations.of_ticket(ticket["_id"])
        if ticket["last_inbound_id"]:
            last = await self._store.messages.get(ticket["last_inbound_id"])
            conversations.sort(key=lambda one: (one["_id"] == last["conversation_id"], one["_id"]), reverse=True)
        else:
            conversations.reverse()
        return [await self._option(ticket, conversation) for conversation in conversations]

    async def elsewhere(self, ticket: TicketDoc) -> list[ReplyOption]:
        """By the customer's other handles, that which they used last first. An agent must choose one of these:
        nothing goes there by itself."""
        used = await self._store.conversations.of_ticket(ticket["_id"])
        taken = {(one["account_id"], person["key"]) for one in used for person in one["participants"]}
        found = []
        for identity in await self._latest_first(ticket["contact_id"]):
            for account in await self._store.accounts.all():
                handle = Handle(key=identity["_id"], name=identity["name"])
                if not account.enabled or (account.id, handle.key) in taken:
                    continue
                if option := await self._other(ticket, account, handle):
                    found.append(option)
        return found

    async def _latest_first(self, contact_id: str) -> Sequence[IdentityDoc]:
        identities = await self._store.contacts.identities_of(contact_id)
        conversations = await self._store.conversations.of_contact(contact_id)
        spoken = {p["key"]: one["_id"] for one in conversations for p in one["participants"]}
        return sorted(identities, key=lambda one: spoken.get(one["_id"], ""), reverse=True)

    async def _other(self, ticket: TicketDoc, account: Account, handle: Handle) -> ReplyOption | None:
        try:
            if not await self._routing.reaches(account, handle):
                return None
            route = await self._routing.to_handle(ticket, account.id, handle, ticket["contact_id"], None)
        except Refused:  # an account that is not usable is no way out
            return None
        return {**_option(route), "conversation_id": ""}

    async def _option(self, ticket: TicketDoc, conversation: ConversationDoc) -> ReplyOption:
        try:
            route = await self._routing.of(ticket, conversation)
        except Refused as error:
            return await self._no_option(conversation, str(error))
        return _option(route)

    async def _no_option(self, conversation: ConversationDoc, reason: str) -> ReplyOption:
        names = {account.id: account.name for account in await self._store.accounts.all()}
        return ReplyOption(
            conversation_id=conversation["_id"],
            account_id=conversation["account_id"],
            account_name=names.get(conversation["account_id"], ""),
            channel=conversation["channel"],
            can_reply=False,
            reason=reason,
            to=[],
            capabilities={},
            undo_seconds=0,
            window=None,
            templates=[],
        )


def _option(route: Route) -> ReplyOption:
    enabled = route.account.enabled
    option = ReplyOption(
        conversation_id=route.source["_id"],
        account_id=route.account.id,
        account_name=route.account.name,
        channel=route.account.channel,
        can_reply=True,
        reason="" if enabled else "the account is disabled: an answer waits until it is enabled",
        to=[Addressee(key=one.key, name=one.name) for one in route.to],
        capabilities=route.manifest.capabilities.model_dump(),
        undo_seconds=drafting.undo_seconds(route),
        window=None,
        templates=[_template(one) for one in route.connector.templates()],
    )
    allowed = window_of(route.connector.reply_window(), route.thread, now())
    if allowed is not None:
        until = allowed.until.isoformat() if allowed.until else None
        option["window"] = WindowState(until=until, left=allowed.left, allowed=allowed.allowed, gone=allowed.gone)
        try:
            allowed.check(now())
        except Refused as error:
            option |= {"can_reply": False, "reason": str(error)}
    return option


def _template(template: Template) -> TemplateOption:
    fields = [{"key": field.key, "label": field.label} for field in template.fields]
    return TemplateOption(
        id=template.id, name=template.name, text=template.text, fields=fields, within_window=template.within_window
    )
