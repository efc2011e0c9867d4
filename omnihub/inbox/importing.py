"""History from mbox files, maildirs and folders of .eml files, in order, silently, resumable."""

import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from omnihub.connectors.registry import Connectors
from omnihub.inbox.intake import Intake
from omnihub.model.account import Account
from omnihub.model.errors import Invalid, OmnihubError
from omnihub.model.raw import RawEvent, RawRequest
from omnihub.store.database import now
from omnihub.store.store import Store

# A line that begins with "From " may be a customer's own. A separator ends with a time and a year, and a
# header follows it.
_SEPARATOR = re.compile(rb"From .*\d{1,2}:\d{2}(:\d{2})?.*\d{4}\s*$")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:|>?From ")
_BATCH = 200
_BATCH_BYTES = 33_554_432


@dataclass(slots=True, frozen=True, kw_only=True)
class Progress:
    """`repeated`: were imported before. `dead`: became dead letters, which wait in the journal."""

    done: int
    total: int
    repeated: int
    dead: int


def mbox_mails(path: Path) -> Iterator[bytes]:
    """Each mail of an mbox file (mboxo or mboxrd), read as a stream."""
    lines: list[bytes] = []
    after_blank, begun = True, False
    separator = b""
    with path.open("rb") as file:
        for line in file:
            if separator and begun and not _HEADER.match(line):
                lines.append(separator)
            elif separator:
                if lines:
                    yield _mail(lines)
                lines, begun = [], True
            separator = b""
            if after_blank and line.startswith(b"From ") and (not begun or _SEPARATOR.match(line)):
                separator, after_blank = line, False
                continue
            begun = True
            lines.append(line[1:] if _quoted_from(line) else line)
            after_blank = line in (b"\n", b"\r\n")
    if separator and begun:
        lines.append(separator)
    if lines:
        yield _mail(lines)


def _quoted_from(line: bytes) -> bool:
    return line.startswith(b">") and line.lstrip(b">").startswith(b"From ")


def _mail(lines: list[bytes]) -> bytes:
    if lines and lines[-1] in (b"\n", b"\r\n"):
        lines = lines[:-1]
    return b"".join(lines)


def folder_files(path: Path) -> list[Path]:
    """A maildir's mails in the order of arrival, or a folder's .eml files in the order of their names."""
    boxes = [path / name for name in ("cur", "new") if (path / name).is_dir()]
    if boxes:
        files = [file for box in boxes for file in box.iterdir() if file.is_file() and file.name[0] != "."]
        return sorted(files, key=lambda file: (_arrival(file.name), file.name))
    return sorted(file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in (".eml", ".msg"))


def _arrival(name: str) -> float:
    seconds = name.partition(".")[0]
    return float(seconds) if seconds.isdigit() else 0.0


def mails(kind: str, path: Path) -> Iterator[bytes]:
    """Raises Invalid when there is nothing of this kind at the path."""
    if kind == "mbox" and path.is_file():
        return mbox_mails(path)
    if path.is_dir():
        return (file.read_bytes() for file in folder_files(path))
    if path.is_file() and path.suffix.lower() == ".eml":
        return iter([path.read_bytes()])
    raise Invalid(f"{path} is no {kind}", {"path": "is neither a file nor a folder of this kind"})


async def import_mails(
    store: Store,
    connectors: Connectors,
    intake: Intake,
    account: Account,
    source: Iterator[bytes],
    total: int,
) -> AsyncIterator[Progress]:
    """Raises Invalid where the account does not read mails. Yields after each batch. Cut off anywhere, it
    goes on where it was: what is journaled stays so, and what was not taken in yet is taken in when its batch
    comes again."""
    done = repeated = dead = 0
    for batch in _batches(source):
        requests = [_request(raw) for raw in batch]
        if not done:
            await _require_readable(connectors, account, requests)
        entries = await store.journal.append_many(account.id, requests, silent=True, ring=False)
        await intake.process(await store.journal.load([entry.id for entry in entries]))
        done += len(batch)
        repeated += sum(entry.repeated for entry in entries)
        dead += await store.journal.count_dead([entry.id for entry in entries])
        yield Progress(done=done, total=total, repeated=repeated, dead=dead)


async def _require_readable(connectors: Connectors, account: Account, requests: list[RawRequest]) -> None:
    """A form that is handed an archive would make a dead letter of every mail in it."""
    connector = await connectors.of(account)
    for request in requests:
        try:
            connector.parse(RawEvent(id="", account_id=account.id, request=request, silent=True))
        except OmnihubError:
            continue
        return
    raise Invalid(f"{account.name} cannot read any of these mails", {"account": "is it a mailbox?"})


def _batches(source: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for raw in source:
        batch.append(raw)
        size += len(raw)
        if len(batch) >= _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _request(raw: bytes) -> RawRequest:
    digest = hashlib.sha256(raw).hexdigest()
    return RawRequest(
        source="import",
        source_key=f"import:{digest}",
        body=raw,
        received_at=now(),
        headers={"content-type": "message/rfc822"},
    )
