"""The telephone rings: from the exchange's event to the agent's WebSocket, two hundred calls a minute."""

from dataclasses import dataclass
from pathlib import Path

from bench.accounting import spending
from bench.children import Child, child
from bench.figures import Report, spread
from bench.floors import feed_floor
from bench.sizing import Size
from bench.world import World, alone

# Every event of a call tells its whole state; the first one on the screen is the pop-up.
MARK = r'"call":\{"id":"([^"]+)"'


@dataclass(slots=True, frozen=True, kw_only=True)
class Popup:
    """`lasting`: seconds that a caller waits before hanging up."""

    calls: int
    per_minute: int
    lasting: float
    singles: int
    roles: tuple[str, ...] = ("web", "listen", "worker")


SIZES: Size[Popup] = Size(
    tiny=Popup(calls=5, per_minute=200, lasting=0.5, singles=30, roles=("up",)),
    quick=Popup(calls=40, per_minute=200, lasting=3, singles=300),
    full=Popup(calls=1_000, per_minute=200, lasting=10, singles=2_000),
)


async def run(size: Popup, report: Report, folder: Path) -> None:
    async with alone(folder) as made, child("exchange", str(folder / "exchange")) as exchange:
        await feed_floor(report, made.settings.mongodb.uri.get_secret_value(), size.singles)
        await made.add_account("asterisk", (await exchange.ask({"do": "start"}))["settings"])
        async with made.hub(*size.roles), child("listening") as screen:
            _, token = await made.add_user()
            await screen.ask({"do": "open", "url": made.url, "tokens": [token], "mark": MARK})
            logins = (await exchange.ask({"do": "connected", "seconds": 30}))["logins"]
            assert logins, "the hub did not log in to the exchange"
            await _call(size, report, made, exchange, screen)
    report.ratio("pop-up p99 / insert to feed p99", "popup_p99_ms", "insert_to_feed_p99_ms")


async def _call(size: Popup, report: Report, made: World, exchange: Child, screen: Child) -> None:
    asked = {"do": "call", "per_minute": size.per_minute, "lasting": size.lasting}
    # The first of all finds code to load and connections to open.
    first = (await exchange.ask(asked | {"count": 2}))["rang"]
    await screen.ask({"do": "wait", "marks": list(first), "seconds": 20})
    with spending(made.groups(exchange=[exchange.pid])) as spent:
        rang = (await exchange.ask(asked | {"count": size.calls}, within=3600))["rang"]
        await screen.ask({"do": "wait", "marks": list(rang), "seconds": 20})
    seen = (await screen.ask({"do": "tell"}))["seen"][0]
    found = spread(seen[one] - at for one, at in rang.items() if one in seen)
    lost = sum(1 for one in rang if one not in seen)
    report.figures |= {f"popup_{name}": value for name, value in found.items()} | {"popups_lost": lost}
    report.table("From the AMI event to the agent's WebSocket").add(
        calls=size.calls,
        per_minute=size.per_minute,
        **found,
        lost=lost,
        **{f"{name}_cpu_ms_per_call": used for name, used in spent.per(size.calls).items()},
    )
