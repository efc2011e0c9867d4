"""From `omnihub up` to its word that it is ready."""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Report, percentile
from bench.sizing import Size
from omnihub.store.engines import Engines
from tests.hub_process import free_port, running


@dataclass(slots=True, frozen=True, kw_only=True)
class Start:
    times: int


SIZES: Size[Start] = Size(tiny=Start(times=1), quick=Start(times=3), full=Start(times=10))


async def run(size: Start, report: Report, folder: Path) -> None:
    """The floor: the two engines alone on the same directory, and Python with the hub's code."""
    var = folder / "var"
    table = report.table("Seconds until ready")
    first = await _up(var)
    engines = [await _engines(var) for _ in range(size.times)]
    code = [await _imports() for _ in range(size.times)]
    again = [await _up(var) for _ in range(size.times)]
    report.floors |= {"engines_alone_s": percentile(engines, 0.5), "imports_alone_s": percentile(code, 0.5)}
    report.figures |= {"first_start_s": first, "ready_s": percentile(again, 0.5), "ready_worst_s": max(again)}
    report.ratio("ready / engines alone", "ready_s", "engines_alone_s")
    for name, taken in (("engines alone", engines), ("imports alone", code), ("omnihub up", again)):
        table.add(what=name, times=len(taken), median_s=percentile(taken, 0.5), worst_s=max(taken))
    table.add(what="omnihub up, the first time", times=1, median_s=first, worst_s=first)


async def _up(var: Path) -> float:
    settings = {"storage.var": str(var), "server.port": str(free_port()), "logging.level": "error"}
    began = time.monotonic()
    async with running("up", settings=settings):
        return time.monotonic() - began


async def _engines(var: Path) -> float:
    began = time.monotonic()
    async with await Engines.open(var):
        return time.monotonic() - began


async def _imports() -> float:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "import omnihub.app, omnihub.cli.running"), cwd=Path(__file__).parent.parent
    )
    assert await process.wait() == 0
    return time.monotonic() - began
