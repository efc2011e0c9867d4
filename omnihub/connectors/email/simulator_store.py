"""The demo mail server's mailboxes, kept as files so that they outlive a restart.

A folder is a directory of `<uid>_<seconds>_<flags>.eml` files and a `folder.json` with what IMAP must
never forget: UIDVALIDITY and UIDNEXT.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

_FILE = re.compile(r"(\d+)_(\d+)_([A-Z]*)\.eml")
_LINE_END = re.compile(rb"\r?\n")
_LETTERS = {"\\Seen": "S", "\\Answered": "A", "\\Flagged": "F", "\\Deleted": "T", "\\Draft": "D"}
_FLAGS = {letter: flag for flag, letter in _LETTERS.items()}
FLAGS = tuple(_LETTERS)
SPECIAL = {"Sent": "\\Sent", "Drafts": "\\Drafts", "Trash": "\\Trash"}


@dataclass(slots=True)
class StoredMail:
    uid: int
    at: datetime
    flags: frozenset[str]
    path: Path
    size: int

    def raw(self) -> bytes:
        return self.path.read_bytes()


@dataclass(slots=True, eq=False)
class MailFolder:
    """`watchers` are called after every change."""

    name: str
    path: Path
    uidvalidity: int
    uidnext: int
    mails: list[StoredMail] = field(default_factory=list)
    watchers: set[Callable[[], None]] = field(default_factory=set)

    @classmethod
    def open(cls, path: Path) -> "MailFolder":
        path.mkdir(parents=True, exist_ok=True)
        state = path / "folder.json"
        kept = (
            json.loads(state.read_text()) if state.exists() else {"uidvalidity": _new_uidvalidity(), "uidnext": 1}
        )
        folder = cls(unquote(path.name), path, kept["uidvalidity"], kept["uidnext"])
        for file in path.glob("*.eml"):
            if match := _FILE.fullmatch(file.name):
                flags = frozenset(_FLAGS[letter] for letter in match[3] if letter in _FLAGS)
                at = datetime.fromtimestamp(int(match[2]), UTC)
                folder.mails.append(StoredMail(int(match[1]), at, flags, file, file.stat().st_size))
        folder.mails.sort(key=lambda mail: mail.uid)
        folder.uidnext = max(folder.uidnext, folder.mails[-1].uid + 1 if folder.mails else 1)
        folder._save()
        return folder

    def add(self, raw: bytes, flags: frozenset[str] = frozenset(), at: datetime | None = None) -> StoredMail:
        """Lines end with CRLF from here on, as IMAP and POP promise."""
        raw = _LINE_END.sub(b"\r\n", raw)
        uid, at = self.uidnext, at or datetime.now(UTC)
        self.uidnext += 1
        self._save()
        path = self._file(uid, at, flags)
        _write(path, raw)
        mail = StoredMail(uid, at, flags, path, len(raw))
        self.mails.append(mail)
        self.changed()
        return mail

    def flag(self, mail: StoredMail, flags: frozenset[str]) -> None:
        path = self._file(mail.uid, mail.at, flags)
        mail.path.rename(path)
        mail.path, mail.flags = path, flags
        self.changed()

    def remove(self, mail: StoredMail) -> None:
        mail.path.unlink()
        self.mails.remove(mail)
        self.changed()

    def changed(self) -> None:
        for watcher in list(self.watchers):
            watcher()

    def _file(self, uid: int, at: datetime, flags: frozenset[str]) -> Path:
        letters = "".join(sorted(_LETTERS[flag] for flag in flags if flag in _LETTERS))
        return self.path / f"{uid}_{int(at.timestamp())}_{letters}.eml"

    def _save(self) -> None:
        state = {"uidvalidity": self.uidvalidity, "uidnext": self.uidnext}
        _write(self.path / "folder.json", json.dumps(state).encode())


class Mailbox:
    def __init__(self, address: str, path: Path) -> None:
        self.address = address
        self._path = path
        self._folders = {unquote(one.name): MailFolder.open(one) for one in path.iterdir() if one.is_dir()}
        for name in ("INBOX", *SPECIAL):
            self.create(name)

    @property
    def inbox(self) -> MailFolder:
        return self._folders["INBOX"]

    def names(self) -> list[str]:
        return sorted(self._folders)

    def folder(self, name: str) -> MailFolder | None:
        return self._folders.get("INBOX" if name.upper() == "INBOX" else name)

    def create(self, name: str) -> MailFolder:
        if name not in self._folders:
            self._folders[name] = MailFolder.open(self._path / quote(name, safe=" "))
        return self._folders[name]

    def delete(self, name: str) -> bool:
        if name.upper() == "INBOX" or name not in self._folders:
            return False
        folder = self._folders.pop(name)
        shutil.rmtree(folder.path)
        return True


class MailStore:
    """Mailboxes by address; one is made for whoever is written to or signs in."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mailboxes: dict[str, Mailbox] = {}

    def mailbox(self, address: str) -> Mailbox:
        """`desk+anything@` is `desk@`."""
        local, _, domain = address.lower().rpartition("@")
        base = f"{local.partition('+')[0]}@{domain}"
        if base not in self._mailboxes:
            path = self._root / quote(base, safe="@")
            path.mkdir(parents=True, exist_ok=True)
            self._mailboxes[base] = Mailbox(base, path)
        return self._mailboxes[base]

    def addresses(self) -> list[str]:
        on_disk = {unquote(one.name) for one in self._root.iterdir()} if self._root.exists() else set()
        return sorted(on_disk | set(self._mailboxes))


def _new_uidvalidity() -> int:
    """Eighths of seconds since 2025: a folder made anew gets a greater one, and 32 bits last until 2042."""
    return int((time.time() - 1_735_689_600) * 8)


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(content)
    os.replace(part, path)
