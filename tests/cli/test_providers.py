"""`providers list`: what a chain can be made of, and what it is made of now."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.program import environment, on_terminal, piped

from vectorshift.chain import order
from vectorshift.chain.order import BUILT_IN
from vectorshift.credentials.values import fingerprint
from vectorshift.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.testing import OpenBaoServer


def listed(**variables: str) -> list[dict[str, Any]]:
    done = piped("providers", "list", "--json", **variables)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["providers"]
    return found


def test_every_built_in_provider_is_listed_in_the_order_of_the_chain() -> None:
    entries = listed()
    assert [entry["name"] for entry in entries if entry["position"]] == list(order.DEFAULT_ORDER)
    assert [entry["position"] for entry in entries][:5] == [1, 2, 3, 4, 5]
    assert {entry["name"] for entry in entries} == set(BUILT_IN)
    assert all(entry["configured_by"] for entry in entries)


def test_each_built_in_provider_can_be_named_alone() -> None:
    for name in BUILT_IN:
        order.providers_of(Settings(providers=(name,)))


def test_it_says_what_is_configured_and_contacts_nothing(
    in_vault: dict[str, str], path: str, openbao: OpenBaoServer
) -> None:
    entries = {entry["name"]: entry for entry in listed(**in_vault)}
    assert entries["vault"]["configured"]
    assert entries["vault"]["source"] == f"vault:secret/{path}#api_key"
    assert not entries["aws"]["configured"]
    assert openbao.reads(path) == 0


def test_what_the_settings_leave_out_is_listed_below_the_chain_without_a_place(
    in_vault: dict[str, str],
) -> None:
    entries = listed(VECTORSHIFT_PROVIDERS="aws,env", **in_vault)
    assert [(entry["name"], entry["position"]) for entry in entries][:3] == [
        ("explicit", 1),
        ("aws", 2),
        ("env", 3),
    ]
    vault = next(entry for entry in entries if entry["name"] == "vault")
    assert vault["position"] is None
    assert vault["configured"]


def test_a_provider_that_there_is_not_ends_it_with_3_and_a_message() -> None:
    done = piped("providers", "list", VECTORSHIFT_PROVIDERS="valt")
    assert done.returncode == 3
    assert done.stdout == ""
    assert "Did you mean vault?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "variables",
    [{"VECTORSHIFT_PROVIDERS": "valt"}, {"VECTORSHIFT_CACHE_TTL": "soon"}],
    ids=["provider", "setting"],
)
def test_as_json_a_wrong_setting_is_told_in_the_object_and_ends_it_with_3(
    variables: dict[str, str],
) -> None:
    done = piped("providers", "list", "--json", **variables)
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr, told["providers"]) == (3, "", [])
    assert next(iter(variables)) in told["problem"]
    assert json.loads(piped("providers", "list", "--json").stdout)["problem"] is None


def in_place(**variables: str) -> dict[str, bool]:
    """Say of each provider whether it is configured, for a process in the test's folder."""
    done = piped("providers", "list", "--json", **variables)
    assert "vs-" not in done.stdout + done.stderr
    return {entry["name"]: entry["configured"] for entry in json.loads(done.stdout)["providers"]}


def test_what_is_in_a_file_counts_as_configured_if_the_file_is_there(tmp_path: Path) -> None:
    names = ("env", "dotenv", "login")
    before = in_place(CREDENTIALS_DIRECTORY=str(tmp_path))
    assert [before[name] for name in names] == [False, False, False]
    (tmp_path / "vectorshift_api_key").write_text("vs-of-systemd")
    (tmp_path / ".env").write_text("VECTORSHIFT_API_KEY=vs-of-dotenv\n")
    (tmp_path / ".vectorshift").mkdir()
    (tmp_path / ".vectorshift/config.toml").write_text('[auth]\napi_key = "vs-of-the-cli"\n')
    after = in_place(CREDENTIALS_DIRECTORY=str(tmp_path))
    assert [after[name] for name in names] == [True, True, True]


def test_plain_text_has_one_fact_a_line() -> None:
    lines = piped("providers", "list").stdout.splitlines()
    assert "vault.configured_by: VECTORSHIFT_VAULT_PATH" in lines
    assert "vault.position: 4" in lines


# --- Plugins --------------------------------------------------------------------------------------

ANSWERS = """
from vectorshift import Credential, CredentialProvider

class Provider(CredentialProvider):
    @classmethod
    def from_settings(cls, settings):
        return cls()

    def get_credential(self):
        raise AssertionError("it was asked")
"""


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., str]:
    """Lay out a distribution as installers do, and return the folder, for `PYTHONPATH`."""

    def lay(name: str, distribution: str = "vectorshift-shelf", code: str = ANSWERS) -> str:
        about = tmp_path / f"{distribution.replace('-', '_')}-1.2.3.dist-info"
        about.mkdir()
        module = f"plugin_of_{distribution.replace('-', '_')}"
        tell = f"open({str(tmp_path / f'{distribution}.imported')!r}, 'w')\n"
        (tmp_path / f"{module}.py").write_text(tell + code)
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2.3\n"
        )
        (about / "entry_points.txt").write_text(
            f"[vectorshift.providers]\n{name} = {module}:Provider\n"
        )
        return str(tmp_path)

    return lay


def imported(folder: str) -> set[str]:
    return {path.stem for path in Path(folder).glob("*.imported")}


def brought(**variables: str) -> list[dict[str, Any]]:
    return [entry for entry in listed(**variables) if entry["distribution"]]


def test_a_plugin_that_is_installed_is_listed_and_not_imported(install: Callable[..., str]) -> None:
    site = install("shelf")
    (entry,) = brought(PYTHONPATH=site)
    assert entry == {
        "name": "shelf",
        "position": None,
        "configured": None,
        "source": "shelf",
        "configured_by": "not in the chain; to add it: VECTORSHIFT_PROVIDERS=default,shelf",
        "detail": "",
        "distribution": "vectorshift-shelf",
        "version": "1.2.3",
        "problem": None,
        "variables": [],
    }
    assert imported(site) == set()


def test_a_plugin_that_the_chain_names_stands_in_its_place_with_what_brought_it(
    install: Callable[..., str],
) -> None:
    install("other", "vectorshift-other")
    site = install("shelf")
    entries = brought(PYTHONPATH=site, VECTORSHIFT_PROVIDERS="env,shelf")
    assert [(entry["name"], entry["position"], entry["configured"]) for entry in entries] == [
        ("shelf", 3, True),
        ("other", None, None),
    ]
    assert (entries[0]["distribution"], entries[0]["version"]) == ("vectorshift-shelf", "1.2.3")
    assert entries[0]["configured_by"] == "VECTORSHIFT_SHELF_..."
    assert imported(site) == {"vectorshift-shelf"}


SETTINGS = """
from typing import Annotated

from pydantic import Field

from vectorshift import Credential, CredentialProvider, PluginSettings, Secret
from vectorshift.plugins import StoreUrl

class Own(PluginSettings):
    url: str
    token: Secret | None = None
    timeout: float = 5
    store: StoreUrl = "https://a"
    spare: StoreUrl | None = None
    pages: Annotated[int, Field(gt=0, examples=[[1]])] | None = None
    size: Annotated[int, Field(gt=0)] = 1
    names: list[str] | None = None

class Provider(CredentialProvider):
    @classmethod
    def from_settings(cls, settings):
        Own.of(settings, "shelf")
        return cls()

    def get_credential(self):
        raise AssertionError("it was asked")
"""


@pytest.mark.parametrize("name", ["shelf", "shelf:prod"])
def test_the_variables_of_a_plugin_are_listed_with_their_types_and_defaults(
    install: Callable[..., str], name: str
) -> None:
    site = install("shelf", code=SETTINGS)
    prefix = "VECTORSHIFT_SHELF_" + ("PROD_" if ":" in name else "")
    variables = {f"{prefix}URL": "https://shelf", f"{prefix}TOKEN": "t0ken"}
    given = {"PYTHONPATH": site, "VECTORSHIFT_PROVIDERS": f"env,{name}", **variables}
    (entry,) = brought(**given)
    assert [tuple(each.values()) for each in entry["variables"]] == [
        (f"{prefix}URL", "text", "needed"),
        (f"{prefix}TOKEN", "secret", "none"),
        (f"{prefix}TIMEOUT", "number", "5"),
        (f"{prefix}STORE", "https URL", "https://a"),
        (f"{prefix}SPARE", "https URL", "none"),
        (f"{prefix}PAGES", "whole number", "none"),
        (f"{prefix}SIZE", "whole number", "1"),
        (f"{prefix}NAMES", "text", "none"),
    ]
    done = piped("providers", "list", **given)
    assert (done.returncode, done.stderr) == (0, "")  # no false warning of a variable
    assert f"{prefix}URL (text, needed), {prefix}TOKEN (secret, none)" in done.stdout
    assert done.stdout.count(".variables:") == 1  # what is built in has none to list
    assert "t0ken" not in done.stdout


TALKS = """
from vectorshift import CredentialProvider, Description
from vectorshift import PluginSettings, Secret

class Own(PluginSettings):
    token: Secret | None = None

class Provider(CredentialProvider):
    @classmethod
    def from_settings(cls, settings):
        made = cls()
        made.own = Own.of(settings, "shelf")
        return made

    def describe(self):
        detail = f"token {self.own.token.reveal()}"
        return Description(configured=True, source="shelf:x", detail=detail)

    def get_credential(self):
        raise AssertionError("it was asked")
"""


@pytest.mark.parametrize(
    "command", [["providers", "list"], ["auth", "status", "--no-probe"]], ids=" ".join
)
def test_what_a_plugin_says_of_itself_shows_no_secret_that_it_was_given(
    install: Callable[..., str], command: list[str]
) -> None:
    variables = {"PYTHONPATH": install("shelf", code=TALKS), "VECTORSHIFT_PROVIDERS": "shelf"}
    done = piped(*command, VECTORSHIFT_SHELF_TOKEN="the-token-of-the-shelf", **variables)
    assert f"token {fingerprint('the-token-of-the-shelf')}" in done.stdout
    assert "the-token" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [["providers", "list"], ["providers", "check", "shelf"], ["auth", "status"]],
    ids=" ".join,
)
def test_what_a_plugin_prints_is_not_in_the_answer(
    install: Callable[..., str], command: list[str]
) -> None:
    code = "print('Welcome to the shelf!')\n" + ANSWERS
    variables = {"PYTHONPATH": install("shelf", code=code), "VECTORSHIFT_PROVIDERS": "shelf"}
    done = piped(*command, "--json", **variables)
    assert json.loads(done.stdout)
    assert "Welcome to the shelf!" in done.stderr


def test_a_plugin_that_cannot_be_named_says_why(install: Callable[..., str]) -> None:
    install("vault", "imposter")
    install("shelf")
    site = install("Shelf", "other-shelf")
    problems = {entry["distribution"]: entry["problem"] for entry in brought(PYTHONPATH=site)}
    assert "a built-in provider has this name" in problems["imposter"]
    assert "several plugins have this name" in problems["vectorshift-shelf"]
    assert problems["other-shelf"] == problems["vectorshift-shelf"]
    (entry,) = [
        entry for entry in listed(PYTHONPATH=site) if entry["name"] == "vault" and entry["position"]
    ]
    assert entry["distribution"] is None
    assert imported(site) == set()


def test_plain_text_tells_a_plugin_that_cannot_be_named_from_what_has_its_name(
    install: Callable[..., str],
) -> None:
    install("vault", "imposter")
    said = piped("providers", "list", PYTHONPATH=install("", "odd")).stdout.splitlines()
    assert "vault.position: 4" in said
    assert "vault of imposter.problem: a built-in provider has this name" in said
    assert "? of odd.version: 1.2.3" in said


def test_with_plugins_disabled_each_says_so(install: Callable[..., str]) -> None:
    (entry,) = brought(PYTHONPATH=install("shelf"), VECTORSHIFT_DISABLE_PLUGINS="1")
    assert "VECTORSHIFT_DISABLE_PLUGINS=1" in entry["problem"]


def test_metadata_that_cannot_be_read_is_told_and_the_rest_is_listed(
    install: Callable[..., str],
) -> None:
    site = install("shelf")
    (Path(site) / "vectorshift_shelf-1.2.3.dist-info" / "entry_points.txt").write_bytes(
        b"[vectorshift.providers]\n\xff"
    )
    # pydantic looks for plugins of its own, and would not survive this.
    done = piped("providers", "list", PYTHONPATH=site, PYDANTIC_DISABLE_PLUGINS="__all__")
    assert done.returncode == 0, done.stderr
    assert "damaged" in done.stderr
    assert "vault.position: 4" in done.stdout


def test_plain_text_has_the_distribution_of_a_plugin(install: Callable[..., str]) -> None:
    lines = piped("providers", "list", PYTHONPATH=install("shelf")).stdout.splitlines()
    assert {"shelf.distribution: vectorshift-shelf", "shelf.version: 1.2.3"} <= set(lines)
    assert not any(line.startswith(("shelf.configured:", "shelf.problem:")) for line in lines)


@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_the_table_says_what_brought_a_plugin_and_why_it_cannot_be_named(
    install: Callable[..., str],
) -> None:
    install("vault", "imposter")
    variables = environment(TERM="dumb", PYTHONPATH=install("shelf"))
    text, code = on_terminal(["providers", "list"], variables)
    assert code == 0
    assert "-   shelf      -            not in the chain; to add it:" in text
    assert "installed by vectorshift-shelf 1.2.3" in text
    assert "It cannot be named: a built-in provider has this name" in " ".join(text.split())


@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_on_a_terminal_it_is_a_table() -> None:
    text, code = on_terminal(["providers", "list"], environment(TERM="dumb"))
    assert code == 0
    assert "5   aws        no" in text
    assert max(map(len, text.splitlines())) <= 80
