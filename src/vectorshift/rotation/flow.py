"""The steps of a rotation: find the target, check the new key, write it, read it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vectorshift._platform.misspelt import did_you_mean
from vectorshift.chain.chain import ProviderChain
from vectorshift.credentials.values import Credential, Secret
from vectorshift.errors import (
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
    VectorshiftError,
)
from vectorshift.rotation.files import DotenvTarget, KeyFileTarget
from vectorshift.rotation.parameters import ParameterTarget
from vectorshift.rotation.profile import ProfileTarget
from vectorshift.rotation.secrets_manager import SecretTarget
from vectorshift.rotation.target import RotationError, RotationTarget
from vectorshift.rotation.vault import VaultTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectorshift.rotation.checks import Checks
    from vectorshift.settings import Settings

__all__ = ["SOURCES", "Options", "Plan", "Rotated", "look", "prepare", "rotate", "target_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a rotation.

    Args:
        source: one of `SOURCES`, or None for the source in force.
        expires_at: when the new key expires, `never`, or None.
        check_and_set: False allows a store without check-and-set.
        unverified: accept a key that may be of another organisation.
    """

    source: str | None = None
    expires_at: str | None = None
    check_and_set: bool = True
    unverified: bool = False


SOURCES: Final[dict[str, Callable[[Settings, Options], RotationTarget]]] = {
    "vault": lambda settings, options: VaultTarget(
        settings, expires_at=options.expires_at, check_and_set=options.check_and_set
    ),
    "aws": lambda settings, _: SecretTarget(settings),
    "parameter": lambda settings, _: ParameterTarget(settings),
    "file": lambda settings, _: KeyFileTarget(settings),
    "dotenv": lambda settings, _: DotenvTarget(settings),
    "login": lambda settings, _: ProfileTarget(settings),
}
"""Makers of the targets, by the name of the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A rotation that was checked, but not yet carried out.

    Args:
        target: the target. old: the key that is there.
        key: the key to write.
        previous: the previous version, if the key is from there.
        verdict: a sentence that compares what both keys see.
    """

    target: RotationTarget
    old: Credential
    key: Secret
    previous: Credential | None
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A rotation that was carried out.

    Args:
        version: the version that holds the new key, if the store has versions.
        chain: what a call would use now.
        wait: what to wait for before revoking the old key.
    """

    version: str | None
    chain: str
    wait: str


def look(settings: Settings, options: Options) -> tuple[RotationTarget, Credential]:
    """Return the target, and the key that it holds now. Raise if it must not be written to."""
    target = target_of(settings, options)
    old = target.read()
    target.check()
    return target, old


def target_of(settings: Settings, options: Options) -> RotationTarget:
    """Return the target that the options name, else the source of the key that a call would use.

    Raises:
        RotationError: the source is not set up, or cannot be written to.
        CredentialError: no source is named, and no key is available.
    """
    name = options.source
    if name is None:
        name = _source_of(_winner(settings))
    if name not in SOURCES:
        meant = did_you_mean(name, SOURCES) or f" There are: {', '.join(SOURCES)}."
        raise RotationError(f"There is no source {name!r}.{meant}")
    if options.expires_at is not None and name != "vault":
        raise RotationError("--expires-at works with Vault KV version 2 only. Leave it out.")
    return SOURCES[name](settings, options)


def _winner(settings: Settings) -> Credential:
    """Return the key that a call would use now. A new chain has no cache."""
    with ProviderChain.from_settings(settings) as chain:
        return chain.get_credential()


def _source_of(winner: Credential) -> str:
    """Return the name of the source of a key that the chain found."""
    scheme = winner.source.partition(":")[0]
    name = {"ssm": "parameter"}.get(scheme, scheme)
    if name in SOURCES:
        return name
    raise RotationError(
        f"The key comes from {winner.source}, which a command cannot change. Change it where it is"
        f" set, or name another source with --source: {', '.join(SOURCES)}."
    )


def prepare(
    target: RotationTarget, old: Credential, new: Secret | None, checks: Checks, options: Options
) -> Plan:
    """Check the new key, or that of the previous version if `new` is None.

    Raises:
        RotationError: the key must not be written.
    """
    previous = None
    if new is None:
        previous = target.previous()
        new = previous.secret
        if new == old.secret:
            raise RotationError(
                f"The version before holds {new} too, so there is no other key to go back to."
            )
    verdict = checks.compare(old.secret, new, unverified=options.unverified)
    return Plan(target=target, old=old, key=new, previous=previous, verdict=verdict)


def rotate(plan: Plan, checks: Checks) -> Rotated:
    """Write the new key, read it back, and make a call with it.

    Raises:
        RotationError: the key was not written, or another key is there now.
        VectorshiftError: the key was written, but a later step failed: the message says so.
    """
    target, key = plan.target, plan.key
    doubt: CredentialStoreUnavailableError | None = None
    version: str | None = None
    try:
        previous = plan.previous
        version = target.write(key) if previous is None else target.restore(previous)
    except CredentialStoreUnavailableError as error:
        doubt = error
    try:
        found = target.read()
    except CredentialError as error:
        known = (
            "The new key was written but cannot be read back."
            if doubt is None
            else "The new key may or may not have been written."
        )
        raise type(error)(
            f"{error.message} {known}",
            source=target.source,
            provider=error.provider,
        ) from None
    if found.secret == plan.old.secret and doubt is not None:
        raise RotationError(f"{doubt.message} The old key is still there. Run this again.")
    if found.secret != key:
        raise RotationError(
            f"{target.source} gives {found.fingerprint} after the write, not the new key. Either "
            "somebody else wrote after it, or a cache in front of the store answers. Look at "
            "what is there."
        )
    try:
        checks.make_one_call(found.secret)
    except VectorshiftError as error:
        error.message += f" {target.source} holds the new key, {key}, nevertheless."
        raise
    return Rotated(
        version=version or found.version,
        chain=_chain_now(plan, checks.settings),
        wait=_wait(plan, checks.settings),
    )


def _chain_now(plan: Plan, settings: Settings) -> str:
    """Return a sentence: which key a call would use now, and why not the new one."""
    try:
        winner = _winner(settings)
    except CredentialNotFoundError:
        return "With the current settings, a call finds no key."
    except CredentialError as error:
        return f"With the current settings, a call gets no key: {error.message}"
    if winner.secret == plan.key:
        return f"A call uses the new key, from {winner.source}."
    if winner.source == plan.target.source:
        return (
            f"A call still uses {winner.fingerprint}: an agent or a proxy between this machine and"
            " the store answers from its cache until that ends."
        )
    return f"A call uses {winner}, which comes before {plan.target.source}."


def _wait(plan: Plan, settings: Settings) -> str:
    when = (
        "Running processes read it within a second."
        if plan.target.name in ("file", "dotenv")
        else f"Running processes read it within {settings.cache_ttl:g} s, or at the first call that"
        " the API refuses."
    )
    old = plan.old.fingerprint
    return (
        f"{when} Before you revoke {old}, see that no process uses it, by the metric"
        f" vectorshift.credential.in_use: vectorshift auth in-use '{old}' http://HOST:9464/metrics"
    )
