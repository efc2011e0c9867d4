"""What the hub takes while nothing happens."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.accounting import resident_mb, spending
from bench.figures import Report, Table
from bench.sizing import Size
from bench.world import alone

_IMPORTS = "import sys, uvloop, omnihub.app; print(flush=True); sys.stdin.read()"
ARRANGEMENTS = (("up",), ("web", "worker", "listen"))


@dataclass(slots=True, frozen=True, kw_only=True)
class Idle:
    seconds: float
    arrangements: int = 2


SIZES: Size[Idle] = Size(tiny=Idle(seconds=0.5, arrangements=1), quick=Idle(seconds=10), full=Idle(seconds=120))


async def run(size: Idle, report: Report, folder: Path) -> None:
    report.floors["imported_only_mb"] = await _imported()
    table = report.table("Memory and CPU at rest")
    for roles in ARRANGEMENTS[: size.arrangements]:
        await _rest(roles, size, report, table, folder)
    report.ratio("up / the code alone", "hub_up_mb", "imported_only_mb")


async def _rest(roles: tuple[str, ...], size: Idle, report: Report, table: Table, folder: Path) -> None:
    name = "+".join(roles)
    async with alone(folder) as made, made.hub(*roles):
        with spending(made.groups()) as spent:
            await asyncio.sleep(size.seconds)
        megabytes = {group: sum(map(resident_mb, pids)) for group, pids in made.groups().items()}
    report.figures[f"hub_{name}_mb"] = megabytes["hub"]
    report.figures[f"hub_{name}_cpu_percent"] = spent.cpu["hub"] / spent.seconds * 100
    cells = {f"{group}_mb": value for group, value in megabytes.items()}
    cells |= {f"{group}_cpu_percent": used / spent.seconds * 100 for group, used in spent.cpu.items()}
    table.add(processes=name, **cells)


async def _imported() -> float:
    """Megabytes of a program that has the hub's code in memory and does nothing with it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _IMPORTS),
        cwd=Path(__file__).parent.parent,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    megabytes = resident_mb(process.pid)
    process.stdin.close()
    await process.wait()
    return megabytes
