from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus


@dataclass(frozen=True, slots=True)
class Endpoints:
    mongodb_uri: str
    redis_url: str


def mongodb_uri(socket: Path) -> str:
    # directConnection: the one member is known in its set under a name that only it can resolve.
    return f"mongodb://{quote_plus(str(socket))}/?directConnection=true"


def redis_url(socket: Path) -> str:
    return f"unix://{quote(str(socket))}"
