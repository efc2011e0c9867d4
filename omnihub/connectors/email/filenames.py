"""Names of attachments, made safe to store, show and download."""

import mimetypes
import re
import unicodedata

MAX_LENGTH = 180  # characters; file systems stop at 255 bytes
_UNSAFE = re.compile(r'[<>:"|?*]')
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
# Bidirectional overrides turn `gpj.exe` into `exe.jpg` on the screen.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u061c\u00ad]")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")
_EXTENSIONS = {
    "message/rfc822": ".eml",
    "text/plain": ".txt",
    "text/html": ".html",
    "text/calendar": ".ics",
    "image/jpeg": ".jpg",
    "application/ms-tnef": ".dat",
    "application/pkcs7-mime": ".p7m",
    "application/pkcs7-signature": ".p7s",
    "application/x-pkcs7-mime": ".p7m",
    "application/x-pkcs7-signature": ".p7s",
    "application/pgp-signature": ".asc",
    "message/delivery-status": ".txt",
    "message/disposition-notification": ".txt",
    "text/rfc822-headers": ".txt",
    "audio/mpeg": ".mp3",
}


def safe_filename(name: str, content_type: str, stem: str = "attachment") -> str:
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    name = _CONTROL.sub("", _INVISIBLE.sub("", name)).replace("\\", "/").rpartition("/")[2]
    name = _UNSAFE.sub("_", " ".join(name.split())).strip(" .")
    if not name.strip("_"):
        return stem + extension_for(content_type)
    if len(name) <= MAX_LENGTH:
        return name
    extension = match[0] if (match := _EXTENSION.search(name)) else ""
    return name[: MAX_LENGTH - len(extension)].rstrip(" .") + extension


def extension_for(content_type: str) -> str:
    return _EXTENSIONS.get(content_type) or mimetypes.guess_extension(content_type) or ".bin"
