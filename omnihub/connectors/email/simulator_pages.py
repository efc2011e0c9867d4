"""The customer's side of the demo: a small web mailbox for any address."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlencode

import aiosmtplib
from aiohttp import web
from multidict import MultiDictProxy

from omnihub.connectors.email import simulator_html as html
from omnihub.connectors.email.simulator_letters import Draft, Letter, Reading, threads, write
from omnihub.connectors.email.simulator_smtp import is_local
from omnihub.connectors.email.simulator_store import Mailbox, MailStore

_HERE = Path(__file__).parent
_MAX_FORM = 25 * 1024 * 1024
_KEEPALIVE = 15.0
_SAFE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
SUGGESTED = ("anna@customer.test", "li.wei@customer.test")


class Pages:
    """`smtp_port` is asked for at every sending: the pages may be made before the server listens."""

    def __init__(self, store: MailStore, desk: str, smtp_port: Callable[[], int]) -> None:
        self._store = store
        self._desk = desk
        self._smtp_port = smtp_port
        self._reading = Reading()
        self._ending = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.start),
            web.get("/box", self.box),
            web.get("/mail", self.mail),
            web.get("/compose", self.compose),
            web.post("/send", self.send),
            web.get("/part", self.part),
            web.get("/events", self.events),
            web.get("/style.css", _static("simulator.css")),
            web.get("/script.js", _static("simulator.js")),
        ]

    async def end(self, _: web.Application) -> None:
        self._ending.set()

    async def start(self, request: web.Request) -> web.Response:
        known = [one for one in self._store.addresses() if one != self._desk]
        return _page(html.start(_language(request), list(dict.fromkeys((*known, *SUGGESTED)))))

    async def box(self, request: web.Request) -> web.Response:
        mailbox = self._mailbox(request)
        found = threads(self._reading.letters(mailbox))
        return _page(html.box(_language(request), mailbox.address, found))

    async def mail(self, request: web.Request) -> web.Response:
        mailbox = self._mailbox(request)
        letter = self._letter(mailbox, request.query.get("key", ""))
        found = threads(self._reading.letters(mailbox))
        thread = next(one for one in found if any(letter.key == each.key for each in one))
        for each in thread:
            if each.unread:
                mailbox.inbox.flag(each.stored, each.stored.flags | {"\\Seen"})
        return _page(html.thread(_language(request), mailbox.address, thread, self._desk))

    async def compose(self, request: web.Request) -> web.Response:
        return _page(html.compose(_language(request), self._mailbox(request).address, self._desk))

    async def send(self, request: web.Request) -> web.Response:
        form = await request.clone(client_max_size=_MAX_FORM).post()
        words = {name: value for name, value in form.items() if isinstance(value, str)}
        mailbox = self._mailbox_of(words.get("who", ""))
        answers = self._letter(mailbox, words["answers"]) if words.get("answers") else None
        files = _files(form)
        to = words.get("to", "").strip()
        if not is_local(to):
            return _page(html.problem(_language(request), mailbox.address, f"{to}: .test"), 400)
        mail = write(
            Draft(
                sender=mailbox.address,
                to=to,
                subject=words.get("subject", ""),
                text=words.get("text", ""),
                answers=answers,
                files=files,
            )
        )
        try:
            port = self._smtp_port()
            await aiosmtplib.send(mail, hostname="127.0.0.1", port=port, start_tls=False, timeout=20)
        except (aiosmtplib.SMTPException, OSError) as error:
            return _page(html.problem(_language(request), mailbox.address, _reason(error)), 422)
        sent = mailbox.create("Sent").add(mail.as_bytes(), frozenset({"\\Seen"}))
        target = urlencode({"who": mailbox.address, "key": f"Sent:{sent.uid}", "lang": _language(request)})
        raise web.HTTPSeeOther(f"mail?{target}")

    async def part(self, request: web.Request) -> web.Response:
        letter = self._letter(self._mailbox(request), request.query.get("key", ""))
        number = request.query.get("n", "")
        if not number.isdigit() or int(number) >= len(letter.mail.attachments):
            raise web.HTTPNotFound
        part = letter.mail.attachments[int(number)]
        shown = part.content_type in _SAFE_TYPES
        place = "inline" if shown else "attachment"
        headers = {
            "Content-Disposition": f"{place}; filename*=utf-8''{quote(part.filename)}",
            "X-Content-Type-Options": "nosniff",
        }
        media_type = part.content_type if shown else "application/octet-stream"
        return web.Response(body=part.content, content_type=media_type, headers=headers)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """One `mail` event after every change of the mailbox."""
        mailbox = self._mailbox(request)
        response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        await response.prepare(request)
        async with _watching(mailbox) as changed:
            # The browser leaves whenever it likes; that ends the line and nothing else.
            with suppress(ConnectionResetError):
                await response.write(b": hello\n\n")
                while not self._ending.is_set():
                    news = await _first(changed, self._ending)
                    await response.write(b"event: mail\ndata: 1\n\n" if news else b": still here\n\n")
        return response

    def _mailbox(self, request: web.Request) -> Mailbox:
        return self._mailbox_of(request.query.get("who", ""))

    def _mailbox_of(self, address: str) -> Mailbox:
        if not is_local(address.strip()):
            raise web.HTTPSeeOther(".")
        return self._store.mailbox(address.strip())

    def _letter(self, mailbox: Mailbox, key: str) -> Letter:
        for letter in self._reading.letters(mailbox):
            if letter.key == key:
                return letter
        raise web.HTTPNotFound


@asynccontextmanager
async def _watching(mailbox: Mailbox) -> AsyncIterator[asyncio.Event]:
    changed = asyncio.Event()
    folders = [mailbox.inbox, mailbox.create("Sent")]
    for folder in folders:
        folder.watchers.add(changed.set)
    try:
        yield changed
    finally:
        for folder in folders:
            folder.watchers.discard(changed.set)


async def _first(changed: asyncio.Event, ending: asyncio.Event) -> bool:
    """Whether `changed` came before the end and before the line needs a sign of life."""
    waits = [asyncio.ensure_future(event.wait()) for event in (changed, ending)]
    await asyncio.wait(waits, timeout=_KEEPALIVE, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    news = changed.is_set()
    changed.clear()
    return news


def _language(request: web.Request) -> str:
    asked = request.query.get("lang") or request.headers.get("Accept-Language") or ""
    return "zh" if asked.lower().startswith("zh") else "en"


def _page(content: str, status: int = 200) -> web.Response:
    return web.Response(
        text=content, content_type="text/html", status=status, headers={"Cache-Control": "no-store"}
    )


def _files(form: MultiDictProxy[str | bytes | bytearray | web.FileField]) -> list[tuple[str, str, bytes]]:
    """Name, media type and content; a field left empty comes as a file without a name."""
    found = []
    for field in form.getall("file", []):
        if isinstance(field, web.FileField):
            with field.file as opened:
                if field.filename:
                    found.append((field.filename, field.content_type, opened.read()))
    return found


def _reason(error: Exception) -> str:
    refused = error.recipients if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else []
    return "; ".join(f"{one.recipient}: {one.code} {one.message}" for one in refused) or str(error)


def _static(name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(_HERE / name, headers={"Cache-Control": "no-cache"})

    return serve


def make_pages(store: MailStore, desk: str, smtp_port: Callable[[], int]) -> web.Application:
    pages = Pages(store, desk, smtp_port)
    app = web.Application()
    app.add_routes(pages.routes())
    app.on_shutdown.append(pages.end)
    return app
