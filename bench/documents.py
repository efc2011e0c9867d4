"""Tickets and messages as the hub stores them, made up in any number, the same each time.

Put straight into mongod: what fills a database to a million tickets is not what is measured. Searches later are
measured on the same."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.write_concern import WriteConcern

from omnihub.model.documents import ConversationDoc, IdentityDoc, MessageDoc, TicketDoc
from omnihub.model.ids import id_from
from omnihub.model.previews import preview
from omnihub.store import contacts, conversations, events, messages, tickets
from omnihub.store.contacts import search_words
from omnihub.store.tickets import places_of

Doc = dict[str, Any]
_PORTION = 1000
_LATEST = datetime(2026, 11, 20, 12, tzinfo=UTC)
_SECONDS_APART = 25
_CHANNELS = ("wechat", "email", "telegram", "sms", "wecom_kf", "dingtalk", "webform", "api")
_TAGS = ("保修", "urgent", "退货", "invoice", "配件", "complaint", "VIP", "installation")
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高"
_GIVEN_WORDS = """
伟 芳 娜 秀英 敏 静 丽 强 磊 洋 艳 勇 军 杰 娟 涛 明 超
"""
_GIVEN = tuple(_GIVEN_WORDS.split())
_FIRST = ("Emma", "Liam", "Anna", "Tom", "Maria", "Jan", "Sofia", "Paul", "Ines", "Omar", "Ruth", "Ken")
_LAST = ("Stone", "Becker", "Novak", "Rossi", "Larsen", "Kim", "Costa", "Meyer", "Silva", "Haas", "Weber", "Lind")
_ZH_WORDS = """
热水器 不加热 显示 故障代码 请问 什么时候 能上门 维修 师傅 电话 没人接 订单 已经 付款 还没有 发货
地址 需要 修改 发票 抬头 写错了 麻烦 重新开具 洗衣机 漏水 噪音 很大 配件 保修期 内 退货 运费 谁承担
空调 制冷 效果 不好 遥控器 失灵 安装 预约 明天 上午
"""
_ZH = tuple(_ZH_WORDS.split())
_EN_WORDS = """
the boiler shows error and does not heat any more please send a technician my order has been paid
but never shipped invoice address is wrong could you change it dishwasher leaks after ten minutes
warranty spare part delivery refund washing machine noise when will somebody call back remote
control broken since
"""
_EN = tuple(_EN_WORDS.split())


@dataclass(slots=True, frozen=True, kw_only=True)
class Sizes:
    """`messages`: of each ticket."""

    tickets: int
    messages: int = 5
    agents: int = 50
    teams: int = 8


def sentence(dice: random.Random) -> str:
    if dice.random() < 0.6:
        return "".join(dice.choices(_ZH, k=dice.randint(4, 22))) + f"，单号{dice.randrange(10**8):08d}。"
    words = " ".join(dice.choices(_EN, k=dice.randint(6, 40)))
    return f"{words.capitalize()}, reference {dice.randrange(10**8)}."


def person(dice: random.Random) -> str:
    if dice.random() < 0.6:
        return dice.choice(_SURNAMES) + dice.choice(_GIVEN)
    return f"{dice.choice(_FIRST)} {dice.choice(_LAST)}"


def _status(dice: random.Random, age: float) -> str:
    """Of the newest tickets most are open, of old ones hardly any: `age` runs from 0 to 1."""
    open_share = max(0.01, 0.9 - age * 3)
    if dice.random() < open_share:
        return dice.choices(("new", "open", "pending"), (3, 5, 2))[0]
    return dice.choices(("resolved", "closed"), (1, 4))[0]


def ticket(number: int, at: datetime, sizes: Sizes | None = None) -> Doc:
    """`at`: when its last message came. A tenth of what is old is spam or snoozed."""
    dice = random.Random(number)
    told = sizes or Sizes(tickets=1000)
    status, channel = _status(dice, number / max(1, told.tickets)), dice.choice(_CHANNELS)
    name, words = person(dice), sentence(dice)
    waiting = status in ("new", "open")
    one = id_from("bench ticket", str(number))
    made = TicketDoc(
        _id=one,
        number=1001 + number,
        subject=words[:60],
        status=cast("Any", status),
        priority=cast("Any", dice.choices(("low", "normal", "high", "urgent"), (1, 14, 4, 1))[0]),
        assignee_id=f"agent-{dice.randrange(told.agents)}" if dice.random() < 0.7 else None,
        team_id=f"team-{dice.randrange(told.teams)}",
        tags=dice.sample(_TAGS, dice.choices((0, 1, 2), (5, 3, 2))[0]),
        spam=dice.random() < 0.03,
        contact_id=id_from("bench contact", str(number // 2)),
        contact_name=name,
        channels=[channel],
        account_ids=[f"account-{channel}"],
        last_message=None,
        last_message_at=at,
        last_inbound_id=None,
        waiting_since=at if waiting else None,
        message_count=told.messages,
        undelivered=0,
        snoozed_until=at + timedelta(days=900) if waiting and dice.random() < 0.05 else None,
        resolved_at=None if status in ("new", "open", "pending") else at,
        merged_into=None,
        links=[],
        suggested_ticket_id=None,
        version=1,
        created_at=at - timedelta(hours=dice.uniform(1, 200)),
        updated_at=at,
    )
    return {**made, **places_of(cast("Doc", made))}


def message(owner: Doc, one: str, number: int, at: datetime) -> Doc:
    """The ticket's message of this number; every third is the desk's."""
    dice = random.Random(f"{owner['_id']} {number}")
    inbound, words = number % 3 != 2, sentence(dice)
    handle = f"{owner['channels'][0]}:bench:{owner['contact_id']}"
    return {
        **_bare(owner, one, words, at),
        "external_id": f"m-{one}",
        "fingerprint": one,
        "direction": "inbound" if inbound else "outbound",
        "sender": {
            "key": handle if inbound else "",
            "name": owner["contact_name"] if inbound else "Agent",
            "user_id": None if inbound else owner["assignee_id"],
        },
        "to": [] if inbound else [{"key": handle, "name": owner["contact_name"], "role": "to", "confirmed": True}],
        "delivery": None if inbound else _sent(at),
    }


def _sent(at: datetime) -> Doc:
    return {
        "state": "sent", "due": at, "attempts": 1, "words": "", "refused": {}, "lease_until": None, "sent_at": at,
        "updated_at": at,
    }  # fmt: skip


def _bare(owner: Doc, one: str, words: str, at: datetime) -> Doc:
    made = MessageDoc(
        _id=one, account_id=owner["account_ids"][0], external_id="", aliases=[], fingerprint="", refs=[],
        bulk=False, direction="inbound", kind="message", channel=owner["channels"][0],
        conversation_id=id_from("bench conversation", owner["_id"]), ticket_id=owner["_id"],
        contact_id=owner["contact_id"], sender={"key": "", "name": "", "user_id": None}, to=[], cc=[], bcc=[],
        subject="", text=words, html="", visible_text=words, quoted_text="", visible_html="", attachments=[],
        automatic=False, silent=False, silent_reason="", spam=[], problems=[],
        placement={"rule": "thread", "reason": "the same exchange goes on", "data": {}}, answering_id=None,
        delivery=None, wire={}, raw_event_id=None, extra={}, sent_at=at, at=at,
    )  # fmt: skip
    return cast("Doc", made)


def rows(sizes: Sizes) -> Iterator[Doc]:
    """Tickets, the newest first."""
    for number in range(sizes.tickets):
        yield ticket(number, _LATEST - timedelta(seconds=_SECONDS_APART * number), sizes)


def whole(sizes: Sizes) -> Iterator[tuple[Doc, list[Doc]]]:
    """Each ticket with its messages, its row saying what the last of them says."""
    for row in rows(sizes):
        first = row["last_message_at"] - timedelta(minutes=7 * (sizes.messages - 1))
        said = [
            message(row, id_from("bench message", row["_id"], str(n)), n, first + timedelta(minutes=7 * n))
            for n in range(sizes.messages)
        ]
        if said:
            row |= _row_of(said)
        yield row, said


def _row_of(said: list[Doc]) -> Doc:
    last = said[-1]
    heard = [one for one in said if one["direction"] == "inbound"]
    shown = {
        "id": last["_id"], "direction": last["direction"], "channel": last["channel"],
        "preview": preview(last["visible_text"]), "author": last["sender"]["name"], "at": last["at"],
    }  # fmt: skip
    return {"last_message": shown, "last_inbound_id": heard[-1]["_id"] if heard else None}


def conversation(row: Doc) -> Doc:
    handle = f"{row['channels'][0]}:bench:{row['contact_id']}"
    made = ConversationDoc(
        _id=id_from("bench conversation", row["_id"]),
        account_id=row["account_ids"][0],
        channel=row["channels"][0],
        thread_key=row["_id"],
        contact_id=row["contact_id"],
        ticket_id=row["_id"],
        open=True,
        pinned=False,
        subject=row["subject"],
        participants=[{"key": handle, "name": row["contact_name"], "role": "from", "confirmed": True}],
        last_inbound_id=row["last_inbound_id"],
        joined_into=None,
        created_at=row["created_at"],
    )
    return cast("Doc", made)


def contact(row: Doc) -> tuple[Doc, Doc]:
    """With its identity."""
    key = f"{row['channels'][0]}:bench:{row['contact_id']}"
    made: Doc = {
        "_id": row["contact_id"], "name": row["contact_name"], "identities": [key], "merged_into": None,
        "created_at": row["created_at"], "updated_at": row["updated_at"],
    }  # fmt: skip
    identity = IdentityDoc(
        _id=key, contact_id=row["contact_id"], channel=row["channels"][0], name=row["contact_name"], claims=[],
        evidence="wrote to us", created_at=row["created_at"],
    )  # fmt: skip
    return made | {"words": search_words(made)}, cast("Doc", identity)


def trail(row: Doc) -> Doc:
    return {
        "_id": id_from("bench event", row["_id"]), "type": "ticket.created", "ticket_id": row["_id"],
        "message_id": None, "actor": {"kind": "system", "id": "", "name": "omnihub"}, "data": {},
        "at": row["created_at"],
    }  # fmt: skip


_OWNERS = {
    "tickets": tickets, "messages": messages, "conversations": conversations, "contacts": contacts,
    "identities": contacts, "events": events,
}  # fmt: skip


def fill(uri: str, database: str, sizes: Sizes) -> int:
    """Returns how many messages there are. Indexes are dropped before and built after: at a million tickets
    that takes a third of the time."""
    with MongoClient[Doc](uri) as client:
        db = client.get_database(database, write_concern=WriteConcern(w=1, j=False))
        for name in _OWNERS:
            db[name].drop_indexes()
        portions: dict[str, list[Doc]] = {name: [] for name in _OWNERS}
        count = 0
        for number, (row, said) in enumerate(whole(sizes)):
            _gather(portions, row, said, with_contact=number % 2 == 0)
            count += len(said)
            if number % _PORTION == _PORTION - 1:
                _put(db, portions)
        _put(db, portions)
        for name, owner in _OWNERS.items():
            if models := list(cast("Any", owner).INDEXES.get(name, ())):
                db[name].create_indexes(models)
        client.admin.command("fsync")
    return count


def _gather(portions: dict[str, list[Doc]], row: Doc, said: list[Doc], *, with_contact: bool) -> None:
    portions["tickets"].append(row)
    portions["messages"] += said
    portions["conversations"].append(conversation(row))
    portions["events"].append(trail(row))
    if with_contact:
        made, identity = contact(row)
        portions["contacts"].append(made)
        portions["identities"].append(identity)


def _put(db: Any, portions: dict[str, list[Doc]]) -> None:
    for name, docs in portions.items():
        target: Collection[Doc] = db[name]
        if docs:
            target.insert_many(docs, ordered=False)
        docs.clear()
