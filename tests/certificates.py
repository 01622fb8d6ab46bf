"""A certificate authority that nobody trusts, for one session of tests.

Its certificates have all that RFC 5280 wants: from Python 3.13 on a client looks
(`VERIFY_X509_STRICT`).
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Authority", "two_authorities"]


class Authority:
    """Signs one certificate, for loopback and for `api.example.test`.

    Args:
        folder: where its files go: `ca.pem`, which a client may trust, and the server's own.
        expired: whether the server's certificate ended a moment ago.
        for_clients: whether the certificate is for clients, not for servers.
    """

    def __init__(self, folder: Path, *, expired: bool = False, for_clients: bool = False) -> None:
        self.file = folder / "ca.pem"
        key, ours = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A test's CA")])
        ca = (
            _builder(name, name, key, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .not_valid_after(_now() + datetime.timedelta(days=1))
        )
        names = [
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.DNSName("localhost"),
            x509.DNSName("api.example.test"),
        ]
        purpose = (
            ExtendedKeyUsageOID.CLIENT_AUTH if for_clients else ExtendedKeyUsageOID.SERVER_AUTH
        )
        server = (
            _builder(name, x509.Name([]), ours, key)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .not_valid_after(_now() + datetime.timedelta(minutes=-1 if expired else 1440))
        )
        self.file.write_bytes(
            ca.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        own = self.own = folder / "server.pem"
        own.write_bytes(
            ours.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + server.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(own)


def two_authorities(folder: Path) -> tuple[Authority, Authority]:
    """Make two, each with a folder of its own: the second one takes over from the first."""
    (folder / "old").mkdir()
    (folder / "new").mkdir()
    return Authority(folder / "old"), Authority(folder / "new")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
