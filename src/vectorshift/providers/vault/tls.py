"""TLS to a Vault server: the context for the arguments, and messages for its failures."""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from vectorshift._platform.files import read_small
from vectorshift._platform.tls import file_version

if TYPE_CHECKING:
    from vectorshift.providers.vault.arguments import VaultArguments

__all__ = ["UnusableError", "certificates_of", "new_context", "path_of", "tls_failure"]

_PEM: Final = "-----BEGIN"


def path_of(name: str) -> Path:
    """Return the path of a file whose name may begin with `~`, of this user or another."""
    return Path(os.path.expanduser(name))  # noqa: PTH111  # pathlib raises for an unknown user


def certificates_of(arguments: VaultArguments) -> tuple[object, ...]:
    """Return a value that changes when a certificate file changes."""
    named = (arguments.cacert, arguments.client_cert, arguments.client_key)
    files = [path_of(each) for each in named if each and _PEM not in each]
    return tuple(file_version(each) for each in (*files, os.environ.get("SSL_CERT_FILE")))


class UnusableError(Exception):
    """A certificate, a key or a proxy cannot be used. The text has no secret."""


def new_context(arguments: VaultArguments) -> ssl.SSLContext:
    """Return a new context with the files as they are now.

    Raises:
        UnusableError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if arguments.skip_verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        _load_authorities(context, arguments.cacert)
    _load_client(context, arguments)
    return context


def _load_authorities(context: ssl.SSLContext, cacert: str | None) -> None:
    """Trust the CAs of a file, a folder or a PEM text; by default, those of the API's client."""
    name, where = "VECTORSHIFT_VAULT_CACERT", cacert
    if not where:
        from requests.utils import DEFAULT_CA_BUNDLE_PATH

        named = ("SSL_CERT_FILE", "SSL_CERT_DIR")
        name = next((each for each in named if os.environ.get(each)), "")
        where = os.environ[name] if name else DEFAULT_CA_BUNDLE_PATH
    # trust a CA that is named, even if its own signer is unknown
    context.verify_flags |= getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0)
    path = path_of(where)
    if _PEM in where:
        _load_text(context, where, f"{name}: the text")
    elif name != "SSL_CERT_DIR" and not path.is_dir():
        what = f"{name}: the file {path}"
        _load_text(context, _text_of(path, what), what)
    else:
        folders = where.split(os.pathsep) if name == "SSL_CERT_DIR" else [path]
        for folder in filter(Path.is_dir, map(Path, folders)):
            for file in sorted(folder.iterdir()):
                with suppress(UnusableError):  # some files may not be certificates
                    _load_text(context, _text_of(file, ""), "")
        if not context.cert_store_stats()["x509"]:
            raise UnusableError(f"{name}: the folder {where} holds no certificate in PEM.")


def _load_text(context: ssl.SSLContext, text: str, what: str) -> None:
    try:  # Python raises TypeError for names outside ASCII in the comments of a bundle
        context.load_verify_locations(cadata=text.encode("ascii", "ignore").decode())
    except (ssl.SSLError, ValueError):  # ValueError: an empty text
        flaw = "holds no certificate in PEM."
        if f"{_PEM} CERTIFICATE" in text:
            fix = r" Replace each \n by a line break." if r"\n" in text else ""
            flaw = f"holds a malformed certificate.{fix}"
        raise UnusableError(f"{what} {flaw}") from None


def _text_of(file: Path, what: str) -> str:
    try:
        return read_small(file)[0].decode(errors="replace")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UnusableError(f"{what} cannot be read ({why}).") from None


def _load_client(context: ssl.SSLContext, arguments: VaultArguments) -> None:
    """Load the client's certificate. OpenSSL reports flaws as numbers, so check the text first."""
    cert, key = arguments.client_cert, arguments.client_key
    names = ("VECTORSHIFT_VAULT_CLIENT_CERT", "VECTORSHIFT_VAULT_CLIENT_KEY")
    if not cert:
        if key:
            raise UnusableError(f"{names[1]} is set without a certificate. Set {names[0]}.")
        return
    for name, file, what, mark in (
        (names[0], cert, "certificate", "CERTIFICATE-----"),
        (names[1] if key else names[0], key or cert, "private key", "PRIVATE KEY-----"),
    ):
        text = _text_of(path_of(file), f"{name}: the file {file}")
        if mark not in text:
            more = "" if key or what == "certificate" else f" Set {names[1]} to the key's file."
            raise UnusableError(f"{name}: the file {file} holds no {what} in PEM.{more}")
        if what == "private key" and "ENCRYPTED" in text:
            raise UnusableError(
                f"{name}: the private key in the file {file} is encrypted. Decrypt it: openssl "
                "pkey -in <file> -out <new file>"
            )
    try:
        context.load_cert_chain(path_of(cert), path_of(key) if key else None)
    except ssl.SSLError as error:
        flaw = "the client's certificate or its private key is malformed."
        # the second: the key is of another type, such as RSA
        if cast("str | None", error.reason) in ("KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
            flaw = "the client's certificate and its private key do not belong together."
        raise UnusableError(f"{flaw} Check {names[0]} and {names[1]}.") from None


def tls_failure(error: BaseException, arguments: VaultArguments) -> tuple[str, bool]:
    """Return the reason of a failed handshake, and whether it may succeed in a second."""
    found = _ssl_error(error)
    if isinstance(found, ssl.SSLCertVerificationError):
        return _unverified(found, arguments), False
    reason = (cast("str | None", getattr(found, "reason", None)) or "").upper()
    if "CERTIFICATE_REQUIRED" in reason or (
        "HANDSHAKE_FAILURE" in reason and not arguments.client_cert
    ):
        return (
            "TLS failed: the server asks for a client certificate. Set"
            " VECTORSHIFT_VAULT_CLIENT_CERT and VECTORSHIFT_VAULT_CLIENT_KEY."
        ), False
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return (
            "TLS failed: the server does not accept the client's certificate. Check "
            "VECTORSHIFT_VAULT_CLIENT_CERT: it may have expired, or be signed by another CA."
        ), False
    if "UNRECOGNIZED_NAME" in reason:
        return f"TLS failed: the server has no certificate for this name. {_NAME}", False
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return (
            "TLS failed: that port does not speak TLS. Use the TLS port in "
            "VECTORSHIFT_VAULT_ADDR, or http:// for a server on this machine."
        ), False
    if not reason or "EOF" in reason:
        return "the server cannot be reached: it closed the connection during TLS.", True
    return f"TLS failed ({reason}). Check the TLS settings of the server.", False


_NAME: Final = (
    "Use a name of the certificate in VECTORSHIFT_VAULT_ADDR, or set "
    "VECTORSHIFT_VAULT_TLS_SERVER_NAME to one."
)


_NO_ISSUER: Final = (2, 18, 19, 20, 21)


def _unverified(error: ssl.SSLCertVerificationError, arguments: VaultArguments) -> str:
    """Return why the server's certificate is not accepted, by the codes of X509_verify_cert."""
    code = cast("int | None", getattr(error, "verify_code", None))
    if code in (62, 64):
        return f"TLS failed: the server's certificate is for another name. {_NAME}"
    if code in (9, 10):
        when = "is not valid yet" if code == 9 else "has expired"
        return (
            f"TLS failed: the server's certificate, or one that signed it, {when}. Renew it, or "
            "check the clock of this machine."
        )
    if code is not None and code not in _NO_ISSUER:
        return (
            "TLS failed: the server's certificate, or one that signed it, is not accepted"
            f" ({error.verify_message}). Issue it again for a TLS server."
        )
    if arguments.cacert:
        return (
            "TLS failed: the server's certificate is not signed by the CA that"
            " VECTORSHIFT_VAULT_CACERT names. Name the CA that signed it. If there is a CA between,"
            " the server must send its certificate."
        )
    bundles = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    unused = next((f" {name} is not used." for name in bundles if os.environ.get(name)), "")
    return (
        "TLS failed: the server's certificate is signed by a CA that is not trusted. Set "
        f"VECTORSHIFT_VAULT_CACERT to the CA's file.{unused}"
    )


def _ssl_error(error: BaseException | None) -> ssl.SSLError | None:
    """Return the OpenSSL error inside an error of urllib3."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ssl.SSLError):
            return error
        inner = error.args[0] if error.args else None
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return None
