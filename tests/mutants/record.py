"""Which test runs which lines, and how long each takes: recorded once, kept below `.mutants/`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

KEPT = Path(".mutants")
SOURCE = Path("src/vectorshift")
GROUPS = [
    "cache",
    "chain",
    "credentials",
    "scope",
    "transport",
    "client",
    "contract",
    "errors",
    "settings",
    "explanation",
    "providers",
    "test_conformance.py",
    "test_face.py",
    "test_fault_matrix.py",
    "test_hostile_inputs.py",
    "test_matrix.py",
    "test_plugins.py",
    "test_public_paths.py",
]
"""The tests that may be chosen, in the order in which they are recorded. Those of the command line,
the pages and other processes would each cost seconds a mutant."""

UNFIT = "tests/providers/test_pipes.py"
"""Tests that fail in a child of a process that has collected all tests."""


class Recorder:
    """Note the lines of each test that passes."""

    def __init__(self) -> None:
        import coverage

        self.seconds: dict[str, float] = {}
        self.unfit: set[str] = set()
        self.coverage = coverage.Coverage(
            data_file=None, source=[str(SOURCE)], config_file=False, messages=False
        )
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item
    ) -> Generator[None, bool | None, bool | None]:
        self.coverage.switch_context(item.nodeid)
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = round(time.perf_counter() - began, 4)
            self.coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed":
            self.unfit.add(report.nodeid)

    def keep(self, target: Path) -> None:
        """Write what was recorded."""
        self.coverage.stop()
        data = self.coverage.get_data()
        tests = [each for each in self.seconds if each not in self.unfit]
        number = {each: i for i, each in enumerate(tests)}
        lines = {
            str(Path(file).relative_to(Path.cwd())): {
                line: [number[each] for each in contexts if each in number]
                for line, contexts in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(
            json.dumps({"tests": {each: self.seconds[each] for each in tests}, "lines": lines})
        )


def record(group: str) -> None:
    """Run one group of tests in a process of its own."""
    if pid := os.fork():
        os.waitpid(pid, 0)
        return
    recorder = Recorder()
    pytest.main(
        ["-q", "-W", "ignore::coverage.exceptions.CoverageWarning", f"tests/{group}"],
        plugins=[recorder],
    )
    recorder.keep(KEPT / "covered" / f"{group}.json")
    os._exit(0)


class Covered:
    """The tests of each line."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.lines: dict[str, dict[int, list[str]]] = {}
        for group in os.environ.get("MUTANTS_TESTS", "").split() or GROUPS:
            file = KEPT / "covered" / f"{group}.json"
            if not file.exists():
                print(f"recording tests/{group}", flush=True)
                record(group)
            data = json.loads(file.read_text())
            tests = list(data["tests"])
            self.seconds |= data["tests"]
            for path, lines in data["lines"].items():
                of = self.lines.setdefault(path, {})
                for line, numbers in lines.items():
                    found = (tests[each] for each in numbers)
                    of.setdefault(int(line), []).extend(t for t in found if not t.startswith(UNFIT))
