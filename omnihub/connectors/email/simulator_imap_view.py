"""What one client knows of its selected folder. Numbers change only when the client was told so."""

import asyncio
from collections.abc import Callable, Iterator

from omnihub.connectors.email.simulator_imap_grammar import numbers
from omnihub.connectors.email.simulator_store import MailFolder, StoredMail


class Refusal(Exception):
    """A tagged NO; the text is for the client."""


class View:
    def __init__(self, folder: MailFolder, *, readonly: bool) -> None:
        self.folder = folder
        self.readonly = readonly
        self.changed = asyncio.Event()
        self.mails = list(folder.mails)
        self._flags = {mail.uid: mail.flags for mail in self.mails}
        folder.watchers.add(self.changed.set)

    def close(self) -> None:
        self.folder.watchers.discard(self.changed.set)

    def tell(self, say: Callable[[str], None]) -> None:
        """What changed since the client last heard."""
        self.changed.clear()
        present = {mail.uid for mail in self.folder.mails}
        for number in range(len(self.mails), 0, -1):
            if self.mails[number - 1].uid not in present:
                self._flags.pop(self.mails.pop(number - 1).uid, None)
                say(f"* {number} EXPUNGE")
        if len(self.folder.mails) > len(self.mails):
            new = self.folder.mails[len(self.mails) :]
            self.mails += new
            self._flags |= {mail.uid: mail.flags for mail in new}
            say(f"* {len(self.mails)} EXISTS")
            say("* 0 RECENT")
        for number, mail in enumerate(self.mails, 1):
            if self._flags[mail.uid] != mail.flags:
                self._flags[mail.uid] = mail.flags
                say(f"* {number} FETCH (UID {mail.uid} FLAGS ({' '.join(sorted(mail.flags))}))")

    def heard(self, mail: StoredMail) -> None:
        """The client knows this mail's flags from another answer."""
        self._flags[mail.uid] = mail.flags

    def chosen(self, spec: str, *, by_uid: bool) -> Iterator[tuple[int, StoredMail]]:
        """Number and mail, without those that somebody removed meanwhile."""
        largest = (self.mails[-1].uid if self.mails else 0) if by_uid else len(self.mails)
        ranges = list(numbers(spec, largest))
        for number, mail in enumerate(self.mails, 1):
            value = mail.uid if by_uid else number
            if any(low <= value <= high for low, high in ranges) and mail.path.exists():
                yield number, mail

    def writable(self) -> MailFolder:
        if self.readonly:
            raise Refusal("[READ-ONLY] the folder was opened with EXAMINE")
        return self.folder
