import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from omnihub.store.engines.errors import explained


@dataclass(frozen=True, slots=True)
class Record:
    """What the hub that runs the engines tells the processes beside it. An empty address: not embedded."""

    owner: int
    mongodb_uri: str = ""
    redis_url: str = ""
    pids: dict[str, int | None] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        unfinished = path.with_suffix(".part")
        with explained(path):
            unfinished.write_text(json.dumps(asdict(self)))
            unfinished.chmod(0o600)
            unfinished.replace(path)


def read(path: Path) -> Record | None:
    """None when there is none, or one that a crash or another version left unreadable."""
    try:
        return Record(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
