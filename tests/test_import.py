"""What importing costs, and that every name is where it is said to be."""

from __future__ import annotations

import ast
import importlib
import os
import sys
from pathlib import Path

import pytest
from tests.interpreter import output

import vectorshift
import vectorshift.providers

HEAVY = {"httpx", "pydantic", "pydantic_settings", "hvac", "boto3", "botocore", "dotenv", "anyio"}
SLOW = {
    "dataclasses",
    "logging",
    "typing",
    "asyncio",
    "inspect",
    "json",
    "hashlib",
    "threading",
    "datetime",
}
STORES = {"hvac", "boto3", "botocore"}
SOURCE = Path(vectorshift.__file__)


def imported_by(code: str, **environ: str) -> set[str]:
    """Return the modules that a fresh interpreter has more after `code` than before."""
    script = (
        f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before))"
    )
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "HOME") if name in os.environ}
    return set(output(sys.executable, "-I", "-c", script, env={**kept, **environ}).split())


def test_importing_the_package_imports_nothing_else() -> None:
    before_site = imported_by("import sys, types")
    extra = imported_by("import vectorshift") - before_site
    assert not extra & (HEAVY | SLOW)
    assert {name for name in extra if not name.startswith("vectorshift")} == set()


def test_importing_the_package_reads_no_environment_and_no_file() -> None:
    code = (
        "events = []\nsys.addaudithook(lambda event, args: events.append((event, str(args[0]))) if"
        " event in ('open', 'socket.connect', 'subprocess.Popen') else None)\nimport"
        " vectorshift\nopened = [path for _, path in events if not path.endswith(('.py', '.pyc'))"
        " and '__pycache__' not in path]\nassert not opened, opened"
    )
    imported_by(code)


def test_importing_the_subpackages_of_providers_and_testing_imports_no_provider() -> None:
    extra = imported_by("import vectorshift.providers, vectorshift.testing")
    assert not extra & HEAVY
    assert not {name for name in extra if name.startswith("vectorshift.providers.")}


def test_a_key_given_in_code_is_read_without_any_store() -> None:
    extra = imported_by(
        "import vectorshift; vectorshift.api_key = 'vs-1'; assert vectorshift.api_key == 'vs-1'"
    )
    assert not extra & STORES


@pytest.mark.parametrize("code", ["get_credential()", "api_key", "warm_up()"])
def test_a_lookup_that_ends_in_the_environment_imports_no_store(code: str) -> None:
    extra = imported_by(f"import vectorshift; vectorshift.{code}", VECTORSHIFT_API_KEY="vs-1")
    assert not extra & STORES
    assert "pydantic" not in extra


def test_a_lookup_that_finds_nothing_imports_no_store(tmp_path: Path) -> None:
    code = (
        f"import os; os.chdir({str(tmp_path)!r})\nimport vectorshift; assert vectorshift.api_key is"
        " None"
    )
    assert not imported_by(code) & STORES


@pytest.mark.parametrize("name", ["Pipeline", "VectorShift", "ProviderChain", "CredentialAuth"])
def test_what_makes_calls_is_imported_without_the_settings_and_the_search_for_plugins(
    name: str,
) -> None:
    extra = imported_by(f"from vectorshift import {name}")
    assert not {module for module in extra if module.startswith(("pydantic", "importlib.metadata"))}
    assert not extra & {
        "vectorshift.chain.plugin_provider",
        "vectorshift.settings.plugin",
        "vectorshift.settings.model",
    }


# --- The face -------------------------------------------------------------------------------------


def test_every_name_of_all_can_be_imported_and_is_the_one_of_its_home() -> None:
    for name in vectorshift.__all__:
        if name != "__version__":
            home = getattr(vectorshift, name).__module__
            assert (home + ".").startswith("vectorshift."), name
    assert {"Pipeline", "VectorShift", "ProviderChain", "Settings", "Secret", "using"} < set(
        vectorshift.__all__
    )
    assert len(set(vectorshift.__all__)) == len(vectorshift.__all__)


def promised(tree: ast.Module) -> dict[str, str]:
    """Return the names that the `TYPE_CHECKING` block of a module imports for its users, with their
    homes.
    """
    block = next(
        node
        for node in tree.body
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    )
    return {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("vectorshift")
        for alias in node.names
    }


def test_what_type_checkers_see_is_what_is_there() -> None:
    names = promised(ast.parse(SOURCE.read_text("utf-8")))
    assert set(names) == set(vectorshift.__all__)
    for name, home in names.items():
        assert getattr(importlib.import_module(home), name) is getattr(vectorshift, name), name


@pytest.mark.parametrize("module", ["providers", "testing"])
def test_what_type_checkers_see_of_a_subpackage_is_what_is_there(module: str) -> None:
    package = importlib.import_module(f"vectorshift.{module}")
    names = promised(ast.parse(Path(str(package.__file__)).read_text("utf-8")))
    assert set(names) == set(package.__all__) == set(dir(package))
    for name, home in names.items():
        assert getattr(importlib.import_module(home), name) is getattr(package, name)
    with pytest.raises(AttributeError, match="NoSuchName"):
        package.NoSuchName  # noqa: B018


def test_the_providers_are_the_same_in_both_places() -> None:
    for name in vectorshift.providers.__all__:
        assert getattr(vectorshift, name) is getattr(vectorshift.providers, name)


def test_dir_shows_every_name() -> None:
    assert set(vectorshift.__all__) <= set(dir(vectorshift))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *(
            ("vectorshift", name)
            for name in ("Agent", "KnowledgeBase", "Table", "Chatbot", "Skill", "LlmInfo")
        ),
        *(
            ("vectorshift", name)
            for name in ("Analytics", "Workspace", "ToolInput", "SessionDisconnectedError")
        ),
        *(
            ("vectorshift.pipeline", name)
            for name in ("BumpLevel", "LlmNode", "Operator", "LogicalOp", "ConditionGroup")
        ),
        ("vectorshift.events", "SessionEventType"),
        ("vectorshift.request", "request_client"),
    ],
)
def test_a_name_of_the_official_sdk_says_that_it_is_not_here_and_what_to_use_instead(
    module: str, name: str
) -> None:
    says = rf"{name} is not part of this package\. VectorShift\(\)\.request\(.*vectorshift<1"
    with pytest.raises(ImportError, match=says):
        exec(f"from {module} import {name}")
    with pytest.raises(ImportError, match=says):
        getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(
    "module", ["vectorshift", "vectorshift.pipeline", "vectorshift.events", "vectorshift.request"]
)
def test_a_name_that_is_nowhere_is_an_attribute_error(module: str) -> None:
    assert not hasattr(importlib.import_module(module), "no_such_name")
    with pytest.raises(ImportError, match="cannot import name 'NoSuchName'"):
        exec(f"from {module} import NoSuchName")


def test_a_star_import_asks_no_source_for_a_key() -> None:
    names: dict[str, object] = {}  # to read `api_key` is to walk the chain
    exec("from vectorshift import *", names)
    assert "api_key" not in names
