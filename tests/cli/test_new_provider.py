"""`vectorshift providers new`: what it writes, and where it writes nothing."""

from __future__ import annotations

import ast
from importlib.metadata import distribution
from pathlib import Path

import pytest

from vectorshift.cli.app import run
from vectorshift.cli.new_provider import KINDS, requirement


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(kind: str) -> list[str]:
    return [] if kind == "file" else [f"--{kind}"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_writes_a_package_in_the_words_of_its_name(kind: str, folder: Path) -> None:
    assert run(["providers", "new", "azure-kv", *options(kind)]) == 0
    package = folder / "vectorshift-azure-kv"
    texts = {
        str(path.relative_to(package)): path.read_text("utf-8")
        for path in package.rglob("*")
        if path.is_file()
    }
    assert set(texts) == {
        ".github/workflows/tests.yml",
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "src/vectorshift_azure_kv/__init__.py",
        "src/vectorshift_azure_kv/py.typed",
        "tests/test_azure_kv.py",
    }
    assert not [path for path, text in texts.items() if "acme" in text.lower()]
    project = texts["pyproject.toml"]
    assert 'azure-kv = "vectorshift_azure_kv:AzureKvProvider"' in project
    assert ("httpx" in project) == (kind in ("async", "http"))
    for path in ("src/vectorshift_azure_kv/__init__.py", "tests/test_azure_kv.py"):
        ast.parse(texts[path])
        assert max(map(len, texts[path].splitlines())) <= 100
    assert "strict = True" in texts["tests/test_azure_kv.py"]
    workflow = texts[".github/workflows/tests.yml"]
    assert "permissions:\n  contents: read\n" in workflow
    assert "publish" not in workflow
    assert "${{ matrix.python }}" in workflow


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Acme", "has 2 to 41 characters"),
        ("a", "has 2 to 41 characters"),
        ("9lives", "has 2 to 41 characters"),
        ("acme_kv", "has 2 to 41 characters"),
        ("acme--kv", "has 2 to 41 characters"),
        ("acme-", "has 2 to 41 characters"),
        ("../acme", "has 2 to 41 characters"),
        ("acme\n", "has 2 to 41 characters"),
        ("a" * 42, "has 2 to 41 characters"),
        ("vault", "is like 'vault'"),
        ("vaults", "is like 'vault'"),
        ("dot-env", "is like 'dotenv'"),
        ("cache", "VECTORSHIFT_CACHE_"),
        ("api", "VECTORSHIFT_API_"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(
    name: str, why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["providers", "new", name]) == 64
    assert why in " ".join(capsys.readouterr().err.split())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("what", ["file in it", "file", "link", "dangling link"])
def test_it_writes_into_nothing_that_is_there(what: str, folder: Path) -> None:
    target, other = folder / "vectorshift-acme", folder / "other"
    if what == "file in it":
        target.mkdir()
        (target / "README.md").write_text("mine")
    elif what == "file":
        target.write_text("mine")
    else:
        if what == "link":
            other.mkdir()
        target.symlink_to(other)
    before = sorted(map(str, folder.rglob("*")))
    assert run(["providers", "new", "acme"]) == 64
    assert sorted(map(str, folder.rglob("*"))) == before


def test_an_empty_folder_is_written_into(folder: Path) -> None:
    (folder / "vectorshift-acme").mkdir()
    assert run(["providers", "new", "acme"]) == 0


@pytest.mark.parametrize(
    ("direct_url", "argument"),
    [
        (None, "'vectorshift[cli]>=2'"),
        (
            '{"url": "file:///srv/a%20clone", "dir_info": {"editable": true}}',
            "'/srv/a clone[cli]'",
        ),
        (
            '{"url": "https://git.example/sdk", "vcs_info": {"vcs": "git", "commit_id": "1a2b"}}',
            "'vectorshift[cli] @ git+https://git.example/sdk@1a2b'",
        ),
        (
            '{"url": "https://host.example/sdk.whl", "archive_info": {}}',
            "'vectorshift[cli] @ https://host.example/sdk.whl'",
        ),
    ],
)
def test_the_next_step_installs_this_package_from_where_it_came(
    direct_url: str | None, argument: str
) -> None:
    assert requirement(direct_url) == argument


def test_what_it_prints_next_names_this_installation(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["providers", "new", "acme"]) == 0
    said = capsys.readouterr().out
    came_from = distribution("vectorshift").read_text("direct_url.json")
    assert f"pytest trio blockbuster {requirement(came_from)}\n" in said
    assert said.endswith("vectorshift providers check acme\n")


def test_one_skeleton_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["providers", "new", "acme", "--http", "--async"]) == 64
    assert "--async and --http" in capsys.readouterr().err
