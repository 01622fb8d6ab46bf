"""One TLS context for each set of CAs, shared by all connections."""

from __future__ import annotations

import errno
import os
import ssl
import stat
from functools import lru_cache

from vectorshift._platform.files import wrong_name
from vectorshift._platform.importing import apart_from_forks
from vectorshift.errors import CredentialConfigurationError

__all__ = ["file_version", "tls"]


@lru_cache(maxsize=16)
def _context(
    ca_bundle: str | None, _file: str | None, _folder: str | None, _version: object
) -> ssl.SSLContext:
    if ca_bundle is None:
        import httpx

        return httpx.create_ssl_context()
    return ssl.create_default_context(cafile=ca_bundle)


def file_version(path: str | os.PathLike[str] | None) -> tuple[int, ...] | None:
    """Return a value that changes when the file is changed or replaced."""
    try:
        status = os.stat(path) if path else None  # noqa: PTH116
    except OSError:
        return None
    return status and (status.st_mtime_ns, status.st_size, status.st_ino)


def tls(ca_bundle: str | None) -> ssl.SSLContext:
    """Return a TLS context that all clients share: creating one takes 20 ms.

    Without a bundle, the CAs are those of `SSL_CERT_FILE` or `SSL_CERT_DIR`, else those of certifi.
    A changed file is read again: CAs are rotated, too.

    Raises:
        CredentialConfigurationError: the CAs that are named cannot be used.
    """
    named = [os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]
    file = ca_bundle or named[0]
    try:
        mode = os.stat(file).st_mode if file else stat.S_IFREG  # noqa: PTH116
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # OpenSSL would read it for ever
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a plain file")
        version = file_version(file)
        # OpenSSL has locks, too: hashing in a forked child would wait for them
        return apart_from_forks(lambda: _context(ca_bundle, *named, version))
    except OSError as error:  # an ssl.SSLError, for a file without certificates, is one
        flaw = error.strerror or "no certificate in it"
        log = os.environ.get("SSLKEYLOGFILE")
        if log and error.filename == log:
            raise CredentialConfigurationError(
                f"SSLKEYLOGFILE names {log}, which cannot be written: {flaw}. Unset the variable."
            ) from None
    variable = "VECTORSHIFT_CA_BUNDLE" if ca_bundle else "SSL_CERT_FILE"
    if content := wrong_name(file):
        raise CredentialConfigurationError(f"{variable} {content}.")
    raise CredentialConfigurationError(
        f"{variable} names {file}, which cannot be used: {flaw}. Name a PEM file of certificates."
    )
