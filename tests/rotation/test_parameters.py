"""A key is written to Parameter Store, with the type and the KMS key that it had."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults import FaultServer, answer
from tests.rotation.stage import aws, planned, rotated

from vectorshift.rotation.target import RotationError

if TYPE_CHECKING:
    from tests.rotation.stage import Keys

    from vectorshift.testing import MotoServer


@pytest.fixture(autouse=True)
def _in_aws(monkeypatch: pytest.MonkeyPatch, moto: MotoServer) -> None:
    aws(monkeypatch, moto)


@pytest.fixture
def name() -> str:
    return f"/rotation/{uuid.uuid4().hex}"


def put(moto: MotoServer, name: str, value: str, **fields: Any) -> None:
    given = {"Name": name, "Value": value, "Type": "SecureString", "Overwrite": True, **fields}
    moto.call("PutParameter", "ssm", **given)


def told(moto: MotoServer, name: str) -> dict[str, Any]:
    filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    return dict(moto.call("DescribeParameters", "ssm", ParameterFilters=filters)["Parameters"][0])


def value(moto: MotoServer, name: str) -> str:
    answer = moto.call("GetParameter", "ssm", Name=name, WithDecryption=True)
    return str(answer["Parameter"]["Value"])


def test_a_new_version_keeps_type_key_tier_and_description(
    moto: MotoServer, name: str, keys: Keys
) -> None:
    kept = {"KeyId": "alias/ours", "Tier": "Advanced", "Description": "of the web team"}
    put(moto, name, keys.old, **kept)
    done = rotated(keys.settings(aws_parameter=name), keys.new, "parameter")
    assert done.version == "2"
    assert value(moto, name) == keys.new
    found = told(moto, name)
    assert {each: found[each] for each in kept} == kept
    assert found["Type"] == "SecureString"


def test_a_field_of_json_is_replaced_alone(moto: MotoServer, name: str, keys: Keys) -> None:
    put(moto, name, f'{{"api_key":"{keys.old}","n":007.0}}'.replace("007.0", "7.0"))
    rotated(keys.settings(aws_parameter=name, aws_field="api_key"), keys.new, "parameter")
    assert value(moto, name) == f'{{"api_key":"{keys.new}","n":7.0}}'


def test_it_says_that_there_is_no_check_and_set(moto: MotoServer, name: str, keys: Keys) -> None:
    put(moto, name, keys.old)
    plan = planned(keys.settings(aws_parameter=name), keys.new, "parameter")
    assert "has no check-and-set" in plan.target.notes[0]


def test_a_version_that_somebody_else_wrote_meanwhile_is_not_overwritten(
    moto: MotoServer, name: str, keys: Keys
) -> None:
    put(moto, name, keys.old)
    plan = planned(keys.settings(aws_parameter=name), keys.new, "parameter")
    put(moto, name, "vs-of-somebody-else")
    with pytest.raises(RotationError, match="somebody else wrote version 2 after 1"):
        plan.target.write(plan.key)
    assert value(moto, name) == "vs-of-somebody-else"


def test_a_pinned_version_is_refused(moto: MotoServer, name: str, keys: Keys) -> None:
    put(moto, name, keys.old)
    with pytest.raises(RotationError, match="ends in :1, which pins"):
        rotated(keys.settings(aws_parameter=f"{name}:1"), keys.new, "parameter")


def test_there_is_no_undo(moto: MotoServer, name: str, keys: Keys) -> None:
    put(moto, name, keys.old)
    with pytest.raises(RotationError, match="there is no --undo"):
        rotated(keys.settings(aws_parameter=name), None, "parameter")


def test_an_arn_is_described_by_its_name(moto: MotoServer, name: str, keys: Keys) -> None:
    put(moto, name, keys.old)
    arn = f"arn:aws:ssm:us-east-1:123456789012:parameter{name}"
    rotated(keys.settings(aws_parameter=arn), keys.new, "parameter")
    assert value(moto, name) == keys.new


def test_the_policies_are_kept_as_they_are(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    """moto shows policies in a form of its own."""
    policies = [f'{{"Type":"{each}","Version":"1.0"}}' for each in ("Expiration", "NoChange")]
    texts = [{"PolicyText": each, "PolicyStatus": "Pending"} for each in policies]
    parameter = {"Name": "/app", "Version": 1, "Value": keys.old, "Type": "String"}
    found, described = {"Parameter": parameter}, {"Name": "/app", "Policies": texts}
    first = {"Parameters": [], "NextToken": "more"}  # AWS may send empty pages
    answers = [found, first, {"Parameters": [described]}, found, {"Version": 2}]
    with FaultServer(*(answer(200, json.dumps(each).encode()) for each in answers)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", server.origin)
        plan = planned(keys.settings(aws_parameter="/app"), keys.new, "parameter")
        assert plan.target.write(plan.key) == "2"
        plan.target.close()
    assert json.loads(server.received[-1].body)["Policies"] == f"[{','.join(policies)}]"
