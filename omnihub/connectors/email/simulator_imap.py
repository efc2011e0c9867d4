"""A small IMAP4rev1 server (RFC 3501, with IDLE, UIDPLUS, MOVE, ID, NAMESPACE, SPECIAL-USE, LITERAL+) over
the demo's mailboxes, strict enough for ordinary mail programs."""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import ClassVar

from omnihub.connectors.email import simulator_imap_mailbox as mailbox_commands
from omnihub.connectors.email.simulator_imap_grammar import MAX_LINE, BadCommand, CommandReader, Token, text
from omnihub.connectors.email.simulator_imap_view import Refusal, View
from omnihub.connectors.email.simulator_smtp import is_local
from omnihub.connectors.email.simulator_store import Mailbox, MailStore

CAPABILITIES = (
    "IMAP4rev1 LITERAL+ SASL-IR ID IDLE UIDPLUS MOVE NAMESPACE SPECIAL-USE CHILDREN UNSELECT ENABLE AUTH=PLAIN"
)
_IDLE_LIMIT = 1800.0

Handler = Callable[["ImapTalk", list[Token]], Awaitable[str]]


class ImapTalk:
    """One client. Handlers return the words of their tagged OK."""

    handlers: ClassVar[dict[str, Handler]]

    def __init__(
        self, store: MailStore, password: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._store = store
        self._password = password
        self._writer = writer
        self.commands = CommandReader(reader, writer)
        self.mailbox: Mailbox | None = None
        self.view: View | None = None
        self._open = True

    async def run(self) -> None:
        self.say(f"* OK [CAPABILITY {CAPABILITIES}] omnihub demo mail is ready")
        try:
            while self._open:
                await self._writer.drain()
                await self._one()
        except (EOFError, ConnectionError):
            pass  # the client hung up, as clients do
        finally:
            self.leave()
            self._writer.close()
            with suppress(ConnectionError):
                await self._writer.wait_closed()

    def hang_up(self) -> None:
        self._open = False
        self._writer.close()

    def say(self, line: str | bytes) -> None:
        self._writer.write((line if isinstance(line, bytes) else line.encode("utf-8")) + b"\r\n")

    async def _one(self) -> None:
        tag = "*"
        try:
            tokens = await self.commands.command()
            if len(tokens) < 2:
                raise BadCommand("a command needs a tag and a name")
            tag, name = text(tokens[0]), text(tokens[1]).upper()
            handler = self._handler(name)
            words = await handler(self, tokens[2:])
        except BadCommand as error:
            self.say(f"{tag} BAD {error}")
        except (Refusal, ValueError) as error:
            self.say(f"{tag} NO {error}")
        else:
            if self.view and name not in ("FETCH", "STORE", "SEARCH"):
                self.view.tell(self.say)
            self.say(f"{tag} OK {words}")

    def _handler(self, name: str) -> Handler:
        handler = _ANYTIME.get(name)
        if handler:
            return handler
        if self.mailbox is None:
            handler = _BEFORE_LOGIN.get(name)
            if not handler and name in self.handlers:
                raise Refusal("sign in first")
        else:
            handler = self.handlers.get(name)
        if not handler:
            raise BadCommand(f"there is no command {name} here")
        return handler

    def sign_in(self, user: str, password: str) -> None:
        if not is_local(user) or password != self._password:
            raise Refusal("[AUTHENTICATIONFAILED] the address or the password is wrong")
        self.mailbox = self._store.mailbox(user)

    def leave(self) -> None:
        if self.view:
            self.view.close()
        self.view = None

    async def idle(self) -> None:
        view = self.view
        self.say("+ idling")
        done = asyncio.ensure_future(self.commands.line())
        try:
            async with asyncio.timeout(_IDLE_LIMIT):
                while not done.done():
                    if view:
                        view.tell(self.say)
                    await self._writer.drain()
                    changed = asyncio.ensure_future(view.changed.wait() if view else asyncio.Event().wait())
                    await asyncio.wait([done, changed], return_when=asyncio.FIRST_COMPLETED)
                    changed.cancel()
        finally:
            if not done.done():
                done.cancel()
        if (await done).upper() != b"DONE":
            raise BadCommand("only DONE may follow IDLE")


async def _capability(talk: ImapTalk, words: list[Token]) -> str:
    talk.say(f"* CAPABILITY {CAPABILITIES}")
    return "done"


async def _noop(talk: ImapTalk, words: list[Token]) -> str:
    return "done"


async def _id(talk: ImapTalk, words: list[Token]) -> str:
    talk.say('* ID ("name" "omnihub demo mail" "vendor" "omnihub")')
    return "done"


async def _logout(talk: ImapTalk, words: list[Token]) -> str:
    talk.say("* BYE see you")
    talk.leave()
    talk._open = False
    return "done"


async def _login(talk: ImapTalk, words: list[Token]) -> str:
    if len(words) != 2:
        raise BadCommand("LOGIN takes an address and a password")
    talk.sign_in(text(words[0]), text(words[1]))
    return f"[CAPABILITY {CAPABILITIES}] welcome"


async def _authenticate(talk: ImapTalk, words: list[Token]) -> str:
    if not words or text(words[0]).upper() != "PLAIN":
        raise Refusal("only PLAIN is known here")
    if len(words) > 1:
        given = text(words[1]).encode()
    else:
        talk.say("+ ")
        given = await talk.commands.line()
    try:
        parts = base64.b64decode(given, validate=True).decode().split("\0")
    except (binascii.Error, UnicodeDecodeError):
        raise BadCommand("this is no base64") from None
    if len(parts) != 3:
        raise BadCommand("PLAIN takes three fields")
    talk.sign_in(parts[1], parts[2])
    return f"[CAPABILITY {CAPABILITIES}] welcome"


async def _idle(talk: ImapTalk, words: list[Token]) -> str:
    await talk.idle()
    return "done"


_ANYTIME: dict[str, Handler] = {"CAPABILITY": _capability, "NOOP": _noop, "ID": _id, "LOGOUT": _logout}
_BEFORE_LOGIN: dict[str, Handler] = {"LOGIN": _login, "AUTHENTICATE": _authenticate}
ImapTalk.handlers = {"IDLE": _idle, **mailbox_commands.HANDLERS}


class DemoImap:
    def __init__(self, store: MailStore, password: str) -> None:
        self._store = store
        self._password = password
        self._talks: dict[ImapTalk, asyncio.Task[None] | None] = {}
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=MAX_LINE)
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        running = [task for task in self._talks.values() if task]
        for talk in list(self._talks):
            talk.hang_up()
        if running:
            await asyncio.wait(running, timeout=2)
        if self._server:
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = ImapTalk(self._store, self._password, reader, writer)
        self._talks[talk] = asyncio.current_task()
        try:
            await talk.run()
        finally:
            del self._talks[talk]
