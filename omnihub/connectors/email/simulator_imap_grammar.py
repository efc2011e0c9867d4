"""IMAP commands as tokens: `str` for atoms, `bytes` for quoted strings and literals, `list` for (…)."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import Union

MAX_LINE = 65_536
MAX_LITERAL = 52_428_800
_LITERAL = re.compile(rb"\{(\d{1,10})(\+?)\}$")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ATOM = re.compile(rb'(?:[^\s()"\[]|\[[^\]]*\])+')

Token = Union[str, bytes, "list[Token]"]


class BadCommand(Exception):
    """The client's words cannot be understood; the text is for the client."""


class CommandReader:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def line(self) -> bytes:
        """Raises EOFError where the client left, BadCommand where it says too much at once."""
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            raise EOFError from None
        except asyncio.LimitOverrunError:
            raise BadCommand("the line is too long") from None
        return line.rstrip(b"\r\n")

    async def command(self) -> list[Token]:
        parts: list[tuple[bytes, bytes | None]] = []
        size = 0
        while True:
            line = await self.line()
            literal = _LITERAL.search(line)
            if not literal:
                parts.append((line, None))
                return tokens(parts)
            size += int(literal[1])
            if size > MAX_LITERAL or len(parts) > 100:
                raise BadCommand("the literal is too large")
            if not literal[2]:
                self._writer.write(b"+ go ahead\r\n")
                await self._writer.drain()
            try:
                content = await self._reader.readexactly(int(literal[1]))
            except asyncio.IncompleteReadError:
                raise EOFError from None
            parts.append((line[: literal.start()], content))


def tokens(parts: Sequence[tuple[bytes, bytes | None]]) -> list[Token]:
    """Each part is a piece of line and the literal that followed it."""
    stack: list[list[Token]] = [[]]
    for line, literal in parts:
        _scan(line, stack)
        if literal is not None:
            stack[-1].append(literal)
    if len(stack) != 1:
        raise BadCommand("a parenthesis is not closed")
    return stack[0]


def _scan(line: bytes, stack: list[list[Token]]) -> None:
    index = 0
    while index < len(line):
        char = line[index : index + 1]
        if char.isspace():
            index += 1
        elif char == b"(":
            if len(stack) > 20:
                raise BadCommand("too many parentheses")
            inner: list[Token] = []
            stack[-1].append(inner)
            stack.append(inner)
            index += 1
        elif char == b")":
            if len(stack) == 1:
                raise BadCommand("a parenthesis was never opened")
            stack.pop()
            index += 1
        elif found := (_QUOTED if char == b'"' else _ATOM).match(line, index):
            quoted = char == b'"'
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", found[1]) if quoted else found[0].decode("latin-1"))
            index = found.end()
        else:
            raise BadCommand("a quote or bracket is not closed")


def text(token: Token) -> str:
    if isinstance(token, list):
        raise BadCommand("a list stands where a word was expected")
    return token if isinstance(token, str) else token.decode("utf-8", "replace")


def flags(token: Token) -> list[str]:
    return [text(one) for one in token] if isinstance(token, list) else [text(token)]


def numbers(spec: str, largest: int) -> Iterator[tuple[int, int]]:
    """Ranges of a sequence set; `*` is the largest number there is, and either end may come first."""
    for piece in spec.split(","):
        ends = [largest if end == "*" else int(end) if end.isdigit() else -1 for end in piece.split(":")]
        if len(ends) > 2 or min(ends) < 0:
            raise BadCommand(f"{spec} is no set of numbers")
        yield min(ends), max(ends)


def string(value: str | bytes | None) -> bytes:
    """As quoted string where that is safe, else as literal."""
    if value is None:
        return b"NIL"
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    if len(raw) < 1000 and all(32 <= byte < 127 and byte not in b'"\\' for byte in raw):
        return b'"' + raw + b'"'
    return literal(raw)


def literal(raw: bytes) -> bytes:
    return b"{%d}\r\n%s" % (len(raw), raw)
