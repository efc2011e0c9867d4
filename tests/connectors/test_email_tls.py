import asyncio
import base64
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from certificates import HERE, Authority, Shown, TlsDovecot
from dovecot import BINARY, PASSWORD, Dovecot
from email_desk import Listening, MemoryDesk, connector, mail, now, outgoing
from pydantic import ValidationError

from omnihub.connectors.contract import Finding, Toolbox
from omnihub.connectors.email import checking, tls
from omnihub.connectors.email.connector import Connector
from omnihub.connectors.email.oauth import AccessTokens
from omnihub.connectors.email.settings import Settings
from omnihub.model.errors import TryLater

needs_dovecot = pytest.mark.skipif(not BINARY, reason="dovecot is not installed (apt-get install dovecot-imapd)")
both_ways = pytest.mark.parametrize("security", ["tls", "starttls"])
REMEDY = {
    "unknown": "authority that this machine does not know",
    "name": "by a name that stands on",
    "old": "expired",
}


@pytest.fixture
def root() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="tls"))  # short: unix socket paths end at 108 bytes
    yield made
    shutil.rmtree(made)


@pytest.fixture
def authority(root: Path) -> Authority:
    return Authority(root)


class Post:
    """A real SMTP server that takes mail only from who signed in. `taken`: each mail, and whether STARTTLS
    came before it."""

    def __init__(self) -> None:
        self.taken: list[tuple[Envelope, bool]] = []
        self.sign_ins: list[str] = []
        self.good_tokens: set[str] = set()
        self.port = 0
        self.talks: list[SMTP] = []

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.sign_ins.append(data.password.decode())
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    async def auth_XOAUTH2(self, server: SMTP, arguments: list[str]) -> AuthResult:
        said = base64.b64decode(arguments[1]).decode()
        self.sign_ins.append(said)
        for token in self.good_tokens:
            if said == f"user=desk@example.test\x01auth=Bearer {token}\x01\x01":
                return AuthResult(success=True, handled=False, auth_data=said)
        # The error comes as a challenge, which the client must answer with an empty line.
        await server.challenge_auth('{"status":"400","schemes":"Bearer"}')
        await server.push("535 5.7.8 Username and Password not accepted")
        return AuthResult(success=False, handled=True)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken.append((envelope, session.ssl is not None))
        return "250 OK"

    def hang_up(self) -> None:
        for talk in self.talks:
            if talk.transport:
                talk.transport.abort()  # a polite end of TLS would wait for the other side


@asynccontextmanager
async def serving(shown: Shown | None, security: str) -> AsyncIterator[Post]:
    """`starttls` without a certificate is a server whose offer was taken away."""
    post = Post()
    upgrade = shown.context() if shown and security == "starttls" else None

    def talk() -> SMTP:
        made = SMTP(
            post,
            hostname="mail.test",
            loop=asyncio.get_running_loop(),
            tls_context=upgrade,
            require_starttls=upgrade is not None,
            auth_require_tls=upgrade is not None,
            authenticator=post.authenticate,
        )
        post.talks.append(made)
        return made

    implicit = shown.context() if shown and security == "tls" else None
    listening = await asyncio.get_running_loop().create_server(talk, "127.0.0.1", 0, ssl=implicit)
    post.port = listening.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        listening.close()
        post.hang_up()
        await listening.wait_closed()


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted(talk: Talk) -> AsyncIterator[int]:
    """A server that misbehaves as written; the port it listens on. `talk` must end when the client leaves."""
    talks: list[asyncio.Task[None]] = []

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        talks.append(task)
        try:
            await talk(reader, writer)
        finally:
            writer.transport.abort()

    listening = await asyncio.start_server(kept, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        if talks:
            await asyncio.wait(talks, timeout=10)
        await listening.wait_closed()


@pytest.fixture
async def account() -> AsyncIterator[Callable[..., Connector]]:
    made: list[Connector] = []
    async with aiohttp.ClientSession() as http:
        toolbox = Toolbox(http=http, public_url="", sign=lambda purpose, data: b"", now=now)

        def make(**changes: Any) -> Connector:
            values = {"address": "desk@example.test", "password": PASSWORD, "append_sent": False, "receive": False}
            made.append(connector(values | {"smtp_host": "127.0.0.1"} | changes, toolbox))
            return made[-1]

        yield make
        for one in made:
            await one.close()


Make = Callable[..., Connector]


async def failures(tested: Connector) -> dict[str, Finding]:
    return {finding.name: finding for finding in await tested.check() if not finding.ok}


async def successes(tested: Connector) -> set[str]:
    return {finding.name for finding in await tested.check() if finding.ok}


# --- sending


@both_ways
async def test_smtp_with_a_certificate_of_our_own_authority(
    authority: Authority, account: Make, security: str
) -> None:
    async with serving(authority.issue(*HERE), security) as post:
        sender = account(
            smtp_port=post.port, smtp_security=security, certificate_authority=authority.pem, subject_tag=False
        )
        large = "0123456789abcdef\n" * 100_000  # more than the socket's buffers hold
        await sender.send(outgoing(text=large))
        await sender.send(outgoing())
        assert {"smtp_tls", "smtp_login"} <= await successes(sender)
    assert [encrypted for _, encrypted in post.taken] == [security == "starttls"] * 2
    assert len(post.taken[0][0].original_content or b"") > len(large)


@both_ways
async def test_smtp_with_an_authority_of_the_machine(
    authority: Authority, account: Make, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with serving(authority.issue(*HERE), security) as post:
        await account(smtp_port=post.port, smtp_security=security).send(outgoing())
    assert len(post.taken) == 1


def wrong_certificates(authority: Authority) -> dict[str, Shown]:
    return {
        "unknown": authority.self_signed(*HERE),
        "name": authority.issue("elsewhere.test"),
        "old": authority.issue(*HERE, since=timedelta(days=-9)),
    }


@both_ways
@pytest.mark.parametrize("trouble", ["unknown", "name", "old"])
async def test_smtp_certificate_refused_and_nothing_told(
    authority: Authority, account: Make, security: str, trouble: str
) -> None:
    async with serving(wrong_certificates(authority)[trouble], security) as post:
        settings = {"smtp_port": post.port, "smtp_security": security, "certificate_authority": authority.pem}
        sender = account(**settings)
        with pytest.raises(TryLater, match=REMEDY[trouble]) as caught:
            await sender.send(outgoing())
        found = await failures(sender)
        assert (post.taken, post.sign_ins) == ([], [])
        await account(**settings, verify_certificate=False).send(outgoing())
        assert len(post.taken) == 1
    assert caught.value.after == 300  # it does not heal by hammering
    assert list(found) == ["smtp_tls"]
    assert REMEDY[trouble] in found["smtp_tls"].remedy
    assert "certificate" in found["smtp_tls"].detail


async def test_a_self_signed_certificate_stands_for_itself(authority: Authority, account: Make) -> None:
    shown = authority.self_signed(*HERE)
    async with serving(shown, "tls") as post:
        await account(smtp_port=post.port, smtp_security="tls", certificate_authority=shown.pem).send(outgoing())
    assert len(post.taken) == 1


async def test_smtp_without_starttls_is_left_before_anything_is_said(account: Make) -> None:
    async with serving(None, "starttls") as post:
        sender = account(smtp_port=post.port, smtp_security="starttls")
        with pytest.raises(TryLater, match="offers no STARTTLS") as caught:
            await sender.send(outgoing())
        found = await failures(sender)
    assert (post.taken, post.sign_ins) == ([], [])
    assert caught.value.after
    assert list(found) == ["smtp_tls"]
    assert "Choose TLS" in found["smtp_tls"].remedy


async def test_smtp_starttls_broken_at_the_server(account: Make) -> None:
    """The offer stands, but the server takes it back: still nothing goes out in the clear."""
    said: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test ESMTP\r\n")
        answers = {
            b"EHLO": b"250-mail.test\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
            b"STAR": b"454 4.7.0 no TLS now\r\n",
        }
        while line := await reader.readline():
            said.append(line[:8])
            writer.write(answers.get(line[:4], b"250 OK\r\n"))

    async with scripted(talk) as port:
        with pytest.raises(TryLater, match="no TLS now"):
            await account(smtp_port=port, smtp_security="starttls").send(outgoing())
    assert [line[:4] for line in said] == [b"EHLO", b"STAR"]


async def test_words_smuggled_in_before_the_handshake_are_not_believed(
    authority: Authority, account: Make
) -> None:
    """What stands behind the server's 220 in the clear was put there by somebody else."""
    context = authority.issue(*HERE).context()
    after: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test ESMTP\r\n")
        await reader.readline()
        writer.write(b"250-mail.test\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(
            b"220 go\r\n250-mail.test\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 OK\r\n250 OK\r\n354 go\r\n250 OK\r\n"
        )
        await writer.drain()
        with suppress(OSError):  # the client may leave as soon as it sees something strange
            await writer.start_tls(context)
            after.append(await reader.readline())

    async with scripted(talk) as port:
        sender = account(smtp_port=port, smtp_security="starttls", certificate_authority=authority.pem)
        with pytest.raises(TryLater):
            await sender.send(outgoing())
    assert after in ([], [b""], [b"EHLO example.test\r\n"])


async def test_tls_to_a_port_that_does_not_speak_it(account: Make) -> None:
    async with serving(None, "starttls") as post:
        sender = account(smtp_port=post.port, smtp_security="tls")
        with pytest.raises(TryLater, match="choose STARTTLS"):
            await sender.send(outgoing())
        assert "choose STARTTLS" in (await failures(sender))["smtp_tls"].remedy


async def test_starttls_to_a_port_that_speaks_tls_from_the_start(
    authority: Authority, account: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "_PATIENCE", 0.2)
    async with serving(authority.issue(*HERE), "tls") as post:
        found = await failures(account(smtp_port=post.port, smtp_security="starttls"))
    assert "choose TLS" in found["smtp"].remedy


@pytest.mark.parametrize("reason", ["UNEXPECTED_EOF_WHILE_READING", "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"])
def test_a_connection_that_only_broke_is_not_blamed_on_the_settings(reason: str) -> None:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    assert (tls.remedy(error), tls.explained(error)) == ("", str(error))


def test_what_is_no_certificate_is_refused_at_once() -> None:
    values = {"address": "desk@example.test", "receive": False}
    with pytest.raises(ValidationError, match="not a certificate in PEM form"):
        Settings.model_validate(values | {"certificate_authority": "MIIB"})
    assert Settings.model_validate(values | {"certificate_authority": " \n"}).certificate_authority == ""


# --- tokens


class TokenOffice:
    """Issues access0, access1, … for the refresh token r1; `good` is what the mail servers take."""

    def __init__(self) -> None:
        self.issued: list[str] = []
        self.good: set[str] = set()
        self.url = ""

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form["refresh_token"] != "r1":
            answer = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            return web.json_response(answer, status=400)
        self.issued.append(f"access{len(self.issued)}")
        return web.json_response({"access_token": self.issued[-1], "expires_in": 3600})

    async def introspect(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        return web.json_response({"active": token in self.good, "email": "desk@example.test"})

    def settings(self, refresh_token: str = "r1") -> dict[str, str]:
        return {"auth": "oauth2", "oauth_refresh_token": refresh_token, "oauth_token_url": f"{self.url}/token"}


@pytest.fixture
async def office() -> AsyncIterator[TokenOffice]:
    made = TokenOffice()
    app = web.Application()
    app.add_routes([web.post("/token", made.token), web.get("/introspect", made.introspect)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def post(authority: Authority) -> AsyncIterator[Post]:
    async with serving(authority.issue(*HERE), "starttls") as made:
        yield made


def with_token(post: Post, authority: Authority, office: TokenOffice, refresh_token: str = "r1") -> dict[str, Any]:
    encryption = {"smtp_port": post.port, "smtp_security": "starttls", "certificate_authority": authority.pem}
    return encryption | office.settings(refresh_token)


async def test_xoauth2_over_smtp(post: Post, authority: Authority, office: TokenOffice, account: Make) -> None:
    post.good_tokens = {"access0"}
    sender = account(**with_token(post, authority, office))
    await asyncio.gather(*(sender.send(outgoing(id=f"m{number}")) for number in range(3)))
    assert {"oauth", "smtp_tls", "smtp_login"} <= await successes(sender)
    assert set(post.sign_ins) == {"user=desk@example.test\x01auth=Bearer access0\x01\x01"}
    assert (len(post.taken), office.issued) == (3, ["access0"])


async def test_a_revoked_token_is_replaced_once_and_the_mail_goes_out(
    post: Post, authority: Authority, office: TokenOffice, account: Make
) -> None:
    post.good_tokens = {"access0"}
    sender = account(**with_token(post, authority, office))
    await sender.send(outgoing())
    post.good_tokens = {"access1"}
    post.hang_up()
    await sender.send(outgoing())
    assert (len(post.taken), office.issued) == (2, ["access0", "access1"])


async def test_a_token_that_is_not_taken_is_said_with_its_remedy(
    post: Post, authority: Authority, office: TokenOffice, account: Make
) -> None:
    sender = account(**with_token(post, authority, office))
    with pytest.raises(TryLater, match=r"535 5\.7\.8 .*made for this very mailbox") as caught:
        await sender.send(outgoing())
    assert office.issued == ["access0"]  # a new token that is refused is no reason to ask for the next
    assert caught.value.after == 300
    found = await failures(sender)
    assert list(found) == ["smtp_login"]
    assert "scopes" in found["smtp_login"].remedy
    assert post.taken == []


async def test_a_refresh_token_that_ended(
    post: Post, authority: Authority, office: TokenOffice, account: Make
) -> None:
    sender = account(**with_token(post, authority, office, refresh_token="r0"))
    with pytest.raises(TryLater, match="expired or revoked"):  # the mail waits until the account is mended
        await sender.send(outgoing())
    found = await failures(sender)
    assert "refresh token" in found["oauth"].remedy
    assert post.sign_ins == []


# --- receiving


@asynccontextmanager
async def mailbox(root: Path, shown: Shown, introspection_url: str = "") -> AsyncIterator[TlsDovecot]:
    server = TlsDovecot(root, shown, introspection_url)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def reading(server: Dovecot, security: str, **changes: Any) -> dict[str, Any]:
    port = server.tls_port if isinstance(server, TlsDovecot) and security == "tls" else server.port
    values = {"address": "desk@example.test", "password": PASSWORD, "receive": True, "smtp_host": ""}
    return values | {"imap_host": "127.0.0.1", "imap_port": port, "imap_security": security} | changes


async def deliver(server: Dovecot, raw: bytes) -> None:
    def append() -> None:
        with server.client() as client:
            client.append("INBOX", raw)

    await asyncio.to_thread(append)


@needs_dovecot
@both_ways
async def test_imap_idles_over_tls_and_stops_quickly(
    root: Path, authority: Authority, account: Make, security: str
) -> None:
    async with mailbox(root, authority.issue(*HERE)) as server:
        desk = MemoryDesk()
        values = reading(server, security, certificate_authority=authority.pem, poll_seconds=60)
        listening = Listening(Settings.model_validate(values), desk)
        async with listening:
            await desk.until_ready()
            begun = now()
            for number in range(3):
                await deliver(server, mail(f"n{number}", body="0123456789abcdef\r\n" * 5_000))
                await desk.until_mails(number + 1)
            assert now() - begun < timedelta(seconds=10)  # far below the poll's 60 seconds
            assert await listening.stop() < 2
        assert {"imap_tls", "imap_login", "imap_folder"} <= await successes(account(**values))
        assert "TLS" in server.log()


@needs_dovecot
@both_ways
@pytest.mark.parametrize("trouble", ["unknown", "name", "old"])
async def test_imap_certificate_refused_and_no_password_told(
    root: Path, authority: Authority, account: Make, security: str, trouble: str
) -> None:
    async with mailbox(root, wrong_certificates(authority)[trouble]) as server:
        values = reading(server, security, certificate_authority=authority.pem)
        desk = MemoryDesk()
        async with Listening(Settings.model_validate(values), desk):
            await desk.until(lambda: bool(desk.reports))
        found = await failures(account(**values))
        assert "user=<desk" not in server.log()
        assert {"imap_tls", "imap_login"} <= await successes(account(**values, verify_certificate=False))
    ok, detail, _ = desk.reports[0]
    assert not ok
    assert REMEDY[trouble] in detail
    assert list(found) == ["imap_tls"]
    assert REMEDY[trouble] in found["imap_tls"].remedy


@needs_dovecot
async def test_imap_without_starttls_is_left_before_the_password(root: Path, account: Make) -> None:
    server = Dovecot(root)
    await server.start()
    values = reading(server, "starttls")
    desk = MemoryDesk()
    async with Listening(Settings.model_validate(values), desk):
        await desk.until(lambda: bool(desk.reports))
    found = await failures(account(**values))
    await server.stop()
    assert "offers no STARTTLS" in desk.reports[0][1]
    assert list(found) == ["imap_tls"]
    assert "user=<desk" not in server.log()


async def test_imap_that_claims_to_know_us_before_tls_is_left() -> None:
    """A PREAUTH greeting would skip STARTTLS, and with it the encryption."""
    said: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome\r\n")
        while line := await reader.readline():
            tag, _, command = line.partition(b" ")
            said.append(command.split()[0].upper())
            writer.write(b"* CAPABILITY IMAP4rev1 STARTTLS\r\n" + tag + b" OK done\r\n")

    desk = MemoryDesk()
    values = {"address": "desk@example.test", "imap_host": "127.0.0.1", "imap_security": "starttls"}
    async with (
        scripted(talk) as port,
        Listening(Settings.model_validate(values | {"imap_port": port}), desk),
    ):
        await desk.until(lambda: bool(desk.reports))
    assert not desk.reports[0][0]
    assert not {b"LOGIN", b"AUTHENTICATE", b"SELECT", b"EXAMINE", b"LIST"} & set(said)


@both_ways
async def test_cancel_is_quick_where_the_handshake_never_ends(security: str) -> None:
    shaking = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if security == "starttls":
            writer.write(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n")
            while line := await reader.readline():
                tag, _, command = line.partition(b" ")
                writer.write(b"* CAPABILITY IMAP4rev1 STARTTLS\r\n" + tag + b" OK go\r\n")
                if command.startswith(b"STARTTLS"):
                    break
        await reader.readexactly(5)  # the client's hello has begun
        shaking.set()
        with suppress(OSError):
            await reader.read()

    async with scripted(mute) as port:
        values = {"address": "desk@example.test", "imap_host": "127.0.0.1", "imap_port": port}
        listening = Listening(Settings.model_validate(values | {"imap_security": security}), MemoryDesk())
        async with listening:
            await shaking.wait()
            assert await listening.stop() < 2


@needs_dovecot
async def test_imap_replaces_a_revoked_token_without_a_pause(
    root: Path, authority: Authority, office: TokenOffice
) -> None:
    office.good = {"access0"}
    desk = MemoryDesk()
    async with mailbox(root, authority.issue(*HERE), f"{office.url}/introspect") as server:
        settings = Settings.model_validate(
            reading(server, "tls", certificate_authority=authority.pem) | office.settings()
        )
        async with aiohttp.ClientSession() as http, Listening(settings, desk, AccessTokens(settings, http)):
            await desk.until_ready()
            office.good = {"access1"}
            await server.kill()
            await desk.until(lambda: not desk.reports[-1][0])
            await server.start()
            await desk.until_ready()
    assert office.issued == ["access0", "access1"]
    assert not [detail for _, detail, _ in desk.reports if "sign-in refused" in detail]
