"""What moto's server holds is read, by one client for all."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.forks import succeeds_in_a_child
from tests.providers.aws.records import SECRET

from vectorshift.errors import CredentialConfigurationError
from vectorshift.providers.aws import AwsSecretsManagerProvider

if TYPE_CHECKING:
    from vectorshift.testing.moto import MotoServer

ARN = "arn:aws:secretsmanager:eu-west-3:123456789012:secret:prod/vs-AbCdEf"


def test_a_whole_string_is_read_with_its_version(aws: MotoServer) -> None:
    version = aws.put("whole/string", f"  {SECRET}\n")
    credential = AwsSecretsManagerProvider("whole/string").get_credential()
    assert credential.secret.reveal() == SECRET
    assert credential.source == "aws:whole/string"
    assert credential.provider == "aws"
    assert credential.version == version


def test_async_callers_get_the_same(aws: MotoServer) -> None:
    aws.put("async", SECRET)
    provider = AwsSecretsManagerProvider("async")
    assert asyncio.run(provider.aget_credential()) == provider.get_credential()


def test_a_named_field_of_a_json_object_is_read(aws: MotoServer) -> None:
    aws.put("console", json.dumps({"user": "me", "api_key": SECRET}))
    credential = AwsSecretsManagerProvider("console", field="api_key").get_credential()
    assert credential.secret.reveal() == SECRET
    assert credential.source == "aws:console#api_key"


def test_a_binary_secret_is_read(aws: MotoServer) -> None:
    aws.put("binary", SECRET.encode())
    assert AwsSecretsManagerProvider("binary").get_credential().secret.reveal() == SECRET


def test_an_arn_is_read_in_its_own_region(aws: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.put("by-arn", SECRET)
    arn = aws.call("DescribeSecret", SecretId="by-arn")["ARN"]
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    provider = AwsSecretsManagerProvider(arn)
    assert provider.get_credential().secret.reveal() == SECRET
    assert provider.describe().detail == "region us-east-1"


def test_a_partial_arn_is_read_in_its_own_region(
    aws: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = aws.put("by-partial-arn", SECRET)
    partial = aws.call("DescribeSecret", SecretId="by-partial-arn")["ARN"].rpartition("-")[0]
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    credential = AwsSecretsManagerProvider(partial).get_credential()
    assert (credential.secret.reveal(), credential.version) == (SECRET, version)
    assert credential.source == f"aws:{partial}"


def test_a_stage_that_aws_moves_is_followed(aws: MotoServer) -> None:
    aws.put("moved", "vs-old")
    provider, before = (
        AwsSecretsManagerProvider("moved"),
        AwsSecretsManagerProvider("moved", version_stage="AWSPREVIOUS"),
    )
    version = aws.rotate("moved", "vs-new")
    credential = provider.get_credential()
    assert (credential.secret.reveal(), credential.version) == ("vs-new", version)
    assert before.get_credential().secret.reveal() == "vs-old"


def test_a_new_version_is_picked_up_by_the_next_read(aws: MotoServer) -> None:
    aws.put("rotated", "vs-old")
    provider = AwsSecretsManagerProvider("rotated")
    old = provider.get_credential()
    version = aws.put("rotated", "vs-new")
    new = provider.get_credential()
    assert (old.secret.reveal(), new.secret.reveal()) == ("vs-old", "vs-new")
    assert new.version == version != old.version
    assert aws.reads("rotated") == 2


def test_a_version_stage_names_the_version_to_read(aws: MotoServer) -> None:
    aws.put("staged", "vs-old")
    aws.put("staged", "vs-new")
    assert AwsSecretsManagerProvider("staged").get_credential().secret.reveal() == "vs-new"
    previous = AwsSecretsManagerProvider("staged", version_stage="AWSPREVIOUS")
    assert previous.get_credential().secret.reveal() == "vs-old"


def test_a_version_id_names_a_version_that_need_not_be_current(aws: MotoServer) -> None:
    version = aws.put("pinned", "vs-old")
    aws.put("pinned", "vs-new")
    credential = AwsSecretsManagerProvider("pinned", version_id=version).get_credential()
    assert (credential.secret.reveal(), credential.version) == ("vs-old", version)


def test_a_session_or_a_client_of_the_users_is_used(moto: MotoServer) -> None:
    import boto3

    moto.put("handed-in", SECRET)
    session = boto3.Session(
        aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    provider = AwsSecretsManagerProvider(
        "handed-in", session=session, endpoint_url=moto.endpoint_url
    )
    assert provider.get_credential().secret.reveal() == SECRET
    client = session.client("secretsmanager", endpoint_url=moto.endpoint_url)
    with AwsSecretsManagerProvider("handed-in", client=client) as given:
        assert given.describe().detail == "region us-east-1"
        assert given.get_credential().secret.reveal() == SECRET
    assert client.get_secret_value(SecretId="handed-in")["SecretString"] == SECRET


@pytest.mark.parametrize("beside", ["region", "profile", "endpoint_url", "session"])
def test_what_a_client_would_not_use_is_refused_beside_it(moto: MotoServer, beside: str) -> None:
    import boto3

    moto.put("handed-in", SECRET)
    session = boto3.Session(
        aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    client = session.client("secretsmanager", endpoint_url=moto.endpoint_url)
    values: dict[str, Any] = {
        "region": "eu-central-1",
        "profile": "work",
        "endpoint_url": "https://example.com",
        "session": session,
    }
    given = AwsSecretsManagerProvider("handed-in", client=client, **{beside: values[beside]})
    with pytest.raises(CredentialConfigurationError, match=f"client= is given beside {beside}="):
        given.get_credential()
    same = AwsSecretsManagerProvider("handed-in", client=client, region="us-east-1")
    assert same.get_credential().secret.reveal() == SECRET


def test_a_session_of_another_profile_is_refused_beside_a_profile(moto: MotoServer) -> None:
    import boto3

    session = boto3.Session(
        aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    given = AwsSecretsManagerProvider("handed-in", session=session, profile="work")
    with pytest.raises(CredentialConfigurationError, match="session= is given beside profile="):
        given.get_credential()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_client_that_the_parent_has_used_is_refused_in_the_child_and_a_session_is_not(
    moto: MotoServer,
) -> None:
    import boto3

    moto.put("handed-in", SECRET)
    session = boto3.Session(
        aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    client = session.client("secretsmanager", endpoint_url=moto.endpoint_url)
    given = AwsSecretsManagerProvider("handed-in", client=client)
    unused = AwsSecretsManagerProvider("handed-in", client=client)
    of_session = AwsSecretsManagerProvider(
        "handed-in", session=session, endpoint_url=moto.endpoint_url
    )

    def in_the_child() -> bool:
        with pytest.raises(CredentialConfigurationError, match="session="):
            given.get_credential()
        return of_session.get_credential().secret.reveal() == SECRET

    assert succeeds_in_a_child(lambda: unused.get_credential().secret.reveal() == SECRET)
    assert given.get_credential().secret.reveal() == SECRET
    assert of_session.get_credential().secret.reveal() == SECRET
    assert succeeds_in_a_child(in_the_child)
    assert given.get_credential().secret.reveal() == SECRET


def test_the_stage_is_always_sent(fake: Any) -> None:
    fake.says(200, {"SecretString": SECRET, "VersionId": "1"})
    AwsSecretsManagerProvider("prod/vs").get_credential()
    assert fake.asked == [("GetSecretValue", {"SecretId": "prod/vs", "VersionStage": "AWSCURRENT"})]


@pytest.mark.parametrize("version", [{"of": [SECRET]}, [SECRET], 10**400, 1.5])
def test_a_version_that_is_no_name_is_not_shown(fake: Any, version: object) -> None:
    fake.says(200, {"SecretString": SECRET, "VersionId": version})
    credential = AwsSecretsManagerProvider("prod/vs").get_credential()
    assert credential.version is None
    assert SECRET not in str(credential)


def test_one_client_serves_all_threads_and_a_closed_provider_may_be_asked_again(
    aws: MotoServer,
) -> None:
    import boto3

    class Counting(boto3.Session):  # type: ignore[misc]
        made = 0

        def client(self, *args: Any, **kwargs: Any) -> Any:
            Counting.made += 1
            return super().client(*args, **kwargs)

    aws.put("shared", SECRET)
    provider = AwsSecretsManagerProvider("shared", session=Counting())
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(provider.get_credential().secret.reveal()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SECRET] * 8
    assert Counting.made == 1
    provider.close()
    assert provider.get_credential().secret.reveal() == SECRET
    assert Counting.made == 2


def test_a_client_of_aws_credentials_that_were_forgotten_meanwhile_is_not_kept(
    aws: MotoServer,
) -> None:
    """Observation to fail: another thread's denial forgot the session, and the client of it was
    kept all the same.
    """
    import boto3

    class Forgotten(boto3.Session):  # type: ignore[misc]
        made = 0

        def get_credentials(self) -> Any:
            if not Forgotten.made:
                provider._reader.forget()
            return super().get_credentials()

        def client(self, *args: Any, **kwargs: Any) -> Any:
            Forgotten.made += 1
            return super().client(*args, **kwargs)

    aws.put("forgotten", SECRET)
    provider = AwsSecretsManagerProvider("forgotten", session=Forgotten())
    for _ in range(3):
        assert provider.get_credential().secret.reveal() == SECRET
    assert Forgotten.made == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_while_the_client_is_being_made_does_not_block_the_child(aws: MotoServer) -> None:
    import boto3

    making, go_on, parent = threading.Event(), threading.Event(), os.getpid()

    class Slow(boto3.Session):  # type: ignore[misc]
        def client(self, *args: Any, **kwargs: Any) -> Any:
            if os.getpid() == parent:
                making.set()
                go_on.wait()
            return super().client(*args, **kwargs)

    aws.put("forked", SECRET)
    provider = AwsSecretsManagerProvider("forked", session=Slow())
    thread = threading.Thread(target=provider.get_credential)
    thread.start()
    assert making.wait(60)
    answers = succeeds_in_a_child(lambda: provider.get_credential().secret.reveal() == SECRET)
    go_on.set()
    thread.join()
    assert answers
