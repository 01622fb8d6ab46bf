"""The stores of the scripts as secrets of real OpenBao servers, with what `MemoryStore` has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift import CredentialDeniedError, CredentialRevokedError, VaultProvider

if TYPE_CHECKING:
    from vectorshift import CredentialError
    from vectorshift.testing import OpenBaoServer

_POLICY = 'path "secret/data/{path}" {{ capabilities = [{may}] }}'


class BaoStore:
    """A secret on a server of its own, which is sealed when the store should be down."""

    def __init__(self, name: str, server: OpenBaoServer) -> None:
        self.source, self._path, self._server = f"openbao:{name}", name, server
        self._key: str | None = None
        self._failure: CredentialError | None = None
        self._sealed = False
        self._allow(True)
        self._token = server.token([name])

    def put(self, key: str) -> None:
        self._key = key
        self._apply()

    def remove(self) -> None:
        self._key = None
        self._apply()

    def fail(self, error: CredentialError) -> None:
        self._failure = error
        self._apply()

    def recover(self) -> None:
        self._failure = None
        self._apply()

    def provider(self, name: str, *, remote: bool = True, **how: Any) -> VaultProvider:
        provider = VaultProvider(self._path, addr=self._server.address, token=self._token, **how)
        provider.remote = remote
        return provider

    def _allow(self, may: bool) -> None:
        self._server.policy(
            self._path, _POLICY.format(path=self._path, may='"read"' if may else "")
        )

    def _apply(self) -> None:
        if self._sealed:
            self._server.unseal()
            self._sealed = False
        failure = self._failure
        self._allow(not isinstance(failure, CredentialDeniedError) or _is_gone(failure))
        if _is_gone(failure):
            self._server.write(self._path, {"api_key": "vs-deleted"})
            self._server.delete(self._path)
        elif self._key is None:
            self._server.forget(self._path)
        else:
            self._server.write(self._path, {"api_key": self._key})
        if failure is not None and not isinstance(failure, CredentialDeniedError):
            self._server.seal()
            self._sealed = True


def _is_gone(failure: CredentialError | None) -> bool:
    return isinstance(failure, CredentialRevokedError)
