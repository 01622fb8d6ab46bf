"""Each fault fails the test of the kit that names it, in words that help and show no key; a sound
provider passes every test.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.contract.faults import END, FAULTS, FOLDER, SOUND, SOUND_IN_ONE_WAY, Checked, Sound

from vectorshift.testing import ProviderContract
from vectorshift.testing.contract.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

TESTS = [name for name in vars(ProviderContract) if name.startswith("test_")]
CAUGHT = {name: kind for name, kind in FAULTS.items() if kind.fails}
NOT_CAUGHT = {name: kind for name, kind in FAULTS.items() if not kind.fails}
LEFT_OUT = {"test_its_entry_point_leads_to_it"}  # no package is installed here
SECRETS = re.compile(r"vs-\w{12,}|hvs\.\w+")


class Run(NamedTuple):
    failed: bool
    words: str


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    """Let what hangs end when all is over."""
    END.clear()
    yield
    END.set()
    shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.fixture(autouse=True)
def quiet_root() -> Iterator[None]:
    level = logging.root.level
    yield
    logging.root.setLevel(level)


def checked(kind: type[Sound]) -> type[Checked]:
    return type(f"Test{kind.__name__}", (Checked,), {"provider": kind, **kind.hooks})


def cases(test: str) -> list[dict[str, Any]]:
    """Return the arguments of each case of a test of the kit."""
    marks = getattr(getattr(ProviderContract, test), "pytestmark", [])
    for mark in marks:
        if mark.name == "parametrize":
            return [{mark.args[0]: value} for value in mark.args[1]]
    return [{}]


def runs(contract: type[Checked], test: str) -> Generator[Run, None, None]:
    """Run each case of a test of the kit as pytest would, in this process."""
    for case in cases(test):
        instance = contract()
        instance.source()
        probe = Probe(instance)
        try:
            getattr(instance, test)(probe, **case)
        except pytest.fail.Exception as failure:
            yield Run(True, str(failure.msg))
        except pytest.skip.Exception as skipped:
            yield Run(False, f"skipped: {skipped.msg}")
        except Exception as error:
            yield Run(True, f"{type(error).__name__}: {error}")
        else:
            yield Run(False, "")
        finally:
            probe.close()


def run(contract: type[Checked], test: str) -> Run:
    """Return the first case of a test that fails, or the last that does not."""
    said = Run(False, "")
    with contextlib.closing(runs(contract, test)) as every:
        for said in every:
            if said.failed:
                break
    return said


def failures(kind: type[Sound]) -> list[str]:
    """Run the whole kit, in its order; return the tests that fail, one with two cases twice."""
    contract = checked(kind)
    return [test for test in TESTS for each in runs(contract, test) if each.failed]


@pytest.mark.parametrize("fault", CAUGHT)
def test_a_fault_fails_the_test_that_names_it_in_words_that_help(fault: str) -> None:
    kind = CAUGHT[fault]
    said = run(checked(kind), f"test_{kind.fails}")
    assert said.failed, said.words
    assert re.match(r"Expected: .+\nHappened: .+\nTo fix:  .+", said.words, re.DOTALL)
    assert not SECRETS.search(said.words)


@pytest.mark.parametrize(
    "kind", [*SOUND, *(pytest.param(each, marks=pytest.mark.soak) for each in SOUND_IN_ONE_WAY)]
)
def test_a_provider_without_fault_passes_every_test(kind: type[Sound]) -> None:
    for test in TESTS:
        said = run(checked(kind), test)
        assert not said.failed, said.words
        assert not said.words or test in LEFT_OUT, said.words


def test_every_test_of_the_kit_is_failed_by_some_provider() -> None:
    named = {f"test_{kind.fails}" for kind in CAUGHT.values()}
    assert set(TESTS) - named == {*LEFT_OUT, "test_it_was_written_for_this_contract"}


def test_most_faults_are_caught() -> None:
    assert len(CAUGHT) >= 145
    assert len(NOT_CAUGHT) <= 9


@pytest.mark.soak
@pytest.mark.parametrize("fault", CAUGHT)
def test_a_fault_fails_one_test(fault: str) -> None:
    assert failures(CAUGHT[fault]) == [f"test_{CAUGHT[fault].fails}"]


@pytest.mark.soak
@pytest.mark.parametrize("fault", NOT_CAUGHT)
def test_what_the_docs_say_is_not_caught_is_not_caught(fault: str) -> None:
    assert failures(NOT_CAUGHT[fault]) == []


# --- One fault, one test --------------------------------------------------------------------------


def test_what_builds_on_a_test_that_failed_is_skipped_and_names_it() -> None:
    contract = checked(FAULTS["KeepsTheKeyForEver"])
    assert run(contract, "test_a_rotated_key_is_found_by_the_next_read").failed
    said = run(contract, "test_a_removed_key_is_served_no_more")
    assert not said.failed
    assert "test_a_rotated_key_is_found_by_the_next_read failed" in said.words
    assert run(contract, "test_a_rotated_key_is_found_by_the_next_read").failed  # run again


@pytest.mark.parametrize("fault", ["KeepsTheKeyForEver", "HangsAlways"])
def test_a_test_that_builds_on_another_fails_where_that_has_not(fault: str) -> None:
    assert run(checked(FAULTS[fault]), "test_a_removed_key_is_served_no_more").failed


def test_a_provider_with_two_faults_fails_two_tests() -> None:
    first, second = FAULTS["LogsTheKey"], FAULTS["RaisesOnInvalidate"]
    contract = checked(type("Both", (first, second), {}))
    assert all(run(contract, f"test_{each.fails}").failed for each in (first, second))


def test_a_provider_that_finds_no_key_fails_one_test_and_no_more_are_tried() -> None:
    assert failures(FAULTS["HangsAlways"]) == ["test_a_key_that_is_there_is_found"]


# --- Strict ---------------------------------------------------------------------------------------


class Strict(Checked):
    strict = True

    def deny(self) -> None:
        pytest.skip("nobody can be refused")


def test_a_strict_test_that_is_left_out_fails_with_what_it_lacks() -> None:
    said = run(Strict, "test_a_refused_access_is_denied_and_never_not_found")
    assert said.failed
    assert "nobody can be refused" in said.words
    assert "exempt = {'deny': '...'}" in said.words


@pytest.mark.parametrize("hook", ["restore", "settings", "make_second"])
def test_a_strict_test_without_its_hook_fails(hook: str) -> None:
    from vectorshift.testing.contract.hooks import SourceHooks

    left_out = type("LeftOut", (Strict,), {hook: getattr(SourceHooks, hook)})
    assert any(f"the hook {hook}()" in run(left_out, test).words for test in TESTS)


def test_what_is_exempt_is_left_out() -> None:
    exempt = type("Exempt", (Strict,), {"exempt": {"deny": "nobody can be refused"}})
    said = run(exempt, "test_a_refused_access_is_denied_and_never_not_found")
    assert not said.failed
    assert said.words == "skipped: nobody can be refused"


def test_a_strict_test_of_a_provider_that_no_package_offers_fails() -> None:
    assert "has an entry point" in run(Strict, "test_its_entry_point_leads_to_it").words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine", ""),
        ("other", "PluginSettings.of is given 'mine'"),
        ("vault", "a built-in provider has this name"),
        ("a b", "its name should have letters, digits"),
    ],
)
def test_an_entry_point_with_a_name_that_leads_nowhere_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    about = tmp_path / "shelf-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        f"[vectorshift.providers]\n{name} = {Sound.__module__}:Sound\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    said = run(Strict, "test_its_entry_point_leads_to_it")
    assert said.failed == bool(words)
    assert words in said.words


def test_a_provider_of_another_contract_is_told_so() -> None:
    said = run(type("Old", (Checked,), {"contract": 0}), "test_it_was_written_for_this_contract")
    assert said.failed
    assert "it is 0" in said.words
