"""Telephones, and callers from outside: each is a sipp with one of the scenarios in phones/."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.pbx.exchange import ROOT, Exchange

# Where pjsip.conf has them.
PORTS = {"101": 5101, "102": 5102, "103": 5103, "trunk": 5090}
_LONGEST_SECONDS = 60
_CALLERS = itertools.count(5200)
_MEDIA = itertools.count(30_000, 20)


@dataclass(slots=True, kw_only=True)
class Telephone:
    name: str
    scenario: str
    process: asyncio.subprocess.Process
    errors: Path

    async def done(self) -> None:
        """Once its part is played to the end."""
        code = await asyncio.wait_for(self.process.wait(), _LONGEST_SECONDS + 10)
        assert code == 0, f"{self.name} could not play “{self.scenario}” (code {code}):\n{self.said()}"

    def said(self) -> str:
        return self.errors.read_text("utf-8", "replace")[-4000:] if self.errors.exists() else ""


@dataclass(slots=True)
class Telephones:
    exchange: Exchange
    all: list[Telephone] = field(default_factory=list)

    async def phone(
        self, extension: str, scenario: str, *, pause: float = 1.0, dialled: str = "", **words: str | float
    ) -> Telephone:
        """Waits at its place, or calls what is `dialled`. `pause` and other numbers in seconds."""
        place, words = PORTS[extension], {"number": extension, **words}
        return await self._play(extension, place, f"phone_{scenario}", pause, words, dialled)

    async def caller(
        self, dialled: str, number: str, name: str, scenario: str, *, pause: float = 1.0
    ) -> Telephone:  # fmt: skip
        words = {"number": number, "name": name}
        return await self._play(number, next(_CALLERS), f"caller_{scenario}", pause, words, dialled)

    async def all_done(self) -> None:
        for one in self.all:
            await one.done()

    async def _play(
        self, name: str, port: int, scenario: str, pause: float, words: Mapping[str, str | float], dialled: str
    ) -> Telephone:  # fmt: skip
        media = next(_MEDIA)
        folder = f"{self.exchange.inside}/phones"
        errors = f"{scenario}-{port}-{media}.log"
        wanted = (self.exchange.folder / "phones" / f"{scenario}.xml").read_text("utf-8")
        process = await asyncio.create_subprocess_exec(
            "chroot", str(ROOT), "sh", "-c", 'cd "$0" && exec sipp "$@"', folder, "127.0.0.1:5060",
            "-sf", f"{scenario}.xml", "-i", "127.0.0.1", "-p", str(port), "-m", "1", "-aa", "-nostdin",
            "-min_rtp_port", str(media), "-max_rtp_port", str(media + 18), "-d", str(round(pause * 1000)),
            "-timeout", f"{_LONGEST_SECONDS}s", "-timeout_error", "-trace_err", "-error_file", errors,
            *(("-s", dialled) if dialled else ()), *_set(words, wanted),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        path = self.exchange.folder / "phones" / errors
        telephone = Telephone(name=name, scenario=scenario, process=process, errors=path)
        self.all.append(telephone)
        if not dialled:
            await _bound(port, telephone)
        return telephone

    async def answered(self, extension: str) -> None:
        await self._is(extension, "Up")

    async def ringing(self, extension: str) -> None:
        await self._is(extension, "Ringing")

    async def _is(self, extension: str, state: str) -> None:
        """As the exchange itself shows it at its console."""
        end = asyncio.get_running_loop().time() + 20
        while True:
            shown = await asyncio.to_thread(self.exchange.say, "core show channels concise")
            found = [line for line in shown.splitlines() if line.startswith(f"PJSIP/{extension}-")]
            if any(f"!{state}!" in line for line in found):
                return
            assert asyncio.get_running_loop().time() < end, f"{extension} is not {state}: {found}"
            await asyncio.sleep(0.1)

    def log(self) -> str:
        return "\n".join(f"{one.name} {one.scenario}: {one.process.returncode} {one.said()}" for one in self.all)

    async def hang_up(self) -> None:
        for one in self.all:
            if one.process.returncode is None:
                one.process.kill()
                await one.process.wait()


def _set(words: Mapping[str, str | float], scenario: str) -> list[str]:
    """What the scenario knows as a variable."""
    given: list[str] = []
    declared = scenario.split('<Global variables="', 1)[-1].split('"', 1)[0].split(",")
    for name, value in words.items():
        if name in declared:
            given += ["-set", name, value if isinstance(value, str) else str(round(value * 1000))]
    return given


async def _bound(port: int, telephone: Telephone) -> None:
    wanted = f":{port:04X} "
    async with asyncio.timeout(10):
        while wanted not in await asyncio.to_thread(Path("/proc/net/udp").read_text):
            if telephone.process.returncode is not None:
                await telephone.done()
                raise AssertionError(f"{telephone.name} is gone")
            await asyncio.sleep(0.02)


@asynccontextmanager
async def telephones(exchange: Exchange) -> AsyncIterator[Telephones]:
    placed = Telephones(exchange)
    try:
        yield placed
    finally:
        await placed.hang_up()
