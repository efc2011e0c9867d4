import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import orjson
import structlog
import typer
from rich.console import Console
from rich.table import Table

from omnihub.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from omnihub.app import Hub
    from omnihub.connectors.contract import Finding

# Tables that are piped are for programs and logs: wide enough that no id is ever folded.
_PIPED_WIDTH = 240
# What people named or programs answered is printed as it is: no markup in it, and no line broken inside an
# address because the terminal is narrow.
_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False, "soft_wrap": True}
out = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, **_PLAIN)
err = Console(stderr=True, **_PLAIN)
_LINE_ENDS = "\u0085\u2028\u2029"
T = TypeVar("T")

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="The settings file; ./settings.toml by default.")
]


def fail(problem: str, remedy: str = "") -> NoReturn:
    err.print(problem, style="red")
    if remedy:
        err.print(remedy)
    raise typer.Exit(1)


def show_table(table: Table) -> None:
    out.print(table, soft_wrap=False)


def show_finding(finding: "Finding") -> None:
    out.print("ok    " if finding.ok else "failed", style="green" if finding.ok else "red", end="  ")
    out.print(f"{finding.name}: {finding.detail}")
    if not finding.ok and finding.remedy:
        out.print(f"        → {finding.remedy}")


def json_line(value: Any) -> bytes:
    """One line for whoever reads it, also for readers that take U+2028 and the like for a line's end."""
    line = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
    for character in _LINE_ENDS:
        line = line.replace(character.encode(), rb"\u%04x" % ord(character))
    return line


def read_settings(path: Path | None) -> Settings:
    try:
        return load(path)
    except SettingsError as error:
        fail(str(error))


def configure_logging(settings: Settings, *, quiet: bool = False) -> None:
    level = logging.WARNING if quiet else getattr(logging, settings.logging.level.upper())
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.logging.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    # aiosmtpd announces a future change of its own interface at every demo login.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def run(work: Coroutine[Any, Any, T]) -> T:
    """On uvloop where it is there. What goes wrong in a known way is said in one line."""
    from pymongo.errors import PyMongoError

    from omnihub.model.errors import Invalid, OmnihubError
    from omnihub.store.engines import EngineError
    from omnihub.store.schema import SchemaTooNew

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    except Invalid as error:
        fail(str(error), "\n".join(f"  {name}: {words}" for name, words in error.fields.items()))
    except (OmnihubError, EngineError, SchemaTooNew) as error:
        fail(str(error))
    except PyMongoError as error:
        fail(f"the database does not answer: {error}", "See `omnihub doctor`.")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextlib.asynccontextmanager
async def hub_of(path: Path | None) -> "AsyncIterator[Hub]":
    """The running hub's engines where one runs on this var/, else engines of our own for the while."""
    from omnihub.app import open_hub

    settings = read_settings(path)
    configure_logging(settings, quiet=True)
    async with open_hub(settings) as hub:
        yield hub
