from typing import Annotated

import typer

from omnihub.cli.common import SettingsOption, fail, hub_of, out, run

app = typer.Typer(no_args_is_help=True)


@app.command()
def remove(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Remove the demo accounts. Their tickets, messages and contacts stay."""

    async def work() -> None:
        from omnihub import demo

        async with hub_of(settings) as hub:
            found = await demo.accounts_of(hub.store)
            if not found:
                out.print("There are no demo accounts.")
                return
            orphans = await demo.answering_through(hub.store, found)
            out.print("Demo accounts:")
            for account in found:
                out.print(f"  {account.channel}: {account.name}")
            for account in orphans:
                out.print(f"{account.name} answers through one of them: choose another one for it under Channels.")
            if not (yes or _confirmed()):
                fail("Nothing was removed.", "Run it again with --yes to remove these accounts.")
            await demo.remove(hub.store, found)
        out.print(f"{_counted(len(found))} removed; tickets, messages and contacts stay.")
        out.print("Start the hub with `omnihub up`: with --demo (as `make up` does) they are connected again.")

    run(work())


def _confirmed() -> bool:
    try:
        return typer.confirm("Remove them?")
    except typer.Abort:  # nobody is there to answer
        out.print("")
        return False


def _counted(count: int) -> str:
    return "One account is" if count == 1 else f"{count} accounts are"
