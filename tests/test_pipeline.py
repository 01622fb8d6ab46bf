"""`Pipeline.list` and `Pipeline.alist` against the stand-in API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from vectorshift import AsyncVectorShift, Pipeline, VectorShift
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

pytestmark = pytest.mark.anyio


@pytest.fixture
def api() -> Iterator[FakeVectorShift]:
    with FakeVectorShift() as running:
        yield running


@pytest.fixture(params=["list", "alist"])
def listing(request: pytest.FixtureRequest, api: FakeVectorShift) -> Callable[..., Awaitable[dict[str, Any]]]:
    """List with either colour, as `acme`."""
    key = api.create_key(org="acme")

    async def call(**given: Any) -> dict[str, Any]:
        if request.param == "list":
            with VectorShift(key, base_url=api.base_url) as client:
                return Pipeline.list(client=client, **given)
        async with AsyncVectorShift(key, base_url=api.base_url) as aclient:
            return await Pipeline.alist(client=aclient, **given)

    return call


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {}),
        ({"include_shared": True, "verbose": True}, {"include_shared": "true", "verbose": "true"}),
        ({"folder_id": None, "offset": None, "limit": None}, {}),
        ({"folder_id": "f/1 &", "offset": 0, "limit": 5}, {"folder_id": "f/1 &", "offset": "0", "limit": "5"}),
    ],
    ids=["defaults", "booleans", "none is left out", "values"],
)
async def test_parameters_are_sent_as_the_api_reads_them(
    api: FakeVectorShift,
    listing: Callable[..., Awaitable[dict[str, Any]]],
    given: dict[str, Any],
    sent: dict[str, str],
) -> None:
    await listing(**given)
    (request,) = api.requests
    assert (request.method, request.path) == ("GET", "/v1/pipelines")
    assert dict(request.query) == {"include_shared": "false", "verbose": "false", **sent}


async def test_it_lists_the_pipelines_of_the_organisation_of_the_key(
    api: FakeVectorShift, listing: Callable[..., Awaitable[dict[str, Any]]]
) -> None:
    shared = api.add_pipeline("globex", "theirs", shared_with=["acme"])
    api.add_pipeline("globex", "hidden")
    plain = await listing()
    assert plain["status"] == "success"
    assert len(plain["object_ids"]) == 2
    assert "objects" not in plain
    whole = await listing(include_shared=True, verbose=True)
    assert [each["name"] for each in whole["objects"]] == ["acme-assistant", "acme-summary", "theirs"]
    assert whole["object_ids"][-1] == shared
    assert (await listing(offset=1, limit=1))["object_ids"] == plain["object_ids"][1:]


@pytest.mark.parametrize("colour", ["list", "alist"])
async def test_arguments_are_given_by_name_alone(colour: str) -> None:
    with pytest.raises(TypeError):
        await getattr(Pipeline, colour)(True)
