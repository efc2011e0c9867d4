"""Who somebody is, asked of the provider after their first message."""

from omnihub.connectors.registry import Connectors
from omnihub.inbox.contacts import merge_contacts
from omnihub.inbox.workset import Item, Workset
from omnihub.model.documents import ContactDoc, IdentityDoc
from omnihub.model.errors import NotFound, Refused, Unreadable
from omnihub.model.ids import id_from
from omnihub.model.inbound import Handle, Profile
from omnihub.store.attachments import NewAttachment, true_type
from omnihub.store.database import Session, now
from omnihub.store.errands import Errand
from omnihub.store.events import SYSTEM, event
from omnihub.store.store import Store

PROFILE = "profile"
_PICTURE_BYTES = 2_097_152


def errands(item: Item, work: Workset) -> list[Errand]:
    """For somebody whom this batch saw for the first time."""
    key = item.message.sender.key
    if item.message.direction != "inbound" or all(one["_id"] != key for one in work.new_identities):
        return []
    data = {"account_id": item.account.id, "key": key}
    return [Errand(_id=id_from(PROFILE, item.account.id, key), kind=PROFILE, data=data, due=now(), attempts=0)]


class ProfileErrands:
    def __init__(self, store: Store, connectors: Connectors) -> None:
        self._store = store
        self._connectors = connectors

    async def do(self, errand: Errand) -> None:
        """Raises TryLater. What the provider refuses to tell is no news."""
        key = errand["data"]["key"]
        try:
            account = await self._store.accounts.get(errand["data"]["account_id"])
            connector = await self._connectors.of(account)
            profile = await connector.profile(Handle(key=key))
        except (Refused, NotFound, Unreadable):
            return
        if profile is None:
            return
        avatar_id = await self._keep_picture(key, profile.avatar, account.id)
        await self._store.transaction(lambda session: self._note(key, profile, avatar_id, session))
        if profile.proven and account.policy.cross_channel != "separate":
            await self._store.transaction(lambda session: self._suggest(key, account.id, session))

    async def give_up(self, errand: Errand, words: str) -> None:
        """A name that nobody tells is no loss."""

    async def _keep_picture(self, key: str, picture: bytes, owner: str) -> str:
        content_type = true_type(picture, "") if picture else ""
        if not content_type.startswith("image/") or len(picture) > _PICTURE_BYTES:
            return ""
        attachment_id = id_from("avatar", key, str(len(picture)))
        ending = content_type.partition("/")[2]
        file = NewAttachment(
            id=attachment_id, filename=f"avatar.{ending}", content_type=content_type, content=picture
        )
        await self._store.attachments.store([file], owner=owner)
        return attachment_id

    async def _note(self, key: str, profile: Profile, avatar_id: str, session: Session) -> None:
        identity = (await self._store.contacts.identities([key], session)).get(key)
        if identity is None:
            return
        contact = await self._store.contacts.final(identity["contact_id"], session)
        changes: dict[str, str] = {"avatar_id": avatar_id} if avatar_id else {}
        if profile.name:
            await self._store.contacts.rename_identities({key: profile.name}, session)
            if _is_nameless(contact, identity):
                changes["name"] = profile.name
                await self._store.tickets.rename_contact(contact["_id"], profile.name, session)
        if changes:
            await self._store.contacts.change(contact["_id"], changes, session)
            told = event("contact.profile", "", data={"contact_id": contact["_id"], **changes})
            await self._store.events.add([told], session)
        if profile.claims:
            await self._store.contacts.add_claims(key, profile.claims, session)
        for proven in profile.proven:
            await self._prove(proven, key, contact["_id"], session)

    async def _suggest(self, key: str, account_id: str, session: Session) -> None:
        """Who they are was told after their ticket was opened: an agent may join it to the one they had."""
        identity = (await self._store.contacts.identities([key], session))[key]
        contact = await self._store.contacts.final(identity["contact_id"], session)
        found = await self._store.tickets.of_contacts([contact["_id"]], session)
        by_age = sorted(found.get(contact["_id"], []), key=lambda one: one["number"])
        here = [one for one in by_age if account_id in one["account_ids"] and not one["suggested_ticket_id"]]
        earlier = [one for one in by_age if account_id not in one["account_ids"]]
        if here and earlier:
            suggested = {"suggested_ticket_id": earlier[-1]["_id"]}
            await self._store.tickets.change(here[-1]["_id"], suggested, session)

    async def _prove(self, proven: str, key: str, contact_id: str, session: Session) -> None:
        evidence = f"the provider says that {key} is also {proven}"
        mine = await self._store.contacts.final(contact_id, session)  # an earlier proof may have joined it
        known = (await self._store.contacts.identities([proven], session)).get(proven)
        if known is None:
            identity = IdentityDoc(
                _id=proven,
                contact_id=mine["_id"],
                channel=proven.partition(":")[0],
                name="",
                claims=[],
                evidence=evidence,
                created_at=now(),
            )
            await self._store.contacts.save((), [identity], session)
            await self._store.contacts.add_handles({mine["_id"]: [proven]}, session)
            return
        other = await self._store.contacts.final(known["contact_id"], session)
        if mine["_id"] != other["_id"]:
            elder, younger = sorted((mine["_id"], other["_id"]))
            await merge_contacts(self._store, younger, elder, SYSTEM, evidence, session)


def _is_nameless(contact: ContactDoc, identity: IdentityDoc) -> bool:
    """Called only by a handle until now, or as the provider called them before."""
    shown = {key.rpartition(":")[2] for key in contact["identities"]} | {identity["name"]}
    return contact["name"] in shown
