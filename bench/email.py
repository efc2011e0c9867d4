"""Mails in: from an archive by `omnihub import`, and from a real IMAP server."""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import imapclient

from bench.accounting import Spent, cpu_seconds, family, spending
from bench.documents import person, sentence
from bench.figures import Report
from bench.floors import write_floors
from bench.sizing import Size
from bench.world import World, engines, world
from tests.connectors.dovecot import BINARY, PASSWORD, Dovecot
from tests.hub_process import Running

_PATIENCE = 1800.0
_LEAST_SECONDS = 0.001
_BEGAN = datetime(2026, 1, 5, 8, tzinfo=UTC)
_ATTACHMENT_BYTES = 50_000


@dataclass(slots=True, frozen=True, kw_only=True)
class Email:
    imported: int
    fetched: int
    singles: int
    batched: int


SIZES: Size[Email] = Size(
    tiny=Email(imported=40, fetched=450, singles=30, batched=400),
    quick=Email(imported=3_000, fetched=1_000, singles=1_000, batched=10_000),
    full=Email(imported=40_000, fetched=20_000, singles=5_000, batched=100_000),
)


def mails(count: int) -> Iterator[bytes]:
    """Ordinary ones: a third answers an earlier one, half have HTML, a tenth a file of 50 kB."""
    for number in range(count):
        yield mail(number)


def mail(number: int) -> bytes:
    dice = random.Random(f"mail {number}")
    made = EmailMessage()
    name = person(dice)
    made["From"] = f"{name} <customer{number % 1500}@example.test>"
    made["To"] = "Service <desk@example.test>"
    made["Subject"] = sentence(dice)[:70]
    made["Date"] = format_datetime(_BEGAN + timedelta(minutes=number))
    made["Message-ID"] = f"<mail-{number}@example.test>"
    text = "\n\n".join(sentence(dice) for _ in range(dice.randint(2, 6)))
    if number % 3 == 2:
        made["In-Reply-To"] = made["References"] = f"<mail-{number - 2}@example.test>"
        text += "\n\nOn Monday, Service <desk@example.test> wrote:\n> " + sentence(dice)
    made.set_content(text)
    if number % 2:
        made.add_alternative(f"<html><body><p>{text}</p></body></html>", subtype="html")
    if number % 10 == 0:
        content = dice.randbytes(_ATTACHMENT_BYTES)
        made.add_attachment(content, maintype="image", subtype="jpeg", filename=f"photo-{number}.jpg")
    return made.as_bytes()


def write_mbox(path: Path, count: int) -> int:
    """Returns its bytes."""
    with path.open("wb") as file:
        for raw in mails(count):
            lines = (b">" + line if line.startswith(b"From ") else line for line in raw.splitlines(keepends=True))
            file.write(b"From customer@example.test Mon Jan  5 08:00:00 2026\n" + b"".join(lines) + b"\n")
    return path.stat().st_size


async def run(size: Email, report: Report, folder: Path) -> None:
    async with engines(folder) as shared:
        await write_floors(
            report, shared.endpoints.mongodb_uri, singles=size.singles, batched_messages=size.batched
        )
        async with world(folder, shared) as made:
            await _import(made, size, report)
        if BINARY is None:
            report.notes.append("IMAP was left out: there is no dovecot on this machine")
            return
        async with world(folder, shared) as made:
            await _fetch(made, size, report)


async def _import(made: World, size: Email, report: Report) -> None:
    """What a run of one mail costs is starting up, and is taken off."""
    settings = {"address": "desk@example.test", "receive": False, "smtp_host": ""}
    await made.add_account("email", settings, name="desk")
    few, many = made.folder / "few.mbox", made.folder / "many.mbox"
    write_mbox(few, 1)
    megabytes = (await asyncio.to_thread(write_mbox, many, size.imported)) / 1e6
    start = await _timed_import(made, few)
    whole = await _timed_import(made, many)
    done = await made.stored() - 1
    assert done == size.imported - 1, f"{done} of {size.imported} mails are stored"
    # On a busy machine a start may take longer than a start and a handful of mails.
    seconds = max(whole.seconds - start.seconds, _LEAST_SECONDS)
    cpu = max(whole.total() - start.total(), _LEAST_SECONDS)
    report.figures |= {"imported_per_s": done / seconds, "imported_per_cpu_second": done / cpu}
    report.ratio("import / one by one (minimal)", "imported_per_s", "minimal_one_by_one_per_s")
    costs = {f"{name}_cpu_ms": (used - start.cpu[name]) * 1000 / done for name, used in whole.cpu.items()}
    report.table("omnihub import mbox").add(
        mails=done, megabytes=megabytes, per_s=done / seconds, per_cpu_second=done / cpu, **costs,
        start_seconds=start.seconds,
    )  # fmt: skip


async def _timed_import(made: World, path: Path) -> Spent:
    running = await Running.start("import", "mbox", str(path), "--account", "desk", settings=made.environment())
    before = {name: cpu_seconds(pids[0]) for name, pids in made.groups().items() if pids}
    began, hub = time.monotonic(), 0.0
    try:
        while running.process.returncode is None:  # its time is gone with it
            hub = max(hub, sum(map(cpu_seconds, family(running.process.pid))))
            await asyncio.sleep(0.02)
    finally:
        await running.close()
    spent = Spent(seconds=time.monotonic() - began, cpu={"hub": hub})
    pids = made.groups()
    spent.cpu |= {name: cpu_seconds(pids[name][0]) - used for name, used in before.items()}
    assert running.process.returncode == 0, running.out + running.err
    return spent


async def _fetch(made: World, size: Email, report: Report) -> None:
    """A mailbox that is full when the hub first connects to it."""
    async with _dovecot() as server:
        await asyncio.to_thread(_deliver, server.client(), size.fetched)
        settings = {
            "address": "desk@example.test", "username": "desk@example.test", "password": PASSWORD,
            "imap_host": "127.0.0.1", "imap_port": server.port, "imap_security": "none", "start_from": "all",
            "smtp_host": "",
        }  # fmt: skip
        await made.add_account("email", settings, name="desk")
        async with made.hub("listen", "worker"):
            began = await made.until_stored(1, 120)
            first = await made.stored()
            with spending(made.groups()) as spent:
                ended = await made.until_stored(size.fetched, _PATIENCE)
    done = size.fetched - first
    report.figures["fetched_per_s"] = done / (ended - began)
    report.figures["fetched_per_cpu_second"] = done / max(0.001, spent.total())
    costs = {f"{name}_cpu_ms": used for name, used in spent.per(done).items()}
    report.table("IMAP (Dovecot), a full mailbox").add(mails=done, per_s=done / (ended - began), **costs)


@asynccontextmanager
async def _dovecot() -> AsyncIterator[Dovecot]:
    """In a folder that its own users, too, have a way to."""
    with tempfile.TemporaryDirectory(prefix="bench-dovecot-", ignore_cleanup_errors=True) as root:
        server = Dovecot(Path(root))
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


def _deliver(client: imapclient.IMAPClient, count: int) -> None:
    for raw in mails(count):
        client.append("INBOX", raw)
    client.logout()
