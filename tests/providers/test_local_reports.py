"""Public reports about keys in variables and files, tried on this package as their users would."""

from __future__ import annotations

import asyncio
import base64
import logging
import multiprocessing
import os
import subprocess
import sys
import zipapp
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.versions import is_older

import vectorshift
from vectorshift import ProviderChain, Settings
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    MissingCredentialError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY, OTHER = "vs-Xq7fL0nevertobeseen", "vs-Zz9other0nevertobeseen"
VARIABLE, NAMED, KEY_FILE = (
    "VECTORSHIFT_API_KEY",
    "VECTORSHIFT_ENV_FILE",
    "VECTORSHIFT_API_KEY_FILE",
)
PEM = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----"


@dataclass(frozen=True)
class Case:
    """A set-up, and what must come of it.

    Args:
        report: where it was reported, and what about it is tried.
        variables: the environment.
        files: texts and bytes by name, in the working directory.
        key: the key that is found; None if none is.
        wrong: a part of the configuration error.
        missing: a part of the error that no source has a key.
        warns: a part of a warning.
    """

    report: str
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    key: str | None = None
    wrong: str = ""
    missing: str = ""
    warns: str = ""


def dotenv(report: str, text: str | bytes, **expected: Any) -> Case:
    return Case(report, {}, {".env": text}, **expected)


def variable(report: str, text: str, **expected: Any) -> Case:
    return Case(report, {VARIABLE: text}, **expected)


def key_file(report: str, text: str | bytes, **expected: Any) -> Case:
    return Case(report, {KEY_FILE: "./key.txt"}, {"key.txt": text}, **expected)


def credential_of_systemd(report: str, name: str, text: str, **expected: Any) -> Case:
    return Case(report, {"CREDENTIALS_DIRECTORY": "./given"}, {f"given/{name}": text}, **expected)


OLD_DOTENV = is_older("python-dotenv", "1.2.4")
"""Takes a comment behind the equals sign for the value."""

CASES = (
    # quotation marks and comments that only some tools take away
    variable("moby/moby#46773", f'"{KEY}"', wrong="it is wrapped in quotation marks"),
    dotenv("moby/moby#46773 in .env", f'{VARIABLE}="{KEY}"', key=KEY),
    variable("docker/cli#4464", f"{KEY} # prod", wrong="it ends with a comment"),
    variable("openscientist#244", f'"{KEY}" # prod', wrong="it ends with a comment"),
    dotenv("docker/cli#4464 in .env", f"{VARIABLE}={KEY} # prod", key=KEY),
    variable("mtrnix/metronix-memory#458", "# the key", wrong="it is a comment"),
    dotenv(
        "mtrnix/metronix-memory#458 in .env",
        f"{VARIABLE}=   # note",
        **({"wrong": "it is a comment"} if OLD_DOTENV else {"missing": "is set but empty"}),
    ),
    # what editors and shells put around a text
    dotenv("theskumar/python-dotenv#637", f"\ufeff{VARIABLE}={KEY}", key=KEY),
    key_file("theskumar/python-dotenv#526", f"\ufeff{KEY}\n", key=KEY),
    dotenv("motdotla/dotenv#445", f"{VARIABLE}={KEY}".encode("utf-16"), wrong="is not UTF-8 text"),
    key_file("subosito/gotenv#25", KEY.encode("utf-16"), wrong="is not UTF-8 text"),
    dotenv("open-agent-spec#91", f"A=1\r\n{VARIABLE}={KEY}\r\n", key=KEY),
    variable("open-agent-spec#91 in a variable", f"{KEY}\r", key=KEY),
    key_file("open-agent-spec#91 in a key file", f"{KEY}\r\n", key=KEY),
    variable("kubernetes#23404", f"{KEY}\n", key=KEY),
    key_file("huggingface_hub#1634", f"\n\n{KEY}\n\n", key=KEY),
    credential_of_systemd("systemd#41325", "vectorshift_api_key", f"{KEY}\n", key=KEY),
    # empty, and with spaces
    variable("anthropic-sdk#1673", "", missing="VECTORSHIFT_API_KEY is set but empty"),
    variable("apache/devlake#7132", f"  {KEY}  ", key=KEY),
    variable("apache/devlake#7132 inside", "vs-Xq7f never tobeseen", wrong="holds a space"),
    # names that are nearly right
    *(
        Case(f"langchain#21261 {name}", {name: KEY}, missing=f"Nearby: {name} is set but not")
        for name in ("VECTOR_SHIFT_API_KEY", "VECTORSHFT_API_KEY", "vectorshift_api_key")
    ),
    *(
        Case(f"langchain#21261 {name}", {name: KEY}, warns=f"Did you mean {meant}?")
        for name, meant in (
            ("VECTORSHIFT_APIKEY", VARIABLE),
            ("VECTORSHIFT_TOKEN", VARIABLE),
            ("VECTORSHIFT_KEY", VARIABLE),
            ("VECTORSHIFT_API_KEY_PATH", KEY_FILE),
        )
    ),
    # one name twice
    dotenv("python-dotenv#591", f"{VARIABLE}={KEY}\n{VARIABLE}={OTHER}\n", wrong="lines 1 and 2"),
    dotenv("python-dotenv#197", f"{VARIABLE}={KEY}\n{VARIABLE}=\n", wrong="lines 1 and 2"),
    dotenv(
        "python-dotenv#591 in a merge",
        f"<<<<<<< HEAD\n{VARIABLE}={KEY}\n=======\n{VARIABLE}={OTHER}\n>>>>>>> x\n",
        wrong="two different values",
        warns="line 1 is not NAME=value",
    ),
    # dollars and hashes
    dotenv("python-dotenv#422", f"{VARIABLE}=ab${{HOME}}cd", key="ab${HOME}cd"),
    dotenv("django-environ#415", f"{VARIABLE}=ab$HOME$cd", key="ab$HOME$cd"),
    dotenv("python-dotenv#422 whole", f"{VARIABLE}=${{OTHER}}", wrong="it refers to a variable"),
    dotenv("huggingface_hub#4625", f"{VARIABLE}=vs-abc#def", key="vs-abc#def"),
    # lines that cannot be parsed, and values of many lines
    dotenv(
        "python-dotenv#235", f"{VARIABLE}: {KEY}\n", wrong="line 1 looks like a VECTORSHIFT setting"
    ),
    dotenv("python-dotenv#467", f"what is this\n{VARIABLE}={KEY}\n", key=KEY, warns="line 1"),
    dotenv("docker/cli#5057", f'PEM="{PEM}"\n{VARIABLE}={KEY}\n', key=KEY),
    dotenv("pipenv#2914", f"PEM={PEM}\n{VARIABLE}={KEY}\n", key=KEY, warns="is not NAME=value"),
    dotenv("autobase#242", f"export {VARIABLE}={KEY}", key=KEY),
    dotenv("docker/compose#6951", f"{VARIABLE} = {KEY}", key=KEY),
    # two sources
    Case(
        "YOURLS/containers#57",
        {VARIABLE: KEY, KEY_FILE: "./key.txt"},
        {"key.txt": OTHER},
        wrong="is set, and so is the file",
    ),
    Case(
        "elasticsearch#47573",
        {NAMED: "./app.env"},
        {"app.env": f"{VARIABLE}={KEY}\n{KEY_FILE}=./key.txt\n", "key.txt": OTHER},
        wrong="is set in line 1, and so is",
    ),
    Case(
        "YOURLS/containers#57 blank", {VARIABLE: " ", KEY_FILE: "./k.txt"}, {"k.txt": KEY}, key=KEY
    ),
    Case(
        "stripe/stripe-cli#1316",
        {"VECTORSHIFT_PROVIDERS": "default,login"},
        {".env": f"{VARIABLE}={KEY}", ".vectorshift/config.toml": f'[auth]\napi_key="{OTHER}"'},
        key=KEY,
        warns="was found, not named",
    ),
    # other things in the file, and other encodings
    dotenv(
        "yandex-tracker-mcp#22",
        f"DJANGO_DEBUG=1\nVECTORSHIFT_TIMEOUT=3\n{VARIABLE}={KEY}\n",
        key=KEY,
        warns="VECTORSHIFT_TIMEOUT",
    ),
    dotenv("python-dotenv#205", f"# schl\u00fcssel\n{VARIABLE}={KEY}\n", key=KEY),
    dotenv(
        "pydantic-settings#916", b"# schl\xfcssel\n" + f"{VARIABLE}={KEY}".encode(), wrong="UTF-8"
    ),
    # files that cannot be read
    Case("pydantic#2175", {KEY_FILE: "./none.txt"}, wrong="no such file"),
    Case(
        "a name in a named file",
        {NAMED: "./conf/app.env"},
        {"conf/app.env": f"{KEY_FILE}=./key.txt", "conf/key.txt": KEY},
        wrong="this one is relative to the working directory",
    ),
    Case("pydantic#2175 a folder", {KEY_FILE: "./given"}, {"given/x": ""}, wrong="is a directory"),
    Case(
        "pydantic#2175 large", {KEY_FILE: "./k.txt"}, {"k.txt": "x" * (1 << 21)}, wrong="too large"
    ),
    Case("pydantic#2175 .env", {}, {".env/x": ""}, missing=".env is a directory"),
    # systemd
    Case("systemd#21789", {"CREDENTIALS_DIRECTORY": "./none"}, missing="does not exist"),
    credential_of_systemd(
        "systemd#34805",
        "vectorshift-api-key",
        KEY,
        missing="call the credential vectorshift_api_key",
    ),
    # what nothing resolved
    variable("docker-agent#3568", "op://vault/item/field", wrong="an item in 1Password"),
    variable("agentlint#32", "$(cat key.txt)", wrong="it is a shell command"),
    variable(
        "agentlint#32 in a workflow", "${{ secrets.KEY }}", wrong="an expression of a workflow"
    ),
    # Kubernetes
    Case(
        "service links",
        {VARIABLE: KEY, "VECTORSHIFT_API_PORT": "tcp://10.0.0.1:80"},
        key=KEY,
    ),
    variable("hcloud-fip-controller#54", "\u0416\u0416\u0416", wrong="a character outside ASCII"),
    variable(
        "flagger#568",
        base64.b64encode(f"{KEY}\n".encode()).decode(),
        key=base64.b64encode(f"{KEY}\n".encode()).decode(),  # nobody can tell it from a key
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.report)
def test_a_reported_set_up_gives_its_key_or_says_what_is_wrong(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, content in case.files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, text in case.variables.items():
        monkeypatch.setenv(name, text)
    found: str | None = None
    said = ""
    try:
        found = ProviderChain.from_settings(Settings.load()).get_credential().secret.reveal()
    except CredentialError as error:
        kind, said = type(error), str(error)
        assert kind is (CredentialConfigurationError if case.wrong else MissingCredentialError)
    records = [each for each in caplog.records if getattr(each, "event", "") != "lost"]
    warned = [each.getMessage() for each in records if each.levelno == logging.WARNING]
    assert found == case.key
    assert case.wrong in said
    assert case.missing in said
    assert any(case.warns in line for line in warned) if case.warns else not warned
    assert "nevertobeseen" not in said + "".join(warned)


# --- What takes a process of its own, or a moment -------------------------------------------------


def script(code: str, *options: str, cwd: Path, **variables: str) -> str:
    """Run a program, and return what it prints."""
    done = subprocess.run(
        [sys.executable, *options],
        input=code,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **variables},
    )
    return done.stdout + done.stderr


ASKS = "import vectorshift; print(vectorshift.get_credential().fingerprint)"
FOUND = f"{vectorshift.Secret(KEY).fingerprint}\n"


@pytest.mark.parametrize(
    "variables",
    [{}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["no HOME", "C", "POSIX"],
)
def test_no_home_and_no_locale_are_needed_and_nothing_is_written(
    variables: dict[str, str], tmp_path: Path
) -> None:
    """balena-sdk-python#194, todoist-python#25, pydantic-settings#916."""
    (tmp_path / ".env").write_text(f"# \u00fc\n{VARIABLE}={KEY}\n", "utf-8")
    before = sorted(tmp_path.rglob("*"))
    assert script(ASKS, "-", cwd=tmp_path, **variables) == FOUND
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "options", [("-",), ("-I", "-c", ASKS), ("-c", f"import sys; sys.frozen = 1; {ASKS}")]
)
def test_a_program_without_a_file_of_its_own_finds_the_key(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    """python-dotenv#259, folioman/casparser#127, python-dotenv#499."""
    (tmp_path / ".env").write_text(f"{VARIABLE}={KEY}\n")
    assert script(ASKS, *options, cwd=tmp_path) == FOUND


def test_a_zipped_program_finds_the_key_of_its_working_directory(tmp_path: Path) -> None:
    """python-dotenv#259."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text(ASKS)
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz")
    (tmp_path / ".env").write_text(f"{VARIABLE}={KEY}\n")
    assert script("", "app.pyz", cwd=tmp_path) == FOUND


@pytest.mark.parametrize("folder", ["parent", "beside the script"])
def test_a_dotenv_file_of_another_folder_is_not_read_and_is_named(
    folder: str, tmp_path: Path
) -> None:
    """python-dotenv#24, #76, #265 and TradingAgents#726; decouple#20 is the other side."""
    work, home = tmp_path / "work", tmp_path / "app"
    work.mkdir()
    home.mkdir()
    program = home / "app.py"
    program.write_text(ASKS)
    file = (tmp_path if folder == "parent" else home) / ".env"
    file.write_text(f"{VARIABLE}={KEY}\n")
    said = script("", str(program), cwd=work)
    assert f"Nearby: {file} has a key but is not read" in said
    assert KEY not in said


def _fingerprint(queue: Any) -> None:
    queue.put(vectorshift.get_credential().fingerprint)


def test_a_spawned_process_has_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    child = context.Process(target=_fingerprint, args=(queue,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert queue.get() == vectorshift.Secret(KEY).fingerprint


@pytest.mark.usefixtures("forgotten")
def test_a_notebook_s_loop_finds_a_key_that_comes_after_a_first_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """wandb/edu#108, openai-cookbook#382: `load_dotenv()` or a file in a later cell."""

    async def cells() -> list[str]:
        with pytest.raises(MissingCredentialError):
            vectorshift.get_credential()
        (tmp_path / ".env").write_text(f"{VARIABLE}={KEY}\n")
        await asyncio.sleep(1.1)  # a file is looked at once a second
        first = vectorshift.get_credential().source
        monkeypatch.setenv(VARIABLE, OTHER)
        return [first, (await vectorshift.aget_credential()).source]

    assert asyncio.run(cells()) == [f"dotenv:{tmp_path}/.env", f"env:{VARIABLE}"]


@pytest.mark.usefixtures("forgotten")
def test_monkeypatch_changes_the_key_from_test_to_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest#2229, pytest-env#17."""
    for key in (KEY, OTHER):
        monkeypatch.setenv(VARIABLE, key)
        assert vectorshift.get_credential().secret.reveal() == key
    monkeypatch.setattr(vectorshift, "api_key", "vs-in-code")
    assert vectorshift.get_credential().source == "explicit:api_key"


def test_none_in_configure_never_means_the_key_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    with pytest.raises(TypeError):
        vectorshift.configure(credentials=os.getenv("ACME_KEYY"))
