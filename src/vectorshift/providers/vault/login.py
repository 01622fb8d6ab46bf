"""What a way to a Vault token is, and what all of them share. The ways themselves are in
`methods`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from vectorshift.credentials.values import Secret
from vectorshift.errors import CredentialError
from vectorshift.providers.vault.classify import SecretRef, classify_login
from vectorshift.providers.vault.requests import TransportFailure
from vectorshift.providers.vault.tokens import TokenLease, granted

if TYPE_CHECKING:
    from vectorshift.providers.vault.transport import Payload, VaultRequests

__all__ = ["Login", "MountedLogin", "checked_token", "read_token", "troubled"]


class Login(ABC):
    """One way to a token. At most one login runs at a time."""

    label: str
    """The method, and its mount where it has one, for messages."""

    contacts = True
    """Whether a login asks the server, which then makes a new token; else the token comes from
    elsewhere.
    """

    watches = False
    """Whether the token stands in a file that somebody else renews, so that it is read again at
    each look-up.
    """

    @abstractmethod
    def log_in(self, requests: VaultRequests, ref: SecretRef) -> TokenLease | CredentialError:
        """Return a token (empty where a proxy adds one), or the error that says why there is
        none.
        """


@dataclass(kw_only=True)
class MountedLogin(Login):
    """A method that posts a document to `auth/<mount>/login`."""

    method: str
    mount: str
    fix = ""
    fresh_connection = False
    """Whether the login is made by the connection itself, so that an old one will not do."""

    def __post_init__(self) -> None:
        self.label = f"{self.method} at auth/{self.mount}"

    @abstractmethod
    def payload(self, requests: VaultRequests, ref: SecretRef) -> Payload | CredentialError:
        """Return what to post, or the error that says what is missing."""

    def log_in(self, requests: VaultRequests, ref: SecretRef) -> TokenLease | CredentialError:
        """Post the document; answer with the token that comes back."""
        payload = self.payload(requests, ref)
        if isinstance(payload, CredentialError):
            return payload
        if self.fresh_connection:
            requests.reconnect()
        reply = requests.post(f"/v1/auth/{quote(self.mount, errors='replace')}/login", payload)
        if isinstance(reply, TransportFailure):
            return troubled(reply, ref)
        flaw = classify_login(reply, ref, self.fix)
        if flaw is not None:
            return flaw
        auth = (reply.body or {})["auth"]
        token = checked_token(str(auth["client_token"]), "The server's answer to the login", ref)
        return token if isinstance(token, CredentialError) else granted(token, auth)


def troubled(failure: TransportFailure, ref: SecretRef) -> CredentialError:
    """Return the error for an exchange without a reply."""
    return ref.unavailable(failure.reason) if failure.transient else ref.wrong(failure.reason)


def read_token(path: str, setting: str, ref: SecretRef) -> Secret | CredentialError:
    """Return what a file holds, checked as a token is."""
    try:
        text = Path(path).expanduser().read_bytes().decode(errors="replace")
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: not even the name of a file
        return ref.wrong(f"{setting}: the file {path} cannot be read ({type(error).__name__}).")
    return checked_token(text, f"{setting}: the file {path}", ref)


def checked_token(text: str, where: str, ref: SecretRef) -> Secret | CredentialError:
    """Return a token, stripped and checked: the complaint of requests about a bad one would print
    it.
    """
    token = text.strip()
    if re.fullmatch(r"[!-~]+", token):
        return Secret(token)
    if not token:
        return ref.wrong(f"{where} is empty.")
    return ref.wrong(
        f"{where} holds a space, a line break or a character outside ASCII. Give the token alone."
    )
