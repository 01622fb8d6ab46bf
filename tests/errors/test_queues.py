"""Errors and the module on their way to another process: task queues, cloudpickle, joblib."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import sys
from typing import TYPE_CHECKING, Any

import celery
import cloudpickle
import pydantic
import pytest
from tests.interpreter import output

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    Attempt,
    AuthenticationError,
    AwsSecretsManagerProvider,
    CachingProvider,
    CredentialAuth,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
    DotenvProvider,
    EnvProvider,
    ExplicitProvider,
    LoginProvider,
    MissingCredentialError,
    PipelineRunFailedError,
    PollTimeoutError,
    ProviderChain,
    RateLimitError,
    VaultProvider,
    VectorShift,
    errors,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = "vs-Xq7fL0nevertobeseen"
ANSWER = (429, "POST", "/pipelines/run", '{"error": "slow down"}', {"Retry-After": "7"}, "A note.")
ATTEMPT = Attempt(
    provider="env", source="env:X", outcome="not found", reason="X is not set.", seconds=0.1
)
NAMES = {name: getattr(errors, name) for name in errors.__all__ if name.endswith("Error")}
CLASSES = {each.__name__: each for each in NAMES.values()}
SPECIAL: dict[str, BaseException] = {
    "AuthenticationError": AuthenticationError(
        401, *ANSWER[1:], 3, source="vault:x", fingerprint="#1a2b3c4d"
    ),
    "PipelineRunFailedError": PipelineRunFailedError("t-1", "no", answer=RateLimitError(*ANSWER)),
    "PollTimeoutError": PollTimeoutError("t-1", 2.5),
    "MissingCredentialError": MissingCredentialError("No key.", attempts=(ATTEMPT,)),
    "CredentialNotFoundError": CredentialNotFoundError("Gone.", source="x", had_key=True),
    "CredentialStoreUnavailableError": CredentialStoreUnavailableError("Down.", retry_after="7"),
}


def example(cls: Any) -> BaseException:
    """Return an error of this class with every attribute set."""
    if cls.__name__ in SPECIAL:
        return SPECIAL[cls.__name__]
    if issubclass(cls, errors.VectorshiftApiError):
        error: BaseException = cls(*ANSWER, tries=3)
    elif issubclass(cls, errors.ApiConnectionError):
        error = cls("Broken.", request_info={"method": "GET"}, may_have_run=False, tries=3)
    elif issubclass(cls, errors.CredentialError):
        error = cls("Wrong.", source="vault:x", provider="vault")
    else:
        error = cls("Wrong.")
    return error


EXAMPLES = [example(cls) for cls in CLASSES.values()] + [PipelineRunFailedError("t-1", "no")]
EACH = pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)


def same(error: BaseException, other: object) -> bool:
    return (
        type(other) is type(error)
        and str(other) == str(error)
        and vars(other) == vars(error)
        and other.args == error.args
    )


@EACH
def test_an_error_survives_what_keeps_its_class_and_the_json_of_its_args(
    error: BaseException,
) -> None:
    assert same(error, type(error)(*json.loads(json.dumps(error.args))))


@EACH
@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_an_error_of_a_task_reaches_who_asks_for_its_result(
    error: BaseException, serializer: str, tmp_path: Path
) -> None:
    app = celery.Celery("tasks", broker="memory://", backend=tmp_path.as_uri())
    app.conf.update(result_serializer=serializer, result_accept_content=[serializer])
    app.backend.store_result("1", error, "FAILURE")
    with pytest.raises(type(error)) as caught:
        app.AsyncResult("1").get()
    assert same(error, caught.value)


def test_an_error_class_of_an_author_goes_on_as_its_message() -> None:
    class Mine(errors.CredentialDeniedError):
        def __init__(self, place: str) -> None:
            super().__init__(f"{place} refused.", source=place)

    assert Mine("shelf").args == ("shelf refused.",)
    assert same(Mine("shelf"), copy.copy(Mine("shelf")))


def test_the_repr_of_an_error_is_short() -> None:
    error = RateLimitError(429, "GET", "/x", "x" * 100_000, {"a": "b" * 100_000})
    assert len(repr(error)) < 3_000


# --- The module, and functions that mention it ---


@pytest.mark.parametrize(
    "take",
    [
        copy.copy,
        copy.deepcopy,
        lambda it: pickle.loads(pickle.dumps(it)),
        lambda it: pickle.loads(cloudpickle.dumps(it)),
    ],
    ids=["copy", "deepcopy", "pickle", "cloudpickle"],
)
def test_the_module_is_copied_by_its_name(take: Callable[[object], object]) -> None:
    assert take(vectorshift) is vectorshift


def test_a_function_that_mentions_the_module_runs_in_another_process() -> None:
    code = """
import os, sys
import joblib, vectorshift
def task(n):
    return os.getpid(), vectorshift.get_credential().secret.reveal()
done = joblib.Parallel(n_jobs=2)(joblib.delayed(task)(n) for n in range(2))
assert all(key == "vs-k" and pid != os.getpid() for pid, key in done), done
"""
    output(sys.executable, "-c", code, env={"VECTORSHIFT_API_KEY": "vs-k", "PATH": ""})


# --- Clients and providers ---

STAYS: dict[str, Callable[[], Any]] = {
    "VectorShift": lambda: VectorShift(KEY),
    "AsyncVectorShift": lambda: AsyncVectorShift(KEY),
    "CredentialAuth": lambda: CredentialAuth(KEY, origin="https://api.example.test"),
    "ProviderChain": lambda: ProviderChain([ExplicitProvider(KEY)]),
    "CachingProvider": lambda: CachingProvider(EnvProvider()),
    "DotenvProvider": DotenvProvider,
    "LoginProvider": LoginProvider,
    "VaultProvider": lambda: VaultProvider("x", addr="http://127.0.0.1:9", token=KEY),
    "AwsSecretsManagerProvider": lambda: AwsSecretsManagerProvider("x", region="us-east-1"),
    "using": lambda: vectorshift.using(KEY),
}


@pytest.mark.parametrize("made", STAYS.values(), ids=STAYS)
def test_what_holds_locks_is_shared_by_copies_and_says_why_it_is_not_pickled(
    made: Callable[[], Any],
) -> None:
    @dataclasses.dataclass
    class Node:
        held: Any

    class State(pydantic.BaseModel):
        held: Any

    it = made()
    assert copy.deepcopy(it) is it
    assert dataclasses.asdict(Node(it))["held"] is it
    assert State(held=it).model_copy(deep=True).held is it
    assert type(copy.copy(it)) is type(it)
    for pickled in (pickle.dumps, cloudpickle.dumps):
        with pytest.raises(TypeError, match=f"{type(it).__name__} cannot be pickled") as caught:
            pickled(it)
        assert KEY not in str(caught.value)


def test_a_provider_without_a_lock_goes_along_and_leaves_the_key_behind() -> None:
    assert pickle.loads(pickle.dumps(EnvProvider("TEAM_KEY"))).variable == "TEAM_KEY"
    assert KEY.encode() not in pickle.dumps(ExplicitProvider(KEY))
