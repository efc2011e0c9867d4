"""A real Postfix of our own: in a folder of its own, on a free port, ended with the test. It hands mail to a
Dovecot over LMTP, asks that Dovecot about passwords, and knows no world outside."""

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL
from contextlib import suppress
from pathlib import Path

from certificates import Shown
from dovecot import BINARY as DOVECOT
from dovecot import PASSWORD, Dovecot, free_port, wait_for_port

BINARY = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_TOOLS = Path("/usr/lib/postfix/sbin")
_LMTP = Path("/usr/lib/dovecot/lmtp")
DESK, ANNA, BOB = "desk@example.test", "anna@customer.test", "bob@customer.test"
GONE = "gone@customer.test"  # Postfix takes mail for it, the mailbox does not exist


def missing() -> str:
    """Why no Postfix can run here; '' when one can."""
    if os.geteuid() != 0:
        return "Postfix starts only as root"
    for name, there in (("postfix", BINARY), ("dovecot-imapd", DOVECOT), ("dovecot-lmtpd", _LMTP.exists())):
        if not there:
            return f"{name} is not installed (tools/install-peers)"
    return ""


_MAIN = """
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = {tools}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/maillog
maillog_file_prefixes = {root}
import_environment = MAIL_CONFIG PATH
myhostname = mail.example.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = example.test, customer.test
virtual_mailbox_maps = texthash:{root}/mailboxes
virtual_transport = lmtp:inet:127.0.0.1:{lmtp_port}
default_transport = error:5.1.2 no outside world
relay_transport = error:5.1.2 no outside world
recipient_delimiter = +
enable_original_recipient = yes
lmtp_destination_recipient_limit = 1
smtpd_recipient_restrictions =
  check_recipient_access texthash:{root}/access
  permit_sasl_authenticated
  permit_mynetworks
  reject
smtpd_tls_security_level = may
smtpd_tls_chain_files = {key}, {certificate}
smtpd_tls_auth_only = yes
smtpd_tls_received_header = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_authenticated_header = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth_port}
smtpd_client_connection_count_limit = 0
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup  unix n - n - 0 cleanup
qmgr     unix n - n 300 1 qmgr
tlsmgr   unix - - n 1000? 1 tlsmgr
rewrite  unix - - n - - trivial-rewrite
bounce   unix - - n - 0 bounce
defer    unix - - n - 0 bounce
trace    unix - - n - 0 bounce
flush    unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error    unix - - n - - error
retry    unix - - n - - error
lmtp     unix - - n - - lmtp
anvil    unix - - n - 1 anvil
postlog  unix-dgram n - n - 1 postlogd
"""
_ACCESS = """
later@customer.test 451 4.7.1 Greylisted, please come back in five minutes
never@customer.test 550 5.7.1 We do not want your mail
"""
_SERVICES = """
protocols = imap lmtp
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {auth_port}
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@example.test
  auth_username_format = %Lu
}}
recipient_delimiter = +
lmtp_save_to_detail_mailbox = no
"""


class PostOffice(Dovecot):
    """The mailboxes of both sides, and the door through which Postfix brings mail."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.lmtp_port = free_port()
        self.auth_port = free_port()

    def _write_config(self) -> None:
        super()._write_config()
        with (self.root / "users").open("a") as users:
            users.writelines(f"{name}:{{PLAIN}}{PASSWORD}\n" for name in (ANNA, BOB))
        with (self.root / "dovecot.conf").open("a") as config:
            config.write(_SERVICES.format(lmtp_port=self.lmtp_port, auth_port=self.auth_port))


class Postfix:
    def __init__(self, root: Path, office: PostOffice, shown: Shown) -> None:
        self.root = root
        self.port = free_port()
        self._office = office
        self._shown = shown
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._write_config()
        assert BINARY
        self._process = await asyncio.create_subprocess_exec(
            BINARY, "-c", str(self.root), "start-fg", stdout=DEVNULL, stderr=DEVNULL
        )
        await wait_for_port(self.port)

    async def stop(self) -> None:
        """The master leads a session of its own; all that it started is in its group."""
        assert self._process
        written = self.root / "queue" / "pid" / "master.pid"
        master = int(written.read_text())
        with suppress(ProcessLookupError):
            os.kill(master, signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(master, signal.SIGKILL)

    def log(self) -> str:
        return (self.root / "maillog").read_text(errors="replace")

    def _write_config(self) -> None:
        self.root.chmod(0o755)
        for name in ("queue", "data"):
            (self.root / name).mkdir()
        shutil.chown(self.root / "data", "postfix")
        (self.root / "mailboxes").write_text("".join(f"{name} x\n" for name in (DESK, ANNA, BOB, GONE)))
        (self.root / "access").write_text(_ACCESS)
        (self.root / "master.cf").write_text(_MASTER.format(port=self.port))
        main = _MAIN.format(
            root=self.root,
            tools=_TOOLS,
            lmtp_port=self._office.lmtp_port,
            auth_port=self._office.auth_port,
            key=self._shown.key,
            certificate=self._shown.certificate,
        )
        (self.root / "main.cf").write_text(main)
