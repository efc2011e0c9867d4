import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiohttp import web

from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.email.simulator_imap import DemoImap
from omnihub.connectors.email.simulator_pages import make_pages
from omnihub.connectors.email.simulator_smtp import DemoSmtp
from omnihub.connectors.email.simulator_store import MailStore

DESK = "desk@demo.omnihub.test"
PASSWORD = "demo"
PREFERRED_SMTP, PREFERRED_IMAP = 2525, 1143

_NOTES = {
    "en": "Write to {desk}. Customers' mailboxes are in the browser at /demo/email/, or in any mail program: "
    "SMTP 127.0.0.1:{smtp}, IMAP 127.0.0.1:{imap}, no encryption, any address that ends in .test, "
    "password {password}. gone@customer.test is refused, slow@customer.test asks to come back later, "
    "bounce@customer.test bounces.",
    "zh": "写信到 {desk}。客户邮箱可在浏览器中打开 /demo/email/，也可使用任意邮件程序："
    "SMTP 127.0.0.1:{smtp}，IMAP 127.0.0.1:{imap}，不加密，任意以 .test 结尾的地址，密码 {password}。"
    "gone@customer.test 会被拒收，slow@customer.test 要求稍后再投，bounce@customer.test 会退信。",
}


class Simulator:
    """A mail provider of our own: real SMTP and IMAP on loopback, and a customer's mailbox in the browser."""

    def __init__(self, folder: Path) -> None:
        self.store = MailStore(folder)
        self.smtp_port = 0
        self.imap_port = 0
        self._smtp = DemoSmtp(self.store, PASSWORD)
        self._imap = DemoImap(self.store, PASSWORD)
        self._smtp_server: asyncio.Server | None = None

    async def start(self) -> None:
        self.store.mailbox(DESK)
        self.smtp_port = await _on_port(PREFERRED_SMTP, self._listen)
        self.imap_port = await _on_port(PREFERRED_IMAP, self._imap.start)

    async def _listen(self, port: int) -> int:
        loop = asyncio.get_running_loop()
        self._smtp_server = await loop.create_server(self._smtp.protocol, "127.0.0.1", port)
        chosen: int = self._smtp_server.sockets[0].getsockname()[1]
        return chosen

    async def stop(self) -> None:
        await self._imap.stop()
        if self._smtp_server:
            self._smtp_server.close()
            self._smtp.hang_up()
            await self._smtp_server.wait_closed()
            self._smtp_server = None

    def accounts(self) -> Sequence[DemoAccount]:
        settings = {
            "address": DESK,
            "password": PASSWORD,
            "sender_name": "Omnihub Demo",
            "imap_host": "127.0.0.1",
            "imap_port": self.imap_port,
            "imap_security": "none",
            "start_from": "all",
            "poll_seconds": 30,
            "smtp_host": "127.0.0.1",
            "smtp_port": self.smtp_port,
            "smtp_security": "none",
            "plus_addressing": True,
        }
        ports = {"smtp": self.smtp_port, "imap": self.imap_port, "desk": DESK, "password": PASSWORD}
        notes = {language: note.format_map(ports) for language, note in _NOTES.items()}
        return [DemoAccount(name="Demo mailbox", settings=settings, notes=notes)]

    def pages(self) -> web.Application:
        return make_pages(self.store, DESK, lambda: self.smtp_port)


async def _on_port(preferred: int, listen: Callable[[int], Awaitable[int]]) -> int:
    """Any other port where somebody has the preferred one."""
    try:
        return await listen(preferred)
    except OSError:
        return await listen(0)
