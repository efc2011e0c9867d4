"""How long a voice note lasts: DingTalk wants to be told."""

import io
import wave

_AMR = b"#!AMR\n"
# Bytes of an AMR-NB frame of 20 ms by its mode (RFC 4867, table 1a), with its first byte.
_AMR_FRAMES = (13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1)
_FRAME_MILLIS = 20
# Of the first frame of an MP3: kbit/s of MPEG-1 and MPEG-2 layer III by its index.
_MPEG1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MPEG2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_SEARCHED = 65_536


def milliseconds(content: bytes) -> int:
    """0 where it cannot be told. An MP3's is an estimate, right where its bit rate is constant."""
    if content.startswith(_AMR):
        return _of_amr(content)
    if content.startswith(b"RIFF"):
        return _of_wav(content)
    return _of_mp3(content)


def _of_amr(content: bytes) -> int:
    at, frames = len(_AMR), 0
    while at < len(content):
        at += _AMR_FRAMES[content[at] >> 3 & 15]
        frames += 1
    return frames * _FRAME_MILLIS


def _of_wav(content: bytes) -> int:
    try:
        with wave.open(io.BytesIO(content)) as sound:
            return int(sound.getnframes() * 1000 // sound.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError):
        return 0


def _of_mp3(content: bytes) -> int:
    start = _after_tag(content)
    for at in range(start, min(len(content) - 4, start + _SEARCHED)):
        first, second, third = content[at], content[at + 1], content[at + 2]
        if first == 0xFF and second & 0xE6 == 0xE2:  # the frame's mark, layer III
            rate = (_MPEG1 if second & 0x18 == 0x18 else _MPEG2)[third >> 4]
            return (len(content) - at) * 8 // rate if rate else 0
    return 0


def _after_tag(content: bytes) -> int:
    if not content.startswith(b"ID3") or len(content) < 10:
        return 0
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size
