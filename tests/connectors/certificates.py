"""Throw-away certificates, and a Dovecot that shows them."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from dovecot import Dovecot, free_port

HERE = ("localhost", "127.0.0.1")
_DAY = timedelta(days=1)
_IMAPS = """
service imap-login {{
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
"""


@dataclass(slots=True, frozen=True)
class Shown:
    """A server's certificate and key, as files."""

    certificate: Path
    key: Path

    @property
    def pem(self) -> str:
        return self.certificate.read_text()

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Authority:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Test Authority")
        made = _builder(self._name, self._name, self._key, -_DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file = root / "authority.pem"
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        self.pem = self.file.read_text()

    def issue(self, *names: str, since: timedelta = -_DAY) -> Shown:
        """Good for two days from `since`, counted from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _for_server(_builder(_name(names[0]), self._name, key, since), names)
        return self._keep(made.sign(self._key, hashes.SHA256()), key)

    def self_signed(self, *names: str) -> Shown:
        key = ec.generate_private_key(ec.SECP256R1())
        made = _for_server(_builder(_name(names[0]), _name(names[0]), key, -_DAY), names)
        return self._keep(made.sign(key, hashes.SHA256()), key)

    def _keep(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Shown:
        name = f"{certificate.serial_number:x}"
        shown = Shown(self._root / f"{name}.pem", self._root / f"{name}.key")
        shown.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        shown.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return shown


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, since: timedelta
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) + since
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=start + 2 * _DAY,
    )


def _for_server(builder: x509.CertificateBuilder, names: tuple[str, ...]) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return builder.add_extension(
        x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class TlsDovecot(Dovecot):
    """Offers STARTTLS on `port` and TLS from the start on `tls_port`."""

    def __init__(self, root: Path, shown: Shown, introspection_url: str = "") -> None:
        super().__init__(root, introspection_url, (shown.certificate, shown.key))
        self.tls_port = free_port()

    def _write_config(self) -> None:
        super()._write_config()
        with (self.root / "dovecot.conf").open("a") as config:
            config.write(_IMAPS.format(port=self.tls_port))
