"""What a real Asterisk 22.10.1 said in these tests, kept so that it can be read again where there is none.

Written anew by `PBX_CAPTURES=tests/pbx/captures make test-pbx`."""

from collections.abc import Sequence
from pathlib import Path

from omnihub.connectors.asterisk.frames import Decoder, Frame

CAPTURES = Path(__file__).parent / "captures"
KEPT = frozenset(
    {
        "test_a_queue_call_that_is_answered_and_recorded",
        "test_a_queue_that_lets_its_caller_go",
        "test_a_queue_whose_members_are_extensions",
        "test_a_message_on_the_answering_machine",
        "test_a_customer_who_does_not_answer_declines_rejected",
        "test_hold",
        "test_a_blind_transfer",
        "test_a_blind_transfer_of_a_queue_call",
        "test_an_attended_transfer",
        "test_the_exchanges_own_attended_transfer",
        "test_parking",
    }
)
# Of the variables only the recording's name; the queues' members change with every call.
_LEFT_OUT = ("Event: QueueMember", "Event: QueueParams", "Event: MusicOnHold")
_RECORDING = "Variable: MIXMONITOR_FILENAME"


def keep(folder: Path, name: str, said: bytes) -> None:
    frames = said.decode("utf-8").split("\r\n\r\n")
    text = "\n\n".join(frame.replace("\r\n", "\n") for frame in frames if _matters(frame))
    (folder / f"{name.removeprefix('test_')}.txt").write_text(f"{text}\n", "utf-8")


def _matters(frame: str) -> bool:
    return bool(frame) and not any(
        line.startswith(_LEFT_OUT) or (line == "Event: VarSet" and _RECORDING not in frame)
        for line in frame.split("\r\n")
    )


def frames(name: str) -> Sequence[Frame]:
    text = (CAPTURES / f"{name}.txt").read_text("utf-8")
    return Decoder().feed(f"{text.rstrip()}\n\n".replace("\n", "\r\n").encode())
