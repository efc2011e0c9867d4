"""Which contact a handle belongs to."""

from omnihub.inbox.workset import Workset
from omnihub.model.documents import ContactDoc, ConversationDoc, IdentityDoc, ParticipantDoc
from omnihub.model.ids import new_id
from omnihub.model.inbound import Handle, InboundMessage
from omnihub.store.database import now
from omnihub.threading import Placement


def contact_of(work: Workset, person: Handle, message: InboundMessage) -> str:
    """The contact's id; a handle that nobody knows makes a new contact, unless the provider vouches that it
    is somebody whom we know under another one."""
    identity = work.identities.get(person.key)
    if identity is not None:
        contact_id = identity["contact_id"]
    else:
        vouched = next((work.identities[key] for key in person.proven if key in work.identities), None)
        if vouched is None:
            contact_id = _new_contact(work, person, message)
        else:
            contact_id = vouched["contact_id"]
            _add_identity(work, person, contact_id, f"the provider says that this is also {vouched['_id']}")
            work.proven_identities.append((person.key, contact_id))
    _vouch(work, person, contact_id)
    return contact_id


def _vouch(work: Workset, person: Handle, contact_id: str) -> None:
    """The handles that the provider vouches for become this contact's, and whoever had them becomes one with
    it: of two contacts the elder stays."""
    for key in person.proven:
        known = work.identities.get(key)
        evidence = f"the provider says that {person.key} is also {key}"
        if known is None:
            _add_identity(work, Handle(key=key), contact_id, evidence)
            work.proven_identities.append((key, contact_id))
        elif known["contact_id"] != contact_id:
            elder, younger = sorted((contact_id, known["contact_id"]))
            work.proven_contacts.append((younger, elder, evidence))


def _new_contact(work: Workset, person: Handle, message: InboundMessage) -> str:
    contact = ContactDoc(
        _id=new_id(),
        name=person.name or person.value,
        identities=[person.key],
        merged_into=None,
        created_at=now(),
        updated_at=now(),
    )
    work.contacts[contact["_id"]] = contact
    work.new_contacts.append(contact)
    _add_identity(work, person, contact["_id"], f"wrote to us: {message.external_id}")
    return contact["_id"]


def _add_identity(work: Workset, person: Handle, contact_id: str, evidence: str) -> None:
    identity = IdentityDoc(
        _id=person.key,
        contact_id=contact_id,
        channel=person.channel,
        name=person.name,
        claims=list(person.claims),
        evidence=evidence,
        created_at=now(),
    )
    work.identities[person.key] = identity
    work.new_identities.append(identity)
    if person.claims:
        work.claims.setdefault(contact_id, set()).update(person.claims)


def prove_claims(
    work: Workset, message: InboundMessage, conversation: ConversationDoc | None, placement: Placement
) -> str | None:
    """Whoever answers a mail that we sent to a claimed address has shown that it is theirs. What a program
    answers shows nothing: an absent owner has not said that the claim is theirs.

    An address that no contact has goes to the claimant; one that a contact has brings the claimant's
    contact to it. Returns the contact's id, None when there was nothing to prove.
    """
    person = message.sender
    if conversation is None or message.silent or placement.rule not in ("reply_token", "reference"):
        return None
    claimant = conversation["contact_id"]
    if person.key not in work.claims.get(claimant, set()):
        return None
    evidence = "answered a message that we sent to this address"
    identity = work.identities.get(person.key)
    if identity is None:
        _add_identity(work, person, claimant, evidence)
        work.proven_identities.append((person.key, claimant))
        return claimant
    if identity["contact_id"] != claimant:
        work.proven_contacts.append((claimant, identity["contact_id"], evidence))
    return identity["contact_id"]


def participants_of(message: InboundMessage) -> list[ParticipantDoc]:
    """Everybody but ourselves."""
    people = []
    if message.direction == "inbound":
        sender = message.sender
        people.append(ParticipantDoc(key=sender.key, name=sender.name, role="from", confirmed=True))
    people += [
        ParticipantDoc(key=p.handle.key, name=p.handle.name, role=p.role, confirmed=True)
        for p in message.participants
        if p.handle.key != message.sender.key and p.role != "from"
    ]
    return people
