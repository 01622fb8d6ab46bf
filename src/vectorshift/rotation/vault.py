"""Write a key to a KV secret of Vault or OpenBao, with check-and-set."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from vectorshift.credentials.guard import unwrap
from vectorshift.credentials.values import Credential, Secret
from vectorshift.errors import CredentialNotFoundError, CredentialStoreUnavailableError
from vectorshift.providers.vault.classify import (
    Reply,
    as_object,
    classify_read,
    is_denied,
    parse_time,
)
from vectorshift.providers.vault.provider import reader_of
from vectorshift.providers.vault.requests import Budget
from vectorshift.providers.vault.value import EXPIRES_AT, read_key
from vectorshift.rotation.target import RotationError, RotationTarget, revealed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.settings import Settings

__all__ = ["VaultTarget"]

_MERGE: Final = "application/merge-patch+json"
_NO_PATCH: Final = (403, 405)
"""Statuses for a token without the right to patch, and for a Vault before 1.9."""


class VaultTarget(RotationTarget):
    """A KV secret. Version 2 is written with check-and-set: only if nobody else wrote meanwhile.

    Args:
        settings: the settings that name the secret.
        expires_at: the time for the metadata's `expires_at`, `never`, or None.
        check_and_set: False allows KV version 1, which has no check-and-set.
    """

    name = "vault"

    def __init__(
        self, settings: Settings, *, expires_at: str | None, check_and_set: bool = True
    ) -> None:
        super().__init__()
        reader = reader_of(settings)
        if reader is None:
            raise RotationError("VECTORSHIFT_VAULT_PATH is not set: there is no secret to write.")
        self._reader, self._ref = reader, reader.ref
        self._path = quote(f"/v1/{self._ref.api_path}")
        self._metadata = quote(f"/v1/{self._ref.mount}/metadata/{self._ref.path}")
        self.source, self.where = self._ref.source, self._ref.address
        self._is_kv2 = self._ref.kv_version == 2
        self._check_and_set = check_and_set
        self._expires_at = expires_at
        self._has_expiry = False
        self._done = ""
        self._version = 0
        self._fields = Secret("{}")
        if self._is_kv2:
            self.undo = "vectorshift rotate --source vault --undo"

    def read(self) -> Credential:
        """Read the newest version, without the cache of an agent."""
        reply = self._read_version(None)
        credential = self._key_in(reply)
        self._fields = Secret(json.dumps(reply.data))
        if self._is_kv2:
            metadata = as_object(reply.data.get("metadata")) or {}
            self._fields = Secret(json.dumps(reply.data.get("data")))
            self._version = int(metadata["version"])
            self._has_expiry = EXPIRES_AT in (as_object(metadata.get("custom_metadata")) or {})
        return credential

    def check(self) -> None:
        """Reject a pinned version, KV 1 unless allowed, and a wrong expiry."""
        if self._ref.version is not None:
            raise self._refused(
                f"version {self._ref.version} is pinned, so no process would read a new one. "
                "Unset VECTORSHIFT_VAULT_VERSION."
            )
        if not self._is_kv2:
            if self._check_and_set:
                raise self._refused(
                    "KV version 1 has no check-and-set: a write by somebody else at the same "
                    "time would be lost. If nobody else writes, pass --no-check-and-set."
                )
            if self._expires_at is not None:
                raise self._refused("KV version 1 has no metadata. Leave out --expires-at.")
            self.notes.append("There was no check-and-set: KV version 1 has none.")
        if self._has_expiry and self._expires_at is None:
            raise self._refused(
                f"its metadata has {EXPIRES_AT}, which is for the old key. Say when the new key "
                "expires: --expires-at 2027-01-31T00:00:00Z, or --expires-at never."
            )
        if self._expires_at not in (None, "never"):
            moment = parse_time(self._expires_at)
            if moment is None or moment <= datetime.now(timezone.utc):
                raise self._refused(
                    "--expires-at is not an RFC 3339 time in the future, such as "
                    "2027-01-31T00:00:00Z."
                )

    def write(self, key: Secret) -> str | None:
        """Patch the field. If the token or the server does not allow that, write all fields."""
        if self._is_kv2 and (self._has_expiry or self._expires_at not in (None, "never")):
            self._write_expiry()
            self._done = f" Its {EXPIRES_AT} is {self._expires_at} already."
        changed, options = {self._ref.field: key}, {"cas": self._version}
        reply = None
        if self._is_kv2:
            reply = self._send("patch", self._path, {"options": options, "data": changed})
        if reply is None or reply.status in _NO_PATCH:
            whole = {**json.loads(self._fields.reveal()), **changed}
            body = {"options": options, "data": whole} if self._is_kv2 else whole
            reply = self._send("post", self._path, body)
        if reply.mentions("check-and-set"):
            raise self._refused(
                f"somebody else wrote it after version {self._version} was read. Look at what is"
                " there now, and run this again."
            )
        if is_denied(reply):
            raise self._denied(self._ref.api_path, '"read", "patch"')
        if reply.status not in (200, 204):
            raise self._refused(f"the server answered the write with HTTP {reply.status}.")
        version = reply.data.get("version")
        return None if version is None else str(version)

    def previous(self) -> Credential:
        """Return the key of the version before the newest."""
        if not self._is_kv2:
            return super().previous()
        if self._version < 2:
            raise self._refused("it has only one version: there is nothing to go back to.")
        before = self._version - 1
        try:
            return self._key_in(self._read_version(before))
        except CredentialNotFoundError:
            raise self._refused(
                f"version {before} was removed: there is nothing to go back to."
            ) from None

    def close(self) -> None:
        """Close the connections and forget the token."""
        self._reader.close()

    def _write_expiry(self) -> None:
        value = None if self._expires_at == "never" else self._expires_at
        change = {"custom_metadata": {EXPIRES_AT: value}}
        reply = self._send("patch", self._metadata, change)
        if reply.status in _NO_PATCH:
            reply = self._send("get", self._metadata)
            whole = as_object(reply.data.get("custom_metadata")) or {}
            whole.pop(EXPIRES_AT, None)
            if value is not None:
                whole[EXPIRES_AT] = value
            if reply.status == 200:
                reply = self._send("post", self._metadata, {"custom_metadata": whole})
        if is_denied(reply):
            raise self._denied(f"{self._ref.mount}/metadata/{self._ref.path}", '"patch"')
        if reply.status not in (200, 204):
            raise self._refused(f"the server answered for the metadata with HTTP {reply.status}.")

    def _read_version(self, version: int | None) -> Reply:
        return self._send("get", self._path, version=version)

    def _key_in(self, reply: Reply) -> Credential:
        return unwrap(classify_read(reply, self._ref) or read_key(reply, self._ref))

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
    ) -> Reply:
        """Send a request with a valid token. A write is sent only once."""
        requests, lease = unwrap(self._reader.session(Budget()))

        def call(adapter: Any) -> Any:
            if body is None:
                return adapter.get(
                    path, params={"version": version}, headers={"Cache-Control": "no-cache"}
                )
            headers = {"Content-Type": _MERGE} if method == "patch" else {}
            return adapter.request(method, path, headers=headers, json=revealed(body))

        reply = requests.send(path, call, token=lease.token, repeatable=body is None)
        if body is not None and (reply.is_transient or reply.status >= 500):
            raise CredentialStoreUnavailableError(
                f"{self.source}: the server answered with HTTP {reply.status}.",
                source=self.source,
                provider=self.name,
            )
        return reply

    def _denied(self, path: str, rights: str) -> RotationError:
        return self._refused(
            "the token may not write it. For rotation only, add to its policy: path "
            f"{json.dumps(path)} {{ capabilities = [{rights}] }}"
        )

    def _refused(self, why: str) -> RotationError:
        return super()._refused(why + self._done)
