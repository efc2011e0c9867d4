"""A real Asterisk in the folder that tools/pbx-setup made, for one test run."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(os.environ.get("PBX_ROOT", "/nowhere"))
HERE = Path(__file__).parent
SECRET = "a-long-secret-of-the-tests"
AMI_PORT = 5038
_READY_SECONDS = 60.0
# 400 Hz, loud, as the A-law samples of one second.
_TONE = (b"\x2a" * 10 + b"\xaa" * 10) * 400


def is_alone() -> bool:
    """Whether there is nothing here but an Asterisk to be started and loopback: what tools/pbx-run makes."""
    return (ROOT / "usr/sbin/asterisk").exists() and [name for _, name in socket.if_nameindex()] == ["lo"]


class Exchange:
    def __init__(self, name: str) -> None:
        self.inside = f"/srv/{name}"
        self.folder = ROOT / self.inside.lstrip("/")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def recordings(self) -> Path:
        return self.folder / "spool/monitor"

    def prepare(self) -> None:
        for name in ("etc", "lib", "spool/monitor", "spool/outgoing", "log", "phones"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        [modules] = ROOT.glob("usr/lib/*/asterisk/modules")
        filled = {"run": self.inside, "modules": f"/{modules.relative_to(ROOT)}", "secret": SECRET}
        for file in (HERE / "asterisk").glob("*.conf"):
            text = file.read_text("utf-8")
            for word, value in filled.items():
                text = text.replace(f"@{word}@", value)
            (self.folder / "etc" / file.name).write_text(text, "utf-8")
        for file in (HERE / "phones").glob("*.xml"):
            shutil.copy(file, self.folder / "phones")
        (self.folder / "phones/tone.alaw").write_bytes(_TONE)

    def start(self) -> None:
        with (self.folder / "log/console").open("ab") as console:
            self._process = subprocess.Popen(
                ["chroot", str(ROOT), "asterisk", "-f", "-C", f"{self.inside}/etc/asterisk.conf"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
            )  # fmt: skip
        end = time.monotonic() + _READY_SECONDS
        while "fully booted" not in self.say("core waitfullybooted"):
            assert self._process.poll() is None, f"Asterisk ended: {self.log()}"
            assert time.monotonic() < end, f"Asterisk did not start: {self.log()}"
            time.sleep(0.1)

    def stop(self) -> None:
        """At once, as if its power were cut."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def say(self, words: str) -> str:
        """A command at its console; "" where there is none."""
        done = subprocess.run(
            ["chroot", str(ROOT), "asterisk", "-C", f"{self.inside}/etc/asterisk.conf", "-rx", words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_READY_SECONDS, check=False,
        )  # fmt: skip
        return done.stdout.strip() if done.returncode == 0 else ""

    def log(self) -> str:
        lines: list[str] = []
        for name in ("console", "full"):
            file = self.folder / "log" / name
            if file.exists():
                lines += file.read_text("utf-8", "replace").splitlines()[-200:]
        return "\n".join(lines)
