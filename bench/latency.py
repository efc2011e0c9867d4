"""How long a callback waits for its answer, and the customer's words for the agent's screen, at steady rates."""

from dataclasses import dataclass
from pathlib import Path

from bench.accounting import spending
from bench.children import Child, child
from bench.figures import Report, Table, spread
from bench.floors import feed_floor, journal_floor
from bench.ingest import warm_up
from bench.sizing import Size
from bench.traffic import Traffic, read_times, traffic
from bench.world import World, engines, world

# 微信客服 is left out: its bells are answered before its messages are pulled.
CHANNELS = ("wecom", "wechat", "dingtalk", "sms", "telegram", "webform", "api")
MARK = r'"preview":"n=(\d+);'


@dataclass(slots=True, frozen=True, kw_only=True)
class Latency:
    rates: tuple[int, ...]
    seconds: float
    people: int
    singles: int
    roles: tuple[str, ...] = ("web", "listen", "worker")
    connections: int = 64


SIZES: Size[Latency] = Size(
    tiny=Latency(rates=(20,), seconds=1.5, people=5, singles=30, roles=("up",)),
    quick=Latency(rates=(50, 200, 500), seconds=8, people=200, singles=400),
    full=Latency(rates=(50, 200, 500), seconds=60, people=2_000, singles=3_000),
)


async def run(size: Latency, report: Report, folder: Path) -> None:
    async with engines(folder) as shared:
        await journal_floor(report, shared.endpoints.mongodb_uri, size.singles)
        await feed_floor(report, shared.endpoints.mongodb_uri, size.singles)
        table = report.table("From the callback's due time to its answer, and to the agent's WebSocket")
        async with (
            world(folder, shared) as made,
            traffic(made, people=size.people, channels=CHANNELS) as customers,
            made.hub(*size.roles),
            child("listening") as screen,
        ):
            _, token = await made.add_user()
            await screen.ask({"do": "open", "url": made.url, "tokens": [token], "mark": MARK})
            await warm_up(made, customers)
            for rate in size.rates:
                await _at(rate, size, made, customers, screen, report, table)
    for rate in size.rates:
        for part in ("p50_ms", "p99_ms"):
            answered, shown = f"ack_{rate}_{part}", f"screen_{rate}_{part}"
            report.ratio(f"answered at {rate}/s / durable insert, {part}", answered, f"durable_insert_{part}")
            report.ratio(f"on screen at {rate}/s / insert to feed, {part}", shown, f"insert_to_feed_{part}")


async def _at(
    rate: int, size: Latency, made: World, customers: Traffic, screen: Child, report: Report, table: Table
) -> None:
    count = round(rate * size.seconds)
    times = made.folder / "times"
    await customers.prepare(count, CHANNELS)
    await screen.ask({"do": "forget"})
    with spending(made.groups(platforms=[customers.pid], screen=[screen.pid])) as spent:
        await customers.fire(connections=size.connections, rate=rate, times=times)
        told = read_times(times)
        await screen.ask({"do": "wait", "marks": [str(number) for number, _, _ in told], "seconds": 60})
    seen = (await screen.ask({"do": "tell"}))["seen"][0]
    acknowledged = spread(answered - due for _, due, answered in told)
    shown = spread(seen[str(number)] - due for number, due, _ in told if str(number) in seen)
    report.figures |= {f"ack_{rate}_{name}": value for name, value in acknowledged.items()}
    report.figures |= {f"screen_{rate}_{name}": value for name, value in shown.items()}
    lost = sum(1 for number, _, _ in told if str(number) not in seen)
    report.figures[f"never_on_screen_{rate}"] = lost
    table.add(
        per_s=rate,
        messages=count,
        **{f"ack_{name}": value for name, value in acknowledged.items()},
        **{f"screen_{name}": value for name, value in shown.items()},
        never_shown=lost,
        hub_cpu=spent.total("hub") / spent.seconds,
        mongod_cpu=spent.total("mongod") / spent.seconds,
    )
