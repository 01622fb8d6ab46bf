"""`vectorshift providers check`: each step, its time, and how a failure is classified."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.program import piped

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = "vs-Xq7fL0nevertobeseen"
CODE = """
from vectorshift import Credential, CredentialDeniedError, CredentialNotFoundError
from vectorshift import CredentialProvider, Description, PluginSettings

class Own(PluginSettings):
    place: str | None = None

class Provider(CredentialProvider):
    @classmethod
    def from_settings(cls, settings):
        own = Own.of(settings, "shelf")
        return cls() if own.place else None

    def describe(self):
        return Description(configured=True, source="shelf:here", detail="by hand")

    def get_credential(self):
        {does}
"""
ANSWERS = f"return Credential(secret='{HIDDEN}', source='shelf:here', provider=self.name)"
INSTANCES = {
    "VECTORSHIFT_PROVIDERS": "shelf:prod,shelf:dr,gone",
    "VECTORSHIFT_SHELF_PROD_PLACE": "x",
    "VECTORSHIFT_SHELF_DR_PLACE": "y",
    "VECTORSHIFT_GONE_URL": "z",
}
LOCAL = "Provider.remote = False"
IMPORT_HANGS = "pass\nimport time; time.sleep(90)"
HANGS = f"import time; time.sleep(90)\n{LOCAL}"
DESCRIBE_RAISES = "def fail(self): raise RuntimeError\nProvider.describe = fail"
CLOSE_HANGS = "import time; Provider.close = lambda self: time.sleep(90)"
SET = {"VECTORSHIFT_SHELF_PLACE": "x", "VECTORSHIFT_PROVIDERS": "default"}


def install(folder: Path, does: str) -> None:
    about = folder / "vectorshift_shelf-1.2.3.dist-info"
    about.mkdir(exist_ok=True)
    (folder / "shelf_plugin.py").write_text(CODE.replace("{does}", does))
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: vectorshift-shelf\nVersion: 1.2.3\n"
    )
    (about / "entry_points.txt").write_text(
        "[vectorshift.providers]\nshelf = shelf_plugin:Provider\n"
    )


def checked(folder: Path, name: str = "shelf", does: str = ANSWERS, **more: str) -> Any:
    install(folder, does)
    done = piped("providers", "check", name, "--json", PYTHONPATH=str(folder), **more)
    assert HIDDEN not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def test_each_step_of_a_good_plugin_is_told(tmp_path: Path) -> None:
    code, told, errors = checked(tmp_path, **SET)
    assert (code, errors, told["status"]) == (0, "", "good")
    steps = {each["step"]: each for each in told["steps"]}
    assert list(steps) == ["found", "made", "described", "asked"]
    assert steps["found"]["detail"] == "vectorshift-shelf 1.2.3, shelf_plugin:Provider"
    assert steps["described"]["detail"] == "shelf:here by hand"
    assert steps["asked"]["detail"].startswith("shelf:here #")
    assert all(each["seconds"] >= 0 for each in told["steps"])


def test_each_step_has_its_time_where_output_is_no_terminal(tmp_path: Path) -> None:
    checked(tmp_path, **SET)  # installs it
    said = piped("providers", "check", "shelf", PYTHONPATH=str(tmp_path), **SET).stdout
    assert re.search(r"^asked: ok +[0-9.]+ s shelf:here #", said, re.MULTILINE)


def test_an_instance_is_checked_with_its_own_settings(tmp_path: Path) -> None:
    code, told, _ = checked(tmp_path, "shelf:prod", VECTORSHIFT_SHELF_PROD_PLACE="x")
    assert (code, told["provider"]) == (0, "shelf:prod")


def test_variables_of_other_plugins_that_the_chain_names_are_no_unknown_ones(
    tmp_path: Path,
) -> None:
    code, _, errors = checked(tmp_path, "shelf:prod", **INSTANCES)
    assert (code, errors) == (0, "")


@pytest.mark.parametrize(
    ("does", "code", "step", "words"),
    [
        ("raise OSError('x')", 3, "asked", "unavailable: shelf:here: shelf raised OSError"),
        ("raise CredentialDeniedError('No.')", 3, "asked", "denied: No."),
        ("raise CredentialNotFoundError('Empty.')", 2, "asked", "not found: Empty."),
        ("pass\nraise RuntimeError", 3, "made", "raised RuntimeError at shelf_plugin.py"),
        (IMPORT_HANGS, 3, "made", "its import has not ended"),
        (HANGS, 3, "asked", "a call would hang too"),
        (f"{ANSWERS}\n{CLOSE_HANGS}", 3, "closed", "close() still runs after 2 s"),
        (f"{ANSWERS}\n{DESCRIBE_RAISES}", 3, "described", "its describe() raised RuntimeError at"),
    ],
)
def test_a_failure_is_told_with_its_kind(
    tmp_path: Path, does: str, code: int, step: str, words: str
) -> None:
    timeout = "0.2" if does == IMPORT_HANGS else "2"  # nothing else has to be done in time
    ended, told, _ = checked(tmp_path, does=does, VECTORSHIFT_LOAD_TIMEOUT=timeout, **SET)
    bad = [(each["step"], each["detail"]) for each in told["steps"] if not each["good"]]
    assert (ended, [step for step, _ in bad]) == (code, [step])
    assert words in bad[0][1]


@pytest.mark.parametrize("how", [(), ("--probe",)])
def test_auth_status_ends_and_names_a_plugin_that_hangs(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    install(tmp_path, HANGS)
    more = {**SET, "VECTORSHIFT_PROVIDERS": "shelf", "VECTORSHIFT_LOAD_TIMEOUT": "2"}
    done = piped("auth", "status", "--json", *how, PYTHONPATH=str(tmp_path), **more)
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"]) == (3, "source_failed")
    reasons = {each["provider"]: each["reason"] for each in told["sources"]}
    assert "shelf has not answered after 3 s" in reasons["shelf"]


def test_a_plugin_that_is_not_configured_says_what_is_missing(tmp_path: Path) -> None:
    code, told, _ = checked(tmp_path)
    assert code == 2
    assert told["steps"][-1]["detail"] == (
        "no VECTORSHIFT_SHELF_... variable is set; vectorshift-shelf 1.2.3 reads"
        " VECTORSHIFT_SHELF_PLACE"
    )
    _, told, _ = checked(tmp_path, VECTORSHIFT_SHELF_ON_ERROR="stop")
    assert told["steps"][-1]["detail"] == (
        "from_settings of vectorshift-shelf 1.2.3 returned None although VECTORSHIFT_SHELF_ON_ERROR"
        " is set. Other variables: VECTORSHIFT_SHELF_PLACE"
    )
    assert told["steps"][-1]["outcome"] == "not configured"


def test_what_is_not_installed_and_what_is_built_in_are_told_so(tmp_path: Path) -> None:
    odd = tmp_path / "odd-1.0.dist-info"
    odd.mkdir()
    (odd / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (odd / "entry_points.txt").write_text("[vectorshift.providers]\nmy shelf = a:b\n = a:b\n")
    code, told, _ = checked(tmp_path, "shelv")
    assert (code, told["steps"][0]["good"]) == (3, False)
    assert "Plugins here: shelf. Run it in the environment" in told["steps"][0]["detail"]
    assert f"this one is {sys.prefix}." in told["steps"][0]["detail"]
    code, _, errors = checked(tmp_path, "vault")
    assert code == 64
    assert "built in" in errors
