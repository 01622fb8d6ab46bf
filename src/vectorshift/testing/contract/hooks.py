"""The hooks by which an author describes a source to the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

import pytest

from vectorshift._platform import public
from vectorshift.credentials.provider import CredentialProvider
from vectorshift.plugins import CONTRACT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vectorshift.testing.contract.probe import Probe

__all__ = ["SourceHooks", "is_written"]


class SourceHooks:
    """One way each to make a provider and to do something to its source. Each test begins with an
    empty source.

    pytest makes an instance for each test, so a fixture of the class may keep what it needs on
    `self`.

    Attributes:
        patience: seconds that a caller waits: a getter that takes longer has hung. It may take
            half of that to fail, and a tenth to find a key.
        strict: whether a test that is left out fails, for want of a hook or a package.
        exempt: what a strict test may leave out all the same, and why: the name of a hook, `trio`,
            `blockbuster` or `entry_point`, and the reason.
        contract: the number of the contract that the provider was written for.
    """

    patience: float = 10.0
    strict: bool = False
    exempt: Mapping[str, str] = MappingProxyType({})
    contract: int = CONTRACT

    def make(self) -> CredentialProvider:
        """Return a new provider that is configured for the source."""
        _has_to_define(self, "make(), which returns a new provider")

    def put(self, key: str) -> None:
        """Store this text as the key. It may be malformed; `pytest.skip` if the source cannot hold
        it.
        """
        _has_to_define(self, "put(key), which stores a key in the source")

    def rotate(self, key: str) -> None:
        """Store another key, and let pass what the provider takes to notice; `put` by default."""
        self.put(key)

    def remove(self) -> None:
        """Take the key away, so that the place is empty."""
        _has_to_define(self, "remove(), which takes the key away")

    def break_source(self) -> None:
        """Make the source fail, as if it were down or garbled; `pytest.skip` if it cannot."""
        _has_to_define(self, "break_source(), which makes the source fail")

    def restore(self) -> None:
        """Make a broken source work again, with its key. Optional."""
        _left_out(self, "restore", "makes a broken source work again")

    def deny(self) -> None:
        """Make the source refuse the provider's access, and not the key. Optional."""
        _left_out(self, "deny", "makes the source refuse access")

    def settings(self) -> public.Settings:
        """Return the settings that lead `from_settings` to the source. Optional."""
        _left_out(self, "settings", "returns the settings that lead from_settings() to the source")

    def make_second(self, key: str) -> CredentialProvider:
        """Store this key in a second place of the source, and return a new provider that is
        configured for that place. Optional.
        """
        _left_out(self, "make_second", "stores a key in a second place and makes its provider")

    def second_settings(self, key: str) -> public.Settings:
        """Store this key in a second place of the source, and return the settings that lead
        `from_settings` to that place. Optional; needs `settings`.
        """
        _left_out(self, "second_settings", "leads from_settings() to a second place")

    def reads(self) -> int | None:
        """Return how often the source was read so far, or None if nobody counts."""
        return None

    def secrets(self) -> Iterable[str]:
        """Return what else must not be shown, such as the token for the store."""
        return ()

    @pytest.fixture
    def probe(self) -> Iterator[Probe]:
        """One test's dealings with the source, for the tests of the contract."""
        from vectorshift.testing.contract.probe import Probe

        probe = Probe(self)
        yield probe
        probe.close()


def is_written(contract: SourceHooks, hook: str) -> bool:
    """Return whether an author has written this hook."""
    return getattr(type(contract), hook) is not getattr(SourceHooks, hook)


def _has_to_define(contract: SourceHooks, hook: str) -> NoReturn:
    raise NotImplementedError(f"{type(contract).__name__} has to define {hook}.")


def _left_out(contract: SourceHooks, hook: str, does: str) -> NoReturn:
    pytest.skip(f"{type(contract).__name__} leaves out the hook {hook}(), which {does}.")
