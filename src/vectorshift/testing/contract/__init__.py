"""`ProviderContract`: the tests that every provider passes. An author inherits them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from vectorshift.testing.contract.chains import ChainTests
from vectorshift.testing.contract.life import LifeTests
from vectorshift.testing.contract.loops import LoopTests
from vectorshift.testing.contract.manners import MannerTests
from vectorshift.testing.contract.outcomes import OutcomeTests
from vectorshift.testing.contract.probe import LeftToAnother, Skipped, lacking
from vectorshift.testing.contract.sharing import SharingTests
from vectorshift.testing.contract.silence import SilenceTests
from vectorshift.testing.contract.values import ValueTests

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.testing.contract.hooks import SourceHooks
    from vectorshift.testing.contract.probe import Probe

__all__ = ["ProviderContract"]


class ProviderContract(
    OutcomeTests,
    ValueTests,
    LoopTests,
    SharingTests,
    SilenceTests,
    ChainTests,
    LifeTests,
    MannerTests,
):
    """Prove of a provider what `CredentialProvider` promises. Inherit it in a class that pytest
    collects.

    Write `make`, `put`, `remove` and `break_source`; `rotate` is `put` unless you write it. A test
    that needs another hook is skipped until you write it, and fails if `strict` is True. Each test
    begins with an empty source, and a fixture of the class may keep what it needs on `self`:

        class TestFile(ProviderContract):
            @pytest.fixture(autouse=True)
            def source(self, tmp_path: Path) -> None:
                self.path = tmp_path / "key"

            def make(self) -> CredentialProvider:
                return FileProvider(self.path)

            def put(self, key: str) -> None:
                self.path.write_text(key)

            def remove(self) -> None:
                self.path.unlink()

            def break_source(self) -> None:
                self.path.unlink()
                self.path.mkdir()

    One fault fails one test. Where another test needs what that one proves, it is skipped and says
    so.
    """


def _or_fails_if_strict(test: Callable[..., None]) -> Callable[..., None]:
    """Let a test that is left out fail where `strict` is True, unless it is exempt."""

    @functools.wraps(test)
    def run(self: SourceHooks, probe: Probe, **more: object) -> None:
        try:
            test(self, probe, **more)
        except LeftToAnother:
            raise
        except Skipped as skipped:
            lacks = lacking(skipped)
            if not self.strict or lacks in self.exempt:
                raise
            words = str(skipped.msg)
        else:
            return
        probe.fault(
            expected="no test that is left out, as strict is True.",
            happened=words,
            mend=f"Write or install it, or say why not: exempt = {{{lacks!r}: '...'}}.",
        )

    return run


for _name in dir(ProviderContract):
    if _name.startswith("test_"):
        setattr(ProviderContract, _name, _or_fails_if_strict(getattr(ProviderContract, _name)))
