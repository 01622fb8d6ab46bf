from __future__ import annotations

import logging
import os
import pickle
from typing import TYPE_CHECKING, Any

import pydantic
import pytest
from hypothesis import given, strategies as st

from vectorshift import Settings
from vectorshift.credentials import Secret
from vectorshift.errors import CredentialConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOKEN = "hvs.Xq7fL0nevertobeseen"


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def failure(call: Callable[[], Any]) -> CredentialConfigurationError:
    with pytest.raises(CredentialConfigurationError) as caught:
        call()
    return caught.value


# --- In code --------------------------------------------------------------------------------------


def test_in_code_it_is_pure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = Settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"VECTORSHIFT_{name.upper()}", "7")
        monkeypatch.setenv(f"vectorshift_{name}", "7")
        monkeypatch.setenv(name.upper(), "7")
    (tmp_path / ".env").write_text("VECTORSHIFT_TIMEOUT=7\n")
    assert Settings() == plain
    assert Settings(timeout=5).model_dump() == {**plain.model_dump(), "timeout": 5.0}


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = Settings()
    assert (settings.base_url, settings.timeout) == ("https://api.vectorshift.ai/v1", 60.0)
    assert (settings.cache_ttl, settings.cache_max_stale, settings.load_timeout) == (
        300.0,
        86_400.0,
        10.0,
    )
    assert (settings.providers, settings.env_file, settings.api_key_file) == (
        ("default",),
        None,
        None,
    )
    assert (settings.vault_path, settings.vault_mount, settings.vault_field) == (
        None,
        "secret",
        "api_key",
    )
    assert (settings.vault_kv_version, settings.vault_auth) == (2, "token")
    assert (settings.vault_on_error, settings.vault_on_missing) == ("stop", "continue")
    assert (settings.aws_secret_id, settings.aws_version_stage) == (None, "AWSCURRENT")
    assert not any((settings.allow_http, settings.disable_plugins, settings.vault_allow_http))


def test_the_key_is_no_setting() -> None:
    assert "api_key" not in Settings.model_fields
    key: dict[str, Any] = {"api_key": "vs-1"}
    told = str(failure(lambda: Settings(**key)))
    assert "api_key is no setting. Set vectorshift.api_key, or pass the key as cred" in told
    assert "vs-1" not in told
    assert "vs-1" not in repr(Settings.load({"VECTORSHIFT_API_KEY": "vs-1"}))


def test_every_setting_can_be_given_in_code(tmp_path: Path) -> None:
    settings = Settings(
        api_key_file=tmp_path / "key",  # type: ignore[arg-type]
        providers=("env", "vault"),
        vault_token=Secret(TOKEN),
        vault_cacert="/ca.pem",
        vault_skip_verify=True,
    )
    assert settings.api_key_file == str(tmp_path / "key")
    assert (settings.vault_cacert, settings.vault_skip_verify) == ("/ca.pem", True)
    plain: dict[str, Any] = {"providers": "env, vault", "vault_token": f" {TOKEN}\n"}
    assert Settings(**plain).providers == settings.providers
    assert Settings(**plain).vault_token == Secret(TOKEN)


def test_it_is_immutable() -> None:
    settings = Settings()
    with pytest.raises((AttributeError, ValueError), match="frozen"):
        settings.timeout = 5.0
    assert settings.timeout == 60.0


def test_an_assignment_that_is_refused_does_not_show_the_token(
    shown: Callable[[BaseException], str],
) -> None:
    settings: Any = Settings()
    with pytest.raises((AttributeError, ValueError), match="frozen") as caught:
        settings.vault_token = TOKEN
    assert TOKEN not in shown(caught.value)


def test_a_mistyped_name_is_an_error_with_the_nearest_name() -> None:
    typo: dict[str, Any] = {"vault_pth": "vs", "timeout": 5}
    assert "vault_pth is no setting. Did you mean vault_path?" in str(
        failure(lambda: Settings(**typo))
    )


# --- From the environment -------------------------------------------------------------------------


def test_load_reads_the_environment_of_the_process_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VECTORSHIFT_TIMEOUT", "5")
    monkeypatch.setenv("VECTORSHIFT_PROVIDERS", "env, default ,")
    monkeypatch.setenv("VECTORSHIFT_ALLOW_HTTP", "1")
    monkeypatch.setenv("VECTORSHIFT_BASE_URL", "http://127.0.0.1:8000/v1/")
    before = dict(os.environ)
    settings = Settings.load()
    assert (settings.timeout, settings.providers) == (5.0, ("env", "default"))
    assert (settings.allow_http, settings.base_url) == (True, "http://127.0.0.1:8000/v1")
    assert dict(os.environ) == before


def test_a_given_environment_stands_for_that_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VECTORSHIFT_TIMEOUT", "5")
    monkeypatch.setenv("VAULT_ADDR", "https://ambient")
    assert Settings.load({}) == Settings()
    assert Settings.load({"VECTORSHIFT_TIMEOUT": "6"}).timeout == 6.0


@pytest.mark.parametrize("field", sorted(set(Settings.model_fields) - {"env_file", "plugins"}))
def test_every_setting_has_its_variable(field: str) -> None:
    values = {
        "base_url": "https://own.example",
        "profile": "acme",
        "vault_auth": "approle",
        "vault_on_error": "continue",
        "vault_on_missing": "stop",
        "aws_on_error": "continue",
        "aws_on_missing": "stop",
    }
    value = values.get(field, "1")
    settings = Settings.load({f"VECTORSHIFT_{field.upper()}": value})
    assert getattr(settings, field) != getattr(Settings(), field) or field == "vault_kv_version"
    assert settings.model_fields_set == {field}


@pytest.mark.parametrize(
    "field",
    [
        "vault_addr",
        "vault_namespace",
        "vault_cacert",
        "vault_client_cert",
        "vault_client_key",
        "vault_token",
    ],
)
def test_the_standard_variables_of_vault_are_fall_backs(field: str) -> None:
    def read(environ: dict[str, str]) -> str:
        value = getattr(Settings.load({"VECTORSHIFT_VAULT_PATH": "vs", **environ}), field)
        return value.reveal() if isinstance(value, Secret) else str(value)

    own, standard = f"VECTORSHIFT_{field.upper()}", field.upper()
    assert read({standard: "standard"}) == "standard"
    assert read({standard: "standard", own: "own"}) == "own"
    assert read({standard: "standard", own: " "}) == "standard"
    assert read({own: "own"}) == "own"


def test_vault_skip_verify_has_its_fall_back_too() -> None:
    standard = {"VECTORSHIFT_VAULT_PATH": "vs", "VAULT_SKIP_VERIFY": "true"}
    assert Settings.load(standard).vault_skip_verify
    both = {**standard, "VECTORSHIFT_VAULT_SKIP_VERIFY": "0"}
    assert not Settings.load(both).vault_skip_verify


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VAULT_SKIP_VERIFY", "maybe"),
        ("VAULT_ADDR", "https://user:pass@vault.example"),
        ("VAULT_ADDR", "https://vault.example"),
        ("VAULT_TOKEN", TOKEN),
        ("VAULT_CACERT", "/ca.pem"),
    ],
)
@pytest.mark.parametrize(
    "path", [{}, {"VECTORSHIFT_VAULT_PATH": " "}], ids=["no path", "blank path"]
)
def test_the_standard_variables_of_vault_are_others_affair_where_no_path_is_set(
    name: str, value: str, path: dict[str, str]
) -> None:
    assert Settings.load({name: value, **path}) == Settings()


def test_vaults_own_variables_here_are_looked_at_without_a_path_too() -> None:
    said = str(failure(lambda: Settings.load({"VECTORSHIFT_VAULT_SKIP_VERIFY": "maybe"})))
    assert "VECTORSHIFT_VAULT_SKIP_VERIFY: should be a valid boolean" in said


# --- White space ----------------------------------------------------------------------------------

GOOD = {
    "base_url": "https://own.example/v1",
    "ca_bundle": "/ca.pem",
    "allow_http": "1",
    "providers": "env,vault",
    "timeout": "20",
    "max_retries": "0",
    "vault_path": "team/vs",
    "vault_field": "key",
    "vault_addr": "https://vault.example",
    "vault_auth": "approle",
    "vault_token": TOKEN,
    "vault_on_error": "continue",
    "aws_secret_id": "prod/vs",
    "aws_region": "eu-central-1",
    "aws_version_stage": "AWSPREVIOUS",
    "api_key_file": "/run/secrets/vs",
}


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\r\n", "\t{} "])
def test_white_space_round_a_variable_is_no_part_of_it(around: str, tmp_path: Path) -> None:
    plain = {f"VECTORSHIFT_{name.upper()}": value for name, value in GOOD.items()}
    wide = {name: around.format(value) for name, value in plain.items()}
    assert Settings.load(wide) == Settings.load(plain)
    (tmp_path / "named.env").write_text(
        "".join(f"{name}='{value}'\n" for name, value in wide.items())
    )
    named = {"VECTORSHIFT_ENV_FILE": around.format("named.env")}
    assert Settings.load(named) == Settings.load({**plain, "VECTORSHIFT_ENV_FILE": "named.env"})


def test_white_space_round_what_is_given_in_code_is_no_part_of_it() -> None:
    texts = (
        "base_url",
        "ca_bundle",
        "vault_path",
        "vault_addr",
        "vault_token",
        "aws_secret_id",
        "api_key_file",
    )
    wide: dict[str, Any] = {name: f" {GOOD[name]}\n" for name in texts}
    plain: dict[str, Any] = {name: GOOD[name] for name in texts}
    assert Settings(**wide) == Settings(**plain)


@pytest.mark.parametrize(
    "name", ["vault_path", "vault_mount", "vault_field", "aws_secret_id", "aws_field"]
)
@pytest.mark.parametrize("value", ["vs\nVECTORSHIFT_AWS_FIELD=x", "vs\tq", "vs\u2028q"])
def test_a_place_has_no_line_break_in_it(name: str, value: str) -> None:
    said = str(failure(lambda: Settings.load({f"VECTORSHIFT_{name.upper()}": value})))
    assert f"VECTORSHIFT_{name.upper()}: should have no line break" in said
    assert "AWS_FIELD=x" not in said


def test_what_is_set_to_nothing_counts_as_unset() -> None:
    blank = {
        f"VECTORSHIFT_{name.upper()}": " " for name in Settings.model_fields if name != "env_file"
    }
    assert Settings.load(blank) == Settings()


# --- Unknown variables ----------------------------------------------------------------------------


def test_a_mistyped_variable_is_a_warning_with_the_nearest_name_and_without_the_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Settings.load(
        {
            "VECTORSHIFT_API_KYE": "vs-hidden",
            "VECTORSHIFT_VAULT_PTH": "hidden",
            "VECTORSHIFT_QQQQQ": "x",
        }
    )
    lines = warnings_in(caplog)
    assert len(lines) == 3
    assert (
        "VECTORSHIFT_API_KYE is not a vectorshift setting. Did you mean VECTORSHIFT_API_KEY?"
        in lines
    )
    assert (
        "VECTORSHIFT_VAULT_PTH is not a vectorshift setting. Did you mean VECTORSHIFT_VAULT_PATH?"
        in lines
    )
    assert (
        "VECTORSHIFT_QQQQQ is not a vectorshift setting. If it belongs to a plugin, name the "
        "plugin in VECTORSHIFT_PROVIDERS." in lines
    )
    assert "hidden" not in caplog.text


def test_known_variables_and_service_links_of_kubernetes_are_no_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Settings.load(
        {
            "VECTORSHIFT_API_KEY": "vs-1",
            "VECTORSHIFT_ENV_FILE": "",
            "VECTORSHIFT_TIMEOUT": "5",
            "VECTORSHIFT_PORT": "tcp://10.0.0.1:80",
            "VECTORSHIFT_PORT_80_TCP_ADDR": "10.0.0.1",
            "VECTORSHIFT_SERVICE_HOST": "10.0.0.1",
            "VECTORSHIFT_API_SERVICE_PORT_HTTP": "80",
            "VAULT_ANYTHING": "x",
            "OTHER": "x",
        }
    )
    assert warnings_in(caplog) == []


# --- A named dotenv file --------------------------------------------------------------------------


@pytest.fixture
def named(tmp_path: Path) -> Path:
    path = tmp_path / "prod.env"
    path.write_bytes(
        b"\xef\xbb\xbf#"
        b" ours\nVECTORSHIFT_TIMEOUT=5\nVECTORSHIFT_VAULT_PATH='${HOME}/vs'\nVAULT_ADDR=https://vault\n"
        b"VECTORSHIFT_ENV_FILE=elsewhere\nVECTORSHIFT_AWS_REGION=\n"
    )
    return path


def test_a_named_file_is_read_below_the_environment_without_interpolation(named: Path) -> None:
    environ = {"VECTORSHIFT_ENV_FILE": str(named), "VECTORSHIFT_TIMEOUT": "6"}
    settings = Settings.load(environ)
    assert (settings.timeout, settings.vault_path) == (6.0, "${HOME}/vs")
    assert (settings.vault_addr, settings.aws_region) == ("https://vault", None)
    assert settings.env_file == str(named)
    assert environ == {"VECTORSHIFT_ENV_FILE": str(named), "VECTORSHIFT_TIMEOUT": "6"}
    assert Settings.load({**environ, "VECTORSHIFT_TIMEOUT": " "}).timeout == 5.0


def test_a_found_file_says_nothing(named: Path) -> None:
    named.rename(named.with_name(".env"))
    assert Settings.load({}) == Settings()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of POSIX")
def test_a_named_file_without_rights_is_told_to_be_there(named: Path) -> None:
    me = os.geteuid()
    named.chmod(0)
    if me == 0:
        os.seteuid(65_534)  # root may read everything
    try:
        said = str(failure(lambda: Settings.load({"VECTORSHIFT_ENV_FILE": str(named)})))
    finally:
        os.seteuid(me)
    assert said.endswith("permission denied. Name a file that this process can read, or unset it.")


@pytest.mark.parametrize("what", ["missing", "directory", "utf-16"])
def test_a_named_file_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path: Path, what: str
) -> None:
    path = tmp_path / "prod.env"
    if what == "directory":
        path.mkdir()
    elif what == "utf-16":
        path.write_bytes("VECTORSHIFT_TIMEOUT=5".encode("utf-16"))
    error = failure(lambda: Settings.load({"VECTORSHIFT_ENV_FILE": str(path)}))
    why = {
        "missing": "no such file or directory",
        "directory": "is a directory",
        "utf-16": "it is not UTF-8 text",
    }
    assert f"VECTORSHIFT_ENV_FILE names {path}, which cannot be read: {why[what]}." in str(error)
    assert error.source == f"dotenv:{path}"
    assert (error.__cause__, error.__context__) == (None, None)


def test_set_to_nothing_the_dotenv_file_is_off() -> None:
    assert Settings.load({"VECTORSHIFT_ENV_FILE": ""}).env_file == ""


# --- Invalid values -------------------------------------------------------------------------------

INVALID = {
    "VECTORSHIFT_TIMEOUT": "0.0hidden",
    "VECTORSHIFT_CACHE_TTL": "hidden",
    "VECTORSHIFT_ALLOW_HTTP": "hidden",
    "VECTORSHIFT_VAULT_KV_VERSION": "hidden",
    "VECTORSHIFT_VAULT_VERSION": "hidden",
    "VECTORSHIFT_VAULT_AUTH": "hidden",
    "VECTORSHIFT_VAULT_ON_ERROR": "hidden",
    "VECTORSHIFT_AWS_ON_MISSING": "hidden",
    "VECTORSHIFT_VAULT_SKIP_VERIFY": "hidden",
    "VECTORSHIFT_BASE_URL": "https://user:hidden@host",
}


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_value_names_the_variable_and_never_the_value(name: str) -> None:
    for error in (
        failure(lambda: Settings.load({name: INVALID[name]})),
        failure(lambda: Settings(**{name.removeprefix("VECTORSHIFT_").lower(): INVALID[name]})),  # type: ignore[arg-type]
    ):
        assert f"{name}: " in str(error)
        assert "hidden" not in str(error)


@pytest.mark.parametrize(
    "values",
    [
        {"timeout": 0},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"load_timeout": -1},
        {"cache_ttl": -1},
        {"vault_kv_version": 3},
        {"vault_version": 0},
        {"base_url": "ftp://x"},
        {"base_url": "api.vectorshift.ai"},
        {"base_url": "https://"},
        {"base_url": "https://x?y=1"},
        {"base_url": "https://x#y"},
        {"base_url": "https://[x"},
        {"vault_token": 5},
    ],
    ids=repr,
)
def test_a_value_out_of_range_is_an_error(values: dict[str, Any]) -> None:
    assert f"VECTORSHIFT_{next(iter(values)).upper()}: " in str(failure(lambda: Settings(**values)))


@pytest.mark.parametrize("url", ["https://x:port/v1", "https://x:99999/v1"])
def test_a_base_url_with_an_impossible_port_is_an_error(url: str) -> None:
    assert "VECTORSHIFT_BASE_URL: " in str(failure(lambda: Settings(base_url=url)))


def test_every_wrong_setting_is_named_at_once() -> None:
    said = str(
        failure(lambda: Settings.load({"VECTORSHIFT_TIMEOUT": "x", "VECTORSHIFT_CACHE_TTL": "y"}))
    )
    assert "VECTORSHIFT_TIMEOUT: should be a valid number" in said
    assert "VECTORSHIFT_CACHE_TTL: should be a valid number" in said


@pytest.mark.parametrize("how", ["code", "environment"])
def test_the_error_has_neither_cause_nor_context(how: str) -> None:
    values: dict[str, Any] = {"timeout": "x"}
    error = failure(
        lambda: Settings(**values) if how == "code" else Settings.load({"VECTORSHIFT_TIMEOUT": "x"})
    )
    assert (error.__cause__, error.__context__) == (None, None)
    assert not isinstance(error, pydantic.ValidationError)


def test_a_url_that_urllib_refuses_is_not_quoted(shown: Callable[[BaseException], str]) -> None:
    url = f"https://user:{TOKEN}\u2100@host"
    assert TOKEN not in shown(failure(lambda: Settings(base_url=url)))


@given(st.text().map(lambda text: f"https://{text}") | st.text())
def test_any_url_is_taken_or_refused_with_the_variable_named(url: str) -> None:
    try:
        settings = Settings(base_url=url)
    except CredentialConfigurationError as error:
        said = str(error)
        assert said.startswith("Invalid settings: VECTORSHIFT_BASE_URL: ")
    else:
        assert settings.base_url.lower().lstrip().startswith("http")


# --- A token stays secret -------------------------------------------------------------------------


def test_a_token_is_masked_wherever_settings_are_shown() -> None:
    values: dict[str, Any] = {"vault_token": TOKEN, "vault_secret_id": TOKEN}
    settings = Settings(**values)
    texts = [
        repr(settings),
        str(settings),
        f"{settings}",
        str(settings.model_dump()),
        settings.model_dump_json(),
    ]
    for text in (*texts, str(pickle.dumps(settings)), repr(settings.model_copy())):
        assert TOKEN not in text
        assert text
    assert settings.vault_token is not None
    assert settings.vault_token.reveal() == TOKEN


@pytest.mark.parametrize("wrong", [{"timeout": "x"}, {"no_such_setting": 1}], ids=["value", "name"])
def test_a_token_given_in_code_is_not_in_the_frames_of_an_error(
    wrong: dict[str, Any], shown: Callable[[BaseException], str]
) -> None:
    assert TOKEN not in shown(failure(lambda: Settings(**{"vault_token": TOKEN, **wrong})))


@pytest.mark.parametrize("where", ["process", "given", "file", "missing file"])
def test_no_token_and_no_key_of_the_environment_is_in_the_frames_of_an_error(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    where: str,
    shown: Callable[[BaseException], str],
) -> None:
    environ = {"VAULT_TOKEN": TOKEN, "VECTORSHIFT_API_KEY": TOKEN, "VECTORSHIFT_TIMEOUT": "x"}
    if where == "file":
        text = "".join(f"{name}={value}\n" for name, value in environ.items())
        (tmp_path / "named.env").write_text(text)
        environ = {"VECTORSHIFT_ENV_FILE": "named.env"}
    elif where == "missing file":
        environ["VECTORSHIFT_ENV_FILE"] = "none.env"
    if where == "given":
        error = failure(lambda: Settings.load(environ))
    else:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        error = failure(Settings.load)
    assert TOKEN not in shown(error)


# FAILS with the test above, for the same reason.
def test_the_first_call_of_a_process_with_a_wrong_setting_shows_no_key(
    monkeypatch: pytest.MonkeyPatch, shown: Callable[[BaseException], str]
) -> None:
    import vectorshift

    monkeypatch.setenv("VECTORSHIFT_API_KEY", TOKEN)
    monkeypatch.setenv("VECTORSHIFT_TIMEOUT", "x")
    vectorshift.reset()
    error = failure(vectorshift.get_credential)
    assert "VECTORSHIFT_TIMEOUT" in str(error)
    assert TOKEN not in shown(error)


@pytest.mark.usefixtures("forgotten")
def test_a_variable_in_lower_case_is_another_variable() -> None:
    assert Settings.load({"VECTORSHIFT_TIMEOUT": "5", "vectorshift_timeout": "7"}).timeout == 5
