"""Change the package in one place at a time and see whether a test notices: `make mutants`.

`python -m tests.mutants [--again] [PATH...]` tries the mutants that have no result yet, with
`--again` also those that survived. The results are kept in `.mutants/results.jsonl`, one a line, so
a campaign can be stopped and goes on where it was. `survivors.json` beside this file names those
that no test should notice, with the reason.

    MUTANTS_SECONDS  end after so many seconds
    MUTANTS_SAMPLE   try so many mutants, chosen by MUTANTS_SEED
    MUTANTS_TESTS    choose among the tests of these folders and files below tests/

A mutant costs a fork, not a start of pytest: one process collects the tests, each of its children
gets the code of one changed function and runs the tests of the changed line, the fastest first.
Changes outside functions need a fresh import: there the child collects as well. The first and
every fiftieth child changes nothing: a test that fails there is left out from then on.
"""

from __future__ import annotations

import ast
import gc
import importlib
import importlib.abc
import importlib.machinery
import json
import logging
import math
import os
import random
import resource
import select
import signal
import statistics
import sys
import time
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from tests.mutants.operators import Mutant, mutants
from tests.mutants.record import KEPT, SOURCE, Covered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CAMPAIGN = [
    "cache/policy.py",
    "chain/outcomes.py",
    "chain/coerce.py",
    "transport/auth.py",
    "credentials/redact.py",
    "credentials/references.py",
    "credentials/values.py",
    "chain/chain.py",
    "cache/*.py",
    "credentials/*.py",
    "chain/*.py",
    "scope/*.py",
    "client/engine.py",
    "providers/*.py",
    "providers/aws/*.py",
    "providers/vault/*.py",
]
RESULTS = KEPT / "results.jsonl"
REASONS = Path(__file__).with_name("survivors.json")
THIRD_PARTY = "httpx pydantic_settings tenacity hvac boto3 trio typer cryptography.x509"
PROCESSOR_SECONDS = 60
IDLE_SECONDS = 60.0
TESTS, TEST_SECONDS = 80, 8.0  # with --again, four times as many
KILLED = ("killed", "timeout", "died")
CONTROL = 50
QUIET = ["-q", "-x", "-s"]


# --- Choosing tests ---


class Choice:
    """Choose the tests of a mutant, those likely to notice it first."""

    def __init__(self, covered: Covered, *, again: bool) -> None:
        self.covered, self.patience = covered, 4 if again else 1
        self.noticed: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.uses: dict[str, set[str]] | None = None
        self.unfit: set[str] = set()

    def tests(self, mutant: Mutant) -> list[str]:
        """Return the tests to run, or none if no test runs the changed lines."""
        lines = self.covered.lines.get(mutant.path, {})
        found = {t for each in mutant.lines for t in lines.get(each, ())}
        if not found and mutant.scope:
            found = {t for each in mutant.around for t in lines.get(each, ())}
        elif not mutant.scope:
            found |= {t for name in mutant.names for t in self.using(name)}
        found -= self.unfit
        near = f"tests/{Path(mutant.path).relative_to(SOURCE).parent}/"
        known, seconds = self.noticed[f"{mutant.path} {mutant.scope}"], self.covered.seconds
        cases, nth = Counter[str](), dict[str, int]()
        for each in sorted(found, key=lambda t: seconds[t]):  # one case of each test before others
            function = each.partition("[")[0]
            nth[each] = cases[function] = cases[function] + 1
        ranked = sorted(
            found, key=lambda t: (-known[t], nth[t] > 1, not t.startswith(near), nth[t], seconds[t])
        )
        total, chosen = 0.0, list[str]()
        for each in ranked[: TESTS * self.patience]:
            if chosen and (total := total + seconds[each]) > TEST_SECONDS * self.patience:
                break
            chosen.append(each)
        return chosen

    def using(self, name: str) -> set[str]:
        """Return the tests of the functions that use a name."""
        if self.uses is None:
            self.uses = defaultdict(set)
            for path, lines in self.covered.lines.items():
                for node in ast.walk(ast.parse(Path(path).read_text())):
                    used = getattr(node, "id", None) or getattr(node, "attr", None)
                    if used and isinstance(getattr(node, "ctx", None), ast.Load):
                        self.uses[used].update(lines.get(node.lineno, ()))  # type: ignore[attr-defined]
        return self.uses.get(name, set())


# --- Running one mutant in a child ---

Run: TypeAlias = "Callable[[CodeType | None, list[str], Callable[[str], None]], str]"
"""Run tests on changed code, or on that which is there; tell of each test that begins; return the
one that failed, or an empty text."""


def run_child(run: Run, code: CodeType | None, tests: list[str]) -> tuple[str, str]:
    """Run tests on changed code in a fork; return the outcome and the test that noticed.

    Only time in which this process runs counts as idle: a campaign may be stopped for a while.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        pid = os.fork()
    if not pid:
        try:
            os.close(reader)
            resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 5))
            silence = os.open(os.devnull, os.O_RDWR)
            for each in (0, 1, 2):
                os.dup2(silence, each)
            by = run(code, tests, lambda text: void(os.write(writer, f"{text}\n".encode())))
            os.write(writer, f"{'killed ' + by if by else 'survived'}\n".encode())
        except BaseException as error:
            os.write(writer, f"error {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(0)
    os.close(writer)
    idle, text, last = 0.0, b"", time.monotonic()
    while idle < IDLE_SECONDS:
        ready, _, _ = select.select([reader], [], [], 0.2)
        idle, last = idle + min(time.monotonic() - last, 0.5), time.monotonic()
        if ready:
            if not (data := os.read(reader, 65_536)):
                break
            text, idle = text + data, 0.0
    else:
        text += b"\nhangs"
    os.close(reader)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    *before, end = text.decode().strip().split("\n")
    if end.startswith(("killed ", "survived", "error ")):
        outcome, _, by = end.partition(" ")
        return outcome, by
    return "timeout" if end == "hangs" else "died", before[-1] if end == "hangs" and before else end


def void(_: object) -> None:
    """Return nothing."""


class Witness:
    """Note the first test that fails, and tell of each that begins."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell, self.by = tell, ""

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.tell(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.by = self.by or report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.by = self.by or f"collecting {report.nodeid}"


def functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    """Return the functions of the package by their code's place."""
    gc.unfreeze()  # what tests/conftest.py has frozen is in no list of objects
    found = defaultdict(list)
    for each in gc.get_objects():
        if type(each) is FunctionType and "/vectorshift/" in each.__code__.co_filename:
            code = each.__code__
            found[code.co_filename, code.co_name, code.co_firstlineno].append(each)
    return found


def codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code and all that is in it."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from codes(each)


def replace(code: CodeType, known: dict[tuple[str, str, int], list[FunctionType]]) -> None:
    """Give the functions that exist the code of a changed module."""
    for each in codes(code):
        for function in known.get((each.co_filename, each.co_name, each.co_firstlineno), ()):
            if function.__code__ != each:
                function.__code__ = each


class Warm:
    """Run the mutants of functions, from a session that has collected all tests."""

    def __init__(self, campaign: Campaign, todo: list[Mutant]) -> None:
        self.campaign, self.todo = campaign, todo

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {each.nodeid: each for each in session.items}
        for path in self.campaign.trees:  # what is loaded at first use would be loaded unchanged
            module = Path(path).relative_to(SOURCE.parent).with_suffix("")
            importlib.import_module(".".join(module.parts).removesuffix(".__init__"))
        known = functions()
        gc.collect()
        gc.freeze()

        def run(code: CodeType | None, tests: list[str], tell: Callable[[str], None]) -> str:
            if code is not None:
                replace(code, known)
            witness = Witness(tell)
            session.config.pluginmanager.register(witness)
            chosen = [items[each] for each in tests if each in items]
            for item, after in zip(chosen, [*chosen[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(
                    item=item, nextitem=None if witness.by else after
                )
                if witness.by:
                    break
            session._setupstate.teardown_exact(None)
            return witness.by

        self.campaign.work(self.todo, run)
        return True


class Fresh(importlib.abc.MetaPathFinder):
    """Import one module changed."""

    def __init__(self, path: str, code: CodeType) -> None:
        self.path, self.code = str(Path(path).resolve()), code

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        """Return the usual spec, with the changed code if it is that module."""
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin != self.path:
            return None
        spec.loader.get_code = lambda _: self.code  # type: ignore[union-attr]
        return spec


def cold(path: str) -> Run:
    """Return what runs the tests of one changed module in a child that imports it anew."""

    def run(code: CodeType | None, tests: list[str], tell: Callable[[str], None]) -> str:
        if code is not None:
            sys.meta_path.insert(0, Fresh(path, code))
        witness = Witness(tell)
        ended = pytest.main([*QUIET, *tests], plugins=[witness])
        return witness.by or ("" if ended in (0, 5) else f"pytest ended with {ended}")

    return run


# --- The campaign ---


class Campaign:
    """The mutants, and what came of those that were tried."""

    def __init__(self, paths: list[str], *, again: bool) -> None:
        self.again = again
        self.trees: dict[str, ast.Module] = {}
        self.all: list[Mutant] = []
        for pattern in paths or CAMPAIGN:
            for file in sorted(SOURCE.glob(pattern)):
                if str(file) not in self.trees:
                    tree = self.trees[str(file)] = ast.parse(file.read_text())
                    self.all += mutants(str(file), tree)
        self.results = results()
        ends = float(os.environ.get("MUTANTS_SECONDS", "inf"))
        self.end = time.monotonic() + ends
        if sample := int(os.environ.get("MUTANTS_SAMPLE", "0")):
            seeded = random.Random(int(os.environ.get("MUTANTS_SEED", "1")))
            chosen = seeded.sample(range(len(self.all)), min(sample, len(self.all)))
            self.all = [self.all[each] for each in sorted(chosen)]
        self.todo, self.done = [each for each in self.all if self.open(each, again=again)], 0

    def open(self, mutant: Mutant, *, again: bool) -> bool:
        """Return whether a mutant is to be tried."""
        before = self.results.get(mutant.key)
        if before is None or before["digest"] != mutant.digest:
            return True
        return before["outcome"] == "error" or (again and before["outcome"] not in KILLED)

    def run(self) -> None:
        """Try the mutants of functions, then the others."""
        self.choice = Choice(Covered(), again=self.again)
        for name in THIRD_PARTY.split():
            importlib.import_module(name)
        inside = [each for each in self.todo if each.scope]
        if inside and not (pid := os.fork()):
            groups = sorted({t.split("/")[1].split("::")[0] for t in self.choice.covered.seconds})
            arguments = [*QUIET, *(f"tests/{each}" for each in groups)]
            os._exit(int(pytest.main(arguments, plugins=[Warm(self, inside)])))
        if inside:
            os.waitpid(pid, 0)
        for each in self.todo:
            if not each.scope:
                self.work([each], cold(each.path))

    def work(self, todo: list[Mutant], run: Run) -> None:
        """Try mutants one after the other and keep each result."""
        for mutant in todo:
            if time.monotonic() > self.end:
                return
            tests, began = self.choice.tests(mutant), time.monotonic()
            if self.done % CONTROL == 0 and tests:
                self.control(mutant, tests, run)
            self.done += 1
            mutant.apply()
            try:
                code = compile(self.trees[mutant.path], str(Path(mutant.path).resolve()), "exec")
            except (SyntaxError, ValueError):
                continue
            finally:
                mutant.apply()
            outcome, by = "uncovered", ""
            if tests:
                outcome, by = run_child(run, code, tests)
            if by in tests:
                self.choice.noticed[f"{mutant.path} {mutant.scope}"][by] += 1
            seconds = round(time.monotonic() - began, 2)
            self.keep(mutant.key, mutant.digest, outcome, by=by, tests=len(tests), seconds=seconds)

    def control(self, mutant: Mutant, tests: list[str], run: Run) -> None:
        """Run the tests of a mutant on the code as it is, and leave out those that fail."""
        outcome, by = run_child(run, None, tests)
        while by in tests:
            print(f"left out, as it fails without a change: {by}", flush=True)
            self.choice.unfit.add(by)
            tests.remove(by)
            outcome, by = run_child(run, None, tests)
        self.keep(f"control {mutant.key}", "", outcome, by=by, tests=len(tests))
        if self.done == 0 and outcome != "survived":
            raise RuntimeError(f"{outcome} without a change: {by}")

    def keep(self, key: str, digest: str, outcome: str, **more: object) -> None:
        """Append one result."""
        line = {"key": key, "digest": digest, "outcome": outcome, **more}
        with RESULTS.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def report(self) -> int:
        """Print the score of each package; return 1 if there is a survivor without a reason."""
        known, after = json.loads(REASONS.read_text()), results()
        table: defaultdict[str, Counter[str]] = defaultdict(Counter)
        unexplained, keys = 0, set()
        for each in self.all:
            keys.add(each.key)
            result = after.get(each.key)
            package = str(Path(each.path).relative_to(SOURCE).parent)
            for row in (package, "all"):
                table[row]["mutants"] += 1
                if result is None or result["digest"] != each.digest:
                    continue
                table[row]["tried"] += 1
                lives = result["outcome"] not in KILLED
                table[row]["killed"] += not lives
                table[row]["explained"] += lives and each.key in known
            if result and lives and each.key not in known:
                unexplained += 1
                print(f"{each.path}:{each.line}: {result['outcome']}: {each.key}")
        if not os.environ.get("MUTANTS_SAMPLE"):
            for gone in known.keys() - keys:
                if any(gone.startswith(f"{path} ") for path in self.trees):
                    print(f"survivors.json names what is not there: {gone}")
        print(f"{'':16}{'mutants':>9}{'tried':>8}{'killed':>8}{'score':>8}{'95 %':>14}  explained")
        for package, sums in table.items():
            killed, tried = sums["killed"], sums["tried"]
            score, between = "-", ""
            if tried:
                score = f"{killed / tried:.1%}"
                between = "{:.1%}-{:.1%}".format(*interval(killed, tried))
            print(
                f"{package:16}{sums['mutants']:9}{tried:8}{killed:8}{score:>8}{between:>14}"
                f"{sums['explained']:11}"
            )
        controls = [each for key, each in after.items() if key.startswith("control ")]
        wrong = [each for each in controls if each["outcome"] != "survived"]
        print(f"controls that change nothing: {len(controls)}, of which fail: {len(wrong)}")
        return 1 if unexplained or wrong else 0


def interval(hits: int, tried: int) -> tuple[float, float]:
    """Return Wilson's interval for a share: a sample's lies in it 95 times of 100."""
    z = statistics.NormalDist().inv_cdf(0.975)
    share, weight = hits / tried, z * z / tried
    middle, reach = (
        share + weight / 2,
        z * math.sqrt(share * (1 - share) / tried + weight / tried / 4),
    )
    return (middle - reach) / (1 + weight), (middle + reach) / (1 + weight)


def results() -> dict[str, dict[str, Any]]:
    """Return the last result of each mutant."""
    if not RESULTS.exists():
        return {}
    lines = (json.loads(each) for each in RESULTS.read_text().splitlines())
    return {each["key"]: each for each in lines}


def main(arguments: list[str]) -> int:
    """Run the campaign over what the command line names."""
    logging.raiseExceptions = False
    paths = [each for each in arguments if not each.startswith("--")]
    campaign = Campaign(paths, again="--again" in arguments)
    if "--report" not in arguments:
        print(f"{len(campaign.todo)} of {len(campaign.all)} mutants to try", flush=True)
        campaign.run()
    return campaign.report()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
