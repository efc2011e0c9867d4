import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

# What the dynamic loader names, and who brings it.
_BRINGS = {
    "libcurl.so.4": "libcurl (Debian, Ubuntu: apt install libcurl4; Fedora, RHEL: dnf install libcurl)",
    "libssl.so.3": "OpenSSL 3 (Debian, Ubuntu: apt install libssl3; Fedora, RHEL: dnf install openssl-libs)",
    "libcrypto.so.3": "OpenSSL 3 (Debian, Ubuntu: apt install libssl3; Fedora, RHEL: dnf install openssl-libs)",
    "liblzma.so.5": "liblzma (Debian, Ubuntu: apt install liblzma5; Fedora, RHEL: dnf install xz-libs)",
    "libgcc_s.so.1": "libgcc (Debian, Ubuntu: apt install libgcc-s1; Fedora, RHEL: dnf install libgcc)",
}
_NOT_FOUND = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
_VERSION_NOT_FOUND = re.compile(r"version [`'](\S+?)' not found")


@dataclass(frozen=True, slots=True)
class Probe:
    """What stands between one binary and this machine."""

    missing: tuple[str, ...] = ()  # library names and symbol versions, as the dynamic loader spells them
    loader: bool = True  # False: no dynamic loader for this binary (musl, another architecture)
    avx: bool = True


def probe(binary: Path) -> Probe:
    try:
        # The loader lists instead of running; a statically linked program prints its version.
        listing = subprocess.run(
            [binary, "--version"],
            env={**os.environ, "LD_TRACE_LOADED_OBJECTS": "1", "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except OSError:
        return Probe(loader=False)
    text = listing.stdout + listing.stderr
    missing = dict.fromkeys([*_NOT_FOUND.findall(text), *_VERSION_NOT_FOUND.findall(text)])
    return Probe(missing=tuple(missing), avx=_has_avx())


def shortcomings(found: Probe, *, needs_avx: bool) -> list[str]:
    """One readable line for each thing missing; empty when the binary can run."""
    if not found.loader:
        libc = " ".join(platform.libc_ver()).strip() or "an unknown libc"
        return [
            f"it cannot be executed here ({platform.system()} {platform.machine()}, {libc}); "
            "it is built for Linux x86-64 with glibc 2.35 or newer"
        ]
    lines = dict.fromkeys(_line(name) for name in found.missing)
    if needs_avx and not found.avx:
        lines["the processor (or the virtual machine's CPU type) lacks AVX, which MongoDB 5 and newer need"] = None
    return list(lines)


def _line(name: str) -> str:
    if name.startswith("GLIBC_"):
        here = platform.libc_ver()[1] or "none"
        return (
            f"glibc {name.removeprefix('GLIBC_')} or newer is needed, here is {here} "
            "(Ubuntu 22.04, Debian 12, Fedora 36, RHEL 10 or newer have it)"
        )
    return f"{name} is missing: install {_BRINGS.get(name, 'the package that contains it')}"


def _has_avx() -> bool:
    if platform.machine() not in ("x86_64", "AMD64"):
        return True
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:  # unknown is no reason to refuse
        return True
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return flags is None or "avx" in flags[1].split()
