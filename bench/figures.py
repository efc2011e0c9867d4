"""What a benchmark says: tables for people, JSON for programs."""

import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Printed

Cell = str | int | float | None
_PIPED_WIDTH = 160


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed; NaN of nothing."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(seconds: Iterable[float]) -> dict[str, float]:
    """p50, p95, p99 and max, in milliseconds."""
    ordered = sorted(seconds)
    shares = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {f"{name}_ms": percentile(ordered, share) * 1000 for name, share in shares.items()}


@dataclass(slots=True)
class Table:
    title: str
    rows: list[dict[str, Cell]] = field(default_factory=list)

    def add(self, **cells: Cell) -> None:
        self.rows.append(cells)


@dataclass(slots=True)
class Report:
    """`ratios`: figures over their floors, which were measured in the same run."""

    name: str
    size: str
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    machine: Mapping[str, Any] = field(default_factory=lambda: machine())
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    floors: dict[str, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def table(self, title: str) -> Table:
        made = Table(title)
        self.tables.append(made)
        return made

    def ratio(self, name: str, figure: str, floor: str) -> None:
        below = self.floors[floor]
        self.ratios[name] = self.figures[figure] / below if below else math.nan

    def json(self) -> dict[str, Any]:
        return asdict(self)


def machine() -> dict[str, Any]:
    """`load` is that of the last minute before: a figure taken beside other work is a figure of both."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": cpu,
        "memory_gb": round(memory, 1),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 2),
    }


def _lines(path: str) -> Sequence[str]:
    return Path(path).read_text("utf-8", "replace").splitlines() if Path(path).exists() else ()


def show(report: Report) -> None:
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=_PIPED_WIDTH)
    console.print(f"\n{report.name} ({report.size}), load before: {report.machine['load']}", style="bold")
    summary = Table("Floors, measured in this run, and ratios to them")
    for kind, values in {"floor": report.floors, "ratio": report.ratios}.items():
        for name, value in values.items():
            summary.add(kind=kind, name=name, value=value)
    for table in [*report.tables, summary]:
        if table.rows:
            console.print(_printed(table))
    for note in report.notes:
        console.print(f"  {note}")


def _printed(table: Table) -> Printed:
    columns = list(dict.fromkeys(name for row in table.rows for name in row))
    printed = Printed(title=table.title, title_justify="left")
    for name in columns:
        numbers = all(isinstance(row.get(name), int | float | None) for row in table.rows)
        printed.add_column(name, justify="right" if numbers else "left")
    for row in table.rows:
        printed.add_row(*(_cell(row.get(name)) for name in columns))
    return printed


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else value
