import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

STRAY_GRACE_S = 20.0

# Runs in the child between fork and exec, as a program of its own because code in a preexec_fn can
# deadlock once the hub has threads. PR_SET_PDEATHSIG (1) survives exec: when the thread that started us
# ends, for whatever reason, the kernel asks the engine to shut down. A hub that died before the call
# would go unnoticed, hence the look at the parent afterwards.
_LAUNCHER = """
import ctypes, os, resource, signal, sys
if ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0):
    sys.exit("prctl(PR_SET_PDEATHSIG) refused")
if os.getppid() != int(sys.argv[1]):
    sys.exit("the hub is gone")
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
wanted = 64000 if hard == resource.RLIM_INFINITY else min(hard, 64000)
resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
os.umask(0o077)
try:
    os.execv(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit("cannot be executed: " + error.strerror)
"""


class Child:
    """A running engine. Started by the thread of the event loop, which has to outlive it."""

    def __init__(self, command: Sequence[str], cwd: Path, output: Path) -> None:
        with output.open("wb") as sink:
            # A session of its own: Ctrl-C in the terminal reaches the hub only, which drains first.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=_environment(),
            )
        self.started_at = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[int] = self._loop.create_future()
        # A thread instead of a pidfd: containers on kernels before 5.3 have none.
        threading.Thread(target=self._reap, name=f"reap-{self.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        """The exit status; negative: the signal that ended it."""
        return await asyncio.shield(self._exit)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def stop(self, grace: float) -> int:
        """Asks, waits `grace` seconds, then kills."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                return await self.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            return await self.wait()

    def _reap(self) -> None:
        status = self._process.wait()
        # A loop that was closed without stopping its engines has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle, status)

    def _settle(self, status: int) -> None:
        if not self._exit.done():
            self._exit.set_result(status)


def _environment() -> dict[str, str]:
    # mongod refuses to start under a locale that the machine does not have.
    return {**os.environ, "LC_ALL": "C"}


def strays(binary: Path, data: Path) -> list[int]:
    """Processes of an earlier hub that still work on `data`: same program, and the directory is its
    working directory or one of its arguments. Number alone would prove nothing, pids are reused."""
    # Distributions make redis-server a link to a program of another name.
    names = {binary.name, binary.resolve().name}
    return [pid for pid in _processes() if _program(pid) in names and _works_on(pid, data)]


async def end_stray(pid: int) -> None:
    for number, seconds in ((signal.SIGTERM, STRAY_GRACE_S), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if await _gone(pid, seconds):
            return


async def _gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _is_dead(pid):
            return True
        await asyncio.sleep(0.02)
    return False


def _is_dead(pid: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return fields[0] in "ZX"  # a zombie holds neither files nor locks


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _program(pid: int) -> str | None:
    try:
        return Path(os.readlink(f"/proc/{pid}/exe")).name.removesuffix(" (deleted)")
    except OSError:  # gone meanwhile, a kernel thread, or somebody else's: not ours
        return None


def _works_on(pid: int, data: Path) -> bool:
    # Redis writes its title over its arguments, so only the working directory tells.
    try:
        if os.readlink(f"/proc/{pid}/cwd") == str(data):
            return True
        return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:  # gone meanwhile
        return False
