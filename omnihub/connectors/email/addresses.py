"""Address headers: names and mailboxes out of what people and programs really write."""

import re
from dataclasses import dataclass

from omnihub.connectors.email.headers import WORD, clean, decode_words

MAX_ADDRESSES = 2_000
_MAILBOX = re.compile(r"[^\s<>()\[\],;:\"]+@[^\s<>()\[\],;:\"]+")
_CLOSED = re.compile(r"[>@,;\"]")
_SPACES = re.compile(r"\s+")


@dataclass(slots=True, frozen=True, kw_only=True)
class Address:
    """`address` is in lower case; '' when the header named somebody without one."""

    name: str
    address: str


def parse_addresses(value: str) -> tuple[Address, ...]:
    """Addresses of one header value whose encoded-words are not yet decoded.

    Words are decoded only after the split, so that a comma, a bracket or another address inside an
    encoded name stays a part of the name."""
    found = [_address(*piece) for piece in _pieces(value)]
    known = tuple(one for one in found if one is not None)[:MAX_ADDRESSES]
    if known and any("@" in one.address for one in known):
        return known
    decoded = decode_words(value)
    if decoded != value and "@" in decoded:
        # Some senders encode the whole header, address and all.
        return tuple(one for piece in _pieces(decoded) if (one := _address(*piece)))[:MAX_ADDRESSES]
    return known


class _Scanner:
    """One pass over the value; every character is looked at once."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.pieces: list[tuple[str, str, str]] = []
        self.reset()

    def reset(self) -> None:
        self.words: list[str] = []
        self.comment: list[str] = []
        self.angle: str | None = None

    def is_group_name(self) -> bool:
        """Whether what stands before a colon names a group (or is `mailto`), and no person."""
        words = "".join(self.words[-200:])
        return bool(words.strip()) and "@" not in words and "=?" not in words

    def finish(self) -> None:
        name, comment = "".join(self.words), "".join(self.comment)
        if self.angle is not None or name.strip() or comment.strip():
            self.pieces.append((name, self.angle or "", comment))
        self.reset()

    def quoted(self, start: int) -> int:
        """Index behind the closing quote; a quote never closed ends the value."""
        out, index = [], start + 1
        while index < len(self.value) and self.value[index] != '"':
            if self.value[index] == "\\" and index + 1 < len(self.value):
                index += 1
            out.append(self.value[index])
            index += 1
        text = "".join(out)
        local = self.value[index + 1 : index + 2] == "@"
        self.words.append(f'"{text}"' if local else text)
        return index + 1

    def parenthesis(self, start: int) -> int:
        depth, index = 0, start
        while index < len(self.value):
            char = self.value[index]
            depth += (char == "(") - (char == ")")
            if char == "\\":
                index += 1
            elif not (char == "(" and depth == 1):
                if depth == 0:
                    break
                self.comment.append(char)
            index += 1
        return index + 1

    def bracket(self, start: int) -> int:
        following = self.value.find("<", start + 2)
        if 0 < following < start + 1_000 and not _CLOSED.search(self.value, start, following):
            self.words.append("<")  # part of a name; the bracket of the address is yet to come
            return start + 1
        index, quoted = start + 1, False
        while index < len(self.value) and (quoted or self.value[index] not in ">,;"):
            quoted ^= self.value[index] == '"'
            index += 1
        if self.value[start + 1 : start + 2] == "@" and ">" in self.value[index : index + 300]:
            index = self.value.index(">", index)  # an old source route: <@relay,@relay:name@host>
        inner = self.value[start + 1 : index]
        self.angle = self.angle or inner.rpartition(":")[2].strip(" <>\t")
        return index + (self.value[index : index + 1] == ">")


def _pieces(value: str) -> list[tuple[str, str, str]]:
    scan = _Scanner(value)
    index = 0
    while index < len(value) and len(scan.pieces) < MAX_ADDRESSES:
        char = value[index]
        if char == '"':
            index = scan.quoted(index)
            continue
        if char == "(":
            index = scan.parenthesis(index)
            continue
        if char == "<":
            index = scan.bracket(index)
            continue
        if char in ",;":
            scan.finish()
        elif char == "=" and (word := WORD.match(value, index)):
            scan.words.append(word[0])
            index = word.end()
            continue
        elif char == ":" and scan.is_group_name():
            scan.reset()
        else:
            scan.words.append(char)
        index += 1
    scan.finish()
    return scan.pieces


def _address(words: str, angle: str, comment: str) -> Address | None:
    name, mailbox = words, angle
    if not angle:
        match = _MAILBOX.search(words)
        if match:
            name, mailbox = words[: match.start()] + words[match.end() :], match[0]
            if match.start() > 0 and words[: match.start()].rstrip().endswith('"') and words.lstrip()[:1] == '"':
                name, mailbox = "", words
        elif words.strip() and " " not in words.strip() and not comment.strip().count("@"):
            name, mailbox = "", words
    if "=?" in mailbox and "@" not in mailbox:
        name, mailbox = f"{name} {mailbox}", ""
    shown = clean(_SPACES.sub(" ", decode_words(name))) or clean(decode_words(comment))
    shown = _unwrapped(shown.strip("<> "))
    address = clean(_SPACES.sub("", mailbox)).lower().strip("'<>.,;")
    return Address(name=shown, address=address) if shown or address else None


def _unwrapped(name: str) -> str:
    """Names that come wrapped in a second pair of quotes."""
    while len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    return name
