"""What a plugin reads of its own settings, by the rules of all settings."""

from __future__ import annotations

import copy
import datetime  # pydantic reads the annotation
import logging
import pickle
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import Field, ImportString, TypeAdapter, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from vectorshift import CredentialConfigurationError, PluginSettings, Secret, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "t0ken-nevertobeseen"


class ShelfSettings(PluginSettings):
    """Those of the tests."""

    url: str | None = None
    token: Secret | None = None
    row: int = 1
    strict: bool = False

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value == "chosen words":
            raise CredentialConfigurationError("VECTORSHIFT_SHELF_URL: should begin with shelf:.")
        if not value.startswith("shelf:"):
            raise ValueError(f"{value} is no URL")
        return value


def loaded(providers: str = "default,shelf", **variables: str) -> Settings:
    named = {f"VECTORSHIFT_SHELF_{name}": value for name, value in variables.items()}
    return Settings.load({"VECTORSHIFT_PROVIDERS": providers, **named})


def of(settings: Settings) -> ShelfSettings:
    return ShelfSettings.of(settings, "shelf")


def failure(call: Callable[[], Any]) -> CredentialConfigurationError:
    with pytest.raises(CredentialConfigurationError) as caught:
        call()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    return caught.value


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_plugin_reads_the_variables_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    own = of(loaded(URL=" shelf:1\n", TOKEN=f"{TOKEN} ", ROW="2", STRICT="1"))
    assert (own.url, own.token, own.row, own.strict) == ("shelf:1", Secret(TOKEN), 2, True)
    assert TOKEN not in f"{own} {own!r}"
    assert warnings_in(caplog) == []


def test_in_code_the_same_is_given_as_a_mapping() -> None:
    given = {"Shelf": {"url": Path("shelf:1"), "token": TOKEN, "row": 2, "strict": True}}
    own = of(Settings(plugins=given))  # type: ignore[arg-type]
    assert own == of(loaded(URL="shelf:1", TOKEN=TOKEN, ROW="2", STRICT="true"))
    assert of(Settings(plugins={"shelf": {"token": Secret(TOKEN)}})).token == Secret(TOKEN)


def test_in_code_no_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_SHELF_URL", "shelf:1")
    settings = Settings(providers=("default", "shelf"))
    monkeypatch.setenv("VECTORSHIFT_SHELF_URL", "shelf:2")
    assert of(settings).url is None


def test_the_environment_is_read_once_when_settings_are_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VECTORSHIFT_PROVIDERS", "shelf")
    monkeypatch.setenv("VECTORSHIFT_SHELF_URL", "shelf:1")
    settings = Settings.load()
    monkeypatch.setenv("VECTORSHIFT_SHELF_URL", "shelf:2")
    assert of(settings).url == "shelf:1"


def test_a_named_dotenv_file_says_it_too_and_a_found_one_does_not(tmp_path: Path) -> None:
    text = "VECTORSHIFT_SHELF_URL=shelf:file\nVECTORSHIFT_SHELF_ROW=3\n"
    (tmp_path / ".env").write_text(text)
    (tmp_path / "named.env").write_text(text)
    found = Settings.load({"VECTORSHIFT_PROVIDERS": "shelf"})
    named = Settings.load(
        {
            "VECTORSHIFT_PROVIDERS": "shelf",
            "VECTORSHIFT_ENV_FILE": "named.env",
            "VECTORSHIFT_SHELF_ROW": "4",
        }
    )
    assert of(found).url is None
    assert (of(named).url, of(named).row) == ("shelf:file", 4)


def test_what_is_set_to_nothing_counts_as_unset() -> None:
    assert of(loaded(URL="", TOKEN=" ", ROW="\t")) == ShelfSettings()
    assert of(Settings(plugins={"shelf": {"url": " ", "row": None}})) == ShelfSettings()  # type: ignore[dict-item]


def test_only_providers_that_the_chain_names_are_given_their_variables() -> None:
    assert loaded("default", URL="shelf:1").plugins == {}
    assert set(loaded("env,shelf,vault", URL="shelf:1").plugins) == {"shelf"}


def test_of_two_names_that_begin_alike_the_longer_one_has_the_variable() -> None:
    settings = loaded("shelf,shelf-two", TWO_URL="x", URL="y")
    assert {name: sorted(values) for name, values in settings.plugins.items()} == {
        "shelf": ["url"],
        "shelf-two": ["url"],
    }


@pytest.mark.parametrize("name", ["api", "vault", "cache", "env"])
def test_no_plugin_is_given_a_variable_of_this_package(name: str) -> None:
    variables = {
        "VECTORSHIFT_API_KEY": TOKEN,
        "VECTORSHIFT_VAULT_TOKEN": TOKEN,
        "VECTORSHIFT_CACHE_TTL": "1",
    }
    assert Settings.load({"VECTORSHIFT_PROVIDERS": name, **variables}).plugins == {}


def test_a_mistyped_variable_is_a_warning_with_the_nearest_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    of(
        loaded(
            TOKNE=TOKEN,
            ON_EROR="stop",
            ON_ERROR="stop",
            SERVICE_HOST="10.0.0.1",
            PORT="tcp://10.0.0.1:80",
        )
    )
    assert warnings_in(caplog) == [
        (
            "VECTORSHIFT_SHELF_ON_EROR is not a setting of shelf. Did you mean"
            " VECTORSHIFT_SHELF_ON_ERROR?"
        ),
        "VECTORSHIFT_SHELF_TOKNE is not a setting of shelf. Did you mean VECTORSHIFT_SHELF_TOKEN?",
    ]


def test_a_mistyped_variable_of_a_built_in_provider_is_a_warning_where_it_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Settings.load({"VECTORSHIFT_PROVIDERS": "vault", "VECTORSHIFT_VAULT_PTH": "x"})
    assert len(warnings_in(caplog)) == 1


def test_a_mistyped_name_in_code_is_an_error_with_the_nearest_name() -> None:
    said = str(failure(lambda: of(Settings(plugins={"shelf": {"tokne": TOKEN}}))))
    assert "tokne is not a setting of shelf. Did you mean token?" in said


@pytest.mark.parametrize("how", ["code", "environment"])
def test_a_wrong_value_is_an_error_that_names_the_variable_and_never_the_value(
    how: str, shown: Callable[[BaseException], str]
) -> None:
    wrong = {"row": TOKEN, "strict": TOKEN, "url": TOKEN, "token": TOKEN}
    environ = {name.upper(): value for name, value in wrong.items()}
    error = failure(
        lambda: of(Settings(plugins={"shelf": wrong}) if how == "code" else loaded(**environ))
    )
    for name in ("ROW", "STRICT", "URL"):
        assert f"VECTORSHIFT_SHELF_{name}: " in str(error)
    assert "VECTORSHIFT_SHELF_TOKEN" not in str(error)
    assert TOKEN not in shown(error)


def test_a_good_value_beside_a_mistyped_name_is_not_in_the_frames_of_the_error(
    shown: Callable[[BaseException], str],
) -> None:
    given = {"url": f"shelf:{TOKEN}", "tokne": "x"}
    assert TOKEN not in shown(failure(lambda: of(Settings(plugins={"shelf": given}))))


class WordySettings(PluginSettings):
    """Whose checks and types quote what they are given."""

    own: str | None = None
    forged: str | None = None
    forged_id: str | None = None
    module: ImportString[Any] | None = None
    id: uuid.UUID | None = None
    day: datetime.date | None = None
    tagged: str | None = None
    later: str | None = None

    @field_validator("own")
    @classmethod
    def _own(cls, value: str) -> str:
        raise PydanticCustomError("mine", "bad {it}", {"it": value[1:]})

    @field_validator("forged")
    @classmethod
    def _forged(cls, value: str) -> str:
        raise PydanticCustomError("int_parsing", "bad {it}", {"it": value})

    @field_validator("forged_id")
    @classmethod
    def _forged_id(cls, value: str) -> str:
        raise PydanticCustomError("uuid_parsing", "bad {it}", {"it": value})

    @field_validator("later")
    @classmethod
    def _later(cls, value: str) -> str:
        # a type that pydantic has and that is not known to quote nothing, as a new one is not
        raise PydanticCustomError("recursion_loop", "bad {it}", {"it": value[1:]})

    @field_validator("tagged")
    @classmethod
    def _tagged(cls, value: str) -> str:
        TypeAdapter(list[int]).validate_json(value)
        return value


@pytest.mark.parametrize("how", ["code", "environment"])
def test_no_check_and_no_type_of_an_authors_gets_the_value_into_the_error(how: str) -> None:
    wrong = dict.fromkeys(WordySettings.model_fields, TOKEN)
    environ = {name.upper(): value for name, value in wrong.items()}
    settings = Settings(plugins={"shelf": wrong}) if how == "code" else loaded(**environ)
    said = str(failure(lambda: WordySettings.of(settings, "shelf")))
    assert "neverto" not in said
    for name in ("OWN", "FORGED", "FORGED_ID", "MODULE", "TAGGED", "LATER"):
        assert f"VECTORSHIFT_SHELF_{name}: a check of the plugin refuses it." in said
    assert (
        "VECTORSHIFT_SHELF_ID: should be a valid UUID. " in said
    )  # not the character that it stopped at
    assert "VECTORSHIFT_SHELF_DAY: should be a valid date" in said


def test_no_check_of_a_class_made_of_the_settings_gets_the_value_into_the_error() -> None:
    class More(Settings):
        own: str | None = None
        module: ImportString[Any] | None = None

        @field_validator("own")
        @classmethod
        def _own(cls, value: str) -> str:
            raise PydanticCustomError("mine", "bad {it}", {"it": value[1:]})

    wrong: Any = {"own": TOKEN, "module": TOKEN, "timeout": 0, "base_url": "api.vectorshift.ai"}
    said = str(failure(lambda: More(**wrong)))
    assert "neverto" not in said
    assert said.count("a check refuses it.") == 2
    assert "VECTORSHIFT_TIMEOUT: should be greater than 0." in said
    assert "VECTORSHIFT_BASE_URL: should be a URL such as https://api.vectorshift.ai/v1." in said


def test_a_field_with_an_alias_is_set_and_named_by_its_own_name() -> None:
    class Aliased(PluginSettings):
        row: int = Field(alias="line")

    assert Aliased.of(loaded(ROW="2"), "shelf").row == 2
    assert "VECTORSHIFT_SHELF_ROW: should be a valid integer" in str(
        failure(lambda: Aliased.of(loaded(ROW="x"), "shelf"))
    )
    assert "VECTORSHIFT_SHELF_ROW: is required but not set" in str(
        failure(lambda: Aliased.of(loaded(), "shelf"))
    )


def test_a_wrong_value_given_to_the_class_itself_is_not_shown_either() -> None:
    wrong: dict[str, Any] = {"row": TOKEN}
    with pytest.raises(ValidationError) as caught:
        ShelfSettings(**wrong)
    assert TOKEN not in str(caught.value)


def test_what_plugins_are_set_to_is_no_variable(caplog: pytest.LogCaptureFixture) -> None:
    assert Settings.load({"VECTORSHIFT_PLUGINS": '{"shelf": {"url": "x"}}'}).plugins == {}
    assert len(warnings_in(caplog)) == 1


def test_settings_that_were_copied_with_a_change_are_read_too() -> None:
    changed = Settings().model_copy(update={"plugins": {"Shelf": {"url": "shelf:1"}}})
    assert of(changed).url == "shelf:1"


def test_a_check_of_the_plugin_may_choose_its_words() -> None:
    assert "should begin with shelf:." in str(failure(lambda: of(loaded(URL="chosen words"))))


def test_a_setting_that_is_needed_is_named() -> None:
    class Needy(PluginSettings):
        url: str

    assert "VECTORSHIFT_SHELF_URL: is required but not set" in str(
        failure(lambda: Needy.of(loaded(), "shelf"))
    )


@pytest.mark.parametrize(
    "given",
    [
        5,
        {"shelf": 5},
        {5: {}},
        {"shelf": {}, "Shelf": {}},
        {"shelf": {"token": TOKEN.encode()}},
        [TOKEN],
    ],
    ids=repr,
)
def test_what_is_no_mapping_of_values_is_an_error_without_the_value(
    given: Any, shown: Callable[[BaseException], str]
) -> None:
    error = failure(lambda: Settings(plugins=given))
    assert str(error).startswith("Invalid settings: plugins: ")
    assert TOKEN not in shown(error)


def test_settings_of_plugins_are_masked_and_immutable_and_can_be_copied() -> None:
    settings = Settings(plugins={"shelf": {"token": TOKEN, "row": 2}})
    for text in (
        repr(settings),
        settings.model_dump_json(),
        str(settings.model_dump()),
        str(pickle.dumps(settings)),
    ):
        assert TOKEN not in text
        assert "shelf" in text
    assert copy.deepcopy(settings) == settings
    assert hash(copy.deepcopy(settings)) == hash(settings)
    plugins: Any = settings.plugins
    with pytest.raises(TypeError):
        plugins["shelf"]["token"] = "other"
    assert {settings} == {Settings(plugins={"shelf": {"row": 2, "token": TOKEN}})}
