"""pytest fixtures for tests of services that use this package. Enable them in the `conftest.py` at
the root.

pytest_plugins = ["vectorshift.testing.fixtures"]
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

try:
    import pytest
except ModuleNotFoundError as error:
    raise ImportError(
        "vectorshift.testing.fixtures needs pytest: pip install pytest", name=error.name
    ) from None

import vectorshift
from vectorshift._platform import slot
from vectorshift.client import default
from vectorshift.client.default import configure, reset
from vectorshift.scope import current
from vectorshift.scope.configuration import Configured

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from vectorshift.testing.api import FakeVectorShift

__all__ = ["vectorshift_api", "vectorshift_offline"]

_SCRUBBED = ("VECTORSHIFT_", "VAULT_", "BAO_", "AWS_")
_OF_THE_KEY = ("api_key", "_api_key_set_to_none")
_OF_CLIENTS = ("sync", "asynchronous")
_OF_SCOPE = ("current", *_OF_CLIENTS)


@pytest.fixture
def vectorshift_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVectorShift]:
    """Start a stand-in API with a key of the organisation `acme`, and let the process use both.

    No variable, file or store that the machine has is looked at. Wins over `vectorshift_offline`.
    Needs the extra `testing`.
    """
    from vectorshift.testing.api import FakeVectorShift

    with _as_new(monkeypatch), FakeVectorShift() as api:
        monkeypatch.setenv("VECTORSHIFT_BASE_URL", api.base_url)
        monkeypatch.setenv("VECTORSHIFT_API_KEY", api.create_key(org="acme"))
        yield api


@pytest.fixture
def vectorshift_offline(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _refusing: str
) -> Iterator[None]:
    """Give the process no key and no network: a call fails at once and names this fixture.

    Every chain has only `vectorshift.api_key` and `VECTORSHIFT_API_KEY`, both unset at first: no
    file, store or plugin is asked. With a key, a call raises `ApiConnectionError`; without one,
    `MissingCredentialError`. Servers on this machine can be reached. A client with its own
    `http_client` or provider works as usual. A test that also uses `vectorshift_api` is not
    affected, so this fixture may be on for all tests.
    """
    from vectorshift.testing.offline import cut_off, offline_credentials

    if "vectorshift_api" in request.fixturenames:
        yield
        return
    with _as_new(monkeypatch), cut_off(_refusing):
        monkeypatch.setenv("VECTORSHIFT_BASE_URL", _refusing)
        configure(credentials=offline_credentials())
        yield


@pytest.fixture(scope="session")
def _refusing() -> Iterator[str]:
    """The API that the environment leads to, for clients that the tested code makes itself."""
    from vectorshift.testing.offline import refusing_api

    with refusing_api() as base_url:
        yield base_url


@contextlib.contextmanager
def _as_new(monkeypatch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    """Scrub the environment, and let the module know nothing; at the end, let it know what it
    knew.
    """
    for name in list(os.environ):
        if name.startswith(_SCRUBBED) or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)
    monkeypatch.setenv("VECTORSHIFT_ENV_FILE", "")
    # reading the attribute would ask the chain
    assigned = {name: slot.namespace[name] for name in _OF_THE_KEY if name in slot.namespace}
    del vectorshift.api_key
    try:
        with _set_aside():
            yield
    finally:
        del vectorshift.api_key
        slot.namespace.update(assigned)


@contextlib.contextmanager
def _set_aside() -> Generator[None, None, None]:
    """Let what was configured and entered around the block stand aside: nothing of it is closed,
    and all of it is back.

    A suite may have configured a test's key for the whole run: forgotten, the next test would find
    the machine's.
    """
    scope, clients = vars(current.DEFAULT_SCOPE), vars(default._clients)  # pyright: ignore[reportPrivateUsage]
    configured = {name: scope[name] for name in _OF_SCOPE}
    made = {name: clients[name] for name in _OF_CLIENTS}
    entered = current._in_block.get()  # pyright: ignore[reportPrivateUsage]
    scope.update(dict.fromkeys(_OF_CLIENTS), current=Configured())
    clients.update(dict.fromkeys(_OF_CLIENTS))
    current._in_block.set(None)  # pyright: ignore[reportPrivateUsage]
    try:
        yield
    finally:
        reset()
        scope.update(configured)
        clients.update(made)
        current._in_block.set(entered)  # pyright: ignore[reportPrivateUsage]
