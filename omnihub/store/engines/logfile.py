from pathlib import Path

LARGEST_BYTES = 10 * 1024 * 1024
_TAIL_BYTES = 64 * 1024


def rotate(log: Path) -> bool:
    """Moves a log that has grown too large to one single older copy; true when it did."""
    try:
        if log.stat().st_size < LARGEST_BYTES:
            return False
        log.replace(log.with_name(log.name + ".1"))
    except FileNotFoundError:
        return False
    return True


def size(log: Path) -> int:
    try:
        return log.stat().st_size
    except FileNotFoundError:
        return 0


def since(log: Path, offset: int) -> str:
    """What was written after `offset`, the last 64 kB of it at most."""
    try:
        with log.open("rb") as source:
            source.seek(max(offset, size(log) - _TAIL_BYTES))
            return source.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def last_lines(text: str, count: int = 3) -> str:
    return "\n".join(line[:500] for line in text.strip().splitlines()[-count:])
