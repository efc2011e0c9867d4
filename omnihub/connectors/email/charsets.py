"""Bytes to text, whatever the label says."""

import codecs
import functools
import re

from charset_normalizer import from_bytes

_SAMPLE = 8192  # bytes shown to the statistical detector, which is slow

# Labels seen in mail that Python does not know, or knows too narrowly: gb2312 mail carries characters
# that only gb18030 has (镕, 喆), big5 mail those of Hong Kong, and latin-1 mail is cp1252 in truth.
_ALIASES = {
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "gb_2312": "gb18030",
    "gb2312-80": "gb18030",
    "euc-cn": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "ms936": "gb18030",
    "windows-936": "gb18030",
    "gb18030-2005": "gb18030",
    "x-gb18030": "gb18030",
    "chinese": "gb18030",
    "hz-gb-2312": "hz",
    "big5": "big5hkscs",
    "big-5": "big5hkscs",
    "x-big5": "big5hkscs",
    "cn-big5": "big5hkscs",
    "x-x-big5": "big5hkscs",
    "big5-hkscs": "big5hkscs",
    "cp950": "cp950",
    "utf8mb4": "utf-8",
    "utf8mb3": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "utf-8-bom": "utf-8",
    "cp-65001": "utf-8",
    "cp65001": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "unicode": "utf-16",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "iso_8859-1": "cp1252",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "windows-31j": "cp932",
    "ms_kanji": "cp932",
    "x-euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp_ext",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "ksc5601": "cp949",
    "euc-kr": "cp949",
    "x-windows-949": "cp949",
    "tis-620": "cp874",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
}
# Labels that say nothing: what follows is found out from the bytes alone.
_SILENT = frozenset(
    ("", "us-ascii", "ascii", "default", "unknown", "unknown-8bit", "x-unknown", "8bit", "7bit", "binary", "none")
) | {"ansi_x3.4-1968", "x-user-defined", "charset", "auto", "_autodetect", "utf-8", "utf8", "user-defined"}
_CLAIMING = frozenset(("us-ascii", "ascii", "utf-8", "utf8"))
_LABEL = re.compile(r"[a-z0-9][a-z0-9_:+-]{1,39}\Z")
_NO_CHARSETS = frozenset(
    ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "unicode-escape")
)
_ESCAPED = (
    (b"\x1b$)A", "iso2022_cn"),
    (b"\x1b$)C", "iso2022_kr"),
    (b"\x1b$", "iso2022_jp_ext"),
    (b"\x1b(J", "iso2022_jp_ext"),
)
# Charsets in which plain ASCII bytes may mean something else.
_NOT_ASCII = frozenset(("hz", "utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"))
_CJK_3BYTE = re.compile("[\u2010-\u206f\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@functools.lru_cache(maxsize=512)
def codec_for(label: str) -> str:
    """The Python codec for a declared label; '' when the label is unknown or says nothing."""
    name = label.strip().strip("\"'").lower().partition("*")[0].strip()
    if name in _SILENT or "iso-2022-cn" in name:
        return "iso2022_cn" if "iso-2022-cn" in name else ""
    name = _ALIASES.get(name, name)
    if not _LABEL.match(name):
        return ""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return ""
    # codecs.lookup also finds base64, rot13 and other transformations that are no charsets.
    return info.name if info._is_text_encoding and info.name not in _NO_CHARSETS else ""


def decode(data: bytes, label: str = "", hint: str = "") -> tuple[str, str]:
    """Text and, when the label had to be overruled or characters were lost, a plain-words problem.

    `hint` is a weaker second label, such as the body's charset for a raw header.
    """
    codec = codec_for(label)
    if codec not in _NOT_ASCII and data.isascii() and b"\x1b" not in data:
        return data.decode("ascii"), ""
    if codec:
        text = _declared(data, codec)
        if text is not None:
            return text, ""
        return _undeclared(data, hint), f"text was not in the declared charset {_shown(label)}"
    text = _undeclared(data, hint)
    name = label.strip().strip("\"'").lower()
    if name not in _SILENT:
        return text, f"unknown charset {_shown(label)}"
    if name in _CLAIMING and not data.isascii() and not _is_utf8(data):
        return text, f"text was not in the declared charset {_shown(label)}"
    return text, ""


def _shown(label: str) -> str:
    return repr(label.strip()[:40])


def _declared(data: bytes, codec: str) -> str | None:
    if codec == "iso2022_cn":
        return _iso2022_cn(data)
    if codec not in _NOT_ASCII and not data.isascii():
        better = _overruled(data, codec)
        if better is not None:
            return better
    try:
        return data.decode(codec)
    except (UnicodeDecodeError, UnicodeError):
        pass  # tried more gently below
    if codec == "cp1252":
        return _latin(data)
    gentle = data.decode(codec, "replace")
    lost = gentle.count("\ufffd")
    # One damaged character does not make the label wrong; many do.
    known = sum(1 for c in gentle if c > "\x7f") - lost
    return gentle if lost and known >= 8 * lost else None


def _overruled(data: bytes, codec: str) -> str | None:
    """UTF-8 under another label, or Chinese bytes labelled Western, are both common and provable."""
    text = _strict(data, "utf-8")
    if text is not None and (codec == "cp1252" or _CJK_3BYTE.search(text)):
        return text
    if codec == "cp1252":
        runs = _HIGH_RUN.findall(data)
        if all(len(run) % 2 == 0 for run in runs) and sum(map(len, runs)) >= 4 * len(runs):
            return _strict(data, "gb2312")
    return None


def _undeclared(data: bytes, hint: str) -> str:
    for bom, codec in _BOMS:
        if data.startswith(bom):
            return data.decode(codec, "replace").removeprefix("\ufeff")
    for escape, codec in _ESCAPED:
        if escape in data:
            return _iso2022_cn(data) if codec == "iso2022_cn" else data.decode(codec, "replace")
    text = _strict(data, "utf-8")
    if text is not None:
        return text
    damaged = data.decode("utf-8", "replace")
    lost = damaged.count("\ufffd")
    if sum(1 for c in damaged if c > "\x7f") - lost >= 3 * lost:
        return damaged
    hinted = codec_for(hint)
    if hinted and hinted != "cp1252" and (text := _strict(data, hinted)) is not None:
        return text
    text = _strict(data, "gb18030")
    if text is not None and _looks_chinese(text):
        return text
    return _detected(data) or _chinese_or_latin(data, text)


def _chinese_or_latin(data: bytes, chinese: str | None) -> str:
    """The last resort: Chinese if pairs of high bytes make it possible, else Western."""
    if chinese is not None and all(len(run) % 2 == 0 for run in _HIGH_RUN.findall(data)):
        return chinese
    return _latin(data)


def _looks_chinese(text: str) -> bool:
    """Western words read as gb18030 turn into rare characters; real Chinese is nearly all in GB 2312."""
    foreign = "".join(c for c in text if c > "\x7f")
    common = len(foreign.encode("gb2312", "ignore")) // 2
    return common >= 0.8 * len(foreign)


def _detected(data: bytes) -> str | None:
    """Statistical guess on a bounded sample; None when it is unsure or its guess fails on the whole."""
    if len(_HIGH_RUN.sub(b"", data[:_SAMPLE])) > 0.97 * min(len(data), _SAMPLE):
        return None  # a handful of accented letters: statistics would only guess
    best = from_bytes(data[:_SAMPLE]).best()
    if best is None or best.encoding in ("ascii", "cp1252"):
        return None
    return _strict(data, best.encoding)


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return None


def _is_utf8(data: bytes) -> bool:
    return _strict(data, "utf-8") is not None


def _latin(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _iso2022_cn(data: bytes) -> str:
    """Python has no iso-2022-cn codec: SO/SI switch between ASCII and GB 2312 with the high bits off."""
    out: list[str] = []
    double = False
    for piece in re.split(rb"(\x1b\$\)[AEG]|\x1b\$\*H|\x0e|\x0f|\r?\n)", data):
        if piece in (b"\x0e", b"\x0f"):
            double = piece == b"\x0e"
        elif piece.startswith(b"\x1b"):
            continue
        elif double and piece not in (b"\n", b"\r\n"):
            out.append(bytes(b | 0x80 for b in piece).decode("gb2312", "replace"))
        else:
            double = double and piece not in (b"\n", b"\r\n")
            out.append(piece.decode("latin-1"))
    return "".join(out)
