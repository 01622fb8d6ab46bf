"""Check the name or the ARN of a secret without contact.

AWS answers *not found* to most of the wrong ones, and a chain would move on to another source.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["flaw_of", "partition_of"]

_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@!-]{1,512}")
_NO_NAME: Final = re.compile(r"""["'`{}<>$\r\n]""")
_NO_REGION: Final = re.compile(r"[A-Z\s]|-\d[a-z]$")
_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d{1,2}")
_PARTITIONS: Final = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
}
_FORM: Final = "arn:aws:secretsmanager:<region>:<account>:secret:<name>"
_OTHERS: Final = {
    "ssm": "a parameter of Systems Manager",
    "kms": "a KMS key",
    "iam": "a role or a user",
    "s3": "an S3 object",
    "lambda": "a Lambda function",
    "rds": "a database",
}
_BEHIND: Final = ("FIELD", "VERSION_STAGE", "VERSION_ID")


def flaw_of(secret_id: str, *, region: str | None, region_from: str) -> str | None:
    """Return why no secret can have this name or ARN, and what to do; None if one can.

    Args:
        secret_id: the name or the ARN.
        region: the region that was set, or None.
        region_from: what set it, for the message.
    """
    if region and _NO_REGION.search(region):
        return (
            f"{region_from} is {region}, which is no region. Write a region as AWS does, such as"
            " eu-central-1, in lower case and without the letter of a zone."
        )
    if secret_id.startswith("arn:"):
        return _flaw_of_arn(secret_id.split(":"), region, region_from)
    if _NO_NAME.search(secret_id):
        return (
            "the secret id is in quotation marks, or a reference that was not resolved. Set"
            " VECTORSHIFT_AWS_SECRET_ID to the name or the ARN alone."
        )
    if "://" in secret_id:
        return "the secret id is a URL. Set VECTORSHIFT_AWS_SECRET_ID to the secret's name or ARN."
    if secret_id.startswith("/aws/reference/secretsmanager/"):
        return (
            "the secret id is a reference of Parameter Store. Set VECTORSHIFT_AWS_SECRET_ID to what"
            " follows /aws/reference/secretsmanager/."
        )
    if ":" in secret_id:
        return (
            "the secret id is no ARN, and a name has no colon. Set VECTORSHIFT_AWS_SECRET_ID to the"
            " name alone, and VECTORSHIFT_AWS_FIELD to the field, if it has one."
        )
    return None


def partition_of(region: str) -> str:
    """Return the AWS partition of a region."""
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")


def _flaw_of_arn(parts: list[str], region: str | None, region_from: str) -> str | None:
    if len(parts) < 6:
        return _malformed("it has too few parts")
    _, partition, service, in_arn, account, kind = parts[:6]
    if service != "secretsmanager":
        what = _OTHERS.get(service, "something else")
        return f"the secret id is the ARN of {what}, and not of a secret. {_SET_ARN}"
    if kind != "secret" or len(parts) < 7:
        return _malformed("it does not go on with secret: and a name")
    if not _NAME.fullmatch(parts[6]):
        return _malformed("its name is missing, or has a character that no name has")
    if not re.fullmatch(r"\d{12}", account):
        return _malformed("its account is not 12 digits")
    if not _REGION.fullmatch(in_arn):
        return _malformed("its region is not one")
    here = partition_of(in_arn)
    if partition != here and partition in ("aws", *_PARTITIONS.values()):
        return _malformed(f"region {in_arn} is of partition {here}, and it says {partition}")
    if not re.fullmatch(r"aws(-[a-z]+)*", partition):
        return _malformed("its partition is not one")
    if len(parts) > 7:
        return _as_ecs_writes_it(parts)
    if region and region != in_arn:
        return (
            f"the secret's ARN is of region {in_arn}, and {region_from} is {region}. Leave the"
            " region out, or give the ARN of the replica that is there."
        )
    return None


def _as_ecs_writes_it(parts: list[str]) -> str:
    """Take apart `<arn>:<field>:<stage>:<version>`."""
    settings = [
        f"VECTORSHIFT_AWS_{name} to {value if _NAME.fullmatch(value) else 'the one that is meant'}"
        for name, value in zip(_BEHIND, parts[7:], strict=False)
        if value
    ]
    arn = ":".join(parts[:7])
    also = f", {', '.join(settings)}" if settings else ""
    return (
        "the secret's ARN goes on behind its name, as in a task definition of ECS. Set"
        f" VECTORSHIFT_AWS_SECRET_ID to {arn}{also}."
    )


def _malformed(why: str) -> str:
    return f"the secret id is a malformed ARN: {why}. {_SET_ARN}"


_SET_ARN: Final = f"Set VECTORSHIFT_AWS_SECRET_ID to the secret's name or ARN, as in {_FORM}."
