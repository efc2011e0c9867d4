import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnihub.cli.common import SettingsOption, configure_logging, fail, out, read_settings, run
from omnihub.settings import Settings

if TYPE_CHECKING:
    from omnihub.app import Hub
    from omnihub.demo import Demo
    from omnihub.model.account import Account

_FIRST_ADMIN = "admin@omnihub.local"
_PORTS_TRIED = 20


def add_to(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(web)
    app.command()(worker)
    app.command()(listen)


def up(
    demo: Annotated[bool, typer.Option(help="Connect a demo account of every channel.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Everything in one process: web, worker and listen, on the embedded engines unless others are set."""
    _run(settings, ("web", "worker", "listen"), demo=demo, exclusive=True)


def web(settings: SettingsOption = None) -> None:
    """The HTTP doors, the API and the web app."""
    _run(settings, ("web",))


def worker(settings: SettingsOption = None) -> None:
    """Intake and replies."""
    _run(settings, ("worker",))


def listen(settings: SettingsOption = None) -> None:
    """The accounts that reach out: mailboxes and sockets."""
    _run(settings, ("listen",))


def _run(path: Path | None, roles: Sequence[str], *, demo: bool = False, exclusive: bool = False) -> None:
    chosen = read_settings(path)
    configure_logging(chosen)
    if "web" in roles:
        chosen = _with_free_port(chosen)
    run(_serve(chosen, roles, demo=demo, exclusive=exclusive))


def _with_free_port(settings: Settings) -> Settings:
    """The configured port, any for 0; where somebody else has the default one, the next free one."""
    server = settings.server
    default = type(server).model_fields["port"].default
    tries = _PORTS_TRIED if server.port == default else 1
    for wanted in range(server.port, server.port + tries):
        if port := _free_port(server.host, wanted):
            return settings.model_copy(update={"server": server.model_copy(update={"port": port})})
    return fail(
        f"port {server.port} of {server.host} is in use by another program",
        "Stop that program, or set another server.port in settings.toml (or OMNIHUB_SERVER__PORT).",
    )


def _free_port(host: str, port: int) -> int:
    """This port, or any for 0; 0 when somebody else has it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


async def _serve(settings: Settings, roles: Sequence[str], *, demo: bool, exclusive: bool) -> None:
    from omnihub.app import open_hub
    from omnihub.app import run as run_hub

    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with open_hub(settings, exclusive=exclusive) as hub, _demo_of(hub, wanted=demo) as shown:
        password = await _first_admin(hub) if "web" in roles else ""

        async def ready(port: int) -> None:
            await shown.attach(_from_here(settings.server.host, port))
            await _greet(hub, roles, password, shown)

        await run_hub(hub, roles, stop=stop, pages=shown.pages, ready=ready)


def _from_here(host: str, port: int) -> str:
    """How this machine itself reaches the hub."""
    local = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"


@contextlib.asynccontextmanager
async def _demo_of(hub: "Hub", *, wanted: bool) -> "AsyncIterator[Demo]":
    from omnihub.demo import Demo, demo_channels

    if not wanted:
        yield Demo()
        return
    async with demo_channels(hub.store, hub.settings) as demo:
        yield demo


async def _first_admin(hub: "Hub") -> str:
    """Makes the first admin where there is none. Returns the password, else ''."""
    from omnihub.model.errors import Conflict
    from omnihub.unified_view import passwords

    if await hub.store.users.count_admins():
        return ""
    password = passwords.generate()
    hashed = await passwords.hash_password(password)
    try:
        await hub.store.users.add(email=_FIRST_ADMIN, name="Admin", role="admin", password_hash=hashed)
    except Conflict:  # another process was quicker
        return ""
    return password


async def _greet(hub: "Hub", roles: Sequence[str], password: str, demo: "Demo") -> None:
    from omnihub.demo import CUSTOMERS

    if "web" not in roles:
        out.print(f"omnihub {', '.join(roles)} is ready\n")
        return
    out.print("\nomnihub is ready:", style="bold", end=" ")
    out.print(hub.settings.public_url)
    if password:
        out.print(f"  sign in as   {_FIRST_ADMIN}")
        out.print(f"  password:    {password}   (shown once; change it after signing in)")
    accounts = await hub.store.accounts.all()
    out.print("  connected:" if accounts else "  no channel is connected yet: sign in and choose Channels")
    for account in accounts:
        _introduce(account, demo, hub.settings.public_url)
    if demo.pages:
        out.print(f"  write as a customer: {hub.settings.public_url}{CUSTOMERS}")
    out.print("")


def _introduce(account: "Account", demo: "Demo", public_url: str) -> None:
    marks = [*(["demo"] if account.demo else []), *([] if account.enabled else ["disabled"])]
    out.print(f"    {account.channel}: {account.name}" + (f" ({', '.join(marks)})" if marks else ""))
    if account.demo:
        language = "zh" if os.environ.get("LANG", "").startswith("zh") else "en"
        for line in demo.notes(account, public_url, language):
            out.print(f"      {line}")
