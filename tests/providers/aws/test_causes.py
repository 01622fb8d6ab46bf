"""What goes wrong in everyday set-ups of AWS, acted out with boto3 itself: the error names the
cause and the way out. Nothing is withheld whose text is botocore's own.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.certificates import Authority
from tests.faults import FaultServer, answer
from tests.interpreter import printed
from tests.providers.aws.records import SECRET
from tests.versions import is_older

from vectorshift import (
    AwsSecretsManagerProvider,
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialStoreUnavailableError,
)
from vectorshift.providers.aws.arguments import AwsArguments
from vectorshift.providers.aws.errors import SecretLocation, outcome
from vectorshift.providers.aws.locators import printable

if TYPE_CHECKING:
    from tests.providers.aws.conftest import Failure
    from tests.providers.aws.servers import FakeAws

    from vectorshift import CredentialError

ROOT = Path(__file__).parents[3]
KNOWS_AWS_LOGIN = pytest.mark.skipif(
    is_older("botocore", "1.41"), reason="this botocore has no 'aws login'"
)


def test_a_text_of_another_program_is_made_printable_in_linear_time() -> None:
    began = time.process_time()
    assert printable("a=" * 100_000 + "\x1b 1" + "b" * 40) == ("a=" * 200)
    assert printable("x " + "b" * 100_000 + "1") == "x (withheld)"
    assert printable("/b/" * 50_000) == ("/b/" * 134)[:400]
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY.", "key (withheld)"),
        ("SecretAccessKey=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "(withheld)"),
        ("FwoGZXIvYXdzEJr/abc1/DEF/ghi2/JKL/mno3/PQR/stu4", "(withheld)"),
        ("/Users/Me1/projects/long/path/to/the/credentials", None),
        ("arn:aws:iam::123456789012:role/Team1/ALongNameOfARole/OfOurs/2", None),
        ("projects/acme1/some/long/relative/path/to/a/file", None),
    ],
)
def test_a_secret_access_key_is_withheld_and_a_path_is_not(text: str, shown: str | None) -> None:
    assert printable(text) == (text if shown is None else shown)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        pytest.param(
            "login_session = arn:aws:iam::123456789012:user/me",
            "pip install 'botocore[crt]'",
            marks=KNOWS_AWS_LOGIN,
        ),
        ("role_arn = arn:aws:iam::1:role/r\nsource_profile = gone", 'source_profile "gone"'),
        ("role_arn = arn:aws:iam::1:role/r\ncredential_source = EC2", 'credential source "EC2"'),
        (
            "sso_session = s\nsso_account_id = 1\nsso_role_name = r",
            'sso-session does not exist: "s"',
        ),
        (
            "role_arn = arn:aws:iam::1:role/r\ncredential_source = EcsContainer",
            "No credentials found in credential_source referenced in profile p",
        ),
        ("aws_access_key_id = a", "incomplete: aws_secret_access_key is missing"),
        (
            "aws_access_key_id = a\naws_secret_access_key = b\ndefaults_mode = quick",
            "AWS_DEFAULTS_MODE (or its name in ~/.aws/config) is quick",
        ),
        ("sts_regional_endpoints = eu\n" + "{role}", "AWS_STS_REGIONAL_ENDPOINTS"),
        ("metadata_service_timeout = 1s", "a number in AWS's files is 1s"),
        ("role_arn = r\nsource_profile = k", "Check role_arn and what belongs to it in the AWS"),
        (
            "role_arn = arn:aws:iam::1:role/r",
            "source_profile or credential_source is missing (assume-role). Set it as well",
        ),
        ("credential_process = 'tool", "a quotation mark or a backslash without"),
        ("credential_process =", "cannot be run: it is empty"),
    ],
)
def test_what_is_wrong_in_awss_files_is_said(
    nobody: None, fake: FakeAws, tmp_path: Path, config: str, words: str, failure: Failure
) -> None:
    role = "role_arn = arn:aws:iam::1:role/r\nsource_profile = k\n"
    keys = "[profile k]\naws_access_key_id = a\naws_secret_access_key = b\n"
    (tmp_path / "config").write_text(f"[profile p]\n{config.replace('{role}', role)}\n{keys}")
    error = failure(AwsSecretsManagerProvider("prod/vs", profile="p"))
    assert type(error) is CredentialConfigurationError
    assert words in str(error)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {
                "AWS_DEFAULTS_MODE": "quick",
                "AWS_ACCESS_KEY_ID": "A",
                "AWS_SECRET_ACCESS_KEY": "b",
            },
            "AWS_DEFAULTS_MODE (or its name in ~/.aws/config) is quick",
        ),
        ({"AWS_METADATA_SERVICE_TIMEOUT": "1s"}, "AWS_METADATA_SERVICE_TIMEOUT is 1s and must"),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "169.254.169.254"}, "is 169.254.169.254 and must"),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv5"}, "is ipv5 and must be ipv4 or"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.9/c"}, "names the host 10.0.0.9"),
        (
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost:1/c",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\nb",
            },
            "AWS_CONTAINER_AUTHORIZATION_TOKEN, or the file",
        ),
        ({"AWS_PROFILE": "nobody"}, "no profile 'nobody', which profile= or AWS_PROFILE"),
        ({"AWS_PROFILE": ""}, "AWS_PROFILE is set but empty"),
        (
            {"AWS_ACCESS_KEY_ID": "AKIA\n", "AWS_SECRET_ACCESS_KEY": "b"},
            "AWS_ACCESS_KEY_ID holds a line break",
        ),
        (
            {"AWS_ACCESS_KEY_ID": "AKIA\u200b", "AWS_SECRET_ACCESS_KEY": "b"},
            "AWS_ACCESS_KEY_ID holds a line break, a space, a quotation mark or a non-ASCII",
        ),
        (
            {
                "AWS_ACCESS_KEY_ID": "AKIA",
                "AWS_SECRET_ACCESS_KEY": "b",
                "AWS_SESSION_TOKEN": "FwoGsessionTokenNeverToBeSeen\r",
            },
            "AWS_SESSION_TOKEN holds a line break",
        ),
        ({"AWS_CONFIG_FILE": "{utf16}"}, "config16 cannot be read (ConfigParseError)"),
    ],
    ids=lambda value: None if isinstance(value, str) else "+".join(value),
)
def test_what_is_wrong_in_a_variable_is_said(
    nobody: None,
    fake: FakeAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    words: str,
    failure: Failure,
) -> None:
    (tmp_path / "config16").write_bytes("[profile a]\nregion = x\n".encode("utf-16"))
    fake.fails(403, "InvalidSignatureException")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("{utf16}", str(tmp_path / "config16")))
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialConfigurationError
    assert words in str(error)


def test_a_secret_access_key_with_a_line_break_is_no_wrong_clock(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing\n")
    fake.fails(403, "InvalidSignatureException")
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialConfigurationError
    assert "AWS_SECRET_ACCESS_KEY holds a line break" in str(error)


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file or directory"), ("", "no certificate in it")],
    ids=["missing", "empty"],
)
def test_a_bundle_of_cas_that_cannot_be_used_is_named(
    fake: FakeAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    content: str | None,
    words: str,
    failure: Failure,
) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv(variable, str(bundle))
    monkeypatch.setenv("AWS_ENDPOINT_URL", fake.url.replace("http:", "https:"))
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialConfigurationError
    assert f"{variable} names {bundle}, which cannot be used: {words}" in str(error)


def test_a_server_that_is_not_trusted_gets_no_request(
    monkeypatch: pytest.MonkeyPatch, fake: FakeAws, tmp_path: Path, failure: Failure
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with FaultServer(answer(200, b"{}"), tls=Authority(tmp_path).context) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.origin)
        error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialConfigurationError
    assert (
        "(SSLError: unable to get local issuer certificate). If a proxy signs it, set AWS_CA"
        in (str(error))
    )
    assert server.received == []


def test_an_endpoint_without_tls_is_no_bad_certificate(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", fake.url.replace("http:", "https:"))
    error = failure(AwsSecretsManagerProvider("prod/vs"))
    assert type(error) is CredentialConfigurationError
    assert "does not speak TLS (SSLError, 127.0.0.1)" in str(error)


BROKEN = """
import sys
sys.path.insert(0, sys.argv[1])
from vectorshift import AwsSecretsManagerProvider, CredentialError
try:
    AwsSecretsManagerProvider("prod/vs", region="eu-central-1").get_credential()
except CredentialError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("module", "text", "words"),
    [
        ("boto3", "from urllib3.util.ssl_ import DEFAULT_CIPHERS", "import name 'DEFAULT_CIPHERS'"),
        ("boto3", "import jmespath_is_missing", "No module named 'jmespath_is_missing'"),
        ("boto3", "# my own experiments", "boto3.py is not boto3; rename it"),
        ("boto3", "raise AttributeError('x')", "AttributeError: x"),
        ("jmespath", "raise ModuleNotFoundError(name='jmespath')", "No module named 'jmespath'"),
    ],
)
def test_a_boto3_that_is_broken_is_not_called_missing(
    tmp_path: Path, module: str, text: str, words: str
) -> None:
    (tmp_path / f"{module}.py").write_text(text)
    said = printed(BROKEN, str(tmp_path))
    assert said.startswith("CredentialConfigurationError aws:prod/vs: boto3 is installed but")
    assert words in said


def test_a_gevent_that_patched_late_is_named(tmp_path: Path) -> None:
    pytest.importorskip("gevent")
    code = (
        "import boto3, gevent.monkey\n"
        "boto3.client('sts', region_name='x', aws_access_key_id='a', aws_secret_access_key='b')\n"
        "gevent.monkey.patch_all()\n"
        + BROKEN.replace("region=", "endpoint_url='https://x',region=")
    )
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    said = printed(code, str(tmp_path), PYTHONWARNINGS="ignore", **keys)
    assert "gevent patched the ssl module after boto3" in said


def exceptions_of_botocore() -> list[type[Exception]]:
    from botocore import exceptions as boto

    found = [each for each in vars(boto).values() if isinstance(each, type)]
    return [each for each in found if issubclass(each, boto.BotoCoreError)]


class Fields(dict[str, Any]):
    """Fields of any name, each of which holds the secret."""

    def __missing__(self, name: str) -> str:
        return SECRET


@pytest.mark.parametrize("kind", exceptions_of_botocore(), ids=lambda kind: kind.__name__)
def test_each_exception_of_botocore_has_a_meaning_without_text_that_may_hold_a_secret(
    kind: type[Exception],
) -> None:
    error = kind.__new__(kind)
    error.kwargs = Fields(error=SECRET, error_msg="x", endpoint_url="https://h.example/")  # type: ignore[attr-defined]
    given = AwsArguments(secret_id="s")
    for login in (True, False):
        answer = outcome(error, SecretLocation(given=given, region="eu-central-1"), login=login)
        assert answer is not None
        assert SECRET not in str(answer)
        assert "{" not in str(answer)


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        ("RefreshWithMFAUnsupportedError()", CredentialConfigurationError, "new MFA code"),
        pytest.param(
            "LoginInsufficientPermissions()",
            CredentialDeniedError,
            "signin:CreateOAuth2Token",
            marks=KNOWS_AWS_LOGIN,
        ),
        (
            "InfiniteLoopConfigError(source_profile='b', visited_profiles=['a'])",
            CredentialConfigurationError,
            "profile 'b' refers to itself",
        ),
        (
            "EndpointConnectionError(endpoint_url='https://secretsmanager-fips.x.amazonaws.com/')",
            CredentialStoreUnavailableError,
            "EndpointConnectionError, secretsmanager-fips.x.amazonaws.com)",
        ),
        (
            "UnknownServiceError(service_name='secretsmanager', known_service_names=[])",
            CredentialConfigurationError,
            "Unset AWS_DATA_PATH",
        ),
        ("InvalidProxiesConfigError()", CredentialConfigurationError, "with boto3 alone"),
        (
            "InvalidMaxRetryAttemptsError(provided_max_attempts=0, min_value=1)",
            CredentialConfigurationError,
            "AWS_MAX_ATTEMPTS (or its name in ~/.aws/config) is 0 and must be 1 or more",
        ),
    ],
)
def test_what_a_client_of_the_users_raises_has_its_meaning(
    make: str, kind: type[CredentialError], words: str, failure: Failure
) -> None:
    from botocore import exceptions as boto

    class Client:
        def get_secret_value(self, **request: str) -> Any:
            raise eval(make, dict(vars(boto)))

    error = failure(AwsSecretsManagerProvider("prod/vs", client=Client()))
    assert type(error) is kind
    assert words in str(error)


def test_a_refusal_of_sts_is_asked_in_the_region_of_the_process(
    nobody: None, fake: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Observation to fail: with the session in the secret's region, STS is asked there."""
    import boto3

    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    (tmp_path / "jwt").write_text("e30.e30.x")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "jwt"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:prod/vs-AbCdEf"
    reader = AwsSecretsManagerProvider(arn)._reader
    session = reader._new_session()
    assert isinstance(session, boto3.Session)
    assert session.region_name == "eu-central-1"
    assert reader.region == "us-west-2"
    assert json.dumps(fake.asked) == "[]"
