import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from omnihub.cli.common import SettingsOption, err, hub_of, out, run

if TYPE_CHECKING:
    from omnihub.store.search_state import Rebuild
    from omnihub.store.store import Store

app = typer.Typer(no_args_is_help=True)
_LOOK_SECONDS = 0.3


@app.callback()
def _group() -> None:
    """Keeps `rebuild` a sub-command."""


@app.command()
def rebuild(
    wait: Annotated[bool, typer.Option(help="Show the progress until it is done.")] = True,
    settings: SettingsOption = None,
) -> None:
    """Make the search index anew. Search goes on meanwhile; a running hub's worker does the work, else this
    command does. Broken off, the next worker goes on where it stopped."""

    async def work() -> "Rebuild | None":
        from omnihub.search.feeder import Feeder

        async with hub_of(settings) as hub:
            turn = await hub.store.search_state.ask_for_rebuild()
            if not wait:
                return None
            # Of this one and the hub's own, whoever holds the lease works.
            feeding = asyncio.create_task(Feeder(hub.store).run())
            try:
                return await _watch(hub.store, turn)
            finally:
                feeding.cancel()
                await asyncio.wait([feeding])

    done = run(work())
    if done is None:
        out.print("The rebuild was asked for. `omnihub up` or a worker does it.")
        return
    seconds = (done.finished_at - done.started_at).total_seconds() if done.finished_at else 0.0
    out.print(f"{done.done} tickets, contacts and messages indexed in {seconds:.0f} s.")


async def _watch(store: "Store", turn: int) -> "Rebuild":
    with _bar() as bar:
        task = bar.add_task("rebuilding", total=None)
        while True:
            found = (await store.search_state.load()).rebuild
            if found is not None and found.turn >= turn and found.is_over:
                return found
            if found is not None:
                bar.update(task, completed=found.done, total=max(found.total, found.done))
            await asyncio.sleep(_LOOK_SECONDS)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
