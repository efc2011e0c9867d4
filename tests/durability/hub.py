"""`python -m tests.durability.hub ROLE`: the hub as ever, with faults built in and shorter patience."""

import os

from omnihub.cli import app
from omnihub.store import presence
from tests.durability.faults import install

if __name__ == "__main__":
    if "CRASH_ARMED" in os.environ:
        install(os.environ)
    # Whoever dies here is noticed at once, so that a hundred deaths take minutes.
    presence._ALIVE_SECONDS = 2.0
    presence.BEAT_SECONDS = 0.4
    app()
