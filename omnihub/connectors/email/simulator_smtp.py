"""The demo mail server's incoming side, with recipients that show every turn a delivery can take:

`gone@` is refused, `slow@` asks twice to come back later, `bounce@` is taken and comes back as a bounce.
"""

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import format_datetime, make_msgid
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from omnihub.connectors.email.simulator_store import MailStore

MAX_BYTES = 52_428_800
HOST = "mail.demo.omnihub.test"
_ADDRESS = re.compile(r"[^\s@<>\"/\\]{1,64}@(?:[a-z0-9-]+\.)+test", re.IGNORECASE)
_SLOW_TRIES = 2


def is_local(address: str) -> bool:
    return bool(_ADDRESS.fullmatch(address))


class DemoSmtp:
    """aiosmtpd's handler. Mail for other domains than .test never leaves the machine: it is refused."""

    def __init__(self, store: MailStore, password: str) -> None:
        self._store = store
        self._password = password
        self._slow: Counter[tuple[str, str]] = Counter()
        self._talks: set[_Talk] = set()

    def protocol(self) -> SMTP:
        talk = _Talk(
            self,
            data_size_limit=MAX_BYTES,
            hostname=HOST,
            ident="omnihub demo mail",
            authenticator=self._authenticate,
            auth_require_tls=False,
            enable_SMTPUTF8=False,
            loop=asyncio.get_running_loop(),
        )
        self._talks.add(talk)
        talk.ended = self._talks.discard
        return talk

    def hang_up(self) -> None:
        for talk in list(self._talks):
            talk.hang_up()

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: Any
    ) -> AuthResult:
        good = isinstance(auth_data, LoginPassword) and auth_data.password == self._password.encode()
        return AuthResult(success=good, handled=False)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        local = address.rpartition("@")[0].lower()
        if not is_local(address):
            return "550 5.7.1 This demo server delivers only to addresses that end in .test"
        if local == "gone":
            return f"550 5.1.1 <{address}>: there is no such mailbox here"
        if local == "slow" and self._must_wait(address.lower(), envelope.mail_from or ""):
            return f"451 4.7.1 <{address}>: greylisted, come back later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    def _must_wait(self, address: str, sender: str) -> bool:
        self._slow[address, sender] += 1
        if self._slow[address, sender] <= _SLOW_TRIES:
            return True
        del self._slow[address, sender]
        return False

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        raw = envelope.original_content or b""
        sender = envelope.mail_from or ""
        for recipient in envelope.rcpt_tos:
            if recipient.lower().startswith("bounce@"):
                if sender and is_local(sender):
                    self._deliver(_bounce(raw, recipient, sender), "", sender)
            else:
                self._deliver(raw, sender, recipient)
        return "250 2.0.0 OK: delivered"

    def _deliver(self, raw: bytes, sender: str, recipient: str) -> None:
        now = format_datetime(datetime.now(UTC))
        trace = (
            f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n"
            f"Received: from demo by {HOST} with ESMTP for <{recipient}>; {now}\r\n"
        )
        self._store.mailbox(recipient).inbox.add(trace.encode("utf-8", "replace") + raw)


class _Talk(SMTP):
    """One client's connection, which can be ended from outside."""

    ended: Any = None

    def hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self.ended:
            self.ended(self)


def _bounce(raw: bytes, recipient: str, sender: str) -> bytes:
    """A delivery status notification as RFC 3464 has it, with the original's header."""
    words = f"550 5.1.1 <{recipient}>: this mailbox was closed"
    report = MIMEMultipart("report")
    report.set_param("report-type", "delivery-status")
    report["From"] = f"Mail Delivery System <MAILER-DAEMON@{HOST}>"
    report["To"] = sender
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Date"] = format_datetime(datetime.now(UTC))
    report["Message-ID"] = make_msgid(domain=HOST)
    report["Auto-Submitted"] = "auto-replied"
    report.attach(MIMEText(f"Your message to {recipient} could not be delivered:\n\n    {words}\n"))
    server, one = Message(), Message()
    server["Reporting-MTA"] = f"dns; {HOST}"
    one["Final-Recipient"] = f"rfc822; {recipient}"
    one["Action"] = "failed"
    one["Status"] = "5.1.1"
    one["Diagnostic-Code"] = f"smtp; {words}"
    status = MIMEBase("message", "delivery-status")
    status.set_payload([server, one])
    head = MIMEBase("text", "rfc822-headers")
    head.set_payload("".join(f"{name}: {value}\n" for name, value in BytesHeaderParser().parsebytes(raw).items()))
    report.attach(status)
    report.attach(head)
    return report.as_bytes(policy=compat32.clone(linesep="\r\n"))
