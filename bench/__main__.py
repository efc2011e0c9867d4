"""`python -m bench NAME`: measures, prints tables, and writes JSON where asked."""

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import orjson
import uvloop

from bench.figures import Report, show
from bench.sizing import NAMES, UnknownParameter

BENCHMARKS = ("ingest", "email", "latency", "outbound", "lists", "live", "popup", "idle", "start")


async def measure(name: str, size: str, changes: dict[str, str], folder: Path) -> Report:
    """Raises UnknownParameter."""
    module = importlib.import_module(f"bench.{name}")
    chosen = module.SIZES.chosen(size, changes)
    report = Report(name=name, size=size, parameters=asdict(chosen))
    await module.run(chosen, report, folder)
    return report


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=(*BENCHMARKS, "all"))
    parser.add_argument("--size", choices=NAMES, default="quick")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change one parameter of the size"
    )
    parser.add_argument("--out", type=Path, help="write JSON here: a file, or for `all` a directory")
    parser.add_argument("--folder", type=Path, help="where databases are put (a temporary directory by default)")
    return parser.parse_args(given)


def main(given: Sequence[str]) -> int:
    told = _arguments(given)
    # An installed hub finds its code compiled; where this is set, each start would compile it anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    changes = dict(part.split("=", 1) for part in told.set if "=" in part)
    for name in BENCHMARKS if told.name == "all" else (told.name,):
        with tempfile.TemporaryDirectory(prefix="bench-", dir=told.folder, ignore_cleanup_errors=True) as folder:
            try:
                report = uvloop.run(measure(name, told.size, changes, Path(folder)))
            except UnknownParameter as error:
                sys.stderr.write(f"{error}\n")
                return 2
        show(report)
        _write(report, told.out, several=told.name == "all")
    return 0


def _write(report: Report, out: Path | None, *, several: bool) -> None:
    text = orjson.dumps(report.json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if out is None:
        sys.stdout.buffer.write(text)
        return
    path = out / f"{report.name}.json" if several or out.is_dir() else out
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
