"""The example packages: built to wheels, installed in a fresh environment, and true to the
contract.
"""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.examples.conftest import VENV

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ["exec", "keyring", "onepassword"]
WITH_SDKS = ["azure-keyvault", "gcp"]
"""Those whose tests need the client library of a cloud: `make examples` runs them."""


@pytest.fixture(scope="module")
def python(shell: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that has the wheels, and nothing of the source tree."""
    folder = tmp_path_factory.mktemp("fresh")
    python = folder / "venv" / "bin" / "python"
    shell(
        f"{VENV} venv && {python} -m pip install"
        f" {' '.join(f'vectorshift-{name}' for name in NAMES)}",
        folder,
    )
    return python


@pytest.mark.parametrize("name", NAMES)
def test_an_example_passes_its_tests_and_the_contract_from_its_wheel(
    python: Path, shell: Callable[..., str], tmp_path: Path, name: str
) -> None:
    shutil.copytree(EXAMPLES / f"vectorshift-{name}" / "tests", tmp_path / "tests")
    said = shell(f"{python} -m pytest -q -p no:cacheprovider -W error tests", tmp_path)
    assert int(re.findall(r"(\d+) passed", said)[0]) > 35, said
    where = shell(
        f"{python} -c 'import vectorshift_{name} as p, vectorshift; print(p.__file__,"
        " vectorshift.__file__)'",
        tmp_path,
    )
    assert all(path.startswith(str(python.parents[1])) for path in where.split())


def test_an_example_is_found_by_its_entry_point(
    python: Path, shell: Callable[..., str], tmp_path: Path
) -> None:
    code = (
        "import vectorshift as v; c = v.get_credential(); print(c.source, c.provider,"
        " c.secret.reveal())"
    )
    said = shell(
        f'{python} -c "{code}"',
        tmp_path,
        VECTORSHIFT_PROVIDERS="default,exec",
        VECTORSHIFT_EXEC_COMMAND="""echo '{"api_key": "vs-1"}'""",
    )
    assert said.split() == ["exec:echo", "exec", "vs-1"]


def test_an_example_that_is_not_named_is_told_of(
    python: Path, shell: Callable[..., str], tmp_path: Path
) -> None:
    code = (
        "import vectorshift\ntry: vectorshift.get_credential()\nexcept vectorshift.CredentialError"
        " as e: print(e)"
    )
    said = shell(f'{python} -c "{code}"', tmp_path)
    assert "exec (vectorshift-exec 1.0.0), keyring (vectorshift-keyring 1.0.0)" in said
    assert "onepassword (vectorshift-onepassword 1.0.0)" in said


@pytest.mark.parametrize("name", [*NAMES, *WITH_SDKS])
def test_an_example_has_sixty_lines_of_code_at_most(name: str) -> None:
    module = f"vectorshift_{name.replace('-', '_')}"
    text = (EXAMPLES / f"vectorshift-{name}" / "src" / module / "__init__.py").read_text("utf-8")
    tree = ast.parse(text)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    told: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node):
            first = node.body[0]
            told.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    lines = {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.strip().startswith("#") and number not in told
    }
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in imports:
        lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    assert len(lines) <= 60


@pytest.mark.parametrize("kind", ["", "--http"])
def test_a_new_package_passes_its_strict_tests_in_an_environment_of_its_own(
    shell: Callable[..., str], tmp_path: Path, kind: str
) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    said = shell(
        f"{VENV} venv && {python} -m pip install --quiet 'vectorshift[cli]'\n"
        f"venv/bin/vectorshift providers new acme {kind}\n"
        f"cd vectorshift-acme && {python} -m pip install --quiet .\n"
        f"{python} -m pytest -q -p no:cacheprovider",
        tmp_path,
    )
    assert int(re.findall(r"(\d+) passed", said)[0]) > 50, said
    assert "failed" not in said
    if not kind:
        (tmp_path / "key").write_text("vs-1")
        environ = {"VECTORSHIFT_ACME_PATH": str(tmp_path / "key")}
        said = shell(
            f"venv/bin/vectorshift providers check acme; {python} -c 'import vectorshift'",
            tmp_path,
            **environ,
        )
        assert re.search(r"asked: ok \S+ s acme:", said)
