"""A key is put into Secrets Manager under a label of ours, and becomes current after a check."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.rotation.stage import aws, checks, key_in, planned, rotated

from vectorshift.providers.aws.errors import answered
from vectorshift.providers.aws.provider import reader_of
from vectorshift.rotation.flow import rotate
from vectorshift.rotation.target import RotationError

if TYPE_CHECKING:
    from tests.rotation.stage import Keys

    from vectorshift.testing import MotoServer


@pytest.fixture(autouse=True)
def _in_aws(monkeypatch: pytest.MonkeyPatch, moto: MotoServer) -> None:
    aws(monkeypatch, moto)


def labels(moto: MotoServer, path: str) -> dict[str, list[str]]:
    return dict(moto.call("DescribeSecret", SecretId=path)["VersionIdsToStages"])


def current(moto: MotoServer, path: str) -> str:
    answer = moto.call("GetSecretValue", SecretId=path, VersionStage="AWSCURRENT")
    return str(answer["SecretString"])


def test_a_whole_value_is_replaced_and_the_old_version_becomes_the_previous_one(
    moto: MotoServer, path: str, keys: Keys
) -> None:
    before = moto.put(path, keys.old)
    done = rotated(keys.settings(aws_secret_id=path), keys.new, "aws")
    assert done.version is not None
    assert labels(moto, path) == {before: ["AWSPREVIOUS"], done.version: ["AWSCURRENT"]}
    assert current(moto, path) == keys.new


def test_the_other_fields_of_json_stay_as_they_are_written(
    moto: MotoServer, path: str, keys: Keys
) -> None:
    text = '{ "n": 1.10,\n "deep": {"api_key": %s, "b": null}, "copy": %s }'
    moto.put(path, text % (json.dumps(keys.old), json.dumps(keys.old)))
    settings = keys.settings(aws_secret_id=path, aws_field="deep.api_key")
    rotated(settings, keys.new, "aws")
    assert current(moto, path) == text % (json.dumps(keys.new), json.dumps(keys.old))


def test_a_binary_value_stays_binary(moto: MotoServer, path: str, keys: Keys) -> None:
    moto.put(path, keys.old.encode())
    settings = keys.settings(aws_secret_id=path)
    plan = planned(settings, keys.new, "aws")
    plan.target.write(plan.key)
    answer = moto.call("GetSecretValue", SecretId=path, VersionStage="AWSCURRENT")
    assert "SecretBinary" in answer
    assert key_in(plan.target) == keys.new


def test_a_secret_that_somebody_else_changed_meanwhile_stays_theirs(
    moto: MotoServer, path: str, keys: Keys
) -> None:
    moto.put(path, keys.old)
    plan = planned(keys.settings(aws_secret_id=path), keys.new, "aws")
    theirs = moto.rotate(path, "vs-of-somebody-else")
    with pytest.raises(RotationError, match=f"somebody else made version {theirs} current"):
        plan.target.write(plan.key)
    assert current(moto, path) == "vs-of-somebody-else"


def test_a_rotation_of_somebody_else_that_is_under_way_is_refused(
    moto: MotoServer, path: str, keys: Keys
) -> None:
    moto.put(path, keys.old)
    pending = {"SecretString": "vs-pending", "VersionStages": ["AWSPENDING"]}
    moto.call("PutSecretValue", SecretId=path, **pending)
    with pytest.raises(RotationError, match="another rotation is running"):
        rotated(keys.settings(aws_secret_id=path), keys.new, "aws")
    assert current(moto, path) == keys.old


def test_a_secret_that_aws_rotates_by_itself_is_refused(
    moto: MotoServer, path: str, keys: Keys
) -> None:
    moto.put(path, keys.old)
    moto.call("RotateSecret", SecretId=path, RotationRules={"AutomaticallyAfterDays": 30})
    moto.put(path, keys.old)
    with pytest.raises(RotationError, match="AWS rotates this secret and would overwrite"):
        rotated(keys.settings(aws_secret_id=path), keys.new, "aws")


@pytest.mark.parametrize("pinned", [{"aws_version_stage": "blue"}, {"aws_version_id": "x" * 32}])
def test_a_pinned_version_is_refused(
    moto: MotoServer, path: str, keys: Keys, pinned: dict[str, str]
) -> None:
    version = moto.put(path, keys.old)
    if "aws_version_id" in pinned:
        pinned = {"aws_version_id": version}
    else:
        stages = {"VersionStages": ["AWSCURRENT", "blue"], "SecretString": keys.old}
        moto.call("PutSecretValue", SecretId=path, **stages)
    with pytest.raises(RotationError, match="a version is pinned"):
        rotated(keys.settings(aws_secret_id=path, **pinned), keys.new, "aws")


def test_undo_moves_current_back_and_forth(moto: MotoServer, path: str, keys: Keys) -> None:
    before = moto.put(path, keys.old)
    settings = keys.settings(aws_secret_id=path)
    with pytest.raises(RotationError, match="no version is AWSPREVIOUS"):
        rotated(settings, None, "aws")
    rotated(settings, keys.new, "aws")
    assert rotated(settings, None, "aws").version == before
    assert current(moto, path) == keys.old
    rotated(settings, None, "aws")
    assert current(moto, path) == keys.new


def test_a_move_that_was_repeated_as_its_answer_was_lost_has_succeeded(
    moto: MotoServer, path: str, keys: Keys
) -> None:
    before = moto.put(path, keys.old)
    settings = keys.settings(aws_secret_id=path)
    read = rotated(settings, keys.new, "aws").version
    plan = planned(settings, None, "aws")
    move = {"MoveToVersionId": before, "RemoveFromVersionId": read}
    moto.call("UpdateSecretVersionStage", SecretId=path, VersionStage="AWSCURRENT", **move)
    assert rotate(plan, checks(settings)).version == before


def test_a_missing_right_is_named(moto: MotoServer, path: str, keys: Keys) -> None:
    found = reader_of(keys.settings(aws_secret_id=path))
    assert found is not None
    error = answered(
        code="AccessDeniedException",
        text="not authorized",
        status=400,
        operation="PutSecretValue",
        place=replace(found[0].place, action="PutSecretValue"),
    )
    assert "AWS denied PutSecretValue" in error.message
    assert "Allow the action secretsmanager:PutSecretValue on arn:aws:" in error.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Access to KMS is not allowed", "kms:GenerateDataKey and kms:Decrypt on the KMS key"),
        (
            "User: arn:aws:iam::123456789012:user/x is not authorized to perform:"
            " kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:123456789012:key/k",
            "kms:GenerateDataKey on arn:aws:kms:us-east-1:123456789012:key/k",
        ),
    ],
)
def test_a_missing_right_to_the_kms_key_is_named(
    moto: MotoServer, path: str, keys: Keys, text: str, told: str
) -> None:
    found = reader_of(keys.settings(aws_secret_id=path))
    assert found is not None
    place = replace(found[0].place, action="PutSecretValue")
    error = answered(code="AccessDeniedException", text=text, status=400, place=place)
    assert "could not be encrypted" in error.message
    assert f"Allow the action {told}" in error.message


def test_a_write_that_is_refused_is_not_said_to_be_a_matter_of_the_settings(
    moto: MotoServer, path: str, keys: Keys
) -> None:
    found = reader_of(keys.settings(aws_secret_id=path))
    assert found is not None
    place = replace(found[0].place, action="PutSecretValue")
    error = answered(code="InvalidParameterException", text="", status=400, place=place)
    assert "AWS did not carry out PutSecretValue" in error.message
    assert "VECTORSHIFT_" not in error.message
