"""A Secret Service of its own: gnome-keyring on a message bus that no other process uses."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import subprocess
import warnings
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_PROGRAMS = ("dbus-daemon", "gnome-keyring-daemon")
MISSING = [name for name in _PROGRAMS if shutil.which(name) is None]
"""The programs that this machine lacks. Debian: apt-get install dbus gnome-keyring."""


@contextlib.contextmanager
def secret_service(home: Path) -> Generator[dict[str, str], None, None]:
    """Start both, with an unlocked keyring below `home`; yield the variables that lead to it."""
    folders = {
        "HOME": home,
        "XDG_DATA_HOME": home / "data",
        "XDG_RUNTIME_DIR": home / "runtime",
    }
    for folder in folders.values():
        folder.mkdir(mode=0o700, exist_ok=True)
    variables = {**{name: str(path) for name, path in folders.items()}, "PATH": os.environ["PATH"]}
    pipe = subprocess.PIPE
    bus = ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address"]
    with subprocess.Popen(
        bus, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=variables
    ) as daemon:
        try:
            assert daemon.stdout is not None
            variables["DBUS_SESSION_BUS_ADDRESS"] = daemon.stdout.readline().strip()
            keyring = ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"]
            with subprocess.Popen(
                keyring, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=variables
            ) as service:
                try:
                    assert service.stdin is not None
                    assert service.stdout is not None
                    service.stdin.write(b"password of the keyring")
                    service.stdin.close()
                    service.stdout.readline()  # it has its name on the bus by then
                    variables["GNOME_KEYRING_PID"] = str(service.pid)
                    yield variables
                finally:
                    service.kill()  # also one that a test has stopped
        finally:
            daemon.kill()


def lock() -> None:
    """Lock the keyring of the present environment, as a screen saver may."""
    secretstorage = cast("Any", __import__("secretstorage"))
    with contextlib.closing(secretstorage.dbus_init()) as connection:
        secretstorage.get_default_collection(connection).lock()


def collect() -> None:
    """Close what the library leaves open when it meets a locked keyring."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
