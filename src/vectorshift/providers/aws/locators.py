"""AWS's two stores. Their names and ARNs are checked without contact.

AWS answers *not found* to most malformed ones, and a chain would then ask another source.
"""

import re
from typing import Final, NamedTuple

__all__ = [
    "PARAMETERS",
    "PAUSES",
    "SECRETS",
    "Store",
    "flaw_of",
    "flaw_of_region",
    "partition_of",
    "printable",
    "region_in",
]

PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between attempts on loopback or a link-local address: a service there may start later
than the process."""


_NAME: Final = "[A-Za-z0-9/_+=.@!-]+"
_WORD: Final = "[A-Za-z0-9_.-]+"
_ARN: Final = r"arn:aws(?:-[a-z]+)*:{service}:[a-z]+(?:-[a-z]+)+-\d+:\d{{12}}"


class Store(NamedTuple):
    """A store: its names in requests, settings and messages.

    Args:
        title: its name.
        thing: one entry of it.
        setting: the setting that names the entry.
        service: its name in boto3 and in ARNs.
        action: the action that reads the entry.
        method: the method of boto3's client that reads it.
        endpoint: botocore's variable for its endpoint.
        form: the form of an ARN.
        arn: a pattern for the beginning of an ARN.
        name: a pattern for a name.
        spelling: the rule for names, for messages.
    """

    title: str
    thing: str
    setting: str
    service: str
    action: str
    method: str
    endpoint: str
    form: str
    arn: str
    name: str
    spelling: str


SECRETS: Final = Store(
    title="AWS Secrets Manager",
    thing="secret",
    setting="VECTORSHIFT_AWS_SECRET_ID",
    service="secretsmanager",
    action="GetSecretValue",
    method="get_secret_value",
    endpoint="AWS_ENDPOINT_URL_SECRETS_MANAGER",
    form="arn:aws:secretsmanager:<region>:<account>:secret:<name>",
    arn=rf"{_ARN}:secret:{_NAME}(:|$)".format(service="secretsmanager"),
    name=_NAME,
    spelling="a name has letters, digits and /_+=.@!- alone",
)
PARAMETERS: Final = Store(
    title="AWS Parameter Store",
    thing="parameter",
    setting="VECTORSHIFT_AWS_PARAMETER",
    service="ssm",
    action="GetParameter",
    method="get_parameter",
    endpoint="AWS_ENDPOINT_URL_SSM",
    form="arn:aws:ssm:<region>:<account>:parameter/<name>",
    arn=rf"{_ARN}:parameter/{_NAME}(:|$)".format(service="ssm"),
    name=rf"({_WORD}|(/{_WORD})+)(:{_WORD})?",
    spelling=(
        "a name is a word of letters, digits and _.-, or a path of such words, each after a slash."
        " A colon and a version or label may follow"
    ),
)

_NO_NAME: Final = "\"'`{}<>$%\r\n"
_NO_REGION: Final = r"[^a-z0-9-]|-\d[a-z]$"
_PARTITIONS: Final = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
}
_OTHERS: Final = {
    "ssm": "a parameter of Systems Manager",
    "secretsmanager": "a secret of Secrets Manager",
    "kms": "a KMS key",
    "iam": "a role or a user",
    "s3": "an S3 object",
    "lambda": "a Lambda function",
    "rds": "a database",
}
_BEHIND: Final = ("FIELD", "VERSION_STAGE", "VERSION_ID")
_REFERENCE: Final = "/aws/reference/secretsmanager/"


def region_in(locator: str) -> str | None:
    """Return the region that an ARN names, or None for a name."""
    parts = locator.split(":")
    return parts[3] if locator.startswith("arn:") and len(parts) > 5 else None


def partition_of(region: str) -> str:
    """Return the AWS partition of a region."""
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")


def flaw_of(locator: str, store: Store, *, region: str | None, region_from: str) -> str | None:
    """Return why this cannot be a name or an ARN, and what to do; None if it can.

    Args:
        locator: the name or the ARN.
        store: the store to ask.
        region: the region that was set, or None.
        region_from: the setting of the region, for the message.
    """
    if region and (flaw := flaw_of_region(region, region_from)):
        return flaw
    if locator.startswith("arn:"):
        return _flaw_of_arn(locator.split(":"), store, region, region_from)
    if any(each in locator for each in _NO_NAME):
        return (
            f"the {store.thing} id is in quotation marks or an unresolved reference. Set "
            f"{store.setting} to the name or the ARN alone."
        )
    if "://" in locator:
        return (
            f"the {store.thing} id is a URL. Set {store.setting} to the {store.thing}'s name or"
            " ARN."
        )
    if locator.startswith(_REFERENCE):
        return (
            "the name is a reference of Parameter Store to a secret. Set VECTORSHIFT_AWS_SECRET_ID"
            f" to what follows {_REFERENCE}."
        )
    if store is SECRETS and (mark := re.search("[:#]", locator)):
        called = "colon" if mark[0] == ":" else mark[0]
        return (
            f"the secret id is not an ARN, and a name has no {called}. Set"
            " VECTORSHIFT_AWS_SECRET_ID to the name alone, and VECTORSHIFT_AWS_FIELD to the field,"
            " if any."
        )
    if not re.fullmatch(store.name, locator):
        return (
            f"the {store.thing}'s name cannot be right: {store.spelling}. Correct {store.setting}."
        )
    return None


def flaw_of_region(region: str, region_from: str) -> str | None:
    """Return why a text is not a region, and what to do; None if it may be one."""
    if not re.search(_NO_REGION, region):
        return None
    return (
        f"{region_from} is {printable(region)}, which is not a region. Write it in lower case,"
        " without spaces and without the letter of a zone, such as eu-central-1."
    )


def _flaw_of_arn(
    parts: list[str], store: Store, region: str | None, region_from: str
) -> str | None:
    set_it = f"Set {store.setting} to the {store.thing}'s name or ARN, as in {store.form}."
    if len(parts) > 2 and parts[2] != store.service:
        what = _OTHERS.get(parts[2], "something else")
        other = PARAMETERS if store is SECRETS else SECRETS
        if parts[2] == other.service:
            set_it = f"Set {other.setting} to it, and unset {store.setting}."
        return f"the {store.thing} id is the ARN of {what}, and not of a {store.thing}. {set_it}"
    if not re.match(store.arn, ":".join(parts)):
        return f"the {store.thing} id is a malformed ARN. {set_it}"
    partition, of_region = parts[1], partition_of(parts[3])
    if partition != of_region and partition in ("aws", *_PARTITIONS.values()):
        return (
            f"the {store.thing} id is a malformed ARN: region {parts[3]} is of partition"
            f" {of_region}, and it says {partition}. {set_it}"
        )
    if store is SECRETS and len(parts) > 7:
        return _as_ecs_writes_it(parts)
    if region and region != parts[3]:
        return (
            f"the {store.thing}'s ARN is of region {parts[3]}, and {region_from} is {region}. "
            "Leave the region out, or give the ARN of the replica there."
        )
    return None


def _as_ecs_writes_it(parts: list[str]) -> str:
    """Return the flaw of `<arn>:<field>:<stage>:<version>`, with the settings to use instead."""
    settings = [
        f"VECTORSHIFT_AWS_{name} to {_plain(value)}"
        for name, value in zip(_BEHIND, parts[7:], strict=False)
        if value
    ]
    arn = ":".join(parts[:7])
    also = f", {', '.join(settings)}" if settings else ""
    return (
        "the secret's ARN has a suffix after its name, as in an ECS task definition. Set "
        f"VECTORSHIFT_AWS_SECRET_ID to {arn}{also}."
    )


def _plain(value: str) -> str:
    return value if re.fullmatch(_NAME, value) else "the right one"


def printable(text: str) -> str:
    """Return another program's text for a message: short, on one line, without possible keys."""
    plain = re.sub(r"[^ -~]+", " ", text)
    return re.sub(_LONG, _withheld, plain, flags=re.ASCII)[:400].strip().rstrip(".")


# An AWS secret access key has 40 characters, and may have slashes. So may a path, but it begins
# with one. `_withheld` checks the rest: a look-ahead would start again at each character.
_LONG: Final = r"arn:[\w:/+=,.@-]+|(?<![\w+=%/])[\w+=%][\w+=%/]{39,}|[\w+=%]{32,}"


def _withheld(found: re.Match[str]) -> str:
    text = found[0]
    kinds = ("[0-9]", "[a-z]", "[A-Z]") if "/" in text else ("[0-9]",)
    is_random = not text.startswith("arn:") and all(re.search(kind, text) for kind in kinds)
    return "(withheld)" if is_random else text
