import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

import omnihub
from omnihub.search.words import by_letter, needs_cutting, tokens

_ROOT = str(Path(omnihub.__file__).parent.parent)
_LONGEST_ANSWER = 2**28


class CutterGone(Exception):
    """The process that cuts has ended; the next call starts another."""


class Cutter:
    """Tokens of texts, cut by a process beside this one. See `omnihub.search.cutting`."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """Raises CutterGone."""
        found: list[list[str]] = [[] for _ in texts]
        asked = []
        for index, text in enumerate(texts):
            if needs_cutting(text):
                asked.append(index)
            else:
                found[index] = tokens(text, by_letter)
        if asked:
            answers = await self._ask([texts[index] for index in asked])
            for index, answer in zip(asked, answers, strict=True):
                found[index] = answer
        return found

    async def _ask(self, texts: Sequence[str]) -> list[list[str]]:
        if self._process is None or self._process.returncode is not None:
            self._process = await _start()
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        # A text that came with half a character in it is cut all the same.
        question = orjson.dumps([text.encode("utf-8", "replace").decode() for text in texts])
        try:
            process.stdin.write(len(question).to_bytes(4) + question)
            await process.stdin.drain()
            size = int.from_bytes(await process.stdout.readexactly(4))
            answer: list[list[str]] = orjson.loads(await process.stdout.readexactly(size))
        except (ConnectionError, asyncio.IncompleteReadError, orjson.JSONDecodeError) as error:
            await self.rest()
            raise CutterGone(f"the process that cuts words has ended: {error}") from error
        except asyncio.CancelledError:
            await self.rest()  # its answer to this would be taken for the next one's
            raise
        return answer

    async def rest(self) -> None:
        """Ends the process and frees what it held."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()


async def _start() -> asyncio.subprocess.Process:
    paths = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "ignore", "-m", "omnihub.search.cutting"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        limit=_LONGEST_ANSWER,
    )
