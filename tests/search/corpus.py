"""A desk's worth of made-up messages, so large that speed can be told; and how long questions take on it."""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from omnihub.search.asking import Question, search
from omnihub.search.words import in_doubt, is_word, tokens
from omnihub.store.search import INDEXES, Entry, as_doc
from omnihub.store.store import Store

_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
_LATIN = """
    refund order invoice delivery broken screen charger battery account password login payment shipping address
    warranty return please hello thanks customer support urgent phone number wrong size colour missing parcel
""".split()  # noqa: SIM905
_NAMES = "王小明 李娜 张伟 刘洋 陈静 Anna Ben Carla 赵磊 周敏 吴倩 Maria".split()  # noqa: SIM905


def vocabulary(size: int = 40_000) -> tuple[list[str], list[float]]:
    """The words of jieba's dictionary with how often each is used, the most used first."""
    import jieba

    text = Path(jieba.__file__).with_name("dict.txt").read_text("utf-8")
    rows = (line.split(" ") for line in text.splitlines())
    known = sorted(((int(n), word) for word, n, *_ in rows if 1 < len(word) < 5), reverse=True)[:size]
    words = [word for _, word in known] + _LATIN
    weights = [float(n) for n, _ in known]
    return words, weights + [weights[200]] * len(_LATIN)


@dataclass
class Corpus:
    """`messages` in `tickets`, the same for the same seed."""

    messages: int
    tickets: int
    seed: int = 7
    words: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.words, self.weights = vocabulary()

    def said(self) -> Iterator[tuple[int, list[str]]]:
        """Per message its ticket's index and its words, some twenty characters in all."""
        chance = random.Random(self.seed)
        pool = iter(())  # type: Iterator[str]
        for index in range(self.messages):
            length = chance.randint(6, 16)
            words = [word for word, _ in zip(pool, range(length), strict=False)]
            if len(words) < length:
                pool = iter(chance.choices(self.words, self.weights, k=50_000))
                words += [word for word, _ in zip(pool, range(length - len(words)), strict=False)]
            if index % 10 == 0:
                words.append(f"订单{20_240_000_000 + chance.randrange(10**7)}")
            yield chance.randrange(self.tickets), words


async def fill(store: Store, corpus: Corpus, *, bare: bool = False) -> float:
    """Tickets, messages and their index, written as fast as it goes. `bare`: without the messages' own indexes,
    which no search uses. Returns the seconds that the index took."""
    db = store.db
    if bare:
        for name, models in INDEXES.items():
            if models:
                await db[name].create_indexes(list(models))
    step = timedelta(seconds=max(1, int(60 * 86_400 * 10 / corpus.messages)))
    for first in range(0, corpus.tickets, 5_000):
        some = [_ticket(index) for index in range(first, min(first + 5_000, corpus.tickets))]
        await db["tickets"].insert_many(some, ordered=False)
    spent, batch = 0.0, []
    for index, (ticket, words) in enumerate(corpus.said()):
        batch.append(_message(index, ticket, words, _BEGIN + step * index))
        if len(batch) == 1_000 or index == corpus.messages - 1:
            await db["messages"].insert_many([message for message, _ in batch], ordered=False)
            began = time.perf_counter()
            await store.search._entries.insert_many([entry for _, entry in batch], ordered=False)
            spent += time.perf_counter() - began
            batch = []
    counts = dict(zip(corpus.words, (int(w) + 1 for w in corpus.weights), strict=True))
    await store.search.count_words({word: n for word, n in counts.items() if is_word(word)})
    return spent


def _ticket(index: int) -> dict[str, Any]:
    at = _BEGIN + timedelta(minutes=index)
    return {
        "_id": f"t{index:025}",
        "number": 1001 + index,
        "subject": f"Ticket {index}",
        "status": ("open", "pending", "resolved", "closed")[index % 4],
        "bucket": ("active", "active", "resolved", "closed")[index % 4],
        "priority": "normal",
        "assignee_id": f"u{index % 5_000}",
        "team_id": None,
        "tags": [],
        "spam": False,
        "contact_id": f"c{index % 1000}",
        "contact_name": _NAMES[index % len(_NAMES)],
        "channels": ["wechat" if index % 2 else "email"],
        "account_ids": ["a1"],
        "last_message": None,
        "last_message_at": at,
        "last_inbound_id": None,
        "waiting_since": None,
        "message_count": 5,
        "undelivered": 0,
        "snoozed_until": None,
        "resolved_at": None,
        "merged_into": None,
        "links": [],
        "suggested_ticket_id": None,
        "version": 1,
        "created_at": at,
        "updated_at": at,
    }


def _message(index: int, ticket: int, words: Sequence[str], at: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
    text = " ".join(words) if index % 5 == 0 else "".join(words)
    known = dict.fromkeys(words)
    message = {
        "_id": f"m{index:025}",
        "ticket_id": f"t{ticket:025}",
        "contact_id": "",
        "direction": "inbound",
        "kind": "message",
        "channel": "wechat",
        "sender": {"key": "wechat:app:o1", "name": "王小明", "user_id": None},
        "subject": "",
        "text": text,
        "visible_text": text,
        "attachments": [],
        "extra": {},
        "at": at,
    }
    entry = Entry(
        kind="messages",
        id=message["_id"],
        at=at,
        ticket_id=message["ticket_id"],
        tokens=tokens(text, lambda run: _cut(run, known)),
    )
    return message, as_doc(entry, 0)


def _cut(run: str, known: Iterable[str]) -> tuple[list[str], list[str]]:
    """Every fifth word stands for one that a dictionary does not know."""
    words = [word for word in known if word in run]
    doubtful = {word for word in words if sum(map(ord, word)) % 5 == 0}
    return words, list(in_doubt(words, lambda word: word not in doubtful))


QUESTIONS: Sequence[str] = (
    *("退款", "订单", "我们", "没有", "公司", "refund", "ref", "deliv", "问题", "发展"),
    *(
        "公司 发展",
        "我们 没有",
        "refund 公司",
        "蝴蝶 公司",
        "北京 上海",
        "经济问题",
        "中国人民",
        "申请退款",
        "手机号码错误",
    ),
    *("20240", "202400123", "0123456", "订单 refund", "上海市长", "他说 自己", "蝴蝶 蜻蜓", "政府工作报告"),
)


async def timed(store: Store, questions: Sequence[str] = QUESTIONS, repeat: int = 3) -> dict[str, list[float]]:
    """Milliseconds that each question took, as the API asks it: all four kinds, with the rows and highlights."""
    took: dict[str, list[float]] = {question: [] for question in questions}
    for _ in range(repeat):
        for question in questions:
            began = time.perf_counter()
            await search(store, Question(words=question))
            took[question].append((time.perf_counter() - began) * 1000)
    return took
