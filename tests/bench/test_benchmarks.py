"""Every benchmark runs at its smallest size, and what it says makes sense."""

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from bench import __main__ as command
from bench.__main__ import BENCHMARKS, measure
from bench.sizing import UnknownParameter
from omnihub.store.engines import Engines

EXPECTED = {
    "ingest": ("best_whole_path_per_s", "best_intake_per_s"),
    "email": ("imported_per_s", "imported_per_cpu_second"),
    "idle": ("hub_up_mb",),
    "latency": ("ack_20_p99_ms", "screen_20_p99_ms"),
    "outbound": ("taken_from_agents_per_s", "sent_per_s"),
    "lists": ("first_page_600_p99_ms", "ticket_600_p99_ms", "next_pages_600_p99_ms"),
    "live": ("lag_p99_ms",),
    "popup": ("popup_p99_ms",),
    "start": ("ready_s",),
}
NOTHING_LOST = {
    "latency": "never_on_screen_20",
    "outbound": "not_received",
    "lists": "queries_without_one_index_scan_600",
    "live": "never_shown",
    "popup": "popups_lost",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """With engines that all benchmarks share, who otherwise start their own."""
    made = tmp_path_factory.mktemp("bench")
    with asyncio.Runner() as runner:
        engines = runner.run(Engines.open(made / "engines"))
        try:
            yield made
        finally:
            runner.run(engines.close())


@pytest.mark.parametrize("name", BENCHMARKS)
async def test_it_measures(name: str, folder: Path) -> None:
    told = _read((await measure(name, "tiny", {}, folder)).json())
    assert told["name"] == name
    assert told["parameters"]
    assert told["machine"]["cpus"] >= 1
    for figure in EXPECTED[name]:
        assert told["figures"][figure] > 0, figure
    assert all(value > 0 for value in told["floors"].values())
    assert told["floors"]
    assert told["ratios"]
    assert all(table["rows"] for table in told["tables"])
    if name in NOTHING_LOST:
        assert told["figures"][NOTHING_LOST[name]] == 0


def _read(report: dict[str, Any]) -> dict[str, Any]:
    """As a program reads it: JSON has no NaN."""
    for kind in ("figures", "floors", "ratios"):
        assert all(math.isfinite(value) for value in report[kind].values()), report[kind]
    read: dict[str, Any] = orjson.loads(orjson.dumps(report))
    return read


async def test_an_unknown_parameter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownParameter, match="messages"):
        await measure("ingest", "tiny", {"mesages": "1"}, tmp_path)


def test_all_of_them_are_commands() -> None:
    found = {path.stem for path in Path(command.__file__).parent.glob("*.py") if "SIZES" in path.read_text()}
    assert found - {"__main__"} == set(BENCHMARKS)
