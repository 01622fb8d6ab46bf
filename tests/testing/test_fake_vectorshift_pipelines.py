"""The stand-in API's answers about the keeping of pipelines, asked with plain httpx."""

from __future__ import annotations

import httpx
import pytest
from tests.testing.plain import P, bearer, ok

from vectorshift.testing import FakeVectorShift


@pytest.fixture
def http(api: FakeVectorShift, http: httpx.Client) -> httpx.Client:
    """A client with a key of `acme`."""
    http.headers.update(bearer(api.create_key(org="acme")))
    return http


def test_a_deleted_pipeline_is_gone_for_everyone(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    theirs = bearer(api.create_key(org="globex"))
    ok(http.post(f"{P}/share", json={"org_id": "globex", "role": "editor"}))
    assert http.delete(P, headers=theirs).status_code == 403
    assert ok(http.delete(P)) == {"status": "success"}
    assert http.get("/pipeline", params={"id": id}).status_code == 404
    assert http.get("/pipeline", params={"id": id}, headers=theirs).status_code == 404


def test_sharing_shows_a_pipeline_and_unsharing_hides_it(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    theirs = bearer(api.create_key(org="globex"))
    seen = [http.get("/pipeline", params={"id": id}, headers=theirs).status_code]
    for action in ("share", "unshare"):
        ok(http.post(f"{P}/{action}", json={"org_id": "globex"}))
        seen.append(http.get("/pipeline", params={"id": id}, headers=theirs).status_code)
    assert seen == [404, 200, 404]
    assert http.post(f"{P}/share", json={"user_id": "u", "role": "owner"}).status_code == 422
    assert ok(http.post(f"{P}/share", json={"user_id": "u"})) == {"status": "success"}


def test_a_duplicate_is_a_pipeline_of_its_own(http: httpx.Client, id: str) -> None:
    first = ok(http.post(f"{P}/duplicate"))["id"]
    second = ok(
        http.post(f"{P}/duplicate", json={"name": "n", "description": "d", "folder_id": "f"})
    )["id"]
    one, two = (
        ok(http.get("/pipeline", params={"id": each}))["object"] for each in (first, second)
    )
    assert (one["name"], one["_id"]) == ("invoices (copy)", first)
    assert (two["name"], two["description"], two["folder_id"]) == ("n", "d", "f")


def test_pipelines_are_made_saved_and_reverted(http: httpx.Client) -> None:
    id = ok(http.post("/pipeline", json={"name": "new", "config": {"a": 1}}))["id"]
    assert ok(http.post(f"/update/pipeline/{id}", json={"nodes": [1], "deploy": True}))["object"][
        "nodes"
    ] == [1]
    ok(http.post(f"/pipeline/{id}/revert", json={"version": "1.2.0"}))
    found = ok(http.get("/pipeline", params={"name": "new"}))["object"]
    assert (found["version"], found["config"], found["nodes"]) == ("1.2.0", {"a": 1}, [1])


def test_who_a_pipeline_belongs_to_and_its_id_are_not_the_callers_to_say(
    api: FakeVectorShift, http: httpx.Client, id: str
) -> None:
    claimed = {"name": "new", "id": id, "org_name": "globex", "username": "u"}
    made = ok(http.post("/pipeline", json=claimed))["id"]
    saved = ok(http.post(f"/update/pipeline/{made}", json=claimed))["object"]
    assert made != id
    assert (saved["_id"], saved["org_name"], saved["username"]) == (made, "acme", "acme-user")
    assert ok(http.get("/pipeline", params={"id": id}))["object"]["name"] == "invoices"


# --- Finding them again ---


def test_a_pipeline_is_fetched_by_the_version_that_it_has(
    api: FakeVectorShift, http: httpx.Client
) -> None:
    id = api.add_pipeline("acme", "ours", version="1.2.0")
    assert ok(http.get("/pipeline", params={"id": id, "version": "1.2.0"}))["object"]["_id"] == id
    assert http.get("/pipeline", params={"id": id, "version": "1.0.0"}).status_code == 404


@pytest.mark.parametrize("change", ["update/pipeline/{id}", "pipeline/{id}/revert"])
def test_of_several_pipelines_with_one_name_the_last_changed_is_fetched(
    api: FakeVectorShift, http: httpx.Client, change: str
) -> None:
    first, second = (api.add_pipeline("acme", "twice") for _ in range(2))

    def fetched() -> object:
        return ok(http.get("/pipeline", params={"name": "twice"}))["object"]["_id"]

    assert fetched() == second
    ok(http.post(change.format(id=first), json={"version": "1.2.0"}))
    assert fetched() == first
    third = ok(http.post("/pipeline", json={"name": "twice"}))["id"]
    assert fetched() == third
    assert ok(http.get("/pipelines"))["object_ids"][-3:] == [first, second, third]


def test_an_object_has_its_id_and_its_branch_as_the_service_spells_them(
    api: FakeVectorShift, http: httpx.Client
) -> None:
    id = api.add_pipeline("acme", "ours", branch_id="br-1")
    found = ok(http.get("/pipeline", params={"id": id}))["object"]
    assert (found["_id"], found["mainBranch"]) == (id, "br-1")
    assert not {"id", "branch_id"} & {*found}
    for sent in ({"branch_id": "br-2", "deploy": True, "bump": "minor"}, {"mainBranch": "br-3"}):
        saved = ok(http.post(f"/update/pipeline/{id}", json={**sent, "_id": "x", "n": 1}))["object"]
        assert saved == {**found, "n": 1}


def test_ids_can_come_as_extended_json(api: FakeVectorShift, http: httpx.Client) -> None:
    id = api.add_pipeline("acme", "ours")
    plain = ok(http.get("/pipelines", params={"verbose": "true"}))
    api.dialect.extended_ids = True
    extended = ok(http.get("/pipelines", params={"verbose": "true"}))
    assert extended["object_ids"] == [{"$oid": each} for each in plain["object_ids"]]
    for before, after in zip(plain["objects"], extended["objects"], strict=True):
        assert after == {**before, "_id": {"$oid": before["_id"]}}
    fetched = ok(http.get("/pipeline", params={"id": id}))["object"]
    assert fetched["_id"] == {"$oid": id}
    saved = ok(http.post(f"/update/pipeline/{id}", json={"description": "d"}))["object"]
    assert (saved["_id"], saved["description"]) == ({"$oid": id}, "d")
    for path in ("/pipeline", f"/pipeline/{id}/duplicate"):
        made = ok(http.post(path, json={"name": "made"}))["id"]
        ok(http.get("/pipeline", params={"id": made["$oid"]}))
