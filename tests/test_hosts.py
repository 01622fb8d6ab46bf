from __future__ import annotations

import pytest

from vectorshift.hosts import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "10.0.0.1", "0.0.0.0", "localhost.example", "127.0.0.1.example", "api.vectorshift.ai", "::2"]
)
def test_another_machine_is_not(host: str) -> None:
    assert not is_loopback(host)
