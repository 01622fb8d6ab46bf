"""`httpx2_auth` without httpx2; with it, the tests of `CredentialAuth` run for both."""

from __future__ import annotations

from tests.interpreter import printed

BLOCKED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "httpx2":
            raise ModuleNotFoundError("No module named 'httpx2'", name="httpx2")

sys.meta_path.insert(0, Absent())
import vectorshift
from vectorshift import CredentialAuth, httpx2_auth
try:
    httpx2_auth("vs-key", origin="https://api.example.com")
except ImportError as error:
    print(error)
"""


def test_without_httpx2_it_says_what_to_install_and_all_else_works() -> None:
    assert printed(BLOCKED) == "httpx2_auth is for clients of httpx2: pip install httpx2\n"


def test_httpx2_is_not_imported_before_it_is_wanted() -> None:
    code = (
        "import sys, vectorshift; vectorshift.httpx2_auth; vectorshift.Pipeline; print('httpx2' in"
        " sys.modules)"
    )
    assert printed(code) == "False\n"
