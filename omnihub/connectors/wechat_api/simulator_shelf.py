import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from omnihub.connectors.wechat_api.simulator_errors import ApiFault

LIFE = 3 * 86_400.0
_MB = 1_048_576
# By kind, in bytes. Of images one official page says 10 MB, another 2.
LIMITS: Mapping[str, int] = {"image": 2 * _MB, "voice": 2 * _MB, "video": 10 * _MB, "thumb": 65_536}


@dataclass(slots=True, frozen=True, kw_only=True)
class Shelved:
    kind: str
    content: bytes
    content_type: str
    filename: str
    until: float


class MediaShelf:
    """Temporary files: three days, whoever uploaded them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, Shelved] = {}

    def put(self, kind: str, content: bytes, content_type: str, filename: str) -> str:
        at = self._clock()
        self._kept = {known: kept for known, kept in self._kept.items() if kept.until > at}
        media_id = secrets.token_urlsafe(48)
        self._kept[media_id] = Shelved(
            kind=kind, content=content, content_type=content_type, filename=filename, until=at + LIFE
        )
        return media_id

    def get(self, media_id: str) -> Shelved:
        """Raises ApiFault."""
        kept = self._kept.get(media_id)
        if kept is None or kept.until <= self._clock():
            raise ApiFault(40007, "invalid media_id")
        return kept

    def upload(self, kind: str, content: bytes, content_type: str, filename: str) -> str:
        """Raises ApiFault for what the platform would not take."""
        if kind not in LIMITS:
            raise ApiFault(40004, "invalid media type")
        if not content:
            raise ApiFault(44001, "empty media data")
        if len(content) > LIMITS[kind]:
            raise ApiFault(45001, "media size out of limit")
        if not _looks_like(kind, content):
            raise ApiFault(40005, "invalid file type")
        return self.put(kind, content, content_type, filename)


def _looks_like(kind: str, content: bytes) -> bool:
    picture = content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
    match kind:
        case "image" | "thumb":
            return picture
        case "voice":
            return content.startswith((b"#!AMR", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"))
        case _:
            return content[4:8] == b"ftyp"
