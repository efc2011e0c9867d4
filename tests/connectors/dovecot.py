"""A real Dovecot of our own: in a folder of its own, on free ports, ended with the test."""

import asyncio
import grp
import os
import pwd
import shutil
import signal
import socket
import time
from pathlib import Path

import imapclient

BINARY = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PASSWORD = "pässword 1"

_CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
auth_verbose = yes
auth_failure_delay = 0
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2
ssl = {ssl}
{certificate}
mail_location = maildir:{root}/mail/%u
mail_fsync = never
first_valid_uid = 1
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
imap_id_log = *
mailbox_list_index = no
imap_idle_notify_interval = 2 mins
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
{oauth}
passdb {{
  driver = passwd-file
  args = username_format=%u {root}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/mail/%u
}}
"""
_OAUTH = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {root}/oauth2.ext
}}
"""
_OAUTH_EXT = """introspection_mode = auth
introspection_url = {url}?access_token=
username_attribute = email
active_attribute = active
active_value = true
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Dovecot:
    def __init__(
        self, root: Path, introspection_url: str = "", certificate: tuple[Path, Path] | None = None
    ) -> None:
        self.root = root
        self.port = free_port()
        self._introspection_url = introspection_url
        self._certificate = certificate
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._write_config()
        assert BINARY
        self._process = await asyncio.create_subprocess_exec(
            BINARY, "-F", "-c", str(self.root / "dovecot.conf"), start_new_session=True
        )
        await wait_for_port(self.port)

    async def stop(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def kill(self) -> None:
        """As by power failure: every process of it at once, no goodbye to anyone."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        (self.root / "run" / "master.pid").unlink(missing_ok=True)

    def client(self, user: str = "desk@example.test") -> imapclient.IMAPClient:
        client = imapclient.IMAPClient("127.0.0.1", self.port, ssl=False, timeout=10)
        client.plain_login(user, PASSWORD)
        return client

    def log(self) -> str:
        return (self.root / "dovecot.log").read_text(errors="replace")

    def _write_config(self) -> None:
        for name in ("run", "state", "mail"):
            (self.root / name).mkdir(exist_ok=True)
        self.root.chmod(0o755)
        # As root Dovecot insists on an unprivileged user; otherwise everything runs as ourselves.
        user = "mail" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        entry = pwd.getpwnam(user)
        os.chown(self.root / "mail", entry.pw_uid, entry.pw_gid)
        users = "".join(f"{name}@example.test:{{PLAIN}}{PASSWORD}\n" for name in ("desk", "other"))
        (self.root / "users").write_text(users)
        (self.root / "oauth2.ext").write_text(_OAUTH_EXT.format(url=self._introspection_url))
        certificate = ""
        if self._certificate:
            certificate = f"ssl_cert = <{self._certificate[0]}\nssl_key = <{self._certificate[1]}"
        config = _CONFIG.format(
            root=self.root,
            port=self.port,
            user=user,
            group=grp.getgrgid(entry.pw_gid).gr_name,
            uid=entry.pw_uid,
            gid=entry.pw_gid,
            ssl="yes" if self._certificate else "no",
            certificate=certificate,
            oauth=_OAUTH.format(root=self.root) if self._introspection_url else "",
        )
        (self.root / "dovecot.conf").write_text(config)


async def wait_for_port(port: int, timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.02)
        else:
            writer.close()
            await writer.wait_closed()
            return
