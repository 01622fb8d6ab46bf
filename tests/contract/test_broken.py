"""Each fault fails the kit on the test that names it, and on no other; the words help, and show no
key.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

FAULTS = {
    "AnswersWithAnotherKeyOnceRefused": "invalidate_reads_nothing_and_does_not_raise",
    "AnswersInAnothersName": "a_credential_names_its_provider",
    "AnswersOtherwiseToAsync": "sync_and_async_find_the_same",
    "AnswersWithAnExpiredKey": "an_expiry_is_ahead",
    "AnswersWithTheKeyInItsSource": "a_source_is_printable_and_shows_neither_key_nor_version",
    "AnswersWithTheVersionInItsSource": "a_source_is_printable_and_shows_neither_key_nor_version",
    "AnswersWithoutAKey": "a_key_that_is_there_is_found",
    "BlocksTheLoop": "the_event_loop_is_not_blocked",
    "BlocksTheLoopWhenBroken": "the_event_loop_is_not_blocked",
    "CachesAValueForEver": "a_rotated_key_is_found_by_the_next_read",
    "CachesAValueForEverForAsync": "a_rotated_key_is_found_by_the_next_read",
    "CannotBeClosedTwice": "a_closed_provider_can_be_closed_again_and_asked_again",
    "DecidesForTheUser": "a_chain_goes_past_a_broken_source_if_the_user_says_so",
    "DescribesAnotherSource": "a_source_is_the_one_that_describe_tells",
    "DescribesTheKey": "describe_shows_no_key",
    "EndsTheProcessWhenItIsMade": "the_settings_make_it_without_contact",
    "FailsOtherwiseInAsync": "sync_and_async_fail_alike",
    "HangsWhenBroken": "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found",
    "HangsWhenBrokenInAsync": "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found",
    "IsAlwaysTheLast": "a_chain_moves_on_when_the_place_is_empty",
    "IsLocalAndForAsyncioAlone": "trio_is_served",
    "IsMadeForAnotherPlace": "the_settings_make_it_without_contact",
    "IsOneForAllSettings": "what_the_settings_make_finds_the_key_of_its_place",
    "IsOneForAllSettingsOfOnePlace": "what_the_settings_make_finds_the_key_of_its_place",
    "KeepsASecondPlaceToItself": "what_the_settings_make_finds_the_key_of_its_place",
    "LeavesTheTokenOut": "what_the_settings_make_finds_the_key_of_its_place",
    "KeepsItsPlaceOnTheClass": "two_providers_of_two_places_find_a_key_each",
    "KeepsItsPlaceInAModuleWhileItReads": "two_providers_of_two_places_find_a_key_each",
    "KeepsItsAnswersOnTheClass": "two_providers_of_two_places_find_a_key_each",
    "IsOfNoUseOnceClosed": "a_closed_provider_can_be_closed_again_and_asked_again",
    "IsPassedOverWhenItFails": "a_chain_stops_when_the_source_is_broken",
    "KeepsAFailure": "a_source_that_recovers_is_read_again",
    "KeepsAFileForEachRead": "many_reads_leave_no_thread_and_no_file_behind",
    "KeepsAThreadForEachRead": "many_reads_leave_no_thread_and_no_file_behind",
    "LeaksInHexadecimal": "no_log_line_and_no_output_shows_the_key",
    "LeaksInItsException": "no_error_shows_the_key",
    "LeaksInItsLog": "no_log_line_and_no_output_shows_the_key",
    "LeaksInItsRepr": "nothing_that_prints_shows_the_key",
    "LeaksInTheCauseOfItsException": "no_error_shows_the_key",
    "LeaksInTheVersion": "nothing_that_prints_shows_the_key",
    "LeaksItsToken": "no_log_line_and_no_output_shows_the_key",
    "NeedsAThreadThatAForkDoesNotHave": "a_forked_child_is_served",
    "Prints": "no_log_line_and_no_output_shows_the_key",
    "PutsTheKeyIntoTheEnvironment": "the_environment_is_left_without_the_key",
    "RaisesKeyErrorWhenEmpty": "an_empty_place_is_not_found",
    "RaisesOnDescribe": "describe_answers_without_contact_and_does_not_raise",
    "RaisesOnInvalidate": "invalidate_reads_nothing_and_does_not_raise",
    "ReadsWhenItIsMade": "the_settings_make_it_without_contact",
    "ReadsOnInvalidate": "invalidate_reads_nothing_and_does_not_raise",
    "RefusesWhiteSpace": "white_space_around_a_key_is_taken_away",
    "RunsAProgramThatPrints": "no_log_line_and_no_output_shows_the_key",
    "SaysNotFoundToAsyncWhenBroken": (
        "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found"
    ),
    "SaysNotFoundToAsyncWhenRefused": "a_refused_access_is_denied_and_never_not_found",
    "SaysNotFoundWhenBroken": "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found",
    "SaysNotFoundWhenMalformed": "a_value_that_is_no_key_is_refused_without_showing_it",
    "SaysNotFoundWhenRefused": "a_refused_access_is_denied_and_never_not_found",
    "SaysRevokedWhenRefused": "a_refused_access_is_denied_and_never_not_found",
    "SaysThatItIsNotConfigured": "describe_answers_without_contact_and_does_not_raise",
    "ServesAsyncTheLastKeyWhenItIsGone": "a_removed_key_is_served_no_more",
    "ServesTheLastKeyWhenBroken": (
        "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found"
    ),
    "ServesTheLastKeyWhenItIsGone": "a_removed_key_is_served_no_more",
    "ServesTheLastKeyWhenRefused": "a_refused_access_is_denied_and_never_not_found",
    "ShowsAMalformedValue": "a_value_that_is_no_key_is_refused_without_showing_it",
    "StaysLockedWhenCancelled": "a_cancelled_read_is_cancelled_and_harms_no_other",
    "SwallowsCancellation": "a_cancelled_read_is_cancelled_and_harms_no_other",
    "TakesTheKeyAlongInAPickle": "a_pickle_or_a_copy_holds_no_key",
    "TakesTheSettingsForGranted": "the_settings_make_it_without_contact",
    "TriesAgainWhenCancelled": "a_cancelled_read_is_cancelled_and_harms_no_other",
    "WarnsOfTheKey": "no_log_line_and_no_output_shows_the_key",
    "WritesOnADescriptor": "no_log_line_and_no_output_shows_the_key",
}

SEVERAL = {
    "AnnouncesTheKey": "no_event_shows_the_key",  # and the log, which has every event
    "IsBoundToALoop": "one_event_loop_after_another_is_served",  # and whatever reads twice
    "KeepsALock": (
        "one_event_loop_after_another_is_served"
    ),  # and threads, which wait for one another
    "MixesUpThreads": (
        "threads_share_a_provider"
    ),  # and a thread that a cancelled caller left behind
    "ReadsOnDescribe": "describe_answers_without_contact_and_does_not_raise",  # broken or not
    "ReadsTwice": "fifty_threads_cause_one_read",  # and tasks
}


class Run(NamedTuple):
    failed: dict[str, set[str]]
    passed: dict[str, set[str]]
    words: dict[str, list[str]]
    output: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What a pytest of its own says of all of them."""
    report = tmp_path_factory.mktemp("kit") / "report.xml"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--noconftest",
        f"--junitxml={report}",
        "tests/contract/broken.py",
    ]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    said = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    told = Run({}, {}, {}, said.stdout + said.stderr)
    for case in ElementTree.parse(report).iter("testcase"):
        kind, test = (
            case.get("classname", "").rpartition(".Test")[2],
            case.get("name", "").partition("[")[0],
        )
        if (failure := case.find("failure")) is not None:
            told.failed.setdefault(kind, set()).add(test.removeprefix("test_"))
            told.words.setdefault(kind, []).append(failure.get("message", ""))
        elif case.find("skipped") is None and case.find("error") is None:
            told.passed.setdefault(kind, set()).add(test.removeprefix("test_"))
    return told


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_the_test_that_names_it_and_no_other(run: Run, fault: str) -> None:
    assert run.failed.get(fault) == {FAULTS[fault]}


@pytest.mark.parametrize("fault", SEVERAL)
def test_a_fault_of_many_faces_fails_at_least_the_test_that_names_it(run: Run, fault: str) -> None:
    assert SEVERAL[fault] in run.failed[fault]


SOUND = [
    "Sound",
    "SoundAndFrozen",
    "SoundAndNeverFresh",
    "SoundAsync",
    "SoundWithALeaseForEachRead",
    "SoundWithAPinnedVersion",
    "SoundWithAPoolOfFiveThreads",
]


@pytest.mark.parametrize("kind", SOUND)
def test_a_provider_without_fault_passes_every_test(run: Run, kind: str) -> None:
    assert kind not in run.failed
    assert {*FAULTS.values(), *SEVERAL.values()} <= run.passed[kind]


def test_every_test_of_the_kit_is_failed_by_some_provider(run: Run) -> None:
    assert set().union(*run.failed.values()) == run.passed["Sound"]


def test_every_broken_provider_is_looked_for(run: Run) -> None:
    assert run.failed.keys() == FAULTS.keys() | SEVERAL.keys()


def test_each_failure_says_what_was_expected_what_happened_and_how_to_mend_it(run: Run) -> None:
    for words in run.words.values():
        for each in words:
            assert re.match(r"Failed: Expected: .+\nHappened: .+\nTo mend:  .+", each, re.DOTALL)


def test_no_failure_shows_a_key_or_a_token(run: Run) -> None:
    assert re.findall(r"vs-\w{12,}|hvs\.\w+", run.output) == []
    assert re.findall(r"vs-\w{12,}|hvs\.\w+", "".join(map("".join, run.words.values()))) == []
