"""No provider reads standard input, prompts, or changes a terminal: a process with a terminal of
its own and a line waiting there asks each of them.

Observation to fail: without `ask_nobody` the line is sent to STS as an MFA code; without
`detach_processes` the `credential_process` reads it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import termios
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stage import wait_until
from tests.providers.aws.servers import MFA, free_url
from tests.versions import is_older

from vectorshift import (
    AwsSecretsManagerProvider,
    CredentialError,
    CredentialStoreUnavailableError,
)
from vectorshift.credentials.resolving import LookupRequest

if TYPE_CHECKING:
    from tests.providers.aws.servers import FakeAws

ROOT = Path(__file__).parents[3]
LINE = "customer record 1; card 4111-1111"
ASK = """
import fcntl, json, os, struct, sys, termios
from vectorshift import *

def session(profile):
    import boto3
    return boto3.Session(profile_name=profile)

def terminal():
    waiting = fcntl.ioctl(0, termios.FIONREAD, bytes(4))
    return [*termios.tcgetattr(0), *struct.unpack("i", waiting)]

before, environ = terminal(), dict(os.environ)
for code in sys.argv[1:]:
    try:
        said = f"GOT {eval(code).get_credential()}"
    except CredentialError as error:
        said = f"{type(error).__name__} {error}"
    os.environ.clear()
    os.environ.update(environ)
    print(json.dumps([said, terminal() == before]))
    if terminal() != before:
        sys.exit("what comes next would wait for a line")
print("LINE", sys.stdin.readline())
"""
# reads from the terminal if there is one, and else from standard input
READER = """#!/bin/sh
(read line < /dev/tty) 2>/dev/null && echo "took the line of the terminal" >&2
read line && echo "took a line of standard input" >&2
echo "saml2aws: session expired, run saml2aws login" >&2
exit 1
"""
# gives credentials that are soon over, and reads when it is to renew them
RENEWED = """#!/bin/sh
if mkdir {home}/given 2>/dev/null; then
    echo '{{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "b", "SessionToken": "c",'
    echo ' "Expiration": "{soon}"}}'
else
    exec {home}/reader
fi
"""
AWS = 'AwsSecretsManagerProvider("prod/vs", {})'
VAULT = (
    'os.environ.update(AWS_PROFILE="{}") or'
    ' VaultProvider("vs", addr="{{url}}", auth="aws", role="r")'
)
SESSION = "CredentialConfigurationError aws:prod/vs: the AWS profile asks for an MFA code of"
ENDED = "ended with status 1 and said: saml2aws: session expired, run saml2aws login."


STS_ANSWER = (
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId>"
    "<SecretAccessKey>b</SecretAccessKey><SessionToken>c</SessionToken>"
    "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>"
    "</AssumeRoleResponse>"
)


ASKED = [
    (AWS.format('profile="mfa"'), f"{SESSION} arn:aws:iam::123456789012:mfa/me"),
    (AWS.format('profile="chained"'), SESSION),
    (AWS.format('session=session("mfa")'), SESSION),
    (AWS.format('client=session("mfa").client("secretsmanager")'), SESSION),
    (
        AWS.format('client=session("renewed").client("secretsmanager")'),
        f"the AWS profile 'renewed' {ENDED}",
    ),
    (AWS.format('profile="process"'), f"the AWS profile 'process' {ENDED}"),
    (AWS.format('session=session("process")'), f"the AWS profile 'process' {ENDED}"),
    (AWS.format('profile="behind"'), f"the AWS profile 'process' {ENDED}"),
    (AWS.format(""), "no AWS credentials"),
    (AWS.format('profile="sso"'), "aws sso login"),
    (
        AWS.format('profile="login"'),
        "no AWS credentials" if is_older("botocore", "1.41") else "aws login",
    ),
    ("ProviderChain([EnvProvider(), DotenvProvider(), LoginProvider()])", "Missing"),
    (VAULT.format("mfa"), "has no identity: the AWS profile asks for an MFA code of arn:aws"),
    (VAULT.format("process"), f"the AWS profile 'process' {ENDED}"),
    ('VaultProvider("vs", addr="{url}", token="t")', "Unavailable"),
    ('VaultProvider("vs", addr="{url}", auth="approle", role_id="r")', "Unavailable"),
]


def test_no_provider_takes_a_line_or_a_mode_of_the_terminal(fake: FakeAws, tmp_path: Path) -> None:
    url = free_url()
    output = ask_at_a_terminal([code.replace("{url}", url) for code, _ in ASKED], tmp_path)
    answers = [json.loads(line) for line in output.splitlines() if line.startswith("[")]
    for (code, words), (said, is_untouched) in zip(ASKED, answers, strict=True):
        assert words in said, code
        assert is_untouched, code
    assert f"LINE {LINE}" in output
    assert "Enter MFA" not in output
    assert [operation for operation, _ in fake.asked if operation == "sts"] == []


def test_a_session_that_has_its_mfa_code_is_used(
    fake: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(MFA)
    fake.says(200, STS_ANSWER, operation="sts")
    fake.says(200, {"SecretString": "vs-mfa", "VersionId": "1"})
    session = boto3.Session(profile_name="mfa")
    resolver = session._session.get_component("credential_provider")
    resolver.get_provider("assume-role")._prompter = lambda _: "123456"
    provider = AwsSecretsManagerProvider("prod/vs", session=session)
    with pytest.raises(CredentialError, match="MFA code"):
        provider.get_credential()
    session.get_credentials().get_frozen_credentials()  # the program asks for the code itself
    assert provider.get_credential().secret.reveal() == "vs-mfa"


def gone(pid_file: Path) -> bool:
    """Whether the process and its own child have ended; a zombie has."""
    pids = pid_file.read_text().split()
    states = [Path(f"/proc/{pid}/stat") for pid in pids]
    return len(pids) == 2 and not any(
        state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"
        for state in states
    )


HANG = """#!/bin/sh
sleep 600 &
echo $$ $! > {}
wait
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_process_that_hangs_is_ended_with_its_children_and_named(
    nobody: None, tmp_path: Path
) -> None:
    pids = credential_process(tmp_path, HANG)
    provider = AwsSecretsManagerProvider("prod/vs", region="eu-central-1", profile="process")
    answer = provider.resolve(LookupRequest(deadline=time.monotonic() + 1))
    assert isinstance(answer, CredentialStoreUnavailableError)
    assert re.search(r"the AWS profile 'process' did not end within 0\.\d s", str(answer))
    wait_until(lambda: gone(pids))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_process_ends_with_the_program(nobody: None, tmp_path: Path) -> None:
    pids = credential_process(tmp_path, HANG)
    code = (
        "import os, threading, time, vectorshift\n"
        "from vectorshift.providers.aws.session import _running\n"
        "threading.Thread(target=vectorshift.get_credential, daemon=True).start()\n"
        "while not _running: time.sleep(0.01)\n"
        f"while not (os.path.exists({str(pids)!r}) and len(open({str(pids)!r}).read().split()) == 2"
        "): time.sleep(0.01)\n"
    )
    settings = {"VECTORSHIFT_AWS_SECRET_ID": "prod/vs", "VECTORSHIFT_AWS_PROFILE": "process"}
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **settings}, check=True, timeout=60
    )
    wait_until(lambda: gone(pids))


def credential_process(home: Path, script: str) -> Path:
    """Write a profile with this process; return the file that it writes its pids to."""
    program, pids = home / "process", home / "pids"
    program.write_text(script.format(pids))
    program.chmod(0o755)
    (home / "config").write_text(f"[profile process]\ncredential_process = {program}\n")
    return pids


def ask_at_a_terminal(codes: list[str], home: Path) -> str:
    """Ask the providers that codes make in a process whose controlling terminal is a new one;
    return all it printed.
    """
    reader = home / "reader"
    reader.write_text(READER)
    reader.chmod(0o755)
    renewed = home / "renewed"
    soon = (datetime.now(timezone.utc) + timedelta(minutes=5)).isoformat()
    renewed.write_text(RENEWED.format(home=home, soon=soon))
    renewed.chmod(0o755)
    (home / "config").write_text(
        f"[profile renewed]\nregion = eu-central-1\ncredential_process = {renewed}\n"
        f"{MFA}[profile chained]\nregion = eu-central-1\n"
        "role_arn = arn:aws:iam::123456789012:role/s\nsource_profile = mfa\n"
        f"[profile process]\nregion = eu-central-1\ncredential_process = {reader}\n"
        "[profile behind]\nregion = eu-central-1\nrole_arn = arn:aws:iam::123456789012:role/r\n"
        "source_profile = process\n"
        "[profile sso]\nregion = eu-central-1\nsso_start_url = https://example.invalid\n"
        "sso_region = eu-central-1\nsso_account_id = 123456789012\nsso_role_name = r\n"
        "[profile login]\nregion = eu-central-1\n"
        "login_session = arn:aws:iam::123456789012:user/me\n"
    )
    environ = {**os.environ, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        environ.pop(name, None)
    master, slave = os.openpty()
    os.write(master, f"{LINE}\n".encode())
    process = subprocess.Popen(
        [sys.executable, "-c", ASK, *codes],
        cwd=ROOT,
        env=environ,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    too_late = threading.Timer(60, process.kill)  # it waits for somebody to type
    too_late.start()
    output = b""
    while True:
        try:
            part = os.read(master, 65_536)
        except OSError:  # the other end is closed
            break
        output += part
        if not part:
            break
    process.wait()
    too_late.cancel()
    os.close(master)
    return output.decode().replace("\r\n", "\n")
