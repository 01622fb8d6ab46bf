"""`ProviderContract`: the tests that every provider passes. An author inherits them."""

from __future__ import annotations

from vectorshift.testing.contract.chains import ChainTests
from vectorshift.testing.contract.life import LifeTests
from vectorshift.testing.contract.loops import LoopTests
from vectorshift.testing.contract.outcomes import OutcomeTests
from vectorshift.testing.contract.sharing import SharingTests
from vectorshift.testing.contract.silence import SilenceTests
from vectorshift.testing.contract.values import ValueTests

__all__ = ["ProviderContract"]


class ProviderContract(
    OutcomeTests, ValueTests, LoopTests, SharingTests, SilenceTests, ChainTests, LifeTests
):
    """Prove of a provider what `CredentialProvider` promises. Inherit it in a class that pytest
    collects.

    Write `make`, `put`, `remove` and `break_source`; `rotate` is `put` unless you write it. A test
    that needs `restore`, `deny`, `settings`, `make_second` or `reads` is skipped until you write
    them. With `second_settings`, what `from_settings` makes is asked for two places. Each test
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
