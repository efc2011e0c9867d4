from typing import Annotated, cast

import typer
from rich.table import Table

from omnihub.cli.common import SettingsOption, fail, hub_of, out, run, show_table
from omnihub.model.documents import Role
from omnihub.model.errors import NotFound

app = typer.Typer(no_args_is_help=True)
ROLES = ("admin", "supervisor", "agent", "readonly")


@app.command()
def add(
    email: str,
    name: Annotated[str, typer.Option(help="As colleagues and customers see it.")] = "",
    role: Annotated[str, typer.Option(help=", ".join(ROLES))] = "agent",
    password: Annotated[str, typer.Option(help="At least 10 characters; generated when left out.")] = "",
    settings: SettingsOption = None,
) -> None:
    """Add a user; a generated password is shown once."""
    if role not in ROLES:
        fail(f"there is no role {role!r}", f"Choose one of: {', '.join(ROLES)}")
    if "@" not in email:
        fail(f"{email!r} is no email address")

    from omnihub.unified_view import passwords

    if password and len(password) < passwords.MIN_LENGTH:
        fail(f"a password needs at least {passwords.MIN_LENGTH} characters")

    async def work() -> str:
        chosen = password or passwords.generate()
        async with hub_of(settings) as hub:
            hashed = await passwords.hash_password(chosen)
            await hub.store.users.add(
                email=email, name=name or email.partition("@")[0], role=cast("Role", role), password_hash=hashed
            )
        return chosen

    chosen = run(work())
    out.print(f"{email} can sign in now." + ("" if password else f" Password (shown once): {chosen}"))


@app.command("list")
def list_users(settings: SettingsOption = None) -> None:
    """Everybody who may sign in."""

    async def work() -> Table:
        table = Table("email", "name", "role", "active")
        async with hub_of(settings) as hub:
            for user in await hub.store.users.all():
                table.add_row(user["email"], user["name"], user["role"], "yes" if user["active"] else "no")
        return table

    show_table(run(work()))


@app.command()
def reset(email: str, settings: SettingsOption = None) -> None:
    """Give a user a new password, shown once; open sessions end."""

    async def work() -> str:
        from omnihub.unified_view import passwords

        chosen = passwords.generate()
        async with hub_of(settings) as hub:
            user = await hub.store.users.by_email(email)
            if user is None:
                raise NotFound(f"there is no user {email}")
            hashed = await passwords.hash_password(chosen)
            await hub.store.users.change(user["_id"], {"password_hash": hashed, "active": True})
            await hub.store.sessions.end_all(user["_id"])
        return chosen

    out.print(f"New password of {email} (shown once): {run(work())}")
