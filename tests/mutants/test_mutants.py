"""What a campaign changes, and that a test which runs changed code fails."""

from __future__ import annotations

import ast
import gc
import json
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from tests.mutants.__main__ import REASONS, functions, interval, replace, run_child
from tests.mutants.operators import mutants

from vectorshift.cache import policy

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("def f(a):\n return a < 1", ["return a < 1 -> return None", "a < 1 -> a <= 1", "1 -> 2"]),
        ("def f(a):\n if a and b: g()", ["a and b -> a or b", "g() -> pass"]),
        ("def f(a):\n if not a: raise E", ["not a -> a", "raise E -> pass"]),
        ("def f(a):\n if a.b: pass", ["a.b -> not a.b"]),
        ("def f():\n try: pass\n except (A, B): pass", 2),
        ("def f(x):\n for a in x: continue", ["continue -> break"]),
        ("def f(x):\n x.a = min(x.b, True)", 3),
        ("def f(a: int = 1) -> None:\n '''Say 1.'''\n assert a == 1", ["1 -> 2"]),
        ("A = 1\nif TYPE_CHECKING:\n B = 1", ["1 -> 2"]),
        ("def f(a):\n g(f'{a + 1} 2', '3')", ["g(f'{a + 1} 2', '3') -> pass"]),
        ("@d(1)\ndef f(): return", []),
    ],
)
def test_each_kind_of_change_is_found_and_taken_back(text: str, changes: list[str] | int) -> None:
    tree = ast.parse(text)
    found = mutants("x.py", tree)
    if isinstance(changes, int):
        assert len(found) == changes
    else:
        assert [each.change for each in found] == changes
    for each in found:
        each.apply()
        assert ast.unparse(tree) != ast.unparse(ast.parse(text))
        each.apply()
        assert ast.unparse(tree) == ast.unparse(ast.parse(text))


def test_each_survivor_with_a_reason_is_still_a_change_that_a_campaign_makes() -> None:
    known = json.loads(REASONS.read_text("utf-8"))
    paths = {key.partition(" ")[0] for key in known}
    trees = {path: ast.parse((ROOT / path).read_text("utf-8")) for path in paths}
    made = {each.key for path, tree in trees.items() for each in mutants(path, tree)}
    assert known.keys() - made == set()


def test_the_functions_of_the_package_are_found_though_the_suite_has_frozen_them() -> None:
    code = policy.decide.__code__
    place = code.co_filename, code.co_name, code.co_firstlineno
    try:
        assert policy.decide in functions()[place]
    finally:
        gc.freeze()


def test_a_change_in_a_function_that_exists_is_noticed_in_a_child_alone() -> None:
    text = "def f(x):\n    def g(y):\n        return y + 1\n    return g(x)\n"
    tree, space = ast.parse(text), dict[str, Any]()
    exec(compile(tree, "f.py", "exec"), space)
    function: FunctionType = space["f"]
    (change,) = (each for each in mutants("f.py", tree) if each.change == "y + 1 -> y - 1")
    change.apply()
    code = compile(tree, "f.py", "exec")
    known = {("f.py", "f", 1): [function]}

    def run(changed: Any, tests: list[str], tell: Any) -> str:
        if changed is not None:
            replace(changed, known)
        tell("a test")
        return "" if function(1) == 2 else "a test"

    assert run_child(run, code, ["a test"]) == ("killed", "a test")
    assert run_child(run, None, ["a test"]) == ("survived", "")


def test_what_breaks_the_runner_itself_kills_no_mutant() -> None:
    def run(*_: Any) -> str:
        raise LookupError("no such test")

    assert run_child(run, None, ["a test"])[0] == "error"


def test_the_interval_of_a_sample_is_wilsons() -> None:
    # of Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 and 0 of 20
    assert [round(each, 4) for each in interval(81, 263)] == [0.2553, 0.3662]
    assert [round(each, 4) for each in interval(0, 20)] == [0.0, 0.1611]
