"""What the documentation shows runs, what it names is there, and where it points exists.

Each `python` block runs on its own. `<!-- test: skip REASON -->` on the line before it leaves it
out.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import dataclasses
import inspect
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.docs.blocks import PAGES, ROOT, Block, blocks, blocks_of, name_of

import vectorshift
from vectorshift import Pipeline, RunHandler, VectorShift
from vectorshift.settings import Settings
from vectorshift.testing import FakeVectorShift, MotoServer, OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_HERE = {
    "EndpointConnectionError",  # of botocore, as a message says
    "HTTPError",  # of httpx
    "TransportError",  # of httpx, in an example
}
BESIDE_PIPELINES: dict[str, Any] = {
    "/agent/a-1/run": {"status": "success", "outputs": {"answer": "Two."}},
    "/chatbot/c-1/run": {"status": "success", "output_message": "Hi."},
    "/chatbot/c-1/upload": {"status": "success", "uploaded_files": []},
    "/chatbot/c-2/run": 'data: {"output_value": "H"}\n\ndata: {"output_value": "i"}\n\n',
    "/knowledge-bases/": {"status": "success", "object_ids": ["kb-1"]},
    "/knowledge-base/kb-1/query": {"status": "success", "result": {"chunks": []}},
    "/knowledge-base/kb-1/items": {"status": "success"},
}
"""What the pages call beside pipelines, and the answers."""
TASKS = {
    "start.md",
    "keys/index.md",
    "rotate.md",
    "organisations.md",
    "deploy/index.md",
    "troubleshooting.md",
    "plugins.md",
    "testing.md",
    "security.md",
    "performance.md",
}
REFERENCE = {
    "docs/settings.md",
    "docs/situations.md",
    "docs/troubleshooting.md",
    "docs/vault/failures.md",
}
READ_BY_STORES = {"VAULT_ADDR", "VAULT_TOKEN"}
READ_BY_PLUGINS = re.compile(
    r"VECTORSHIFT_(ACME|CUPBOARD|EXEC|KEYRING|SAFE)(_\w+)?"
)  # of the examples


def environ_of(block: Block) -> dict[str, str]:
    lines = [line.removeprefix("export ").partition("=") for line in block.code.splitlines()]
    return {name: value for name, _, value in lines}


def variables() -> dict[str, str]:
    """Every `VECTORSHIFT_` variable that is read, with its default as the settings page writes
    it.
    """
    fields = Settings.model_fields.items()
    return {
        "VECTORSHIFT_API_KEY": "none",
        **{
            f"VECTORSHIFT_{name.upper()}": written(field.default)
            for name, field in fields
            if name != "plugins"
        },
    }


def written(default: object) -> str:
    if default is None:
        return "none"
    if default is False:
        return "off"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


@pytest.fixture(scope="module")
def stand_in(openbao: OpenBaoServer, moto: MotoServer) -> Iterator[FakeVectorShift]:
    """The API, and both stores with a good key in each."""
    with FakeVectorShift() as api:
        api.create_key(org="acme", key="vs-...")
        openbao.write("vectorshift", {"api_key": api.create_key(org="vault")})
        moto.put("prod/vectorshift", api.create_key(org="aws"))
        for path, body in BESIDE_PIPELINES.items():
            kind = "text/event-stream" if isinstance(body, str) else "application/json"
            api.fail_next(200, times=100, body=body, path=path, headers={"content-type": kind})
        yield api
        moto.delete("prod/vectorshift", force=True)


@pytest.fixture
def surroundings(
    stand_in: FakeVectorShift,
    openbao: OpenBaoServer,
    moto: MotoServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FakeVectorShift]:
    """A process that knows the API, a good key, and the way to both stores."""
    api = {
        "VECTORSHIFT_BASE_URL": stand_in.base_url,
        "VECTORSHIFT_API_KEY": stand_in.create_key(org="environment"),
    }
    for name, value in {**api, **openbao.environment(), **moto.environment()}.items():
        monkeypatch.setenv(name, value)
    nodes = {"n-1": {"name": "text", "type": "input", "inputs": {"input_type": "string"}}}
    stand_in.add_pipeline("environment", "invoices", id="65f0c3a1b2d4e5f60718293a", nodes=nodes)
    stand_in.add_pipeline("environment", "notes", id="p-1")
    stand_in.next_outputs({"summary": "Two invoices, both paid."}, times=10)
    Path("invoice.pdf").write_bytes(b"%PDF-1.7")  # in the temporary folder of the test
    stand_in.clear_requests()
    vectorshift.reset()
    yield stand_in
    vectorshift.reset()
    vectorshift.api_key = None


def files_sent(api: FakeVectorShift) -> list[str]:
    """The names of the files in forms: those that name no input reach no pipeline."""
    forms = [
        each.form
        for each in api.requests
        if each.headers.get("content-type", "").startswith("multipart/")
        and each.path.startswith("/v1/pipeline/")
    ]
    return [part.name for form in forms for part in form.values() if part.filename is not None]


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_block_runs(block: Block, surroundings: FakeVectorShift) -> None:
    if block.skip:
        pytest.skip(block.skip)
    code = compile("\n" * block.line + block.code, ROOT / block.page, "exec", dont_inherit=True)
    exec(code, {"__name__": "block"})
    assert all(request.status != 401 for request in surroundings.requests)
    assert [
        name for name in files_sent(surroundings) if not name.startswith(("inputs.", "runs."))
    ] == []
    calls = "Pipeline." in block.code and "FakeVectorShift" not in block.code
    assert surroundings.requests or not calls, "what the block catches kept it from calling the API"


@pytest.mark.parametrize("block", blocks("bash"), ids=str)
def test_exported_variables_are_accepted(
    block: Block, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ = environ_of(block)
    if "VECTORSHIFT_ENV_FILE" in environ:
        environ["VECTORSHIFT_ENV_FILE"] = str(tmp_path / "named.env")
        (tmp_path / "named.env").touch()
    with caplog.at_level(logging.WARNING):
        Settings.load(environ)
    assert caplog.messages == []
    assert all(name.startswith("VECTORSHIFT_") or name in READ_BY_STORES for name in environ)


def test_settings_page_has_every_variable_with_its_default() -> None:
    text = (ROOT / "docs/settings.md").read_text("utf-8")
    rows = re.findall(r"^\| `(VECTORSHIFT_\w+)` \| (.+?) \|", text, re.MULTILINE)
    assert dict(rows) == variables()
    assert len(rows) == len(variables())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_names_no_variable_that_is_not_read(page: Path) -> None:
    text = re.sub("VECTORSHIFT_(TIMOUT|TOKEN)", "", page.read_text("utf-8"))  # examples of mistakes
    named = set(re.findall(r"VECTORSHIFT_\w*[A-Z]\b", text)) - set(variables())
    assert [name for name in named if not READ_BY_PLUGINS.fullmatch(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_names_no_error_that_is_not_there(page: Path) -> None:
    named = set(re.findall(r"\b[A-Z]\w+Error\b", page.read_text("utf-8")))
    there = {name for name in named if hasattr(vectorshift, name) or hasattr(builtins, name)}
    assert named - there <= NOT_HERE


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = [
        target.partition("#")[0]
        for target in re.findall(r"\]\(([^)\s]+)\)", text)
        if "://" not in target
    ]
    assert [target for target in targets if target and not (page.parent / target).is_file()] == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    assert {page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")} == (
        navigation
    )


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_a_first_page_leads_to_the_page_of_each_task(page: str) -> None:
    """The rest is one click further, in the navigation or on those pages."""
    linked = set(re.findall(r"\]\((?:docs/)?([\w/-]+\.md)", (ROOT / page).read_text("utf-8")))
    assert TASKS - linked == set()


def test_a_page_of_the_guide_is_short() -> None:
    """Reference pages are searched, not read."""
    long = {
        name_of(page): len(text.split())
        for page in ROOT.glob("docs/**/*.md")
        for text in [re.sub(r"(?ms)^```.*?^```", "", page.read_text("utf-8"))]
        if len(text.split()) > 900
    }
    assert set(long) <= REFERENCE, long


def test_tree_of_errors_has_each_of_them() -> None:
    (tree,) = (
        block.code
        for block in blocks_of(ROOT / "docs/errors.md")
        if block.code.startswith("VectorshiftError\n")
    )
    exported = {
        name: getattr(vectorshift, name) for name in vectorshift.__all__ if name.endswith("Error")
    }
    assert {name for name, error in exported.items() if error.__name__ == name} == set(
        re.findall(r"\w+Error\b", tree)
    ) - {"TimeoutError"}


def test_page_for_those_who_come_from_the_official_sdk_shows_what_they_are_told() -> None:
    page = (ROOT / "docs/migrate.md").read_text("utf-8")
    with pytest.raises(ImportError) as caught:
        vectorshift.Agent  # type: ignore[attr-defined]  # noqa: B018
    assert f"\n{caught.value}\n" in page
    assert [
        name
        for name in ("publish", "unpublish", "move_to_folder", "BumpLevel")
        if f"`{name}`" not in page
    ] == []


def test_the_version_is_the_one_that_the_changelog_names() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first, newest = re.findall(
        r"^## \[(.+?)\](?:\n\nThis will be version (\S+):)?", text, re.MULTILINE
    )[0]
    assert vectorshift.__version__ == (newest if first == "Unreleased" else first)
    major = int(vectorshift.__version__.partition(".")[0])
    assert f"vectorshift>={major}.0,<{major + 1}" in (ROOT / "docs/plugins.md").read_text("utf-8")


# --- What you write today ---


def migration_rows() -> list[tuple[str, str]]:
    page = (ROOT / "docs/migrate.md").read_text("utf-8")
    table = page.partition("## What you write today")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(.+?)` \| (?:`(.+)`|the same) \|$", table, re.MULTILINE)


def run(code: str, names: dict[str, Any]) -> None:
    """Run a line of sync or async code, and read whatever it gives."""
    names = dict(names)

    async def read(value: Any) -> None:
        value = await value if inspect.isawaitable(value) else value
        if hasattr(value, "__aiter__"):
            assert [each async for each in value]
        elif inspect.isgenerator(value):
            assert list(value)
        elif hasattr(value, "__enter__"):
            with value:
                pass

    mode = "exec" if re.match(r"for|from|print|\w+\.api_key", code) else "eval"
    compiled = compile(code, "migrate.md", mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    asyncio.run(read(eval(compiled, names)))


@pytest.mark.parametrize(("theirs", "ours"), migration_rows())
def test_a_row_for_those_who_come_from_the_official_sdk_is_true(
    theirs: str, ours: str, surroundings: FakeVectorShift
) -> None:
    surroundings.dialect.late_results = 1
    pipeline = Pipeline.fetch(name="invoices")
    for path in (
        "/marketplace/publish",
        "/marketplace/m-1",
        f"/pipeline/{pipeline.id}/remove-node",
    ):
        surroundings.fail_next(200, body={"status": "success"}, path=path)
    inputs = {"text": "May"}
    names = {
        **{each.__name__: each for each in (Pipeline, RunHandler, VectorShift)},
        **{"pipeline": pipeline, "inputs": inputs, "handler": pipeline.start(inputs)},
        **{"client": VectorShift(), "vectorshift": vectorshift, "dataclasses": dataclasses},
    }
    if not ours:
        run(theirs, names)
        return
    with pytest.raises((TypeError, AttributeError, ImportError)):
        run(theirs, names)
    run(ours, names)


def test_each_row_for_those_who_come_from_the_official_sdk_is_read() -> None:
    page = (ROOT / "docs/migrate.md").read_text("utf-8")
    table = page.partition("## What you write today")[2].partition("\n## ")[0]
    assert len(migration_rows()) == table.count("\n|") - 2 > 25
