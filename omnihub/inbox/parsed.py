from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from omnihub.connectors.contract import Connector
from omnihub.inbox import amending, going_on
from omnihub.inbox.files import bounded
from omnihub.model.documents import AttachmentRef
from omnihub.model.inbound import Inbound, InboundMessage, Receipt
from omnihub.model.raw import RawEvent

_LANES = 3


@dataclass(slots=True)
class Parsed:
    """What one raw event says, with the references of its attachments, stored beforehand."""

    event: RawEvent
    connector: Connector
    messages: list[InboundMessage] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    changes: list[amending.Change] = field(default_factory=list)
    attachments: dict[str, list[AttachmentRef]] = field(default_factory=dict)

    def add(self, said: Inbound) -> None:
        if isinstance(said, Receipt):
            self.receipts.append(said)
        elif isinstance(said, InboundMessage):
            self.messages.append(bounded(said))
        else:
            at = said.at or self.event.request.received_at
            if said.message is not None:  # where the first version was never seen, this one stands for it
                said = replace(said, message=bounded(said.message))
                assert said.message is not None
                # Its words are other ones on purpose: they do not make it a stranger under the same id.
                first = replace(said.message, fingerprint="")
                self.messages.append(going_on.unjudged(first) if said.kind == "updated" else first)
            change = amending.Change(
                account=self.connector.account, amendment=said, at=at, quietly=self.event.silent
            )
            self.changes.append(change)


def touched_by(parsed: Sequence[Parsed]) -> frozenset[str]:
    """Whose rows will be written: those of the people, the threads and the messages that are named."""
    found: set[str] = set()
    for one in parsed:
        account, own = one.event.account_id, one.connector.own_handles()
        for message in one.messages:
            people = {message.sender.key, *message.sender.proven, *(p.handle.key for p in message.participants)}
            names = (message.thread_key, message.external_id, message.part_of, *message.evidence.references)
            found |= people - own
            found |= {f"{account} {name}" for name in names if name}
        found |= {f"{account} {change.amendment.external_id}" for change in one.changes}
        found |= {f"{account} {receipt.external_id}" for receipt in one.receipts}
    return frozenset(found)


def lanes_of(parsed: Sequence[Parsed]) -> list[list[Parsed]]:
    """By channel, about as many in each."""
    by_channel: dict[str, list[Parsed]] = {}
    for one in parsed:
        by_channel.setdefault(one.connector.account.channel, []).append(one)
    lanes: list[list[Parsed]] = [[] for _ in range(_LANES)]
    for group in sorted(by_channel.values(), key=len, reverse=True):
        min(lanes, key=len).extend(group)
    return [lane for lane in lanes if lane]
