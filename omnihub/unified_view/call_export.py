"""The call log as a table that spreadsheets read."""

import asyncio
import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from aiohttp import web

from omnihub.model.documents import MessageDoc, TicketDoc
from omnihub.store.call_log import CallFilter
from omnihub.store.database import now
from omnihub.store.store import Store
from omnihub.unified_view import people_views
from omnihub.unified_view.files import disposition
from omnihub.unified_view.languages import Language

MOST_ROWS = 100_000
_BOM = "\ufeff"
# Spreadsheets run what begins like this; a telephone number is not among it.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"\+[0-9]+")


@dataclass(slots=True, frozen=True)
class _Known:
    """What a batch's rows tell beside the calls themselves; names by id."""

    accounts: Mapping[str, str]
    tickets: Mapping[str, TicketDoc]
    contacts: Mapping[str, str]


Call = Mapping[str, Any]
Cell = Callable[[MessageDoc, Call, _Known], Any]


def _said(name: str) -> Cell:
    return lambda _message, call, _known: call.get(name, "")


def _summed_up(name: str) -> Cell:
    return lambda message, _call, _known: cast("Call", message.get("wrap_up") or {}).get(name, "")


def _begun(message: MessageDoc, call: Call, _known: _Known) -> str:
    return _moment(call.get("started_at") or message["sent_at"] or message["at"])


def _number(message: MessageDoc, call: Call, _known: _Known) -> str:
    key = message["sender"]["key"]
    return key.rpartition(":")[2] if key.startswith("phone:") else str(call.get("customer") or "")


def _name(message: MessageDoc, _call: Call, known: _Known) -> str:
    return known.contacts.get(message["contact_id"]) or message["sender"]["name"]


def _account(message: MessageDoc, _call: Call, known: _Known) -> str:
    return known.accounts.get(message["account_id"], "")


def _ticket(message: MessageDoc, _call: Call, known: _Known) -> str:
    ticket = known.tickets.get(message["ticket_id"])
    return str(ticket["number"]) if ticket else ""


def _recorded(message: MessageDoc, _call: Call, _known: _Known) -> str:
    kept = [one for one in message["attachments"] if one["label"] == "recording" and not one.get("state")]
    return str(len(kept)) if kept else ""


def _agents(_message: MessageDoc, call: Call, _known: _Known) -> str:
    return ", ".join(call.get("agents") or ())


_COLUMNS: Sequence[tuple[str, str, Cell]] = (
    ("Began (UTC)", "开始时间 (UTC)", _begun),
    ("Direction", "方向", _said("direction")),
    ("Number", "号码", _number),
    ("Name", "姓名", _name),
    ("State", "状态", _said("state")),
    ("Outcome", "结果", _said("outcome")),
    ("Answered (UTC)", "接听时间 (UTC)", lambda _m, call, _k: _moment(call.get("answered_at"))),
    ("Ended (UTC)", "结束时间 (UTC)", lambda _m, call, _k: _moment(call.get("ended_at"))),
    ("Waited (s)", "等待（秒）", _said("waited_seconds")),
    ("Talked (s)", "通话（秒）", _said("talked_seconds")),
    ("Answered by", "接听分机", _said("answered_by")),
    ("Rang at", "振铃分机", _agents),
    ("Queue", "队列", _said("queue")),
    ("Line", "线路", _said("line")),
    ("Account", "账号", _account),
    ("Ticket", "工单", _ticket),
    ("Disposition", "处理结果", _summed_up("disposition")),
    ("Note", "备注", _summed_up("note")),
    ("Summed up by", "小结人", _summed_up("name")),
    ("Recordings", "录音数", _recorded),
)


def safe(value: Any) -> str:
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _moment(value: Any) -> str:
    """As spreadsheets read it."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return ""
    return value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else ""


async def answer(store: Store, request: web.Request, wanted: CallFilter, language: Language) -> web.StreamResponse:
    """One batch is held at a time."""
    response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
    response.content_type, response.charset = "text/csv", "utf-8"
    response.headers["Content-Disposition"] = disposition("attachment", f"calls-{now():%Y-%m-%d}.csv")
    titles = [chinese if language == "zh-CN" else english for english, chinese, _ in _COLUMNS]
    text = _BOM + _lines([titles])
    async for batch in store.call_log.batches(wanted, MOST_ROWS):
        rows = await _rows(store, batch)
        # Begun with the first rows in hand, so that what cannot be looked for is still told as a problem.
        if not response.prepared:
            await response.prepare(request)
        await response.write((text + _lines(rows)).encode("utf-8", "replace"))
        text = ""
    if not response.prepared:
        await response.prepare(request)
    if text:
        await response.write(text.encode())
    await response.write_eof()
    return response


async def _rows(store: Store, batch: Sequence[MessageDoc]) -> list[list[str]]:
    accounts, tickets, contacts = await asyncio.gather(
        store.accounts.all(),
        store.tickets.get_many({one["ticket_id"] for one in batch}),
        people_views.names(store, {one["contact_id"] for one in batch}),
    )
    known = _Known({one.id: one.name for one in accounts}, tickets, contacts)
    return [[safe(cell(one, one["extra"].get("call") or {}, known)) for *_, cell in _COLUMNS] for one in batch]


def _lines(rows: Sequence[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
