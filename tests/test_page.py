"""The snippets of the documented page, as scripts of their own against the stand-in API."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from vectorshift.credentials.values import fingerprint
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from pathlib import Path

KEY = "vs-0123456789abcdef"

PRINT = (
    'import vectorshift\nprint(vectorshift.api_key[:4] + "..." if vectorshift.api_key else'
    ' "missing")\n'
)
LIST = "from vectorshift import Pipeline\nprint(len(Pipeline.list()))\n"
ASSIGN = f'import vectorshift\nvectorshift.api_key = "{KEY}"\n'
TRY = """
from vectorshift import AuthenticationError, PermissionDeniedError, Pipeline

try:
    Pipeline.list()
except AuthenticationError as error:
    print("authentication", error.status_code)
except PermissionDeniedError as error:
    print("permission", error.status_code)
else:
    print("fine")
"""
ATRY = """
import asyncio
from vectorshift import AuthenticationError, Pipeline

async def main():
    try:
        print(len(await Pipeline.alist()))
    except AuthenticationError as error:
        print("authentication", error.status_code)

asyncio.run(main())
asyncio.run(main())
"""


@pytest.fixture
def api(api: FakeVectorShift) -> FakeVectorShift:
    api.create_key(key=KEY)
    return api


class Page:
    """Runs a script in an empty folder with warnings as errors; what it says on standard error
    fails the test.
    """

    def __init__(self, folder: Path, base_url: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "VECTORSHIFT_BASE_URL": base_url}

    def run(self, code: str, told: str = "", **environment: str) -> str:
        script = self.folder / "page.py"
        script.write_text(code)
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script)],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0
        assert done.stderr == told
        return done.stdout


@pytest.fixture
def page(tmp_path: Path, api: FakeVectorShift) -> Page:
    return Page(tmp_path, api.base_url)


def test_the_print_line_without_a_key_says_missing(page: Page) -> None:
    assert page.run(PRINT) == "missing\n"


def test_the_print_line_shows_the_beginning_of_the_key_of_the_environment(page: Page) -> None:
    assert page.run(PRINT, VECTORSHIFT_API_KEY=KEY) == "vs-0...\n"


def test_the_print_line_shows_the_beginning_of_an_assigned_key(page: Page) -> None:
    assert page.run(ASSIGN + PRINT) == "vs-0...\n"


def test_an_assigned_key_lists_pipelines(page: Page, api: FakeVectorShift) -> None:
    assert page.run(ASSIGN + LIST) == "2\n"
    assert [(request.path, request.org) for request in api.requests] == [("/v1/pipelines", "acme")]


def test_the_key_of_the_environment_lists_pipelines(page: Page) -> None:
    assert page.run(LIST, VECTORSHIFT_API_KEY=KEY) == "2\n"


def test_the_key_of_a_dotenv_file_in_the_working_directory_lists_pipelines(page: Page) -> None:
    (page.folder / ".env").write_text(f"VECTORSHIFT_API_KEY={KEY}\n")
    assert page.run(LIST) == "2\n"


def test_an_assigned_key_wins_over_the_environment(page: Page) -> None:
    assert page.run(ASSIGN + LIST, VECTORSHIFT_API_KEY="vs-other") == "2\n"


def test_an_assigned_key_that_is_taken_back_leaves_that_of_the_environment(
    page: Page, api: FakeVectorShift
) -> None:
    other = api.create_key(org="globex")
    unset = "del vectorshift.api_key\n"
    assert page.run(ASSIGN + unset + LIST, VECTORSHIFT_API_KEY=other) == "2\n"
    assert [request.org for request in api.requests] == ["globex"]


def test_a_missing_key_is_an_authentication_error_and_sends_nothing(
    page: Page, api: FakeVectorShift
) -> None:
    assert page.run(TRY) == "authentication 401\n"
    assert page.run(ATRY) == "authentication 401\n" * 2
    assert api.requests == []


def test_a_refused_key_is_an_authentication_error(page: Page, api: FakeVectorShift) -> None:
    told = f"The API refused env:VECTORSHIFT_API_KEY {fingerprint('vs-wrong')}.\n"
    assert page.run(TRY, told, VECTORSHIFT_API_KEY="vs-wrong") == "authentication 401\n"
    assert [request.status for request in api.requests] == [401]


def test_a_key_without_scope_is_a_permission_error(page: Page, api: FakeVectorShift) -> None:
    assert page.run(TRY, VECTORSHIFT_API_KEY=api.create_key(scopes=())) == "permission 403\n"


def test_a_good_key_goes_through_the_same_lines(page: Page) -> None:
    assert page.run(TRY, VECTORSHIFT_API_KEY=KEY) == "fine\n"


def test_the_async_lines_run_in_one_event_loop_after_the_other(page: Page) -> None:
    assert page.run(ATRY, VECTORSHIFT_API_KEY=KEY) == "2\n2\n"


@pytest.mark.parametrize("function", ["def key():", "async def key():"])
def test_a_callable_may_be_assigned(page: Page, function: str) -> None:
    code = f'import vectorshift\n{function}\n    return "{KEY}"\nvectorshift.api_key = key\n'
    assert page.run(code + PRINT + LIST) == "vs-0...\n2\n"
