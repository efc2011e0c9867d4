import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from omnihub.cli.common import SettingsOption, err, fail, hub_of, json_line, out, run

if TYPE_CHECKING:
    from omnihub.model.documents import MessageDoc

_inspect = typer.Typer(no_args_is_help=True)
_export = typer.Typer(no_args_is_help=True)
AccountOption = Annotated[str, typer.Option("--account", help="The account's name or id.")]


def add_to(app: typer.Typer) -> None:
    app.command("import")(import_history)
    app.add_typer(_inspect, name="inspect", help="See how a payload is read, without a database.")
    app.add_typer(_export, name="export", help="Hand data out as JSON lines.")
    app.command()(replay)


def import_history(
    kind: Annotated[str, typer.Argument(help="mbox or maildir (also a folder of .eml files)")],
    path: Path,
    account: AccountOption,
    settings: SettingsOption = None,
) -> None:
    """Take in mail history: in file order, silently, resumable, harmless when repeated."""
    from omnihub.inbox import importing

    if kind not in ("mbox", "maildir"):
        fail(f"{kind!r} cannot be imported", "Choose mbox or maildir.")
    if not path.exists():
        fail(f"{path} does not exist")

    async def work() -> importing.Progress | None:
        last: importing.Progress | None = None
        with _bar() as bar:
            total = sum(1 for _ in importing.mails(kind, path))
            task = bar.add_task("importing", total=total)
            async with hub_of(settings) as hub:
                found = await hub.store.accounts.by_name(account)
                source = importing.mails(kind, path)
                steps = importing.import_mails(hub.store, hub.connectors, hub.intake(), found, source, total)
                async for last in steps:
                    bar.update(task, completed=last.done)
        return last

    last = run(work())
    if last is None:
        out.print("There was nothing to import.")
        return
    new = last.done - last.repeated
    out.print(f"{last.done} mails read: {new} new, {last.repeated} known before, {last.dead} dead letters.")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )


@_inspect.command("email")
def inspect_email(files: Annotated[list[str], typer.Argument(metavar="FILE…")]) -> None:
    """One JSON object per mail file on stdout, in order; never stops at a bad one."""
    for line in _inspected(files):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _inspected(files: Iterable[str]) -> Iterable[bytes]:
    from omnihub.connectors.email.parsing import inspect

    for name in files:
        shown = os.fsencode(name).decode("utf-8", "replace")
        try:
            raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            line = json_line(inspect(raw, shown))
        except OSError as error:
            line = json_line(inspect(b"", shown) | {"problems": [f"unreadable: {error.strerror or error}"]})
        except Exception as error:  # a fault of ours in one file must not cost the lines of the others
            problem = f"cannot be read: {type(error).__name__}: {error}"
            line = json_line(inspect(b"", shown) | {"problems": [problem]})
        yield line


@_inspect.callback()
def _inspect_group() -> None:
    """Keeps `email` a sub-command."""


@_export.callback()
def _export_group() -> None:
    """Keeps `messages` a sub-command."""


@_export.command("messages")
def export_messages(account: AccountOption, settings: SettingsOption = None) -> None:
    """Every message of an account, oldest first, with where it was placed and why.

    `message_id` is the id that the message bears outside: a mail's Message-ID without brackets, as `inspect`
    prints it. `external_id` is the same but unique in the account: a mail without Message-ID goes by
    sha256:<digest of its bytes>, and a second, different mail under a used Message-ID gets a #suffix. `id` is
    our own. `sent_at` of a reply that has not gone out is null.
    """

    async def work() -> None:
        numbers: dict[str, int | None] = {"": None}  # a notice that belongs to no exchange has no ticket
        async with hub_of(settings) as hub:
            found = await hub.store.accounts.by_name(account)
            async for message in hub.store.messages.export(found.id):
                ticket_id = message["ticket_id"]
                if ticket_id not in numbers:
                    numbers[ticket_id] = (await hub.store.tickets.get(ticket_id))["number"]
                sys.stdout.buffer.write(_line(message, numbers[ticket_id]))
        sys.stdout.buffer.flush()

    run(work())


def _line(message: "MessageDoc", number: int | None) -> bytes:
    placement = {"rule": message["placement"]["rule"], "reason": message["placement"]["reason"]}
    line = {
        "external_id": message["external_id"],
        "message_id": _outside_id(message),
        "id": message["_id"],
        "direction": message["direction"],
        "conversation_id": message["conversation_id"],
        "ticket_number": number,
        "placement": placement,
        **placement,
        "sent_at": message["sent_at"] or (None if message["delivery"] else message["at"]),
    }
    return json_line(line)


def _outside_id(message: "MessageDoc") -> str:
    known_as = message["external_id"].removesuffix(f"#{message['fingerprint'][:16]}")
    return "" if known_as.startswith("sha256:") else known_as


def replay(
    account: Annotated[str, typer.Option("--account", help="Only this account's; its name or id.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="The whole journal, not only dead letters. Changes nothing twice.")
    ] = False,
    settings: SettingsOption = None,
) -> None:
    """Take in dead letters again, or the whole journal."""

    async def work() -> tuple[int, int]:
        states = ("dead", "done", "new") if everything else ("dead",)
        async with hub_of(settings) as hub:
            ids = None
            if account:
                found = await hub.store.accounts.by_name(account)
                ids = [one async for one in hub.store.journal.all_ids(found.id)]
            put_back = await hub.store.journal.replay(ids=ids, states=states)
            await hub.intake().drain()
            return put_back, (await hub.store.journal.counts())["dead"]

    put_back, dead = run(work())
    out.print(f"{put_back} raw events taken in again; {dead} dead letters remain.")
