from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from omnihub.connectors.email.imap_session import Opened


@dataclass(slots=True, frozen=True, kw_only=True)
class Cursor:
    """How far a folder is read. `since` (a date) narrows what is read up to `until`: the first import of
    the last days, or the second look after the server renumbered the folder (`rescan`)."""

    uidvalidity: int
    last_uid: int
    first_uid: int
    started: str
    since: str = ""
    until: int = 0
    rescan: bool = False

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> Self:
        return cls(**value)

    @classmethod
    def first(cls, opened: Opened, start_from: str, now: datetime) -> Self:
        everything = start_from == "all"
        days = int(start_from.partition(":")[2] or 0)
        newest = opened.uidnext - 1
        return cls(
            uidvalidity=opened.uidvalidity,
            last_uid=0 if everything or days else newest,
            first_uid=1 if everything or days else opened.uidnext,
            started=now.astimezone(UTC).isoformat(),
            since=(now - timedelta(days=days)).date().isoformat() if days else "",
            until=newest if days else 0,
        )

    def renumbered(self, opened: Opened, rescan_days: int, now: datetime) -> Self:
        """Old uids mean nothing any more. Nothing from before the account's start is read again."""
        since = max((now - timedelta(days=rescan_days)).date(), self.started_at.date() - timedelta(days=1))
        return replace(
            self,
            uidvalidity=opened.uidvalidity,
            last_uid=0,
            first_uid=1,
            since=since.isoformat(),
            until=opened.uidnext - 1,
            rescan=True,
        )

    def at(self, uid: int) -> Self:
        return replace(self, last_uid=max(self.last_uid, uid))

    def narrowed_done(self) -> Self:
        return replace(self.at(self.until), since="", until=0, rescan=False)

    @property
    def since_date(self) -> date | None:
        return date.fromisoformat(self.since) if self.since else None

    @property
    def started_at(self) -> datetime:
        return datetime.fromisoformat(self.started)

    def saved(self) -> dict[str, Any]:
        return asdict(self)
