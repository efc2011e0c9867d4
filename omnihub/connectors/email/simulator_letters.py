"""A customer's mail as the demo's web mailbox shows and writes it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from omnihub.connectors.email import outgoing_text
from omnihub.connectors.email.parsing import ParsedMail, parse_mail
from omnihub.connectors.email.simulator_store import Mailbox, StoredMail
from omnihub.model.outgoing import Quoted

SHOWN = 200  # the newest mails of a folder that the page looks at


@dataclass(slots=True, frozen=True)
class Letter:
    folder: str
    stored: StoredMail
    mail: ParsedMail

    @property
    def key(self) -> str:
        return f"{self.folder}:{self.stored.uid}"

    @property
    def unread(self) -> bool:
        return self.folder == "INBOX" and "\\Seen" not in self.stored.flags


class Reading:
    """Parsed letters, kept while the page is in use."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int, int], ParsedMail] = {}

    def letters(self, mailbox: Mailbox) -> list[Letter]:
        found = []
        for name in ("INBOX", "Sent"):
            folder = mailbox.create(name)
            for stored in folder.mails[-SHOWN:]:
                key = (mailbox.address, name, folder.uidvalidity, stored.uid)
                if key not in self._known:
                    if len(self._known) > 5_000:
                        self._known.clear()
                    self._known[key] = parse_mail(stored.raw())
                found.append(Letter(name, stored, self._known[key]))
        return sorted(found, key=lambda letter: letter.stored.at)


def threads(letters: Iterable[Letter]) -> list[list[Letter]]:
    """Joined by their references, as mail programs do; newest thread first."""
    by_id: dict[str, list[Letter]] = {}
    found: list[list[Letter]] = []
    for letter in letters:
        ids = (letter.mail.message_id, *letter.mail.references, *letter.mail.in_reply_to)
        thread = next((by_id[one] for one in ids if one in by_id), None)
        if thread is None:
            thread = []
            found.append(thread)
        thread.append(letter)
        by_id.update({one: thread for one in ids if one})
    return sorted(found, key=lambda thread: thread[-1].stored.at, reverse=True)


@dataclass(slots=True, frozen=True, kw_only=True)
class Draft:
    """`answers`: the letter being answered. `files`: name, media type, content."""

    sender: str
    to: str
    subject: str
    text: str
    answers: Letter | None = None
    files: Sequence[tuple[str, str, bytes]] = ()


def write(draft: Draft) -> EmailMessage:
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    mail["From"] = draft.sender
    mail["To"] = draft.to
    mail["Subject"] = " ".join(draft.subject.split())
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = make_msgid(domain=draft.sender.rpartition("@")[2])
    text = draft.text.replace("\r\n", "\n").rstrip("\n") + "\n"
    if draft.answers:
        answered = draft.answers.mail
        references = [*[*answered.references, *answered.in_reply_to][-15:], answered.message_id]
        mail["In-Reply-To"] = f"<{answered.message_id}>"
        mail["References"] = " ".join(f"<{one}>" for one in dict.fromkeys(references))
        text += "\n" + outgoing_text.quote_below(_quoted(draft.answers), text) + "\n"
    mail.set_content(text)
    for name, media_type, content in draft.files:
        maintype, _, subtype = media_type.partition("/")
        mail.add_attachment(content, maintype, subtype or "octet-stream", filename=name)
    return mail


def _quoted(letter: Letter) -> Quoted:
    sender = letter.mail.from_
    shown = f"{sender.name} <{sender.address}>".strip() if sender else ""
    return Quoted(sender=shown, sent_at=letter.stored.at, text=letter.mail.text, html="")
