"""What one warm look-up of a credential costs."""

from __future__ import annotations

import asyncio
import datetime
import os
import timeit
from functools import partial
from typing import TYPE_CHECKING, Any

import vectorshift
from benchmarks.figures import in_turn, median, ratio, show
from vectorshift import ProviderChain, Secret, Settings
from vectorshift.testing import OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Callable

_VARIABLE = "VECTORSHIFT_API_KEY"
_UNSET, _SET = "os.environ.get, not set", "os.environ.get, set"


def lookups(rounds: int = 31, number: int = 10_000) -> None:
    loop = asyncio.new_event_loop()
    with OpenBaoServer() as bao:
        bao.write("vectorshift", {"api_key": "vs-bench-vault"})
        vault = Settings(
            vault_path="vectorshift", vault_addr=bao.address, vault_token=Secret(bao.root_token)
        )
        from_env, from_vault = (
            ProviderChain.from_settings(Settings()),
            ProviderChain.from_settings(vault),
        )
        calls: dict[str, Callable[[], float]] = {
            _SET: partial(_per_call, partial(os.environ.get, "PATH"), number),
            _UNSET: partial(_per_call, partial(os.environ.get, _VARIABLE), number),
            "get_credential, the environment answers": partial(
                _ours, from_env, "vs-bench-env", number
            ),
            "get_credential, Vault's cache answers": partial(_ours, from_vault, None, number),
            "aget_credential, the environment answers": partial(
                _ours, from_env, "vs-bench-env", number, loop
            ),
            "aget_credential, Vault's cache answers": partial(
                _ours, from_vault, None, number, loop
            ),
            "botocore get_frozen_credentials": partial(_per_call, _botocore(), number),
            "google-auth before_request": partial(_per_call, _google(), number // 10),
        }
        found = in_turn(calls, rounds)
        reads = bao.reads("vectorshift")
    loop.close()
    vectorshift.reset()
    show(
        "One look-up of a credential that is known",
        ("", "µs", f"× {_SET}"),
        [
            (name, f"{median(found, name) * 1e6:.2f}", f"{ratio(found, name, _SET):.1f}")
            for name in calls
        ],
        f"Median of {rounds} rounds of {number:,} calls. All five sources are walked; Vault was"
        f" read {reads} time(s).",
    )


def _per_call(call: Callable[[], object], number: int) -> float:
    return timeit.timeit(call, number=number) / number


def _ours(
    chain: ProviderChain,
    variable: str | None,
    number: int,
    loop: asyncio.AbstractEventLoop | None = None,
) -> float:
    vectorshift.configure(credentials=chain)
    if variable is not None:
        os.environ[_VARIABLE] = variable
    try:
        vectorshift.get_credential()
        if loop is None:
            return _per_call(vectorshift.get_credential, number)
        return loop.run_until_complete(_per_async_call(number))
    finally:
        os.environ.pop(_VARIABLE, None)


async def _per_async_call(number: int) -> float:
    get, clock = vectorshift.aget_credential, timeit.default_timer
    began = clock()
    for _ in range(number):
        await get()
    return (clock() - began) / number


def _botocore() -> Callable[[], Any]:
    from botocore.credentials import RefreshableCredentials

    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    credentials: Any = RefreshableCredentials("access", "secret", "token", later, dict, "bench")
    return lambda: credentials.get_frozen_credentials()


def _google() -> Callable[[], Any]:
    from google.oauth2.credentials import Credentials

    later = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(
        days=1
    )
    credentials: Any = Credentials("token", expiry=later)  # type: ignore[no-untyped-call]
    return lambda: credentials.before_request(None, "GET", "https://api.example.com/v1", {})
