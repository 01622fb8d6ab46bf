from __future__ import annotations

import socket
import subprocess
import sys
import time

import pytest

from vectorshift.testing.moto import MotoServer


def test_a_value_is_put_restored_and_taken_away(moto: MotoServer) -> None:
    first = moto.put("moto/one", "1")
    second = moto.put("moto/one", b"2")
    assert first != second
    moto.delete("moto/one")
    third = moto.put("moto/one", "3")
    assert (
        moto.call("GetSecretValue", SecretId="moto/one", VersionStage="AWSCURRENT")["VersionId"]
        == third
    )
    assert moto.reads("moto/one") == 1
    moto.delete("moto/one", force=True)
    with pytest.raises(LookupError):
        moto.call("DescribeSecret", SecretId="moto/one")


def test_another_refusal_is_told(moto: MotoServer) -> None:
    moto.put("moto/two", "1")
    with pytest.raises(RuntimeError, match="ResourceExistsException"):
        moto.call("CreateSecret", Name="moto/two", SecretString="x")


def test_missing_moto_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moto", None)
    with pytest.raises(ImportError, match=r"pip install 'vectorshift\[sandbox\]>=2'"), MotoServer():
        pass


def test_a_server_that_is_not_running_says_how_to_run_it() -> None:
    with pytest.raises(RuntimeError, match="with MotoServer"):
        MotoServer().environment()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_the_server_ends_even_if_its_parent_is_killed() -> None:
    code = (
        "import os, signal; from vectorshift.testing.moto import MotoServer\n"
        "with MotoServer() as moto:\n"
        "    print(moto.endpoint_url, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False
    ).stdout
    port = int(said.strip().rpartition(":")[2])
    end = time.monotonic() + 10
    while _listens(port) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _listens(port)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
