"""Captures of a real Asterisk 22.10.1, with the times at which its Cdr events say that things happened."""

import json
from collections.abc import Sequence
from pathlib import Path

from omnihub.connectors import asterisk
from omnihub.connectors.asterisk.frames import Frame, frame_of

FIXTURES = Path(str(asterisk.__file__)).parent / "fixtures"
RAW = (FIXTURES / "asterisk22_ami_raw_queue_call.bin").read_bytes()

Heard = tuple[Frame, float]

# The capture has no clock: from this line on, seconds since 1970, as read from Cdr and Uniqueid.
_TIMES = (
    (0, 1795347608.0),
    (2, 1795347609.0),
    (22, 1795347610.0),
    (63, 1795347613.2),
    (90, 1795347615.0),
    (154, 1795347617.4),
    (182, 1795347619.0),
    (195, 1795347620.0),
    (268, 1795347626.5),
)


def four_calls() -> Sequence[Heard]:
    """A call to a queue, a direct one, one to a busy line, and a click-to-call."""
    lines = (FIXTURES / "asterisk22_ami_queue_dial_busy_originate.jsonl").read_text("utf-8").splitlines()
    heard = []
    for number, line in enumerate(lines):
        first, second = max(start for start in _TIMES if start[0] <= number)
        at = second + (number - first) * 0.005
        given = json.loads(line)
        pairs = [(name, str(value)) for name, value in given.items() if name not in ("content", "_label")]
        heard.append((frame_of([*pairs, ("Timestamp", f"{at:.6f}")]), at))
    return heard
