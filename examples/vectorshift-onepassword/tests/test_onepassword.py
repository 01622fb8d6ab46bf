"""The contract, with a stand-in for `op` that says what the real one says."""

import time
from pathlib import Path

import pytest
from vectorshift_onepassword import OnePasswordProvider

from vectorshift import (
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
    ProviderChain,
    Settings,
)
from vectorshift.testing import ProviderContract

OP = """#!/bin/sh
here=${0%/*}
printf x >> "$here/reads"
read -r state < "$here/state"
if [ "$state" = hang ]; then exec sleep 30; fi
if [ -z "$state" ]; then
    cat "$here/${3##*/}" 2> /dev/null && exit
    state="could not read secret: \\"x\\" isn't an item"
fi
printf '%s\\n' "[ERROR] 2026/11/30 12:00:00 $state" >&2
exit 1
"""
REFERENCE = "op://Private/VectorShift/credential"


class TestOnePassword(ProviderContract):
    strict = True
    contract = 1

    @pytest.fixture(autouse=True)
    def source(self, tmp_path: Path) -> None:
        self.folder, self.op = tmp_path, tmp_path / "op"
        self.op.write_text(OP)
        self.op.chmod(0o755)
        (self.folder / "reads").touch()
        self.say("")

    def say(self, state: str) -> None:
        (self.folder / "state").write_text(state)

    def make(self) -> OnePasswordProvider:
        return OnePasswordProvider(REFERENCE, program=str(self.op))

    def put(self, key: str) -> None:
        (self.folder / "credential").write_text(key)

    def remove(self) -> None:
        (self.folder / "credential").unlink()

    def break_source(self) -> None:
        self.say("dial tcp: lookup my.1password.com: no such host")

    def restore(self) -> None:
        self.say("")

    def deny(self) -> None:
        self.say("You are not currently signed in. Please run `op signin --help`")

    def reads(self) -> int:
        return len((self.folder / "reads").read_text())

    def settings(self) -> Settings:
        own = {"reference": REFERENCE, "program": str(self.op)}
        return Settings(plugins={"onepassword": own})

    def second_settings(self, key: str) -> Settings:
        (self.folder / "second").write_text(key)
        own = {"reference": "op://Private/VectorShift/second", "program": str(self.op)}
        return Settings(plugins={"onepassword": own})

    def make_second(self, key: str) -> OnePasswordProvider:
        made = OnePasswordProvider.from_settings(self.second_settings(key))
        assert made is not None
        return made


def op(folder: Path, state: str) -> OnePasswordProvider:
    (folder / "op").write_text(OP)
    (folder / "op").chmod(0o755)
    (folder / "state").write_text(state)
    return OnePasswordProvider(REFERENCE, program=str(folder / "op"), timeout=1)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("session expired, sign in to create a new session", CredentialDeniedError),
        ("(403) Forbidden: the service account may not read it", CredentialDeniedError),
        ('"Private" isn\'t a vault in this account', CredentialNotFoundError),
        ('item "VectorShift" does not have a field "credential"', CredentialNotFoundError),
        ("rate limit exceeded", CredentialStoreUnavailableError),
    ],
)
def test_what_op_says_is_told_apart_and_not_shown(
    tmp_path: Path, said: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        op(tmp_path, said).get_credential()
    assert said not in str(caught.value)


def test_an_op_that_asks_a_person_is_given_up(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(CredentialStoreUnavailableError, match="within 1 s"):
        op(tmp_path, "hang").get_credential()
    assert time.monotonic() - began < 10


def test_a_machine_without_op_says_so() -> None:
    with pytest.raises(CredentialConfigurationError, match="the program is missing"):
        OnePasswordProvider(REFERENCE, program="/no/such/op").get_credential()


def test_a_reference_is_one() -> None:
    own = {"onepassword": {"reference": "Private/VectorShift"}}
    chain = ProviderChain.from_settings(Settings(providers=("onepassword",), plugins=own))
    with pytest.raises(CredentialConfigurationError, match="VECTORSHIFT_ONEPASSWORD_REFERENCE: "):
        chain.get_credential()
