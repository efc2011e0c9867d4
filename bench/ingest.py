"""From the provider's callback to the agent's ticket: signed callbacks of all channels over real HTTP, until
every message is stored; and the way from a full journal alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.accounting import MemoryWatch, spending
from bench.figures import Report, Table
from bench.floors import write_floors
from bench.sizing import Size
from bench.traffic import Traffic, traffic
from bench.world import World, engines, world


@dataclass(slots=True, frozen=True, kw_only=True)
class Ingest:
    """`messages` by each arrangement of processes; `sustained_seconds`: one more run, for so long."""

    messages: int
    people: int
    journal: int
    sustained_seconds: float
    singles: int
    batched: int
    connections: int = 64
    arrangements: int = 3


SIZES: Size[Ingest] = Size(
    tiny=Ingest(messages=80, people=5, journal=600, sustained_seconds=0, singles=40, batched=400, arrangements=1),
    quick=Ingest(messages=4_000, people=200, journal=6_000, sustained_seconds=0, singles=1_500, batched=20_000),
    full=Ingest(
        messages=40_000, people=2_000, journal=60_000, sustained_seconds=600, singles=5_000, batched=100_000
    ),
)
# With a listener, for 微信客服 is pulled.
ARRANGEMENTS = (("up",), ("web", "listen", "worker"), ("web", "listen", "worker", "worker"))
_PATIENCE = 900.0


async def run(size: Ingest, report: Report, folder: Path) -> None:
    async with engines(folder) as shared:
        uri = shared.endpoints.mongodb_uri
        await write_floors(report, uri, singles=size.singles, batched_messages=size.batched)
        whole = report.table("Signed callbacks of all channels over HTTP, until stored")
        for roles in ARRANGEMENTS[: size.arrangements]:
            async with world(folder, shared) as made:
                await _whole_path(made, size, roles, report, whole)
        alone_table = report.table("Intake alone, from a full journal")
        for workers in (1, 2)[: size.arrangements]:
            async with world(folder, shared) as made:
                await _from_journal(made, size, workers, report, alone_table)
        if size.sustained_seconds:
            async with world(folder, shared) as made:
                await _sustained(made, size, report)
    _compare(report)


def _compare(report: Report) -> None:
    best = max(report.figures[name] for name in report.figures if name.startswith("whole_path"))
    intake = max(report.figures[name] for name in report.figures if name.startswith("intake"))
    report.figures |= {"best_whole_path_per_s": best, "best_intake_per_s": intake}
    for kind in ("minimal", "indexed"):
        report.ratio(f"whole path / one by one ({kind})", "best_whole_path_per_s", f"{kind}_one_by_one_per_s")
        report.ratio(f"intake / one by one ({kind})", "best_intake_per_s", f"{kind}_one_by_one_per_s")
        report.ratio(f"intake / batched ({kind})", "best_intake_per_s", f"{kind}_batched_per_s")


async def _whole_path(made: World, size: Ingest, roles: tuple[str, ...], report: Report, table: Table) -> None:
    name = _name(roles)
    async with traffic(made, people=size.people) as customers, made.hub(*roles) as hub:
        await warm_up(made, customers)
        await customers.prepare(size.messages)
        before = await made.stored()
        memory = MemoryWatch([one.process.pid for one in hub], 0.2)
        async with memory:
            with spending(made.groups(platforms=[customers.pid])) as spent:
                told = await customers.fire(connections=size.connections)
                stored_at = await made.until_stored(before + size.messages, _PATIENCE)
        rate = size.messages / (stored_at - told["began"])
        report.figures[f"whole_path_{name}_per_s"] = rate
        table.add(
            processes=name,
            messages=size.messages,
            stored_per_s=rate,
            acknowledged_per_s=size.messages / (told["ended"] - told["began"]),
            **{f"{group}_cpu_ms": used for group, used in spent.per(size.messages).items()},
            hub_mb=max(memory.samples),
            ack_p99_ms=told["acknowledged"]["p99_ms"],
        )


async def warm_up(made: World, customers: Traffic) -> None:
    """Accounts read, connections open, code loaded; what is measured is the day, not the morning."""
    before = await made.stored()
    await customers.prepare(len(customers.accounts) * 4)
    told = await customers.fire(connections=4)
    await made.until_stored(before + told["taken"], 60)


def _name(roles: tuple[str, ...]) -> str:
    workers = roles.count("worker")
    return "up" if roles == ("up",) else f"web+listen+{workers}_worker{'s' if workers > 1 else ''}"


async def _from_journal(made: World, size: Ingest, workers: int, report: Report, table: Table) -> None:
    """The journal is filled with real callbacks, which nobody takes in; then the workers come."""
    async with traffic(made, people=size.people, channels=("wecom", "wechat", "telegram", "api")) as customers:
        async with made.hub("web"):
            await customers.prepare(size.journal)
            await customers.fire(connections=size.connections)
        async with made.hub(*["worker"] * workers):
            began, first = await _begun(made)
            with spending(made.groups()) as spent:
                ended = await made.until_stored(size.journal, _PATIENCE)
        done = size.journal - first
    rate = done / (ended - began)
    report.figures[f"intake_{workers}_workers_per_s"] = rate
    costs: dict[str, Any] = {f"{group}_cpu_ms": used for group, used in spent.per(done).items()}
    table.add(workers=workers, messages=done, stored_per_s=rate, **costs)


async def _begun(made: World) -> tuple[float, int]:
    """When the first batches are in, and how many messages that is: starting up is another benchmark."""
    at = await made.until_stored(1, 60)
    return at, await made.stored()


async def _sustained(made: World, size: Ingest, report: Report) -> None:
    """As fast as it goes, for minutes: whether the rate holds and memory stays flat."""
    table = report.table("Sustained")
    async with traffic(made, people=size.people) as customers, made.hub("web", "listen", "worker") as hub:
        await warm_up(made, customers)
        await customers.prepare(0)
        before = await made.stored()
        memory = MemoryWatch([one.process.pid for one in hub], 2.0)
        async with memory:
            with spending(made.groups(platforms=[customers.pid])) as spent:
                told = await customers.fire(connections=size.connections, seconds=size.sustained_seconds)
                stored_at = await made.until_stored(before + told["taken"], _PATIENCE)
    rate = told["taken"] / (stored_at - told["began"])
    report.figures |= {"sustained_per_s": rate, "sustained_memory_growth_mb": memory.growth}
    report.ratio("sustained / one by one (minimal)", "sustained_per_s", "minimal_one_by_one_per_s")
    table.add(
        seconds=stored_at - told["began"],
        messages=told["taken"],
        stored_per_s=rate,
        behind_at_the_end_s=stored_at - told["ended"],
        hub_mb_first=memory.samples[0],
        hub_mb_last=memory.samples[-1],
        hub_mb_most=max(memory.samples),
        **{f"{group}_cpu_ms": used for group, used in spent.per(told["taken"]).items()},
    )
