"""What plain requests to the stand-in API send, and what they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

__all__ = ["P", "bearer", "names", "ok"]

P = "/pipeline/a%2Fb%3Fc"
"""Where the pipeline `a/b?c` is."""


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def ok(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def names(http: httpx.Client, key: str, **query: str) -> list[str]:
    """Return the names of the pipelines that a key sees."""
    answer = http.get("/pipelines", headers=bearer(key), params={"verbose": "true", **query})
    return [pipeline["name"] for pipeline in ok(answer)["objects"]]
