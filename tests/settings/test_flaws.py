"""What a wrong setting says: the variable that is set, and never what may be a secret in it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from vectorshift import ProviderChain, Settings
from vectorshift.errors import CredentialConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MARK = "3f9c2e71d8a04b56"


def flaw(environ: dict[str, str]) -> str:
    with pytest.raises(CredentialConfigurationError) as caught:
        ProviderChain.from_settings(Settings.load(environ))
    return str(caught.value)


@pytest.mark.parametrize("name", ["VAULT_SKIP_VERIFY", "VECTORSHIFT_VAULT_SKIP_VERIFY"])
def test_of_a_setting_with_a_fall_back_the_variable_that_is_set_is_named(name: str) -> None:
    assert flaw({name: MARK, "VECTORSHIFT_VAULT_PATH": "vs"}).startswith(
        f"Invalid settings: {name}: should be a valid boolean"
    )


OF_A_STORE = {
    "an open quotation mark": f'BAO_TOKEN="{MARK}\n',
    "a space in the name": f"VAULT_ADDR https://{MARK}.example\n",
    "a colon": f"VAULT_NAMESPACE: {MARK}\n",
    "the marks of a merge": f"<<<<<<< ours\nVAULT_TOKEN={MARK}\n=======\n>>>>>>> theirs\n",
}


@pytest.mark.parametrize("line", OF_A_STORE.values(), ids=OF_A_STORE)
def test_a_broken_line_of_a_named_file_is_a_flaw_if_it_is_about_the_store_in_use(
    line: str, tmp_path: Path
) -> None:
    """Passed over, it would let another token or server count."""
    named = tmp_path / "named.env"
    named.write_text(line)
    environ = {"VECTORSHIFT_ENV_FILE": str(named), "VAULT_ADDR": "https://vault.example"}
    assert "line" in (said := flaw({**environ, "VECTORSHIFT_VAULT_PATH": "vs"}))
    assert MARK not in said
    assert Settings.load(environ).vault_path is None


# --- VECTORSHIFT_PROVIDERS ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (",", "VECTORSHIFT_PROVIDERS: should name at least one provider, or be unset."),
        (" , ,, ", "VECTORSHIFT_PROVIDERS: should name at least one provider, or be unset."),
        (
            "valt",
            (
                "names 'valt', which is neither built in nor an installed plugin. Did you mean "
                "vault?"
            ),
        ),
        ("env;vault", "which is neither built in nor an installed plugin."),
        ("zzz", "There are: default, explicit, env, dotenv, vault, aws, login."),
        ("vault,env,vault", "VECTORSHIFT_PROVIDERS names 'vault' twice."),
        (
            "env,default",
            "names 'env' twice. 'default' stands for explicit, env, dotenv, vault, aws.",
        ),
        ("default,default", "twice"),
        (
            f"vs-{MARK}-{MARK}",
            (
                "VECTORSHIFT_PROVIDERS names a provider, which is neither built in nor an "
                "installed plugin."
            ),
        ),
    ],
)
def test_a_list_of_providers_that_cannot_be_says_why(names: str, says: str) -> None:
    assert says in flaw({"VECTORSHIFT_PROVIDERS": names})
    assert MARK not in flaw({"VECTORSHIFT_PROVIDERS": names})


def test_the_case_of_a_name_does_not_matter() -> None:
    chain = ProviderChain.from_settings(Settings.load({"VECTORSHIFT_PROVIDERS": "ENV"}))
    assert [each.name for each in chain.providers] == ["explicit", "env"]


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_list_of_providers_that_is_set_to_nothing_is_the_default(blank: str) -> None:
    assert Settings.load({"VECTORSHIFT_PROVIDERS": blank}).providers == ("default",)


@pytest.mark.parametrize("names", ["explicit", "explicit,explicit"])
def test_explicit_alone_is_a_chain(names: str) -> None:
    chain = ProviderChain.from_settings(Settings.load({"VECTORSHIFT_PROVIDERS": names}))
    assert [provider.name for provider in chain.providers] == ["explicit"]


def test_the_name_of_a_built_in_provider_excuses_no_mistyped_variable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        Settings.load({"VECTORSHIFT_PROVIDERS": "env, vault,my-safe", "VECTORSHIFT_VAULT_PTH": "x"})
        Settings.load(
            {"VECTORSHIFT_PROVIDERS": "env, vault,my-safe", "VECTORSHIFT_MY_SAFE_NAME": "x"}
        )
    assert [record.getMessage() for record in caplog.records] == [
        "VECTORSHIFT_VAULT_PTH is not a vectorshift setting. Did you mean VECTORSHIFT_VAULT_PATH?"
    ]


# --- Files ----------------------------------------------------------------------------------------


FILES = {
    "VECTORSHIFT_API_KEY_FILE": "api_key_file",
    "VECTORSHIFT_CREDENTIALS_DIRECTORY": "credentials_directory",
    "CREDENTIALS_DIRECTORY": "credentials_directory",
    "VECTORSHIFT_ENV_FILE": "env_file",
    "VECTORSHIFT_VAULT_TOKEN_FILE": "vault_token_file",
    "VECTORSHIFT_VAULT_SECRET_ID_FILE": "vault_secret_id_file",
    "VECTORSHIFT_VAULT_JWT_FILE": "vault_jwt_file",
}


@pytest.mark.parametrize("variable", FILES)
@pytest.mark.parametrize(
    "key",
    [
        f"vs-live-{MARK}",
        f"sk{MARK}+{MARK}==",
        "vs-3f9c2e71",
        "vs_abcdefghijklmnopqrstuvw",
        "vs_abcdefghijklmnopqrstuvw.xyz1",
        f"eyJhbGciOiJSUzI1NiJ9.eyJ{MARK}.sig",
        "hvs.CAESIJabcdefgh",
    ],
)
def test_a_key_in_place_of_the_name_of_its_file_is_refused_and_not_shown(
    variable: str, key: str, shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(
        CredentialConfigurationError, match=f"{variable}: should be the name of a file"
    ) as caught:
        Settings.load({variable: key})
    assert key not in shown(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "vectorshift_production_key",
        f"./{MARK}vectorshift",
        "/run/secrets/a1",
        f"secrets\\{MARK}",
        "Prod-2.key",
        f"{MARK}.txt",
    ],
)
def test_the_names_that_files_have_are_taken_and_shown(name: str) -> None:
    for variable in FILES.keys() - {"VECTORSHIFT_ENV_FILE"}:
        assert getattr(Settings.load({variable: name}), FILES[variable]) == name
    assert f"VECTORSHIFT_ENV_FILE names {name}, which cannot be read" in flaw(
        {"VECTORSHIFT_ENV_FILE": name}
    )


def test_what_is_there_is_no_key_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "ProdKey2026").write_text("VECTORSHIFT_TIMEOUT=5")
    for variable, field in FILES.items():
        assert getattr(Settings.load({variable: "ProdKey2026"}), field) == "ProdKey2026"


@pytest.mark.parametrize(
    "variable",
    [
        "VECTORSHIFT_VAULT_ADDR",
        "VAULT_ADDR",
        "VECTORSHIFT_AWS_ENDPOINT_URL",
        "VECTORSHIFT_AWS_AGENT_URL",
    ],
)
@pytest.mark.parametrize(
    "url",
    [
        f"https://me:{MARK}@host:8200",
        f"https://{MARK}@host",
        f"me:{MARK}@host",
        f"https://me:a/{MARK}@host",
    ],
)
def test_a_password_in_the_url_of_a_store_is_refused_and_not_shown(
    variable: str, url: str, shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(
        CredentialConfigurationError, match=f"{variable}: should have no user name and no"
    ) as caught:
        Settings.load({variable: url, "VECTORSHIFT_VAULT_PATH": "vs"})
    assert MARK not in shown(caught.value)


def test_a_blank_value_in_a_named_dotenv_file_counts_as_unset(tmp_path: Path) -> None:
    (tmp_path / "named.env").write_text("VECTORSHIFT_TIMEOUT='  '\n")
    assert Settings.load({"VECTORSHIFT_ENV_FILE": "named.env"}).timeout == 60.0


def test_a_named_dotenv_file_that_no_file_can_be_is_an_error() -> None:
    assert "should be the name of a file" in flaw({"VECTORSHIFT_ENV_FILE": "./a\0b"})


def test_a_blank_name_turns_the_dotenv_file_off() -> None:
    assert Settings.load({"VECTORSHIFT_ENV_FILE": " "}).env_file == ""


def test_systemds_variable_is_a_fall_back() -> None:
    own, standard = "VECTORSHIFT_CREDENTIALS_DIRECTORY", "CREDENTIALS_DIRECTORY"
    assert Settings.load({standard: "/run/a"}).credentials_directory == "/run/a"
    assert Settings.load({standard: "/run/a", own: "/run/b"}).credentials_directory == "/run/b"
    assert Settings().credentials_directory is None


# --- Any text in any variable ---------------------------------------------------------------------

SECRETS = {f"vault_{name}" for name in ("token", "secret_id", "password", "jwt", "proxy")}
PATHS = {"env_file"}  # a path that cannot be read is named, as a source is


@given(
    st.sampled_from(sorted(set(Settings.model_fields) - PATHS - {"plugins"})),
    st.tuples(st.text(max_size=30), st.text(max_size=30)).map(MARK.join),
)
def test_any_text_in_any_variable_is_taken_or_refused_with_the_variable_named_and_the_text_hidden(
    shown: Callable[[BaseException], str], field: str, text: str
) -> None:
    name = f"VECTORSHIFT_{field.upper()}"
    try:
        settings = Settings.load({name: text})
    except CredentialConfigurationError as error:
        said, text_shown = str(error), shown(error)
    else:
        assert MARK in str(getattr(settings, field)) or field in SECRETS
        return
    assert f"{name}: " in said
    assert MARK not in text_shown


# --- VECTORSHIFT_PROFILE --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["VECTORSHIFT_API_KEY", "VECTORSHIFT_API_KEY_FILE"])
def test_a_profile_and_a_key_name_two_keys(name: str, tmp_path: Path) -> None:
    said = (
        f"The profile acme is named, by VECTORSHIFT_PROFILE or --profile, and {name} is set too. "
        "Unset one of them."
    )
    assert said in flaw({"VECTORSHIFT_PROFILE": "acme", name: "./a.key"})
    named = tmp_path / "named.env"
    named.write_text(f"{name}=./a.key\n")
    assert said in flaw({"VECTORSHIFT_PROFILE": "acme", "VECTORSHIFT_ENV_FILE": str(named)})
    blank = Settings.load({"VECTORSHIFT_PROFILE": "acme", name: " "})
    assert blank.profile == "acme"


def test_a_key_in_place_of_a_profile_is_not_shown() -> None:
    said = flaw({"VECTORSHIFT_PROFILE": f"vs-{MARK}", "VECTORSHIFT_API_KEY": "x"})
    assert "VECTORSHIFT_PROFILE: should be the name of a profile" in said
    assert MARK not in said


def test_what_a_profile_takes_the_place_of_is_told(caplog: pytest.LogCaptureFixture) -> None:
    given = {"VECTORSHIFT_VAULT_PATH": "x", "VECTORSHIFT_PROVIDERS": "env"}
    Settings.load({"VECTORSHIFT_PROFILE": "acme", **given})
    assert sorted(caplog.messages) == [
        "VECTORSHIFT_PROVIDERS is not used: the profile acme comes before it.",
        "VECTORSHIFT_VAULT_PATH is not used: the profile acme comes before it.",
    ]
    caplog.clear()
    Settings.load({"VECTORSHIFT_PROFILE": "acme", "VECTORSHIFT_PROVIDERS": "default,login"})
    assert caplog.messages == []
