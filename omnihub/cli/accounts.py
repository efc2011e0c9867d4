import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from omnihub.cli.common import SettingsOption, fail, hub_of, out, run, show_finding, show_table

app = typer.Typer(no_args_is_help=True)


@app.command()
def add(
    channel: Annotated[str, typer.Argument(help="email, webform …")],
    name: Annotated[str, typer.Option(help="As agents see it; its address when left out.")] = "",
    values: Annotated[list[str] | None, typer.Option("--set", help="A setting, as key=value.")] = None,
    file: Annotated[Path | None, typer.Option(help="A TOML file with the channel's settings.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Connect a channel. Values of secrets may be given as @FILE, to keep them out of the shell's history;
    lists as in TOML: --set 'folders=["INBOX"]'."""

    async def work() -> tuple[str, str]:
        from omnihub.connectors import registry

        given = _given(file, values or [], registry.secret_names(channel))
        checked = registry.read_settings(channel, given)
        async with hub_of(settings) as hub:
            account = await hub.store.accounts.add(
                channel=channel,
                name=name or str(given.get("address") or given.get("title") or channel),
                settings=registry.plain(checked),
                secret_names=registry.secret_names(channel),
            )
        return account.id, f"{hub.settings.public_url}/in/{channel}/{account.key}"

    account_id, door = run(work())
    out.print(f"Account {account_id} is connected and enabled.\nIts HTTP door: {door}")


@app.command()
def change(
    account: str,
    name: Annotated[str, typer.Option(help="A new name.")] = "",
    values: Annotated[list[str] | None, typer.Option("--set", help="A setting, as key=value.")] = None,
    clear: Annotated[list[str] | None, typer.Option("--clear", help="A setting or secret to empty.")] = None,
    file: Annotated[Path | None, typer.Option(help="A TOML file with settings.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Change settings or renew secrets; what is not named stays. Running hubs take it over within seconds,
    without a restart. Takes the account's name or id."""

    async def work() -> str:
        from omnihub.connectors import registry

        async with hub_of(settings) as hub:
            found = await hub.store.accounts.by_name(account)
            secret = registry.secret_names(found.channel)
            wanted = {**found.settings, **_given(file, values or [], secret)}
            kept = {key: value for key, value in wanted.items() if key not in (clear or ())}
            checked = registry.read_settings(found.channel, kept)
            changed = await hub.store.accounts.change(
                found.id, name=name or None, settings=registry.plain(checked), secret_names=secret
            )
        return changed.name

    out.print(f"{run(work())} is changed. Try it with: omnihub account test")


def _given(file: Path | None, values: list[str], secret: frozenset[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if file is not None:
        try:
            given = tomllib.loads(file.read_text("utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            fail(f"{file} cannot be read: {error}")
    for pair in values:
        key, equals, value = pair.partition("=")
        if not equals:
            fail(f"{pair!r} is not of the form key=value")
        key = key.strip()
        value = _content(Path(value[1:])) if value.startswith("@") else value
        given[key] = value if key in secret else _composed(value)
    return given


def _content(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file} cannot be read: {error}")


def _composed(value: str) -> Any:
    """A list or table of TOML; anything else stays the text that it is."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


@app.command("list")
def list_accounts(settings: SettingsOption = None) -> None:
    """Every account with its health."""

    async def work() -> Table:
        table = Table("id", "channel", "name", "enabled", "health", "detail")
        async with hub_of(settings) as hub:
            health = await hub.store.accounts.health()
            for account in await hub.store.accounts.all():
                line = health.get(account.id, {})
                enabled = "yes" if account.enabled else "no"
                state, detail = line.get("state", "unknown"), line.get("detail", "")
                table.add_row(account.id, account.channel, account.name, enabled, state, detail)
        return table

    show_table(run(work()))


@app.command("test")
def try_account(account: str, settings: SettingsOption = None) -> None:
    """Try an account's connections and say what is wrong. Takes its name or id."""

    async def work() -> bool:
        async with hub_of(settings) as hub:
            found = await hub.store.accounts.by_name(account)
            findings = await (await hub.connectors.of(found)).check()
        for finding in findings:
            show_finding(finding)
        return all(finding.ok for finding in findings)

    if not run(work()):
        raise typer.Exit(1)


@app.command()
def enable(account: str, settings: SettingsOption = None) -> None:
    """Take messages in and send them out again."""
    _switch(account, settings, on=True)


@app.command()
def disable(account: str, settings: SettingsOption = None) -> None:
    """Take nothing in and send nothing out; everything stays."""
    _switch(account, settings, on=False)


def _switch(name: str, settings: Path | None, *, on: bool) -> None:
    async def work() -> str:
        async with hub_of(settings) as hub:
            found = await hub.store.accounts.by_name(name)
            return (await hub.store.accounts.change(found.id, enabled=on)).name

    out.print(f"{run(work())} is {'enabled' if on else 'disabled'}.")
