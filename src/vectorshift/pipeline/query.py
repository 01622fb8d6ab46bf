"""Finding pipelines: `list`, `iterate` and `fetch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vectorshift.client.default import PinnedClients, async_client, sync_client
from vectorshift.pipeline import operations
from vectorshift.pipeline.pages import AsyncPages, Pages, walk
from vectorshift.pipeline.reference import Reference
from vectorshift.pipeline.steps import aperform, perform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from typing_extensions import Self

    from vectorshift.client import AsyncVectorShift, VectorShift
    from vectorshift.pipeline.results import PipelineList

__all__ = ["PipelineQueries"]


class PipelineQueries(Reference):
    """The calls that find pipelines. See `Pipeline`."""

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
    ) -> PipelineList:
        """List the pipelines, as the server describes them: one page, if there are more than it
        gives at once.

        Args:
            include_shared: whether to list those that others share with the organisation.
            verbose: whether to give whole objects, under `objects`, and not only `object_ids`.
            folder_id: only those in this folder.
            offset: how many to leave out at the beginning.
            limit: how many to give at most.
            client: the client to use.

        Returns:
            The answer, a dict: `status`, `object_ids`, and `objects` if verbose. `.ids` has the ids
                as strings.

        Raises:
            AuthenticationError: no key was found, or the API refuses it.
            PermissionDeniedError: the key lacks the scope.
            VectorshiftApiError: the API answered with another failure.
            ApiConnectionError: the API did not answer.
            CredentialError: a configured source of the key failed.
        """
        call = operations.list_call(include_shared, verbose, folder_id, offset, limit)
        return perform(sync_client(client), operations.listed(call))

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
    ) -> PipelineList:
        """List the pipelines. Arguments, answer and errors are those of `list`."""
        call = operations.list_call(include_shared, verbose, folder_id, offset, limit)
        return await aperform(async_client(client), operations.listed(call))

    @classmethod
    def iterate(
        cls,
        *,
        include_shared: bool = False,
        folder_id: str | None = None,
        page_size: int = 100,
        client: VectorShift | None = None,
    ) -> Iterator[Self]:
        """Go through all pipelines, each once. A page is asked for when the one before it is used
        up.

        The iterator keeps the client, and so the organisation, that it was made with, also behind a
        `using` block. A page that could not be had is an error, and is asked for again when the
        next pipeline is; an async wait that was cancelled loses nothing either. A pipeline that is
        made or deleted meanwhile may or may not come up; it takes none of the others with it, and
        so the loop may delete what comes up.

        Args:
            include_shared: whether those come up that others share with the organisation.
            folder_id: only those in this folder.
            page_size: how many to ask for at a time, two at least; one of them is known from the
                page before.
            client: the client to use, also by the pipelines that come up.
        """
        steps = walk(include_shared, folder_id, _positive(page_size))
        return Pages(
            PinnedClients(client).sync, steps, lambda found: cls._described(*found, client)
        )

    @classmethod
    def aiterate(
        cls,
        *,
        include_shared: bool = False,
        folder_id: str | None = None,
        page_size: int = 100,
        client: AsyncVectorShift | None = None,
    ) -> AsyncIterator[Self]:
        """Go through all pipelines with `async for`. Otherwise as `iterate`."""
        steps = walk(include_shared, folder_id, _positive(page_size))
        return AsyncPages(
            PinnedClients(client).asynchronous, steps, lambda found: cls._described(*found, client)
        )

    @classmethod
    def fetch(
        cls,
        id: str | Mapping[str, Any] | None = None,
        name: str | None = None,
        branch_id: str | None = None,
        version: str | int | None = None,
        username: str | None = None,
        org_name: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> Self:
        """Fetch a pipeline by its id or its name. What the server says of it is at `raw`.

        Args:
            id: its id, also in Mongo extended JSON.
            name: its name; of several with one name, the server picks the one that was changed
                last.
            branch_id: the branch, where it is fetched by its id.
            version: the version, such as `1.2.0` or `latest`, where it is fetched by its id.
            username: the owner's user name.
            org_name: the owner's organisation.
            client: the client to use, also by the pipeline that is returned.

        Raises:
            NotFoundError: there is none, or not for this key.
            ValueError: neither an id nor a name is given, or the id is none.
        """
        steps = operations.fetch(id, name, branch_id, version, username, org_name)
        return cls._described(*perform(sync_client(client), steps), client)

    @classmethod
    async def afetch(
        cls,
        id: str | Mapping[str, Any] | None = None,
        name: str | None = None,
        branch_id: str | None = None,
        version: str | int | None = None,
        username: str | None = None,
        org_name: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Self:
        """Fetch a pipeline. Arguments, answer and errors are those of `fetch`."""
        steps = operations.fetch(id, name, branch_id, version, username, org_name)
        return cls._described(*await aperform(async_client(client), steps), client)


def _positive(page_size: int) -> int:
    if page_size < 1:
        raise ValueError(f"page_size should be a number above 0, not {page_size}.")
    return page_size
