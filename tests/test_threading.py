"""The rules over whole threads, in memory: what belongs together does so in whatever order it arrives."""

from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.inbox.placing import take_in
from omnihub.inbox.workset import Item, Workset
from omnihub.model.account import Account
from omnihub.model.inbound import Evidence, Handle, InboundMessage, Participant
from omnihub.threading import ReplyTokens

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ACCOUNT = Account(id="acc", key="k", channel="email", name="desk", enabled=True)
TOKENS = ReplyTokens(lambda purpose, data: bytes(32))
OWN = frozenset({"email:desk@example.test"})


@dataclass(frozen=True)
class Mail:
    name: str
    sender: str
    cc: tuple[str, ...]
    refs: tuple[str, ...]


def _item(mail: Mail) -> Item:
    message = InboundMessage(
        external_id=mail.name,
        thread_key=mail.name,
        sender=Handle(key=f"email:{mail.sender}"),
        participants=tuple(Participant(handle=Handle(key=f"email:{one}"), role="cc") for one in mail.cc),
        sent_at=NOW,
        subject="s",
        evidence=Evidence(message_id=mail.name, references=mail.refs),
    )
    return Item(raw_event_id=mail.name, account=ACCOUNT, message=message)


def grouped(mails: list[Mail]) -> frozenset[frozenset[str]]:
    """Which mails end in one conversation."""
    work = Workset()
    work.numbers_left = list(range(1, len(mails) + 1))
    for mail in mails:
        take_in(_item(mail), NOW, (), work, TOKENS, OWN)
    groups: dict[str, set[str]] = {}
    for message in work.new_messages:
        groups.setdefault(message["conversation_id"], set()).add(message["external_id"])
    return frozenset(frozenset(group) for group in groups.values())


@st.composite
def correspondences(draw: st.DrawFn) -> tuple[list[Mail], list[Mail]]:
    """Mails of a few people who answer each other's mails, some of which never reach us, in two orders.
    Whoever answers a mail had received it; answers name the whole chain or, as some programs do, its end."""
    people = ["anna@c.test", "bob@c.test", "carl@c.test"]
    mails: list[Mail] = []
    for number in range(draw(st.integers(2, 7))):
        parent = draw(st.sampled_from([None, *mails]))
        chain: tuple[str, ...] = ()
        sender = draw(st.sampled_from(people))
        cc = tuple(draw(st.sets(st.sampled_from(people), max_size=2)) - {sender})
        if parent is not None:
            chain = (*parent.refs, parent.name)
            sender = draw(st.sampled_from([parent.sender, *parent.cc]))
            cc = tuple(dict.fromkeys(p for p in (parent.sender, *parent.cc) if p != sender))
            chain = draw(st.sampled_from([chain, chain[-1:], chain[:1] + chain[-1:]]))
        mails.append(Mail(name=f"m{number}@t", sender=sender, cc=cc, refs=chain))
    arrived = draw(st.lists(st.sampled_from(mails), min_size=1, unique=True))
    return arrived, draw(st.permutations(arrived))


@settings(max_examples=600, deadline=None)
@given(correspondences())
def test_arrival_order_never_changes_what_belongs_together(orders: tuple[list[Mail], list[Mail]]) -> None:
    one, other = orders
    assert grouped(one) == grouped(other)


@settings(max_examples=200, deadline=None)
@given(st.permutations([f"{name}@c.test" for name in ("anna", "bob", "carl", "dora")]))
def test_answers_of_strangers_to_something_unseen_never_meet(senders: list[str]) -> None:
    mails = [
        Mail(name=f"m{number}@t", sender=sender, cc=(), refs=("campaign@us",))
        for number, sender in enumerate(senders)
    ]
    assert len(grouped(mails)) == len(mails)


def test_a_token_is_read_whatever_case_it_comes_back_in() -> None:
    token = TOKENS.issue("01m821jr7bh1md2943r2nz1dra")
    assert TOKENS.read(token.upper()) == "01m821jr7bh1md2943r2nz1dra"


@given(st.text(max_size=60))
def test_what_we_did_not_issue_is_no_token(text: str) -> None:
    assert TOKENS.read(text) is None
