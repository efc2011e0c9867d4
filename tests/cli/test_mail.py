import asyncio
import random
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from omnihub.inbox.importing import mbox_mails
from omnihub.store.store import Store
from tests.cli.conftest import Cli
from tests.hub_process import Running, omnihub, until
from tests.mailbox import add_mailbox, mail

DESK = "desk@example.test"
SEPARATOR = b"From someone@customer.test Fri Nov 20 09:30:00 2026\n"


def mbox(*mails: bytes) -> bytes:
    """As mboxrd writes it: separators, and a > before each line that looks like one."""
    return b"".join(SEPARATOR + _quoted(one).rstrip(b"\n") + b"\n\n" for one in mails)


def _quoted(one: bytes) -> bytes:
    lines = one.split(b"\n")
    return b"\n".join(b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines)


def history(count: int) -> list[bytes]:
    """Exchanges of two and three mails between many customers and the desk, all mixed up, on one day."""
    chance = random.Random(7)
    began = datetime(2026, 11, 1, 8, tzinfo=UTC)
    mails: list[bytes] = []
    threads: list[tuple[str, list[str]]] = []
    for number in range(count):
        if threads and chance.random() < 0.5:
            customer, refs = chance.choice(threads)
        else:
            customer, refs = f"c{number}@customer.test", []
            threads.append((customer, refs))
        ours = bool(refs) and chance.random() < 0.3
        sender, to = (DESK, customer) if ours else (customer, DESK)
        mid = f"m{number}@customer.test"
        date = began + timedelta(minutes=number)
        mails.append(mail(sender, to=to, mid=mid, refs=refs[-3:], date=date, text=f"Mail {number}\n"))
        refs.append(mid)
    return mails


def summary(done: int, new: int, dead: int = 0) -> str:
    return f"{done} mails read: {new} new, {done - new} known before, {dead} dead letters.\n"


async def exported(cli: Cli) -> list[dict[str, Any]]:
    answer = await cli("export", "messages", "--account", DESK)
    assert answer.exit_code == 0, answer.output
    return [orjson.loads(line) for line in answer.stdout_bytes.splitlines()]


def shape(lines: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """Which mails are together and why, whatever the ids."""
    names: dict[str, int] = {}
    return [
        (one["external_id"], names.setdefault(one["conversation_id"], len(names)), one["rule"]) for one in lines
    ]


async def nothing_went_out(store: Store) -> None:
    assert await store.db["messages"].count_documents({"delivery": {"$ne": None}}) == 0
    assert await store.db["messages"].count_documents({"automatic": True}) == 0
    assert await store.db["errands"].count_documents({}) == 0


# — reading mbox files —


@pytest.mark.parametrize(
    ("bodies", "file"),
    [
        pytest.param([b"A: 1\n\none"], SEPARATOR + b"A: 1\n\none\n\n", id="one"),
        pytest.param([b"A: 1\n\none"], SEPARATOR + b"A: 1\n\none", id="no newline at the end"),
        pytest.param([], b"", id="empty"),
        pytest.param([], SEPARATOR, id="a separator only"),
        pytest.param(
            [b"A: 1\n\nHello\n\nFrom my shop:\nx", b"B: 2\n\ntwo"],
            SEPARATOR + b"A: 1\n\nHello\n\nFrom my shop:\nx\n\n" + SEPARATOR + b"B: 2\n\ntwo\n",
            id="an unquoted From_ line",
        ),
        pytest.param(
            [b"A: 1\n\nHello\n\nFrom the call at 10:30 on 5 May 2026\nI know", b"B: 2\n\ntwo"],
            SEPARATOR + b"A: 1\n\nHello\n\nFrom the call at 10:30 on 5 May 2026\nI know\n\n"
            + SEPARATOR + b"B: 2\n\ntwo\n",
            id="an unquoted From_ line with a time and a year",
        ),
        pytest.param(
            [b"A: 1\n\nHello\n\nFrom the call at 10:30 on 5 May 2026"],
            SEPARATOR + b"A: 1\n\nHello\n\nFrom the call at 10:30 on 5 May 2026\n",
            id="a From_ line that ends the file",
        ),
        pytest.param(
            [b"A: 1\n\nFrom one\n>From two\n>> From three"],
            SEPARATOR + b"A: 1\n\n>From one\n>>From two\n>> From three\n",
            id="quoted From_ lines",
        ),
        pytest.param(
            [b"A: 1\r\n\r\none\r\n", b"B: 2\r\n\r\ntwo\r\n"],
            (SEPARATOR + b"A: 1\n\none\n\n" + SEPARATOR + b"B: 2\n\ntwo\n\n").replace(b"\n", b"\r\n"),
            id="CRLF",
        ),
        pytest.param(
            [b"A: 1\n\none\n", b"B: 2\n\ntwo\n"],
            b"From - Fri Nov 20 09:30:00 2026\nA: 1\n\none\n\n\n"
            b"From a b Fri, 20 Nov 2026 09:30:00 +0100\nB: 2\n\ntwo\n\n\n",
            id="other separators",
        ),
        pytest.param([b"A: 1\n\n\xff\x00\xfe"], SEPARATOR + b"A: 1\n\n\xff\x00\xfe\n", id="binary"),
        pytest.param([b"A: 1\n\nno separator"], b"A: 1\n\nno separator\n", id="a single mail"),
    ],
)  # fmt: skip
def test_an_mbox_is_read_mail_by_mail(tmp_path: Path, bodies: list[bytes], file: bytes) -> None:
    path = tmp_path / "box"
    path.write_bytes(file)
    wanted = [body.rstrip(b"\r\n") for body in bodies]
    assert [one.rstrip(b"\r\n") for one in mbox_mails(path)] == wanted


# — importing —


async def test_an_mbox_becomes_tickets_in_file_order_and_nothing_goes_out(
    cli: Cli, store: Store, tmp_path: Path
) -> None:
    await add_mailbox(store)
    mails = history(260)
    box = tmp_path / "history.mbox"
    box.write_bytes(mbox(*mails))
    first = await cli("import", "mbox", str(box), "--account", DESK)
    assert first.exit_code == 0, first.output
    assert first.stdout == summary(260, 260)
    lines = await exported(cli)
    assert [one["external_id"] for one in lines] == [f"m{number}@customer.test" for number in range(260)]
    opened = [one["ticket_number"] for one in lines]
    assert list(dict.fromkeys(opened)) == sorted(set(opened)), "tickets are numbered in file order"
    await nothing_went_out(store)

    again = await cli("import", "mbox", str(box), "--account", DESK)
    assert again.stdout == summary(260, 0)
    assert await exported(cli) == lines
    replayed = await cli("replay", "--all", "--account", DESK)
    assert replayed.stdout == "260 raw events taken in again; 0 dead letters remain.\n"
    assert await exported(cli) == lines
    await nothing_went_out(store)


async def test_mails_of_one_moment_stay_in_file_order(cli: Cli, store: Store, tmp_path: Path) -> None:
    await add_mailbox(store)
    box = tmp_path / "box"
    box.write_bytes(mbox(*(mail(f"c{n}@customer.test", mid=f"{n}@c") for n in range(50))))
    assert (await cli("import", "mbox", str(box), "--account", DESK)).exit_code == 0
    lines = await exported(cli)
    assert [one["external_id"] for one in lines] == [f"{n}@c" for n in range(50)]
    assert [one["ticket_number"] for one in lines] == list(range(1001, 1051))


@pytest.mark.own_database
async def test_an_import_that_was_killed_is_finished_by_another(
    cli: Cli, store: Store, external: dict[str, str], tmp_path: Path
) -> None:
    await add_mailbox(store)
    mails = history(900)
    box = tmp_path / "history.mbox"
    box.write_bytes(mbox(*mails))
    process = await Running.start("import", "mbox", str(box), "--account", DESK, settings=external)
    try:
        # Between the journal and the intake of the second batch, or a little later.
        await until(lambda: store.db["raw_events"].count_documents({}, limit=201))
        await until(lambda: _more_than(store, 200))
        await process.kill()
    finally:
        await process.close()
    kept = await store.db["raw_events"].count_documents({})
    assert 200 < kept < 900, "the import was killed in its middle"
    finished = await omnihub("import", "mbox", str(box), "--account", DESK, settings=external)
    assert finished.code == 0, finished.err
    assert finished.out == summary(900, 900 - kept)
    interrupted = await exported(cli)

    await store.db.client.drop_database(store.db.db.name)
    await store.prepare()
    await store.accounts._refresh()
    await add_mailbox(store)
    whole = await omnihub("import", "mbox", str(box), "--account", DESK, settings=external)
    assert whole.out == summary(900, 900)
    assert shape(interrupted) == shape(await exported(cli))


async def _more_than(store: Store, count: int) -> bool:
    return int(await store.db["raw_events"].count_documents({})) > count


async def test_progress_goes_to_stderr_only(store: Store, external: dict[str, str], tmp_path: Path) -> None:
    await add_mailbox(store)
    box = tmp_path / "box"
    box.write_bytes(mbox(*history(3)))
    ended = await omnihub("import", "mbox", str(box), "--account", DESK, settings=external)
    assert (ended.code, ended.out) == (0, summary(3, 3))


async def test_a_maildir_is_read_in_the_order_of_arrival(cli: Cli, store: Store, tmp_path: Path) -> None:
    await add_mailbox(store)
    for box in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / box).mkdir(parents=True)
    for place, second, name in (("cur", 1700000300, "c"), ("new", 1700000100, "a"), ("cur", 1700000200, "b")):
        (tmp_path / "Maildir" / place / f"{second}.M1P1.host:2,S").write_bytes(
            mail(f"{name}@customer.test", mid=f"{name}@c")
        )
    (tmp_path / "Maildir" / "tmp" / "1700000000.half").write_bytes(b"From: unfinished")
    answer = await cli("import", "maildir", str(tmp_path / "Maildir"), "--account", DESK)
    assert answer.stdout == summary(3, 3)
    lines = await exported(cli)
    assert [(one["external_id"], one["ticket_number"]) for one in lines] == [
        ("a@c", 1001), ("b@c", 1002), ("c@c", 1003),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["maildir", "mbox"])
async def test_a_folder_of_eml_files_is_read_by_name(cli: Cli, store: Store, tmp_path: Path, kind: str) -> None:
    await add_mailbox(store)
    folder = tmp_path / "mails"
    (folder / "deeper").mkdir(parents=True)
    for name in ("02.eml", "01.EML", "deeper/03.eml"):
        (folder / name).write_bytes(mail("anna@customer.test", mid=f"{Path(name).stem}@c"))
    (folder / "notes.txt").write_text("no mail")
    answer = await cli("import", kind, str(folder), "--account", DESK)
    assert answer.stdout == summary(3, 3)
    assert [one["external_id"] for one in await exported(cli)] == ["01@c", "02@c", "03@c"]


async def test_nothing_to_import_is_no_error(cli: Cli, store: Store, tmp_path: Path) -> None:
    await add_mailbox(store)
    (tmp_path / "empty.mbox").write_bytes(b"")
    answer = await cli("import", "mbox", str(tmp_path / "empty.mbox"), "--account", DESK)
    assert (answer.exit_code, answer.stdout) == (0, "There was nothing to import.\n")


async def test_a_missing_path_is_said(cli: Cli) -> None:
    answer = await cli("import", "mbox", "nowhere.mbox", "--account", DESK)
    assert answer.exit_code == 1
    assert "nowhere.mbox does not exist" in answer.stderr


async def test_a_missing_account_is_said_before_anything_is_read(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(mbox(*history(1)))
    answer = await cli("import", "mbox", str(tmp_path / "box"), "--account", "nobody")
    assert answer.exit_code == 1
    assert "nobody" in answer.stderr


async def test_a_form_is_not_handed_an_archive(cli: Cli, store: Store, tmp_path: Path) -> None:
    await cli("account", "add", "webform", "--name", "Form")
    (tmp_path / "box").write_bytes(mbox(*history(3)))
    answer = await cli("import", "mbox", str(tmp_path / "box"), "--account", "Form")
    assert answer.exit_code == 1
    assert "is it a mailbox?" in answer.stderr
    assert await store.db["raw_events"].count_documents({}) == 0


async def test_what_cannot_be_read_becomes_a_dead_letter_and_the_rest_goes_on(
    cli: Cli, store: Store, tmp_path: Path
) -> None:
    await add_mailbox(store)
    for name, content in (("1", history(1)[0]), ("2", b" \n"), ("3", b"\x00\xff\x00"), ("4", mail("b@c.test"))):
        (tmp_path / f"{name}.eml").write_bytes(content)
    answer = await cli("import", "maildir", str(tmp_path), "--account", DESK)
    assert answer.exit_code == 0
    assert answer.stdout == summary(4, 4, dead=1)
    assert len(await exported(cli)) == 3
    assert (await cli("replay")).stdout == "1 raw events taken in again; 1 dead letters remain.\n"


async def test_a_running_worker_and_an_import_do_not_disturb_each_other(
    cli: Cli, store: Store, external: dict[str, str], tmp_path: Path
) -> None:
    await add_mailbox(store)
    box = tmp_path / "box"
    box.write_bytes(mbox(*history(300)))
    worker = await Running.start("worker", settings=external | {"intake.sweep_seconds": "0.2"})
    try:
        await worker.ready()
        answers = await asyncio.gather(
            *(omnihub("import", "mbox", str(box), "--account", DESK, settings=external) for _ in range(2))
        )
        assert [one.code for one in answers] == [0, 0], answers
        assert await worker.stop() == 0
        assert "Traceback" not in worker.err, worker.err
    finally:
        await worker.close()
    lines = await exported(cli)
    assert [one["external_id"] for one in lines] == [f"m{number}@customer.test" for number in range(300)]
    assert (await store.journal.counts())["waiting"] == 0
    await nothing_went_out(store)


async def test_an_interrupted_import_ends_without_a_traceback(
    store: Store, external: dict[str, str], tmp_path: Path
) -> None:
    await add_mailbox(store)
    box = tmp_path / "box"
    box.write_bytes(mbox(*history(900)))
    process = await Running.start("import", "mbox", str(box), "--account", DESK, settings=external)
    try:
        await until(lambda: _more_than(store, 0))
        process.signal(signal.SIGINT)
        assert await process.end() == 130
        assert "Traceback" not in process.err, process.err
    finally:
        await process.close()


# — exporting —


async def test_an_export_says_where_each_message_stands_and_why(cli: Cli, store: Store, tmp_path: Path) -> None:
    await add_mailbox(store)
    twin = mail("eve@customer.test", mid="a@c", subject="Another one under the same id")
    nameless = mail("anna@customer.test", subject="Without an id")
    mails = [
        mail("anna@customer.test", mid="a@c"),
        mail("anna@customer.test", mid="b@c", refs=["a@c"]),
        twin,
        nameless,
    ]
    (tmp_path / "box").write_bytes(mbox(*mails))
    assert (await cli("import", "mbox", str(tmp_path / "box"), "--account", DESK)).exit_code == 0
    lines = await exported(cli)
    assert set(lines[0]) == {
        "external_id", "message_id", "id", "direction", "conversation_id", "ticket_number", "placement", "rule",
        "reason", "sent_at",
    }  # fmt: skip
    one, two, other, none = lines
    assert one["placement"] == {"rule": one["rule"], "reason": one["reason"]}
    assert one["sent_at"] == "2026-11-20T09:30:00Z"
    assert one["direction"] == "inbound"
    assert (one["conversation_id"], one["ticket_number"]) == (two["conversation_id"], two["ticket_number"])
    assert one["reason"] != two["reason"]
    assert [line["message_id"] for line in lines] == ["a@c", "b@c", "a@c", ""]
    assert other["external_id"].startswith("a@c#")
    assert none["external_id"].startswith("sha256:")
    assert len({line["external_id"] for line in lines}) == len({line["id"] for line in lines}) == 4


async def test_an_export_of_nothing_is_nothing(cli: Cli, store: Store) -> None:
    await add_mailbox(store)
    answer = await cli("export", "messages", "--account", DESK)
    assert (answer.exit_code, answer.stdout) == (0, "")


# — inspecting —

KEYS = [
    "file", "kind", "from", "to", "cc", "reply_to", "subject", "date", "message_id", "in_reply_to", "references",
    "text", "html", "visible_text", "quoted_text", "attachments", "bounce", "problems",
]  # fmt: skip


async def test_inspect_prints_one_object_per_file_in_order_whatever_they_are(tmp_path: Path) -> None:
    good, empty, binary, folder = (tmp_path / name for name in ("good.eml", "empty", "bin \udcff", "folder"))
    good.write_bytes(
        mail("Anna Ü <anna@customer.test>", mid="b@c", cc="bea@customer.test", refs=["a@c"], subject="你好")
    )
    empty.write_bytes(b"")
    binary.write_bytes(bytes(range(256)) * 40)
    folder.mkdir()
    missing = tmp_path / "missing"
    files = [str(one) for one in (binary, good, missing, empty, folder, good)]
    # No database, no var/, no right settings: it needs none of them.
    ended = await omnihub(
        "inspect", "email", *files, settings={"storage.var": "/nonexistent/var", "server.prot": "1"}
    )
    assert (ended.code, ended.err) == (0, "")
    lines = [orjson.loads(line) for line in ended.out.splitlines()]
    assert [line["file"] for line in lines] == [name.replace("\udcff", "\ufffd") for name in files]
    assert all(list(line) == KEYS for line in lines)
    first = lines[1]
    assert first == lines[5]
    assert first["from"] == {"name": "Anna Ü", "address": "anna@customer.test"}
    assert (first["message_id"], first["in_reply_to"], first["references"]) == ("b@c", "a@c", ["a@c"])
    assert (first["kind"], first["subject"], first["bounce"]) == ("message", "你好", None)
    assert first["date"] == "2026-11-20T09:30:00Z"
    assert [bool(line["problems"]) for line in lines] == [True, False, True, True, True, False]
    assert "No such file" in lines[2]["problems"][0]


async def test_inspect_reads_every_fixture(cli: Cli) -> None:
    from omnihub.connectors import email

    files = sorted(str(path) for path in (Path(email.__file__).parent / "fixtures").glob("*.eml"))
    answer = await cli("inspect", "email", *files)
    assert answer.exit_code == 0
    lines = [orjson.loads(line) for line in answer.stdout_bytes.splitlines()]
    assert [line["file"] for line in lines] == files
    for line in lines:
        assert list(line) == KEYS
        assert set(line["bounce"] or ()) in (
            set(),
            {"recipient", "status", "action", "diagnostic", "original_message_id"},
        )
        for one in line["attachments"]:
            assert set(one) == {"filename", "content_type", "size", "inline", "content_id"}


async def test_what_has_no_ticket_is_exported_too(cli: Cli, store: Store) -> None:
    """A notice that belongs to no exchange, such as somebody's follow."""
    account = await store.accounts.add(channel="email", name="Desk", settings={}, secret_names=frozenset())
    notice = {
        "_id": "n1", "account_id": account.id, "external_id": "follow-1", "fingerprint": "", "aliases": [],
        "refs": [], "direction": "inbound", "conversation_id": "", "ticket_id": "", "delivery": None,
        "placement": {"rule": "notice", "reason": "", "data": {}}, "sent_at": None,
        "at": datetime(2026, 11, 22, tzinfo=UTC),
    }  # fmt: skip
    await store.db["messages"].insert_one(notice)
    done = await cli("export", "messages", "--account", "Desk")
    assert done.exit_code == 0, done.output
    assert orjson.loads(done.stdout)["ticket_number"] is None
