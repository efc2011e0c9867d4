"""`python -m tests.durability.hub ROLE`: the hub as ever, with faults built in and shorter patience."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from omnihub.store import database


def jumping(clock: Callable[[], datetime], offset: Path) -> Callable[[], datetime]:
    """This process's clock, wrong by as many seconds as the file says at this moment."""
    return lambda: clock() + timedelta(seconds=float(offset.read_text() or 0))


if __name__ == "__main__":
    # Before anybody else takes the clock by its name.
    if "CLOCK_OFFSET" in os.environ:
        database.now = jumping(database.now, Path(os.environ["CLOCK_OFFSET"]))
    from omnihub.cli import app
    from omnihub.store import presence
    from tests.durability.faults import install

    if "CRASH_ARMED" in os.environ:
        install(os.environ)
    # Whoever dies here is noticed at once, so that a hundred deaths take minutes.
    presence._ALIVE_SECONDS = 2.0
    presence.BEAT_SECONDS = 0.4
    app()
