"""Programs of ours that run beside the benchmark: they are told and answer in lines of JSON."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

_ROOT = Path(__file__).parent.parent
_LINE_BYTES = 64 * 1024 * 1024
_END_SECONDS = 20.0


class ChildFailed(Exception):
    """It ended before it answered."""


class Child:
    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name

    @property
    def pid(self) -> int:
        return self._process.pid

    async def tell(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(dict(message), default=str) + b"\n")
        await self._process.stdin.drain()

    async def hear(self, within: float = 600.0) -> dict[str, Any]:
        """Raises ChildFailed."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), within)
        if not line:
            raise ChildFailed(f"{self._name} ended with {await self._process.wait()}")
        heard: dict[str, Any] = orjson.loads(line)
        return heard

    async def ask(self, message: Mapping[str, Any], within: float = 600.0) -> dict[str, Any]:
        await self.tell(message)
        return await self.hear(within)

    async def end(self) -> None:
        """It ends where its input does; by force when it does not."""
        if self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), _END_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[Child]:
    """`python -m bench.<module>`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"bench.{module}", *arguments),
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    started = Child(process, module)
    try:
        yield started
    finally:
        await started.end()


class Parent:
    """The other end, in the child."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    @classmethod
    async def connect(cls) -> "Parent":
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_LINE_BYTES)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        return cls(reader)

    async def hear(self) -> dict[str, Any] | None:
        """None: the benchmark is over."""
        line = await self._reader.readline()
        return orjson.loads(line) if line else None

    def say(self, message: Mapping[str, Any]) -> None:
        sys.stdout.buffer.write(orjson.dumps(dict(message)) + b"\n")
        sys.stdout.buffer.flush()
