"""`ProviderContract`: the tests that every provider passes. An author inherits them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

try:
    import pytest
except ModuleNotFoundError as error:
    raise ImportError(
        "ProviderContract needs pytest: pip install pytest", name=error.name
    ) from None

from vectorshift.testing.contract.chains import ChainTests
from vectorshift.testing.contract.life import LifeTests
from vectorshift.testing.contract.loops import LoopTests
from vectorshift.testing.contract.manners import MannerTests
from vectorshift.testing.contract.outcomes import OutcomeTests
from vectorshift.testing.contract.probe import LeftToAnother, Skipped, Unmet, lacking
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

    One fault fails one test. What fails after it, and needs what that test proves, is skipped and
    says so.
    """


_FOUND = "a_key_that_is_there_is_found"
_IN_A_CHAIN = """trio_is_served no_event_shows_the_key a_chain_moves_on_when_the_place_is_empty
    a_chain_stops_when_the_source_is_broken a_chain_goes_past_a_broken_source_if_the_user_says_so"""
_OF_FAILURES = """it_asks_neither_another_source_nor_a_person the_process_is_left_as_it_was
    the_event_loop_is_not_blocked a_cancelled_read_is_cancelled_and_harms_no_other
    it_answers_in_time no_error_shows_the_key"""
_FOUNDATIONS: Final = {
    _FOUND: "*",
    "one_event_loop_after_another_is_served": "*",
    "threads_share_a_provider": "*",
    "an_expiry_is_ahead": "*",
    "a_rotated_key_is_found_by_the_next_read": """a_removed_key_is_served_no_more
        a_broken_source_is_unavailable_or_misconfigured_and_never_not_found
        a_refused_access_is_denied_and_never_not_found
        white_space_around_a_key_is_taken_away
        a_value_that_is_no_key_is_refused_without_showing_it
        fifty_threads_and_two_hundred_tasks_cause_one_read_each
        an_empty_place_is_not_found a_chain_moves_on_when_the_place_is_empty
        two_providers_of_two_places_find_a_key_each
        what_the_settings_make_finds_the_key_of_its_place""",
    "its_attributes_are_such_as_a_chain_takes": _IN_A_CHAIN,
    "describe_answers_without_contact_and_does_not_raise": """
        a_source_is_the_one_that_describe_tells describe_answers_while_the_source_is_broken
        describe_shows_no_key the_settings_make_it_without_contact""",
    "a_closed_provider_can_be_closed_again_and_asked_again": """
        many_reads_and_many_providers_leave_nothing_behind the_process_is_left_as_it_was
        no_log_line_and_no_output_shows_the_key the_key_is_left_nowhere""",
    "a_source_is_printable_and_shows_neither_key_nor_version": """
        a_source_is_the_one_that_describe_tells""",
    "an_empty_place_is_not_found": """a_chain_moves_on_when_the_place_is_empty
        sync_and_async_fail_alike""",
    "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found": f"""{_OF_FAILURES}
        a_chain_stops_when_the_source_is_broken
        a_chain_goes_past_a_broken_source_if_the_user_says_so""",
    "a_refused_access_is_denied_and_never_not_found": _OF_FAILURES,
    "it_answers_in_time": "a_cancelled_read_is_cancelled_and_harms_no_other",
    "two_providers_of_two_places_find_a_key_each": """
        what_the_settings_make_finds_the_key_of_its_place""",
    "no_event_shows_the_key": "no_log_line_and_no_output_shows_the_key",
    "the_settings_make_it_without_contact": """
        what_the_settings_make_finds_the_key_of_its_place
        no_log_line_and_no_output_shows_the_key""",
}
"""The tests that run first, and those that need what each proves. `*` stands for all: each answer
is asked for in a thread and an event loop of its own.
"""

_FAILED: Final = WeakKeyDictionary["type[SourceHooks]", "dict[tuple[str, ...], None]"]()
"""The tests of each author's class that failed so far, each with its case."""


def _told_once(name: str, test: Callable[..., None]) -> Callable[..., None]:
    """Skip a test that fails where it needs what a failed one proves, so that one fault fails one
    test. All need a key that is found, and are not tried without.
    """

    @functools.wraps(test)
    def run(self: SourceHooks, probe: Probe, **case: str) -> None:
        failed, me = _FAILED.setdefault(type(self), {}), (name, *case.values())
        failed.pop(me, None)  # it is run again
        others = [test for test, *_ in failed]
        if _FOUND in others and name != _FOUND:
            raise _left_to(_FOUND)
        try:
            _judged(test, self, probe, case)
        except (Exception, pytest.fail.Exception) as error:
            for other in others:
                needs = _FOUNDATIONS.get(other, "").split()
                if isinstance(error, Unmet) or name == other or name in needs or "*" in needs:
                    raise _left_to(other) from None
            failed[me] = None
            raise

    return run


def _left_to(test: str) -> LeftToAnother:
    return LeftToAnother(
        f"test_{test} failed, and this test needs what it proves: mend that first."
    )


def _judged(
    test: Callable[..., None], contract: SourceHooks, probe: Probe, case: dict[str, str]
) -> None:
    """Run a test, and let one that is left out fail where `strict` is True, unless it is exempt."""
    try:
        test(contract, probe, **case)
    except Skipped as skipped:
        lacks = lacking(skipped)
        if not contract.strict or lacks in contract.exempt:
            raise
        words = str(skipped.msg)
    else:
        return
    probe.fault(
        expected="no test that is left out, as strict is True.",
        happened=words,
        mend=f"Write or install it, or give the reason: exempt = {{{lacks!r}: '...'}}.",
    )


_tests = {
    name.removeprefix("test_"): test
    for group in ProviderContract.__bases__
    for name, test in vars(group).items()
    if name.startswith("test_")
}
for _name in dict.fromkeys([*_FOUNDATIONS, *_tests]):
    setattr(
        ProviderContract, f"test_{_name}", _told_once(_name, _tests[_name])
    )  # pytest keeps this order
