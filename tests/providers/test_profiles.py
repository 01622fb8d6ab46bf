"""Profiles in the file, and in a real Secret Service where this machine has one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import keyrings

from vectorshift import LoginProvider, ProviderChain, Secret
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialStoreUnavailableError,
)
from vectorshift.providers.profiles import (
    clear_keyring,
    delete_profile,
    is_stored,
    read_profile,
    stored_profiles,
    write_profile,
)

if TYPE_CHECKING:
    from collections.abc import Callable

API, OTHER_API = "https://api.vectorshift.ai", "https://api.example.com"
KEY = Secret('vs-Xq7f"L0\\nevertobeseen')
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and owners of POSIX")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of the profiles, in the home directory of the test."""
    return tmp_path / ".vectorshift" / "credentials.toml"


@pytest.fixture
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session without a message bus, as over ssh or in a container."""
    for name in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


def in_file(name: str = "acme", key: Secret = KEY, origin: str = API) -> None:
    write_profile(name, key, origin=origin, in_file=True)


def in_keyring(name: str = "acme", key: Secret = KEY, origin: str = API) -> None:
    write_profile(name, key, origin=origin, in_file=False)


def into_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(0o700)


def failure(name: str = "acme") -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        read_profile(name)
    return caught.value


# --- The file -------------------------------------------------------------------------------------


def test_what_is_written_to_the_file_is_read_from_it(file: Path) -> None:
    in_file()
    in_file("prod", Secret("vs-prod"), OTHER_API)
    profile, key = read_profile("acme")
    assert (profile.name, profile.origin, profile.keyring, key) == ("acme", API, None, KEY)
    assert read_profile("prod")[1] == Secret("vs-prod")
    assert list(stored_profiles()) == ["acme", "prod"]
    assert profile.place == "~/.vectorshift/credentials.toml"
    assert [each.name for each in file.parent.iterdir()] == ["credentials.toml"]


@POSIX
def test_folder_and_file_are_the_user_s_alone_whatever_they_were(file: Path) -> None:
    file.parent.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        in_file()
    finally:
        os.umask(before)
    assert (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_profile_that_is_written_again_has_the_new_key_alone(file: Path) -> None:
    in_file()
    in_file(key=Secret("vs-two"))
    assert read_profile("acme")[1] == Secret("vs-two")
    assert "nevertobeseen" not in file.read_text()


def test_what_a_newer_version_wrote_beside_it_stays(file: Path) -> None:
    in_file()
    lines = 'note = "\u00e4 \U0001f600 \\" x \\u007f"\n"a b" = "c"\n'
    file.write_text(file.read_text() + lines)
    in_file("prod")
    assert lines in file.read_text()


def test_deleting_removes_it_and_leaves_the_others(file: Path) -> None:
    in_file()
    in_file("prod")
    assert delete_profile("acme", origin=API) == ["~/.vectorshift/credentials.toml"]
    assert list(stored_profiles()) == ["prod"]
    assert "has no such profile" in str(failure())
    assert "It has: prod." in str(failure())
    assert delete_profile("acme", origin=API) == []


def test_an_absent_profile_is_a_configuration_error_and_never_not_found() -> None:
    error = failure()
    assert type(error) is CredentialConfigurationError
    assert (error.source, error.provider) == ("login:acme", "login")
    assert str(error).endswith("Store one: vectorshift auth login --profile acme")
    assert not is_stored("acme")


@POSIX
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda file: file.chmod(0o640), r"open to other users \(mode 0640\). Run: chmod 600 /"),
        (lambda file: file.parent.chmod(0o777), "open to other users .*chmod 700 /"),
        (lambda file: file.rename(file.parent / "x") and file.symlink_to("x"), "a symbolic link"),
        (lambda file: os.chown(file, 4321, -1), r"belongs to another user \(uid 4321\)"),
        (lambda file: os.chown(file.parent, 4321, -1), "belongs to another user"),
        (into_a_pipe, "cannot be read: .* named pipe"),
        (into_a_folder, "cannot be read: is a directory"),
    ],
)
def test_a_file_that_may_be_somebody_else_s_work_is_refused(
    file: Path, spoil: Callable[[Path], object], why: str
) -> None:
    in_file()
    try:
        spoil(file)
    except PermissionError:
        pytest.skip("only root gives files away")
    for act in (lambda: read_profile("acme"), in_file, stored_profiles):
        with pytest.raises(CredentialConfigurationError, match=why):
            act()
    assert is_stored("anything")  # no other key takes the place of what cannot be read


@POSIX
def test_a_folder_that_is_a_link_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(0o700)
    file.parent.symlink_to(tmp_path / "real")
    for act in (in_file, stored_profiles):
        with pytest.raises(CredentialConfigurationError, match="is a symbolic link"):
            act()
    assert list((tmp_path / "real").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[acme]\napi_key = "vs-nevertobeseen\n', "is not TOML (line 2)"),
        ("\x00", "is not TOML in UTF-8"),
        ('[acme]\napi_key = "vs-nevertobeseen"\n', "not a profile"),
        ('[acme]\norigin = "https://x"\napi_key = 1\n', "not a profile"),
        ('["vs-nevertobeseen"]\norigin = "https://x"\n', "not a profile"),
        ('acme = "vs-nevertobeseen"\n', "not a profile"),
        *(
            (f'[acme]\norigin = "{api}"\napi_key = "vs-nevertobeseen"\n', "not a profile")
            for api in ("", "https://x:99999", "http://[::1", "https://x/v1", "https://u:p@x", "x")
        ),
    ],
)
def test_a_damaged_file_says_so_without_what_is_in_it(
    file: Path, text: str, why: str, shown: Callable[[BaseException], str]
) -> None:
    in_file()
    file.write_text(text)
    error = failure()
    assert type(error) is CredentialConfigurationError
    assert why in str(error)
    assert "nevertobeseen" not in shown(error)


@pytest.mark.parametrize("key", ["", "Bearer vs-x", "${KEY}"])
def test_what_cannot_be_a_key_is_a_configuration_error(file: Path, key: str) -> None:
    in_file(key=Secret(key))
    error = failure()
    assert type(error) is CredentialConfigurationError
    assert "login:acme" in str(error)


@POSIX
def test_what_was_left_of_a_write_that_was_cut_off_is_taken_away(file: Path) -> None:
    in_file()
    file.with_name("credentials.toml.new").write_text("half")
    in_file("prod")
    assert [each.name for each in file.parent.iterdir()] == ["credentials.toml"]


@POSIX
def test_many_writers_at_once_lose_no_profile(tmp_path: Path) -> None:
    code = (
        "import sys; from vectorshift import Secret\n"
        "from vectorshift.providers.profiles import write_profile as write\n"
        f"for i in range(5): write(sys.argv[1] + str(i), Secret('vs-x'), origin={API!r},"
        " in_file=True)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "abcd"]
    assert [each.wait(60) for each in writers] == [0] * 4
    assert len(stored_profiles()) == 20


def test_a_full_or_read_only_disk_leaves_the_old_key(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    in_file()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(CredentialConfigurationError, match="cannot be written: file too large"):
            in_file(key=Secret("vs-two"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert read_profile("acme")[1] == KEY


@pytest.mark.usefixtures("no_folder_is_synced")
def test_a_file_system_that_cannot_sync_folders_keeps_the_key() -> None:
    in_file()
    assert read_profile("acme")[1] == KEY


def test_a_user_without_a_home_has_no_profiles_and_no_folder_named_tilde(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_123_456, raising=False)  # nobody's number
    for act in (lambda: read_profile("acme"), in_file):
        with pytest.raises(CredentialConfigurationError, match="HOME is not set"):
            act()
    assert not is_stored("default")
    assert list(tmp_path.iterdir()) == []


# --- A real keyring -------------------------------------------------------------------------------


@pytest.mark.usefixtures("keyring")
def test_a_key_in_the_keyring_is_not_in_the_file(file: Path) -> None:
    in_keyring()
    profile, key = read_profile("acme")
    assert (profile.keyring, profile.origin, key) == ("Secret Service", API, KEY)
    assert file.read_text().splitlines()[2:] == [
        "[acme]",
        f'origin = "{API}"',
        'keyring = "Secret Service"',
    ]
    for path in filter(Path.is_file, file.parent.parent.rglob("*")):
        assert KEY.reveal().encode() not in path.read_bytes()


@pytest.mark.usefixtures("keyring")
def test_from_one_place_to_the_other_nothing_stays_behind(file: Path) -> None:
    in_keyring()
    before, _ = read_profile("acme")
    clear_keyring(before)  # it is there, so nothing is removed
    in_file(key=Secret("vs-two"))
    clear_keyring(before)
    assert read_profile("acme")[1] == Secret("vs-two")
    assert delete_profile("acme", origin=API) == ["~/.vectorshift/credentials.toml"]
    in_file()
    in_keyring(key=Secret("vs-three"))
    assert "api_key" not in file.read_text()
    assert delete_profile("acme", origin=API) == ["Secret Service"]
    assert delete_profile("acme", origin=API) == []


@pytest.mark.usefixtures("keyring")
def test_the_key_for_another_api_takes_the_place_of_the_first_and_is_not_mixed_up() -> None:
    in_keyring()
    before, _ = read_profile("acme")
    in_keyring(key=Secret("vs-elsewhere"), origin=OTHER_API)
    clear_keyring(before)
    assert read_profile("acme")[0].origin == OTHER_API
    assert read_profile("acme")[1] == Secret("vs-elsewhere")
    assert delete_profile("acme", origin=OTHER_API) == ["Secret Service"]
    in_keyring(key=Secret("vs-again"), origin=OTHER_API)
    assert delete_profile("gone", origin=API) == []
    assert delete_profile("acme", origin=OTHER_API) == ["Secret Service"]
    assert delete_profile("acme", origin=API) == []


@pytest.mark.usefixtures("keyring")
def test_a_key_of_which_the_file_knows_nothing_is_removed_too(file: Path) -> None:
    in_keyring()
    file.unlink()
    assert delete_profile("acme", origin=API) == ["Secret Service"]


@pytest.mark.usefixtures("keyring")
def test_a_key_that_was_removed_from_the_keyring_is_a_configuration_error(file: Path) -> None:
    in_keyring()
    listed = file.read_text()
    delete_profile("acme", origin=API)
    file.write_text(listed)
    error = failure()
    assert type(error) is CredentialConfigurationError
    assert "Secret Service has no key for it. Store one:" in str(error)


@pytest.mark.usefixtures("keyring")
def test_a_locked_keyring_is_unavailable_and_never_not_found(
    file: Path, shown: Callable[[BaseException], str]
) -> None:
    in_keyring()
    keyrings.lock()
    error = failure()
    assert type(error) is CredentialStoreUnavailableError
    assert str(error) == "login:acme: Secret Service is locked. Unlock it and try again."
    with pytest.raises(CredentialStoreUnavailableError) as caught:
        in_keyring(key=Secret("vs-two"))
    assert "vs-two" not in shown(caught.value)
    with pytest.raises(CredentialStoreUnavailableError):
        delete_profile("acme", origin=API)
    assert list(stored_profiles()) == ["acme"]


@pytest.mark.usefixtures("keyring")
def test_a_keyring_that_hangs_costs_the_time_of_a_load_and_is_asked_again() -> None:
    in_keyring()
    keyring = int(os.environ["GNOME_KEYRING_PID"])
    chain = ProviderChain([LoginProvider(profile="acme")], load_timeout=1)
    os.kill(keyring, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(CredentialStoreUnavailableError, match="login:acme did not answer"):
        chain.get_credential()
    assert time.monotonic() - began < 5
    os.kill(keyring, signal.SIGCONT)
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        with contextlib.suppress(CredentialStoreUnavailableError):
            assert chain.get_credential().secret == KEY
            return
        time.sleep(0.1)
    pytest.fail("it was not asked again")


@pytest.mark.usefixtures("keyring")
def test_plain_text_is_removed_while_a_keyring_hangs(file: Path) -> None:
    in_file()
    keyring = int(os.environ["GNOME_KEYRING_PID"])
    os.kill(keyring, signal.SIGSTOP)
    removal = threading.Thread(target=delete_profile, args=("acme",), kwargs={"origin": API})
    removal.start()
    try:
        give_up = time.monotonic() + 30
        while "nevertobeseen" in file.read_text() and time.monotonic() < give_up:
            time.sleep(0.05)
        assert "nevertobeseen" not in file.read_text()
        assert removal.is_alive()
    finally:
        os.kill(keyring, signal.SIGCONT)
        removal.join()


@pytest.mark.usefixtures("no_keyring")
def test_without_a_keyring_the_file_is_offered_and_not_taken(file: Path) -> None:
    with pytest.raises(CredentialConfigurationError) as caught:
        in_keyring()
    assert "no keyring can be used here (Secret Service: " in str(caught.value)
    assert str(caught.value).endswith("vectorshift auth login --profile acme --file")
    assert not file.exists()


@pytest.mark.usefixtures("no_keyring")
def test_a_session_without_the_keyring_of_the_profile_is_a_configuration_error(file: Path) -> None:
    in_file()
    file.write_text(f'[acme]\norigin = "{API}"\nkeyring = "Secret Service"\n')
    error = failure()
    assert type(error) is CredentialConfigurationError
    assert "login:acme: Secret Service cannot be used here (" in str(error)
    with pytest.raises(CredentialConfigurationError):
        delete_profile("acme", origin=API)


def test_a_backend_that_is_not_the_system_s_is_never_used(
    file: Path, monkeypatch: pytest.MonkeyPatch, no_keyring: None
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with pytest.raises(CredentialConfigurationError, match="no keyring can be used here"):
        in_keyring()
    in_file()
    file.write_text(f'[acme]\norigin = "{API}"\nkeyring = "null"\n')
    assert "null cannot be used here" in str(failure())


def test_without_the_library_its_extra_is_named() -> None:
    code = (
        "import importlib.abc, sys\n"
        "class Blocker(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'keyring': raise ModuleNotFoundError('none', name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "from vectorshift import Secret\n"
        "from vectorshift.providers.profiles import write_profile\n"
        f"write_profile('acme', Secret('vs-x'), origin={API!r}, in_file=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (
        "is not installed: pip install 'vectorshift[login]>=2'. To keep the key in" in done.stderr
    )
