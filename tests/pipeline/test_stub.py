"""What editors, type checkers and `help()` see of the calls that are written once: both, whole."""

from __future__ import annotations

import inspect
import pickle
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.stub import STUB, stub

from vectorshift import Pipeline, RunHandler
from vectorshift._compat import Absent

FINDING = ("list", "iterate", "fetch")
RUNNING = ("run", "bulk_run", "stream", "start", "run_status", "terminate")
MANAGING = ("delete", "duplicate", "share", "unshare", "revert")
TWINS: list[tuple[type, str]] = [
    *((Pipeline, name) for name in (*FINDING, *RUNNING, *MANAGING)),
    *((RunHandler, name) for name in ("run_status", "result", "terminate")),
]


def test_the_stub_is_what_the_classes_are() -> None:
    assert STUB.read_text("utf-8") == stub(), "run python -m tests.pipeline.stub"


def test_every_call_has_its_twin() -> None:
    for owner in (Pipeline, RunHandler):
        calls = {
            name
            for name, member in vars(owner).items()
            if name[0] != "_" and not isinstance(member, property | Absent)
        }
        names = {name for kind, name in TWINS if kind is owner}
        assert calls == names | {f"a{name}" for name in names}


@pytest.mark.parametrize(("owner", "name"), TWINS)
def test_both_are_functions_of_their_own_with_one_signature_and_one_docstring(
    owner: type, name: str
) -> None:
    one, two = (getattr(owner, each) for each in (name, f"a{name}"))
    for call, called in ((one, name), (two, f"a{name}")):
        assert (call.__name__, call.__qualname__) == (called, f"{owner.__name__}.{called}")
        assert call.__module__ == owner.__module__
        assert f"def {name}(" in inspect.getsource(call)
        assert pickle.loads(pickle.dumps(call)) == call
    assert inspect.iscoroutinefunction(two) == (name not in ("iterate", "stream"))
    assert one.__doc__ == two.__doc__
    assert one.__doc__
    signature, asignature = str(inspect.signature(one)), str(inspect.signature(two))
    assert "Client" not in signature
    assert "Steps" not in signature
    arguments, _, result = signature.partition(" -> ")
    aarguments, _, aresult = asignature.partition(" -> ")
    assert aarguments == arguments.replace("'VectorShift", "'AsyncVectorShift")
    if inspect.iscoroutinefunction(two):
        assert aresult == result


@pytest.mark.parametrize("name", ["share", "ashare"])
def test_help_shows_the_arguments_and_the_docstring(name: str) -> None:
    text = pydoc.plain(pydoc.render_doc(getattr(Pipeline, name)))
    client = "AsyncVectorShift" if name == "ashare" else "VectorShift"
    assert re.search(rf"\b{name}\(\s*self,\s+user_id: 'str \| None' = None", text)
    assert f"client: '{client} | None' = None" in text
    assert "-> 'Answer'" in text
    assert "Share the pipeline with a user or an organisation." in text
    assert "ValueError: neither a user nor an organisation is given." in text
    assert f" {name}(" in pydoc.plain(pydoc.render_doc(Pipeline))


def test_wrong_arguments_are_refused_at_the_call_also_of_a_coroutine_function() -> None:
    calls: list[tuple[Any, str]] = [
        (Pipeline("p").revert, r"Pipeline\.revert\(\) missing 1 required .* 'version'"),
        (Pipeline("p").arevert, r"Pipeline\.arevert\(\) missing 1 required .* 'version'"),
        (Pipeline.aiterate, r"Pipeline\.aiterate\(\) takes 1 positional argument but 2 .* given"),
    ]
    for call, message in calls:
        with pytest.raises(TypeError, match=f"^{message}"):
            call(*((True,) if call == Pipeline.aiterate else ()))


# --- Type checkers ---

USE = """
from vectorshift import AsyncVectorShift, Pipeline, RunHandler, VectorShift


class Mine(Pipeline):
    pass


async def main(client: VectorShift, aclient: AsyncVectorShift, handler: RunHandler) -> None:
    reveal_type(Pipeline.list(limit=1, client=client))
    reveal_type(await Pipeline.alist(limit=1, client=aclient))
    reveal_type(Mine.fetch("p"))
    reveal_type(await Mine.afetch("p"))
    reveal_type(Pipeline("p").run({"n": 1}, timeout=1.0))
    reveal_type(await Pipeline("p").arun({"n": 1}, timeout=1.0))
    for line in Pipeline("p").run({"n": 1}, stream=True):
        reveal_type(line)
    async for line in await Pipeline("p").arun({"n": 1}, True, timeout=1.0):
        reveal_type(line)
    reveal_type(handler.result(1.0, progress=True))
    reveal_type(await handler.aresult(1.0, progress=True))
    for pipeline in Mine.iterate(client=client):
        reveal_type(pipeline)
    async for pipeline in Mine.aiterate(client=aclient):
        reveal_type(pipeline)
    for chunk in Pipeline("p").stream():
        reveal_type(chunk)
    async for chunk in Pipeline("p").astream():
        reveal_type(chunk)
"""
TYPES = ["PipelineList", "Mine", "RunResult", "bytes", "RunStatus", "Mine", "StreamChunk"]
MISUSE = [
    "Pipeline.list(client=AsyncVectorShift('k'))",
    "Pipeline.alist(client=VectorShift('k'))",
    "Pipeline.list()['objects']",
    "Pipeline('p').run({}, 'yes')",
    "Pipeline.new('p')",
    "Pipeline.rum",
    "Pipeline('p').nodes",
    "Pipeline('p').share(role='owner')",
    "[each async for each in Pipeline.iterate()]",
]
CACHE = Path(__file__).parents[2] / ".mypy_cache" / "docs"
CHECKERS = {
    "mypy": (
        ["mypy", "--config-file=", "--python-version=3.10", f"--cache-dir={CACHE}"],
        r'is "(?:\w+\.)*(\w+)(?:\[.*\])?"',
    ),
    "pyright": (["pyright", f"--pythonpath={sys.executable}"], r'is "(\w+)(?:\[.*\])?"'),
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_type_checkers_see_both_as_they_are(checker: str, tmp_path: Path) -> None:
    pytest.importorskip(checker)
    command, revealed = CHECKERS[checker]
    file = tmp_path / "use.py"
    lines = [f"async def main{number}() -> None:\n    {each}" for number, each in enumerate(MISUSE)]
    file.write_text(USE + "\n" + "\n".join(lines) + "\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", *command, file.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.findall(revealed, done.stdout) == [each for each in TYPES for _ in range(2)]
    wrong = {int(line) for line in re.findall(r":(\d+)(?::\d+)? ?(?:-|:) error", done.stdout)}
    first = USE.count("\n") + 3
    assert wrong == set(range(first, first + 2 * len(MISUSE), 2)), done.stdout
