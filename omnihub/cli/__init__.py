"""The command line. Heavy rooms are imported by the commands that need them, so that others start at once."""

import typer

from omnihub.cli import accounts, demo, doctoring, mail, people, running, searching

app = typer.Typer(
    name="omnihub",
    help="Omnichannel message ingestion and agent inbox.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
running.add_to(app)
doctoring.add_to(app)
mail.add_to(app)
app.add_typer(people.app, name="user", help="Who may sign in.")
app.add_typer(accounts.app, name="account", help="Connected channels.")
app.add_typer(searching.app, name="search", help="The index that search reads.")
app.add_typer(demo.app, name="demo", help="The demo channels that `omnihub up --demo` connects.")


def main() -> None:
    app()


__all__ = ["app", "main"]
