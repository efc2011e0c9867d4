"""Which conversation, which ticket, and why: pure rules over facts.

Evidence is asked in the order of RULES; the first rule that answers decides. A rule that had to refuse
evidence leaves a remark, so that the reason of the final decision says that too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from omnihub.model.inbound import InboundMessage
from omnihub.threading.facts import ConversationFact, Facts, Link, TicketFact


@dataclass(slots=True, frozen=True, kw_only=True)
class Placement:
    """`conversation` None: a new one. `ticket` None: a new one, after `follows` where that is given.
    `joins`: ids of conversations that this message shows to be parts of the same thread.
    `newcomer`: the sender takes part by proof of receipt only, until an agent confirms; `unproven`: those who
    answered this message before it came, and whom nothing else names."""

    rule: str
    reason: str
    conversation: ConversationFact | None = None
    ticket: TicketFact | None = None
    follows: TicketFact | None = None
    related: TicketFact | None = None
    suggested: TicketFact | None = None
    joins: tuple[str, ...] = ()
    newcomer: bool = False
    unproven: frozenset[str] = frozenset()
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True, kw_only=True)
class _Decision:
    rule: str
    reason: str
    conversation: ConversationFact | None = None
    ticket: TicketFact | None = None
    suggested: TicketFact | None = None
    newcomer: bool = False
    data: dict[str, Any] = field(default_factory=dict)


Rule = Callable[[InboundMessage, Facts, list[str]], _Decision | None]


def place(message: InboundMessage, facts: Facts) -> Placement:
    """Total and deterministic: every message gets a place and a reason."""
    remarks: list[str] = []
    decision = next((found for rule in RULES if (found := rule(message, facts, remarks))), None)
    if decision is None:
        decision = _Decision(rule="new", reason="nothing connects it with an earlier message")
    return _settle(message, facts, decision, remarks)


def is_quiet(message: InboundMessage) -> bool:
    """Whether it is only kept. A call is silent while it rings, but it is the customer who speaks."""
    return message.silent and message.kind != "call"


def _people(message: InboundMessage, facts: Facts) -> frozenset[str]:
    return frozenset({message.sender.key, *(p.handle.key for p in message.participants)}) - facts.own


def _voices(message: InboundMessage, facts: Facts) -> frozenset[str]:
    """Whose message it is: its sender's, or, when a colleague sent it by other means, its receivers'."""
    return frozenset({message.sender.key}) if message.direction == "inbound" else _people(message, facts)


def _by_token(message: InboundMessage, facts: Facts, _remarks: list[str]) -> _Decision | None:
    if facts.token is None:
        return None
    newcomer = not _voices(message, facts) & facts.token.participants
    return _Decision(
        rule="reply_token",
        reason="it answers one of our messages: it carries our signed reply token",
        conversation=facts.token,
        newcomer=newcomer,
    )


def _takes_part(message: InboundMessage, facts: Facts, link: Link) -> bool:
    return bool(_voices(message, facts) & (link.conversation.participants | link.people))


def may_join(message: InboundMessage, facts: Facts, link: Link) -> bool:
    """Whether a reference to a known message lets this sender into its conversation.

    Whoever takes part may. Anyone else must have received the message, which naming its id proves, unless
    that id went out to many people or is found in several conversations.
    """
    return _takes_part(message, facts, link) or (not link.bulk and link.conversations == 1)


def _by_reference(message: InboundMessage, facts: Facts, remarks: list[str]) -> _Decision | None:
    for link in facts.ancestors:
        if not may_join(message, facts, link):
            remarks.append("it refers to a message that went out to many people, where its sender takes no part")
            continue
        return _Decision(
            rule="reference",
            reason="it refers to an earlier message of this conversation",
            conversation=link.conversation,
            newcomer=not _takes_part(message, facts, link),
            data={"message_id": link.shared},
        )
    return None


def _late_ancestor(message: InboundMessage, facts: Facts, link: Link) -> bool:
    """Whether a message that came before ours, but refers to it, would have joined it in the right order."""
    if link.voices & _people(message, facts) or _voices(message, facts) & link.conversation.participants:
        return True
    return not message.evidence.bulk


def _siblings(message: InboundMessage, facts: Facts, link: Link) -> bool:
    """Two answers to something that we have not seen: it may be a newsletter, so only people who know each
    other from these very messages belong together."""
    return bool(_voices(message, facts) & link.conversation.participants or link.voices & _people(message, facts))


def _by_descendant(message: InboundMessage, facts: Facts, _remarks: list[str]) -> _Decision | None:
    for link in facts.descendants:
        if _late_ancestor(message, facts, link):
            return _Decision(
                rule="late_link",
                reason="a message of this conversation refers to it: it came late",
                conversation=link.conversation,
                data={"message_id": link.shared},
            )
    return None


def _by_sibling(message: InboundMessage, facts: Facts, _remarks: list[str]) -> _Decision | None:
    for link in facts.siblings:
        if _siblings(message, facts, link):
            return _Decision(
                rule="common_reference",
                reason="it refers to the same earlier message as this conversation, which we have not received",
                conversation=link.conversation,
                data={"message_id": link.shared},
            )
    return None


def _by_thread(_message: InboundMessage, facts: Facts, _remarks: list[str]) -> _Decision | None:
    if facts.thread is None:
        return None
    return _Decision(
        rule="thread", reason="the channel says that it continues this exchange", conversation=facts.thread
    )


def _by_number(message: InboundMessage, facts: Facts, remarks: list[str]) -> _Decision | None:
    ticket = facts.numbered
    if ticket is None:
        return None
    if not _voices(message, facts) & ticket.participants:
        remarks.append(f"its subject names #{ticket.number}, but its sender takes no part there")
        return None
    return _Decision(
        rule="ticket_number",
        reason=f"its subject names #{ticket.number}, and its sender takes part there",
        ticket=ticket,
        data={"number": ticket.number},
    )


def _by_copy(_message: InboundMessage, facts: Facts, _remarks: list[str]) -> _Decision | None:
    ticket = facts.copy_ticket
    if ticket is None:
        return None
    return _Decision(
        rule="same_mail",
        reason=f"the same mail was also sent to another of our mailboxes, where it is in #{ticket.number}",
        ticket=ticket,
        data={"number": ticket.number},
    )


def _by_policy(message: InboundMessage, facts: Facts, _remarks: list[str]) -> _Decision | None:
    """Who only types who they are is led to nobody's ticket: an agent judges."""
    ticket = facts.other_channel
    if ticket is None or facts.cross_channel == "separate":
        return None
    if facts.cross_channel == "join" and not message.sender.claims:
        return _Decision(
            rule="open_ticket",
            reason=f"its sender has the open ticket #{ticket.number}, which this account joins",
            ticket=ticket,
            data={"number": ticket.number},
        )
    return _Decision(
        rule="new",
        reason=f"nothing connects it with an earlier message; its sender also has #{ticket.number} open",
        suggested=ticket,
        data={"number": ticket.number},
    )


def _by_claim(_message: InboundMessage, facts: Facts, _remarks: list[str]) -> _Decision | None:
    """Only ever suggested: anybody can type anybody's address."""
    ticket = facts.claimed
    if ticket is None:
        return None
    return _Decision(
        rule="new",
        reason=f"nothing connects it with an earlier message; who has #{ticket.number} open may be the same",
        suggested=ticket,
        data={"number": ticket.number},
    )


RULES: Sequence[Rule] = (
    _by_token,
    _by_reference,
    _by_descendant,
    _by_sibling,
    _by_thread,
    _by_number,
    _by_copy,
    _by_policy,
    _by_claim,
)


def _settle(message: InboundMessage, facts: Facts, decision: _Decision, remarks: list[str]) -> Placement:
    ticket = decision.conversation.ticket if decision.conversation else decision.ticket
    reason = "; ".join([decision.reason, *dict.fromkeys(remarks)])
    if ticket is not None and not is_quiet(message) and _too_late(ticket, facts):
        return Placement(
            rule="follow_up",
            reason=f"{reason}; #{ticket.number} ended over {facts.reopen_days} days ago: a new one follows it",
            follows=ticket,
            data={**decision.data, "number": ticket.number},
        )
    joins = _joins(message, facts, decision.conversation)
    if joins:
        reason += "; it shows that parts of this thread belong together"
    return Placement(
        rule=decision.rule,
        reason=reason,
        conversation=decision.conversation,
        ticket=ticket,
        related=facts.numbered if ticket is None else None,
        suggested=decision.suggested,
        joins=joins,
        newcomer=decision.newcomer,
        unproven=_unproven(message, facts),
        data=decision.data,
    )


def _unproven(message: InboundMessage, facts: Facts) -> frozenset[str]:
    if not facts.descendants:
        return frozenset()
    answered = (link.voices for link in facts.descendants if _late_ancestor(message, facts, link))
    links = (*facts.ancestors, *facts.descendants, *facts.siblings)
    named = (link.people - link.voices for link in links)
    return frozenset().union(*answered) - _people(message, facts) - frozenset().union(*named)


def _too_late(ticket: TicketFact, facts: Facts) -> bool:
    if ticket.open or ticket.ended_at is None:
        return False
    return facts.now - ticket.ended_at > timedelta(days=facts.reopen_days)


def _joins(message: InboundMessage, facts: Facts, chosen: ConversationFact | None) -> tuple[str, ...]:
    if chosen is None or chosen.pinned:
        return ()
    # Proof of receipt lets its sender into one conversation; only who takes part in both can show that two
    # are one. An id that several mails bear shows nothing.
    linked = [
        *(link for link in facts.ancestors if link.conversations == 1 and _takes_part(message, facts, link)),
        *(link for link in facts.descendants if _late_ancestor(message, facts, link)),
        *(link for link in facts.siblings if _siblings(message, facts, link)),
    ]
    others = (
        link.conversation.id
        for link in linked
        if link.conversation.id != chosen.id
        and not link.conversation.pinned
        and link.conversation.account_id == chosen.account_id
    )
    return tuple(dict.fromkeys(others))
