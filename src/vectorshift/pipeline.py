"""`Pipeline`: the calls of the API that are about pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift.ambient import async_client, sync_client
from vectorshift.calls import Call

if TYPE_CHECKING:
    from vectorshift.client import AsyncVectorShift, VectorShift

__all__ = ["Pipeline"]


class Pipeline:
    """A pipeline of the organisation that the key belongs to.

    Every call takes `client=`; without it, the client of the process is used. Each has an async twin whose name
    begins with `a`.
    """

    @classmethod
    def list(
        cls,
        *,
        include_shared: bool = False,
        verbose: bool = False,
        folder_id: str | None = None,
        offset: int | None = None,
        limit: int | None = None,
        client: VectorShift | None = None,
    ) -> dict[str, Any]:
        """List the pipelines, as the server describes them.

        Args:
            include_shared: whether to list those that others share with the organisation.
            verbose: whether to give whole objects, under `objects`, and not only `object_ids`.
            folder_id: only those in this folder.
            offset: how many to leave out at the beginning.
            limit: how many to give at most.
            client: the client to use.

        Returns:
            The answer: `status`, `object_ids`, and `objects` if verbose.

        Raises:
            AuthenticationError: no key was found, or the API refuses it.
            PermissionDeniedError: the key lacks the scope.
            VectorshiftApiError: the API answered with another failure.
            ApiConnectionError: the API did not answer.
            CredentialError: a configured source of the key failed.
        """
        answer: dict[str, Any] = sync_client(client).call(_list(include_shared, verbose, folder_id, offset, limit))
        return answer

    @classmethod
    async def alist(
        cls,
        *,
        include_shared: bool = False,
        verbose: bool = False,
        folder_id: str | None = None,
        offset: int | None = None,
        limit: int | None = None,
        client: AsyncVectorShift | None = None,
    ) -> dict[str, Any]:
        """List the pipelines. Arguments, answer and errors are those of `list`."""
        answer: dict[str, Any] = await async_client(client).call(
            _list(include_shared, verbose, folder_id, offset, limit)
        )
        return answer


def _list(include_shared: bool, verbose: bool, folder_id: str | None, offset: int | None, limit: int | None) -> Call:
    """The call behind `list` and `alist` (GET /pipelines)."""
    query = {
        "include_shared": include_shared,
        "verbose": verbose,
        "folder_id": folder_id,
        "offset": offset,
        "limit": limit,
    }
    return Call(method="GET", path="/pipelines", query=query)
