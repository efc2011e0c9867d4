"""One blocking IMAP connection, used from one thread at a time."""

import imaplib
import re
import select
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientError, LoginError
from imapclient.imapclient import SENT

from omnihub.connectors.email.headers import message_ids
from omnihub.connectors.email.settings import Settings
from omnihub.connectors.email.tls import NotEncrypted, tls_context

CONNECT_TIMEOUT = 20.0
READ_TIMEOUT = 60.0
_ID = {"name": "omnihub", "version": "1.0", "vendor": "omnihub"}
_MESSAGE_ID = re.compile(rb"(?im)^message-id:\s*(.*(?:\r?\n[ \t].*)*)")
_WINDOW = 50_000
_HEADER = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"

__all__ = ["CONNECT_TIMEOUT", "IMAPClientError", "ImapSession", "LoginError", "Opened", "Summary", "Wake"]


class Wake:
    """Ends a wait in another thread: what the waiting thread polls beside its socket."""

    def __init__(self) -> None:
        self._out, self._in = socket.socketpair()
        self._in.setblocking(False)

    def fileno(self) -> int:
        return self._out.fileno()

    def set(self) -> None:
        with suppress(OSError):  # already full, or closed: either way nobody sleeps on
            self._in.send(b"!")

    def close(self) -> None:
        self._in.close()
        self._out.close()


@dataclass(slots=True, frozen=True, kw_only=True)
class Opened:
    """What SELECT said of a folder."""

    uidvalidity: int
    uidnext: int


@dataclass(slots=True, frozen=True, kw_only=True)
class Summary:
    uid: int
    size: int
    message_id: str
    internal_date: datetime | None


class _Client(IMAPClient):  # type: ignore[misc]
    """Shows its socket before the greeting, so that a connection that hangs half-open can be cut."""

    def __init__(self, shown: Callable[[socket.socket], None], *args: Any, **options: Any) -> None:
        self._shown = shown
        super().__init__(*args, **options)

    def _create_IMAP4(self) -> imaplib.IMAP4:
        outer = self

        class _Connection(imaplib.IMAP4):
            def _create_socket(self, timeout: float | None = None) -> socket.socket:
                bare = socket.create_connection((self.host, self.port), CONNECT_TIMEOUT)
                outer._shown(bare)
                return outer.ssl_context.wrap_socket(bare, self.host) if outer.ssl else bare

        return _Connection(self.host, self.port)


class _Handshake:
    """What imaplib takes for an SSL context. Shows the encrypted socket before the handshake: wrapping empties
    the bare one, and a server that falls silent in the handshake could not be cut."""

    def __init__(self, context: ssl.SSLContext, shown: Callable[[socket.socket], None]) -> None:
        self._context = context
        self._shown = shown

    def wrap_socket(self, bare: socket.socket, server_hostname: str) -> socket.socket:
        wrapped = self._context.wrap_socket(bare, server_hostname=server_hostname, do_handshake_on_connect=False)
        try:
            self._shown(wrapped)
            wrapped.do_handshake()
        except (OSError, ValueError):
            wrapped.close()
            raise
        return wrapped


class ImapSession:
    """Every method blocks; only `cut` may be called from another thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: _Client | None = None
        self._wake = Wake()
        self._cut = False
        self._socket: socket.socket | None = None

    def open(self, access_token: str = "") -> None:
        """Connects, signs in and names itself; after a LoginError it may be called again.

        163, 126 and yeah.net refuse SELECT to clients that never sent ID ("Unsafe Login", seen in imapclient
        issue 544, read 2026-11)."""
        if self._client is None:
            self._connect()
        self._login(access_token)
        if self.can("ID"):
            with suppress(IMAPClientError):  # some servers advertise it and then refuse it
                self.client.id_(_ID)

    def _connect(self) -> None:
        settings = self._settings
        context = None if settings.imap_security == "none" else _Handshake(tls_context(settings), self._see)
        self._client = _Client(
            self._see,
            settings.imap_host,
            port=settings.imap_port,
            ssl=settings.imap_security == "tls",
            ssl_context=context,
            timeout=SocketTimeout(CONNECT_TIMEOUT, READ_TIMEOUT),
        )
        self._client.normalise_times = False
        if settings.imap_security == "starttls":
            if not self.can("STARTTLS"):
                raise NotEncrypted("the IMAP server offers no STARTTLS")
            self._client.starttls(context)

    def _see(self, connection: socket.socket) -> None:
        self._socket = connection
        if self._cut:
            connection.close()
            raise OSError("the connection is no longer wanted")

    def can(self, capability: str) -> bool:
        return bool(self.client.has_capability(capability))

    @property
    def client(self) -> _Client:
        if self._client is None or self._cut:
            raise OSError("the connection is closed")
        return self._client

    def _login(self, access_token: str) -> None:
        user, password = self._settings.login, self._settings.password.get_secret_value()
        if access_token:
            self.client.oauth2_login(user, access_token)
        elif self.can("LOGINDISABLED") or not (user + password).isascii():
            self.client.plain_login(user, password)
        else:
            self.client.login(user, password)

    def folders(self) -> list[str]:
        return [str(name) for _, _, name in self.client.list_folders()]

    def sent_folder(self) -> str:
        return str(self._settings.sent_folder or self.client.find_special_folder(SENT) or "")

    def select(self, folder: str) -> Opened:
        """Read-only, so that no flag can change by our doing."""
        answer = self.client.select_folder(folder, readonly=True)
        self.stirred()
        uidnext = int(answer.get(b"UIDNEXT") or 0)
        if not uidnext:
            uidnext = max(self.client.search("ALL"), default=0) + 1
        return Opened(uidvalidity=int(answer.get(b"UIDVALIDITY") or 0), uidnext=uidnext)

    def stirred(self) -> bool:
        """Whether the server told of mail since the last look, in between its answers to other commands:
        the library lets such a line fall, and IDLE will not repeat it."""
        return bool(self.client._imap.untagged_responses.pop("EXISTS", None))

    def uids_after(self, last_uid: int, opened: Opened, since: date | None = None) -> list[int]:
        """In windows, for an answer line may not grow beyond 1 MB. `n:*` names the newest mail even where
        its uid is below n (seen with Dovecot 2.3), hence the second look."""
        found: set[int] = set()
        first = last_uid + 1
        while True:
            is_last = first + _WINDOW >= opened.uidnext
            criteria: list[Any] = ["UID", f"{first}:*" if is_last else f"{first}:{first + _WINDOW - 1}"]
            found.update(self.client.search([*criteria, "SINCE", since] if since else criteria))
            if is_last:
                return sorted(uid for uid in found if uid > last_uid)
            first += _WINDOW

    def summaries(self, uids: Sequence[int]) -> list[Summary]:
        answer = self.client.fetch(list(uids), ["RFC822.SIZE", "INTERNALDATE", _HEADER])
        return [_summary(uid, answer[uid]) for uid in uids if uid in answer]

    def bodies(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Mails that were expunged meanwhile are missing."""
        answer = self.client.fetch(list(uids), ["BODY.PEEK[]"])
        return {uid: answer[uid][b"BODY[]"] for uid in uids if answer.get(uid, {}).get(b"BODY[]") is not None}

    def beginning(self, uid: int, size: int) -> bytes | None:
        answer = self.client.fetch([uid], [f"BODY.PEEK[]<0.{size}>"]).get(uid, {})
        return next((value for key, value in answer.items() if key.startswith(b"BODY[]")), None)

    def header(self, uid: int) -> bytes | None:
        found: bytes | None = self.client.fetch([uid], ["BODY.PEEK[HEADER]"]).get(uid, {}).get(b"BODY[HEADER]")
        return found

    def append(self, folder: str, raw: bytes, at: datetime) -> None:
        self.client.append(folder, raw, (rb"\Seen",), at)

    def wait(self, seconds: float) -> bool:
        """IDLE, where the server has it, for at most `seconds`; True when something happened.

        The socket is only watched here and read by `idle_done`: a dead server shows as an error of that
        call, while `idle_check` would report silence. Whatever arrived together with the server's
        go-ahead lies in the reader's buffer, where no poll can see it."""
        client = self.client
        if not self.can("IDLE"):
            _readable([self._wake], seconds)
            return bool(client.noop())
        early = self._start_idle()
        if not early and not self._buffered():
            _readable([client.socket(), self._wake], seconds)
        _, responses = client.idle_done()
        _, more = client.noop()
        news = [*early, *responses, *more]
        if any(line and line[0] == b"BYE" for line in news):
            raise OSError("the server said goodbye")
        return any(len(line) > 1 and line[1] == b"EXISTS" for line in news)

    def _start_idle(self) -> list[tuple[Any, ...]]:
        """What the server says before its go-ahead; the library's `idle` takes that for a mistake."""
        connection = self.client._imap
        tag = self.client._idle_tag = connection._command("IDLE")
        early: list[tuple[Any, ...]] = []
        while (line := connection._get_response()) is not None:
            if connection.tagged_commands.get(tag):
                raise IMAPClientError(f"IDLE was refused: {line!r}")
            early.append(tuple(line.split()[1:3]))
        return early

    def _buffered(self) -> bool:
        client = self.client
        client.socket().setblocking(False)
        try:
            return bool(client._imap.file.peek(1))
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        finally:
            client.socket().settimeout(READ_TIMEOUT)

    def close(self) -> None:
        """From the thread that works with it."""
        client, self._client = self._client, None
        self._wake.close()
        connection = getattr(client, "_imap", None)
        if connection is None:
            return
        try:
            if not self._cut:
                connection.sock.settimeout(2)
                client.logout()  # type: ignore[union-attr]
        except (IMAPClientError, OSError):
            pass  # a polite goodbye to somebody who left
        finally:
            with suppress(OSError):
                connection.shutdown()

    def cut(self) -> None:
        """From any thread: whatever blocks ends at once with an error."""
        self._cut = True
        if self._socket is not None:
            with suppress(OSError):
                # Not the TLS socket's own shutdown, which would pull its state from under the reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        self._wake.set()


def _summary(uid: int, answer: dict[bytes, Any]) -> Summary:
    header = next((value for key, value in answer.items() if key.startswith(b"BODY[HEADER")), b"") or b""
    at = answer.get(b"INTERNALDATE")
    return Summary(
        uid=uid,
        size=int(answer.get(b"RFC822.SIZE") or 0),
        message_id=message_id_in(header),
        internal_date=at.astimezone(UTC) if isinstance(at, datetime) else None,
    )


def message_id_in(header: bytes) -> str:
    found = _MESSAGE_ID.search(header)
    ids = message_ids(found[1].decode("ascii", "replace")) if found else ()
    return ids[0] if ids else ""


def _readable(watched: Iterable[Any], seconds: float) -> None:
    poller = select.poll()
    for one in watched:
        poller.register(one.fileno(), select.POLLIN)
    poller.poll(seconds * 1000)
