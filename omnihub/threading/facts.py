from dataclasses import dataclass
from datetime import datetime

from omnihub.model.account import CrossChannel


@dataclass(slots=True, frozen=True, kw_only=True)
class TicketFact:
    """`participants` are the handle keys of everyone who takes part in any of its conversations."""

    id: str
    number: int
    open: bool
    ended_at: datetime | None
    participants: frozenset[str] = frozenset()


@dataclass(slots=True, frozen=True, kw_only=True)
class ConversationFact:
    """`pinned`: an agent placed it by hand, so nothing is joined to it or away from it by itself."""

    id: str
    account_id: str
    contact_id: str
    participants: frozenset[str]
    pinned: bool
    ticket: TicketFact


@dataclass(slots=True, frozen=True, kw_only=True)
class Link:
    """A stored message that ours points at, that points at ours, or that points where ours does.

    `shared` is the id that connects them; `conversations` in how many that id is found. `people` are the
    handle keys of the stored message's From, To and Cc, our own left out; `voices` those of them that it
    makes participants: who wrote it, or, when it is ours, whom it went to.
    """

    shared: str
    conversation: ConversationFact
    voices: frozenset[str]
    people: frozenset[str]
    bulk: bool
    conversations: int = 1


@dataclass(slots=True, frozen=True, kw_only=True)
class Facts:
    """What the store knows that may say where a message belongs; gathered for a whole batch at once.

    `ancestors`: messages that ours refers to, nearest first. `descendants`: messages that came before ours
    and refer to it. `siblings`: messages that refer to an id that ours refers to and that nobody has seen.
    `own`: the account's own handles, which are nobody's evidence.
    `copy_ticket`: the ticket of the same mail, delivered to another of our mailboxes.
    `claimed`: an open ticket of somebody whose handle the sender names as their own, without proof.
    """

    now: datetime
    reopen_days: int
    own: frozenset[str] = frozenset()
    token: ConversationFact | None = None
    ancestors: tuple[Link, ...] = ()
    descendants: tuple[Link, ...] = ()
    siblings: tuple[Link, ...] = ()
    thread: ConversationFact | None = None
    numbered: TicketFact | None = None
    copy_ticket: TicketFact | None = None
    other_channel: TicketFact | None = None
    claimed: TicketFact | None = None
    cross_channel: CrossChannel = "separate"
