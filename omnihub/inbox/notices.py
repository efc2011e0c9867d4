"""What a person did that is no message: followed, left, pressed a menu, opened the chat."""

from dataclasses import replace
from datetime import datetime

from omnihub.inbox.placing import document, tell_ticket
from omnihub.inbox.workset import Item, Workset
from omnihub.model.documents import MessageDoc
from omnihub.threading import Placement

_IN_THREAD = Placement(rule="thread", reason="the channel says that it belongs to this exchange")
_NOWHERE = Placement(rule="notice", reason="it is no message, and there is no exchange that it belongs to")


def take_notice(item: Item, at: datetime, work: Workset) -> MessageDoc:
    """Into the exchange where there is one. It opens no ticket, reopens none and calls nobody; without an
    exchange it is only kept."""
    message = replace(item.message, silent=True)
    item = replace(item, message=message)
    found = work.threads.get((item.account.id, message.thread_key))
    conversation = work.final_conversation(found) if found else None
    if conversation is None or conversation["ticket_id"] not in work.tickets:
        identity = work.identities.get(message.sender.key)
        contact_id = identity["contact_id"] if identity else ""
        stored = document(item, None, None, contact_id, (), _NOWHERE)
        stored["at"] = at
        work.add_message(stored)
        return stored
    ticket = work.final_ticket(conversation["ticket_id"])
    stored = document(item, conversation, ticket, conversation["contact_id"], (), _IN_THREAD)
    stored["at"] = at
    work.add_message(stored)
    tell_ticket(item, stored, ticket, work)
    return stored
