"""A session of our own: boto3's whole chain of AWS credentials, with waits that are shorter than a
caller's patience.

Importing this imports neither boto3 nor botocore; calling it does.
"""

from __future__ import annotations

import time
from typing import Any, Final

__all__ = ["new_session", "read_config"]

# The defaults of 60 s each outlast every caller's patience.
_READ: Final[dict[str, Any]] = {
    "connect_timeout": 2,
    "read_timeout": 3,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}
# For the inner clients of STS and SSO. One attempt: the next call of ours is the second one, and
# what hangs here is waited for before the read has even begun.
_LOGIN: Final[dict[str, Any]] = {
    "connect_timeout": 2,
    "read_timeout": 2,
    "retries": {"mode": "standard", "total_max_attempts": 1},
}


def read_config(*, direct: bool) -> Any:
    """Return the configuration of the Secrets Manager client.

    Args:
        direct: no proxy of the environment is to see the requests.
    """
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

    return Config(**_READ, **({"proxies": {}} if direct else {}))


def new_session(*, profile: str | None, region: str | None) -> Any:
    """Return a `boto3.Session`. Raises what botocore raises for a profile that there is not.

    botocore's own waits for a machine's metadata service are kept: one second a request, two
    requests. `AWS_METADATA_SERVICE_TIMEOUT` and `AWS_METADATA_SERVICE_NUM_ATTEMPTS` change them.
    """
    import boto3  # pyright: ignore[reportMissingTypeStubs]
    import botocore.session  # pyright: ignore[reportMissingTypeStubs]
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

    own: Any = botocore.session.Session()
    own.set_default_client_config(
        Config(**_LOGIN)
    )  # a web identity's STS client ignores the config of ours
    session: Any = boto3.Session(botocore_session=own, profile_name=profile, region_name=region)
    _shorten_container_waits(own.get_component("credential_provider"))
    return session


def _shorten_container_waits(resolver: Any) -> None:
    """Let the credentials endpoint of ECS and EKS cost at most 2.2 s; botocore's own waits for it
    add up to 9 s.
    """
    from botocore.credentials import ContainerProvider  # pyright: ignore[reportMissingTypeStubs]
    from botocore.httpsession import URLLib3Session  # pyright: ignore[reportMissingTypeStubs]
    from botocore.utils import ContainerMetadataFetcher  # pyright: ignore[reportMissingTypeStubs]

    class ShortContainerFetcher(ContainerMetadataFetcher):  # type: ignore[misc]
        RETRY_ATTEMPTS = 2

    def short_sleep(_: float) -> None:
        time.sleep(0.1)

    for each in resolver.providers:
        if isinstance(each, ContainerProvider):
            # In place: a profile's `credential_source` refers to this very one.
            fetcher = ShortContainerFetcher(session=URLLib3Session(timeout=1), sleep=short_sleep)
            each._fetcher = fetcher  # pyright: ignore[reportPrivateUsage]
