"""Files that a stranger sends: what they really are, and a name that is safe to show and to save."""

import re
from dataclasses import dataclass

import filetype

_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."

# Ending → content type, and what the first bytes may look like ("" for nothing recognisable).
_KINDS: dict[str, tuple[str, frozenset[str]]] = {
    "jpg": ("image/jpeg", frozenset({"jpg"})),
    "jpeg": ("image/jpeg", frozenset({"jpg"})),
    "png": ("image/png", frozenset({"png", "apng"})),
    "gif": ("image/gif", frozenset({"gif"})),
    "webp": ("image/webp", frozenset({"webp"})),
    "heic": ("image/heic", frozenset({"heic"})),
    "heif": ("image/heic", frozenset({"heic"})),
    "tif": ("image/tiff", frozenset({"tif"})),
    "tiff": ("image/tiff", frozenset({"tif"})),
    "pdf": ("application/pdf", frozenset({"pdf"})),
    "txt": ("text/plain", frozenset({""})),
    "log": ("text/plain", frozenset({""})),
    "csv": ("text/csv", frozenset({""})),
    "doc": ("application/msword", frozenset({"doc", ""})),
    "xls": ("application/vnd.ms-excel", frozenset({"xls", "doc", ""})),
    "ppt": ("application/vnd.ms-powerpoint", frozenset({"ppt", "doc", ""})),
    "docx": (_OOXML + "wordprocessingml.document", frozenset({"docx", "zip"})),
    "xlsx": (_OOXML + "spreadsheetml.sheet", frozenset({"xlsx", "zip"})),
    "pptx": (_OOXML + "presentationml.presentation", frozenset({"pptx", "zip"})),
    "odt": (_ODF + "text", frozenset({"odt", "zip"})),
    "ods": (_ODF + "spreadsheet", frozenset({"ods", "zip"})),
    "zip": ("application/zip", frozenset({"zip"})),
    "mp3": ("audio/mpeg", frozenset({"mp3"})),
    "m4a": ("audio/mp4", frozenset({"m4a", "mp4"})),
    "wav": ("audio/x-wav", frozenset({"wav"})),
    "amr": ("audio/amr", frozenset({"amr"})),
    "mp4": ("video/mp4", frozenset({"mp4", "m4v", "mov"})),
    "mov": ("video/quicktime", frozenset({"mov", "mp4"})),
}
_TEXT_ENDINGS = frozenset({"txt", "log", "csv"})
_OLE_ENDINGS = frozenset({"doc", "xls", "ppt"})
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ALIASES = {"jpeg": "jpg", "tiff": "tif", "heif": "heic"}
# Browsers run script found in these; they may be kept where an admin allows them, never shown.
_MARKUP = re.compile(rb"^[\s\xef\xbb\xbf]*<(?:!doctype|html|svg|script|\?xml|head|body|iframe)", re.IGNORECASE)
_UNSAFE_NAME = re.compile(
    r"[\x00-\x1f\x7f-\x9f\"*:<>?|\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_SNIFFED_BYTES = 8192


@dataclass(slots=True, frozen=True)
class FileKind:
    """`ending` is what the content is, as far as it can be told; `content_type` is never one that a browser
    would run."""

    ending: str
    content_type: str


def file_kind(filename: str, content: bytes) -> FileKind | None:
    """None where the content contradicts the name."""
    named = ending_of(filename)
    guess = filetype.guess(content[:_SNIFFED_BYTES])
    seen = guess.extension if guess else ""
    if _MARKUP.match(content[:512]):
        believable = named not in _KINDS or named in _TEXT_ENDINGS
        return FileKind(named, "application/octet-stream") if believable else None
    kind = _KINDS.get(named)
    if kind is None:
        # A photo may come without an ending; an unlisted ending is taken at its word, as mere bytes.
        if not named and seen in _KINDS:
            return FileKind(seen, _KINDS[seen][0])
        return FileKind(named, "application/octet-stream")
    content_type, fitting = kind
    if named in _OLE_ENDINGS and not seen and not content.startswith(_OLE_MAGIC):
        return None
    if seen not in fitting or (named in _TEXT_ENDINGS and b"\0" in content[:_SNIFFED_BYTES]):
        return _renamed(seen)
    return FileKind(named, content_type)


def _renamed(seen: str) -> FileKind | None:
    """A picture saved under another picture's ending is common and harmless."""
    kind = _KINDS.get(seen)
    return FileKind(seen, kind[0]) if kind and kind[0].startswith("image/") else None


def allowed(kind: FileKind | None, endings: tuple[str, ...]) -> bool:
    names = {_ALIASES.get(ending, ending) for ending in endings}
    return kind is not None and _ALIASES.get(kind.ending, kind.ending) in names


def ending_of(filename: str) -> str:
    stem, dot, ending = safe_filename(filename, "").rpartition(".")
    return ending.lower() if dot and stem and re.fullmatch(r"[A-Za-z0-9]{1,10}", ending) else ""


def safe_filename(filename: str, fallback: str) -> str:
    """No path, no controls, nothing that turns the reading direction around; at most 120 characters."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    name = _UNSAFE_NAME.sub("", name).strip(" .")
    if len(name) > 120:
        stem, dot, ending = name.rpartition(".")
        name = f"{stem[: 119 - len(ending)]}.{ending}" if dot and len(ending) <= 10 else name[:120]
    return name or fallback
