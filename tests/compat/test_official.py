"""The official SDK on the stand-in API, and its own tests on this package: `make compat`.

The official wheel is downloaded by its hash into an environment of its own, and is not kept here.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.interpreter import output

import vectorshift
from vectorshift._compat import PIPELINE_MEMBERS
from vectorshift.testing import FakeVectorShift

pytestmark = pytest.mark.compat

HERE = Path(__file__).parent
ENVIRONMENT = Path(os.environ.get("OFFICIAL", HERE.parents[1] / ".venv-official")).absolute()
OFFICIAL = ENVIRONMENT / "bin" / "python"
KEY = "vs-0123456789"

DIALECTS: dict[str, dict[str, Any]] = {
    "default": {},
    "event lines, late results": {
        "event_types": "line",
        "run_id": "pipeline_run_id",
        "late_results": 2,
        "bulk_paths": ("bulk-run",),
    },
    "types in data": {"event_types": "data"},
}


@pytest.fixture
def api(api: FakeVectorShift) -> FakeVectorShift:
    api.create_key(key=KEY)
    api.add_pipeline("acme", "invoices", id="65f0c3a1b2d4e5f60718293a", branch_id="br-1")
    return api


def run(python: Path | str, api: FakeVectorShift, *arguments: str, **variables: str) -> str:
    """Run a program in this folder, with no setting but these; return what it prints."""
    given = {"VECTORSHIFT_BASE_URL": api.base_url, "VECTORSHIFT_API_KEY": KEY, **variables}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return output(python, "-W", "ignore", *arguments, env={**kept, **given}, timeout=120)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_users_of_the_official_sdk_write_does_the_same_here(
    api: FakeVectorShift, dialect: str
) -> None:
    seen = []
    for python in (OFFICIAL, sys.executable):
        for name, value in DIALECTS[dialect].items():
            setattr(api.dialect, name, value)
        seen.append(json.loads(run(python, api, str(HERE / "program.py"), "works")))
    theirs, ours = seen
    assert len(theirs) > 25
    assert ours == theirs


def test_failures_are_told_the_same_here(api: FakeVectorShift) -> None:
    seen = []
    for python in (OFFICIAL, sys.executable):
        api.script_run("in_progress", "failed", error="node 3 broke")
        seen.append(json.loads(run(python, api, str(HERE / "program.py"), "fails")))
    assert seen[0] == seen[1]
    assert seen[0]["failed"] == [True, "node 3 broke", 0]


def test_what_the_page_says_of_the_official_sdk_is_so(
    api: FakeVectorShift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = "65f0c3a1b2d4e5f60718293a"
    for _ in range(2):
        api.fail_run("node 3 broke")
    api.fail_next(500, times=2, path=f"/pipeline/{id}")
    (tmp_path / ".env").write_text("FROM_DOTENV=yes\n")
    monkeypatch.chdir(tmp_path)
    program = (HERE / "differences.py").read_text("utf-8")
    assert json.loads(run(OFFICIAL, api, "-c", program, HOME=str(tmp_path))) == {
        "the variable is read at import": True,
        ".env beside python -c": "yes",
        "names of a list": [None, None, True],
        "a status that says failed": "node 3 broke",
        "an event that says failed": ["node 3 broke"],
        "inputs that do not fit": "ValueError",
        "timeout=": "TypeError",
        "delete": "InternalServerError",
        "its pause": 1,
        "the first argument": "nodes",
        "equal": False,
        "unpickles": [False, True],
        "lines of a text": 4,
        "a line break is shown": True,
        "and async": False,
        "async time limit": 300,
    }
    requests = [each for each in api.requests if each.headers.get("content-type")]
    (upload,) = [each for each in requests if "multipart" in each.headers["content-type"]]
    (by_name,) = [each for each in requests if each.query.get("name")]
    assert ([*upload.form], {*by_name.query}) == (["inputs", "document"], {"name"})
    assert sum(each.method == "DELETE" for each in requests) == 2
    keys = [each.headers["authorization"].partition(" ") for each in requests[-4:]]
    assert [(scheme, key) for scheme, _, key in keys[:2]] == [
        ("Bearer", "vs-at-import"),
        ("Bearer", "None"),
    ]
    assert [scheme for scheme, *_ in keys[2:]] == ["Basic", "Bearer"]


BUILD = """
from vectorshift import Pipeline
pipeline = Pipeline.new(name="made")
pipeline.add(name="question").input(input_type="string")
pipeline.save()
print(pipeline.id, pipeline.branch_id, sorted(Pipeline.fetch(name="made").inputs))
"""


def test_the_official_sdk_builds_pipelines_on_the_stand_in(api: FakeVectorShift) -> None:
    id, branch, *inputs = run(OFFICIAL, api, "-c", BUILD).split()
    assert (len(id), branch, inputs) == (24, "main", ["['question']"])


def test_exec_gives_the_official_sdk_the_key_of_the_chain(
    api: FakeVectorShift, tmp_path: Path
) -> None:
    """As the sentence of a name that is not here advises."""
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "app.py").write_text(
        "from vectorshift import KnowledgeBase, Pipeline\nprint(len(Pipeline.list()))"
    )
    program = ["-m", "vectorshift", "exec", "--", str(OFFICIAL), str(tmp_path / "app.py")]
    key = {"VECTORSHIFT_API_KEY": "", "VECTORSHIFT_API_KEY_FILE": str(tmp_path / "key")}
    assert run(sys.executable, api, *program, **key) == "3\n"


def test_exec_runs_the_official_commands(api: FakeVectorShift) -> None:
    """As the sentence of a command that is not here advises."""
    api.fail_next(200, body={"status": "success", "objects": []}, path="/integrations")
    program = ["-m", "vectorshift", "exec", "--", str(OFFICIAL.parent / "vectorshift")]
    said = run(sys.executable, api, *program, "integrations", "list")
    assert said == "No integrations found.\n"
    key = api.requests[-1].key
    assert key is not None
    assert key.reveal() == KEY


# --- Names ---


def exported(module: str) -> list[str]:
    """Return the public names of a module of the official SDK."""
    (wheel,) = (ENVIRONMENT / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tree = ast.parse(archive.read(module))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise AssertionError(module)


def members() -> set[str]:
    """Return the public members of the official `Pipeline`."""
    code = "import vectorshift; print(*(n for n in dir(vectorshift.Pipeline) if n[0] != '_'))"
    done = subprocess.run([OFFICIAL, "-c", code], capture_output=True, text=True, check=True)
    return {*done.stdout.split()}


@pytest.mark.parametrize("module", ["vectorshift", "vectorshift.pipeline"])
def test_every_public_name_is_here_or_says_what_there_is_instead(module: str) -> None:
    names = exported(f"{module.replace('.', '/')}/__init__.py")
    absent = [name for name in names if name not in dir(importlib.import_module(module))]
    for name in absent:
        with pytest.raises(ImportError, match=f'{name} is not part of.*install "vectorshift<1"'):
            exec(f"from {module} import {name}")
    if module == "vectorshift":
        assert (len(names), len(absent)) == (76, 56)


def test_every_member_of_pipeline_is_here_or_says_what_there_is_instead() -> None:
    here = {name for name in members() if hasattr(vectorshift.Pipeline, name)}
    assert members() - here <= {*PIPELINE_MEMBERS}


def test_every_module_is_here_or_stands_on_the_page() -> None:
    (wheel,) = (ENVIRONMENT / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = [Path(name) for name in archive.namelist() if name.startswith("vectorshift/")]
    modules = {file.parts[1].removesuffix(".py") for file in files if file.suffix == ".py"}
    docs = HERE.parents[1] / "docs"
    page = "".join(each.read_text("utf-8") for each in docs.glob("migrate*.md"))
    for name in sorted(modules):
        here = importlib.util.find_spec(f"vectorshift.{name}") is not None
        assert here or f"`{name}`" in page or f"`vectorshift.{name}`" in page or name[0] == "_", (
            name
        )


# --- The official tests ---


def test_the_official_tests_of_errors_and_queries_pass_here(tmp_path: Path) -> None:
    (wheel,) = (ENVIRONMENT / "wheel").glob("*.whl")
    names = ["tests/test_errors.py", "tests/test_request_query.py"]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path, names)
    command = ["-m", "pytest", "-q", "-p", "adapter", "-p", "no:cacheprovider", "-c", os.devnull]
    done = subprocess.run(
        [sys.executable, *command, "--rootdir", str(tmp_path), *names],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "202 passed" in done.stdout, done.stdout
