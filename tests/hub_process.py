"""A whole hub as its own process, with demo channels, on free ports and its own var/."""

import asyncio
import contextlib
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

_READY_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True, frozen=True, kw_only=True)
class RunningHub:
    """`password` is the first admin's; empty when the hub has been up on this var/ before."""

    process: asyncio.subprocess.Process
    url: str
    password: str
    greeting: str

    @property
    def form_url(self) -> str:
        found = re.search(r"\S+/in/webform/\S+", self.greeting)
        assert found, self.greeting
        return found.group(0)


@contextlib.asynccontextmanager
async def running_hub(var: Path, *arguments: str, **environment: str) -> AsyncIterator[RunningHub]:
    port = free_port()
    variables = os.environ | {
        "OMNIHUB_SERVER__PORT": str(port),
        "OMNIHUB_STORAGE__VAR": str(var),
        "OMNIHUB_LOGGING__LEVEL": "warning",
        **environment,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "omnihub", *(arguments or ("up", "--demo"))),
        env=variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=None,
    )
    try:
        greeting = await asyncio.wait_for(_greeting(process), _READY_SECONDS)
        password = re.search(r"password:\s+(\S+)", greeting)
        yield RunningHub(
            process=process,
            url=f"http://127.0.0.1:{port}",
            password=password.group(1) if password else "",
            greeting=greeting,
        )
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)


async def _greeting(process: asyncio.subprocess.Process) -> str:
    """Everything that the hub prints until the empty line that ends its greeting."""
    assert process.stdout is not None
    lines: list[str] = []
    while line := (await process.stdout.readline()).decode():
        if not line.strip() and lines:
            return "".join(lines)
        lines += [line] if line.strip() else []
    raise AssertionError("the hub ended before it was ready: " + "".join(lines))
