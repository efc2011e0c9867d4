"""Which certificates are believed, and what to do about the others."""

import ssl
from collections.abc import Iterator

from omnihub.connectors.email.settings import Settings

_OWN_AUTHORITY = (
    "The certificate was issued by an authority that this machine does not know. Paste that authority's"
    " certificate into the account's settings (own certificate authority); a self-signed one stands for itself."
)
_OTHER_NAME = "The certificate belongs to another name: enter the server by a name that stands on its certificate."
_BY_VERIFY_CODE = {  # OpenSSL's X509_V_ERR_ numbers
    9: "The certificate is not valid yet: check this machine's clock.",
    10: "The certificate has expired: its owner must renew it. Check this machine's clock too.",
    18: _OWN_AUTHORITY,
    19: _OWN_AUTHORITY,
    20: _OWN_AUTHORITY,
    21: _OWN_AUTHORITY,
    62: _OTHER_NAME,
    64: _OTHER_NAME,
}
_BAD_CERTIFICATE = "The server's owner must mend its certificate."
_NO_TLS = "The port does not speak TLS from the start: choose STARTTLS, or the provider's TLS port."
_OLD_TLS = "The server speaks only an outdated TLS: its owner must switch on TLS 1.2 or newer."
_BY_REASON = {  # OpenSSL's words
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "UNSUPPORTED_PROTOCOL": _OLD_TLS,
    "PROTOCOL_VERSION": _OLD_TLS,
    "NO_PROTOCOLS_AVAILABLE": _OLD_TLS,
}


class NotEncrypted(OSError):
    """The server would go on only in the clear, and we would not: it does not offer STARTTLS, or somebody
    on the way took the offer out. Nothing was told to it, no password either."""

    remedy = "Choose TLS and the provider's TLS port; if STARTTLS worked before, somebody may be listening in."


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Takes some 20 ms, for the machine's own authorities are read anew."""
    context = ssl.create_default_context()
    if settings.certificate_authority:
        context.load_verify_locations(cadata=settings.certificate_authority)
    if not settings.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def remedy(error: BaseException | None) -> str:
    """What to do about a connection that could not be encrypted; '' where something else is wrong."""
    for one in _chain(error):
        if isinstance(one, NotEncrypted):
            return one.remedy
        if isinstance(one, ssl.SSLCertVerificationError):
            return _BY_VERIFY_CODE.get(one.verify_code, _BAD_CERTIFICATE)
        if isinstance(one, ssl.SSLError):
            # A connection that merely broke is an SSLError as well; nothing in the settings mends that.
            return next((advice for reason, advice in _BY_REASON.items() if reason in str(one.reason)), "")
    return ""


def words(error: BaseException | None) -> str:
    """What is wrong with the encryption; '' where something else is."""
    for one in _chain(error):
        if isinstance(one, NotEncrypted):
            return str(one)
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"the server's certificate was refused: {one.verify_message.rstrip('.')}"
        if isinstance(one, ssl.SSLError):
            return f"no encrypted connection: {one.reason}"
    return ""


def explained(error: BaseException) -> str:
    """An error's words, and where it is about encryption, what to do."""
    if advice := remedy(error):
        return f"{words(error)}. {advice}"
    return str(error) or type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
