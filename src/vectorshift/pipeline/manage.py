"""Managing pipelines: `delete`, `duplicate`, `share`, `unshare` and `revert`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectorshift.pipeline import operations
from vectorshift.pipeline.reference import Reference
from vectorshift.pipeline.results import Answer, id_of
from vectorshift.pipeline.steps import aperform, perform

if TYPE_CHECKING:
    from typing import Literal

    from typing_extensions import Self

    from vectorshift.client import AsyncVectorShift, VectorShift

__all__ = ["PipelineManagement"]


class PipelineManagement(Reference):
    """The calls that change what a pipeline is, where it is and who sees it. See `Pipeline`."""

    def delete(self, *, client: VectorShift | None = None) -> Answer:
        """Delete the pipeline. Returns the answer, `{"status": "success"}`."""
        return perform(self._sync(client), operations.delete(self.id))

    async def adelete(self, *, client: AsyncVectorShift | None = None) -> Answer:
        """Delete the pipeline, for async callers."""
        return await aperform(self._async(client), operations.delete(self.id))

    def duplicate(
        self,
        name: str | None = None,
        description: str | None = None,
        folder_id: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> Self:
        """Copy the pipeline and return the copy, of which `raw` holds the answer alone; `fetch`
        gives the rest.

        Args:
            name: the copy's name; the server makes one up by default.
            description: the copy's description.
            folder_id: where to put it.
            client: the client to use, also by the pipeline that is returned.
        """
        answer = perform(
            self._sync(client), operations.duplicate(self.id, name, description, folder_id)
        )
        return self._described(id_of(answer) or "", answer, self._named(client))

    async def aduplicate(
        self,
        name: str | None = None,
        description: str | None = None,
        folder_id: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Self:
        """Copy the pipeline. Arguments and answer are those of `duplicate`."""
        answer = await aperform(
            self._async(client), operations.duplicate(self.id, name, description, folder_id)
        )
        return self._described(id_of(answer) or "", answer, self._named(client))

    def share(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        role: Literal["viewer", "editor"] = "viewer",
        name: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> Answer:
        """Share the pipeline with a user or an organisation.

        Args:
            user_id: the user.
            org_id: the organisation.
            role: what they may do.
            name: what it is called for them.
            client: the client to use.

        Raises:
            ValueError: neither a user nor an organisation is given.
        """
        return perform(self._sync(client), operations.share(self.id, user_id, org_id, role, name))

    async def ashare(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        role: Literal["viewer", "editor"] = "viewer",
        name: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Answer:
        """Share the pipeline. Arguments and errors are those of `share`."""
        return await aperform(
            self._async(client), operations.share(self.id, user_id, org_id, role, name)
        )

    def unshare(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        *,
        client: VectorShift | None = None,
    ) -> Answer:
        """Take back what `share` gave. Raises as `share`."""
        return perform(self._sync(client), operations.unshare(self.id, user_id, org_id))

    async def aunshare(
        self,
        user_id: str | None = None,
        org_id: str | None = None,
        *,
        client: AsyncVectorShift | None = None,
    ) -> Answer:
        """Take back what `ashare` gave. Raises as `share`."""
        return await aperform(self._async(client), operations.unshare(self.id, user_id, org_id))

    def revert(self, version: str, *, client: VectorShift | None = None) -> Answer:
        """Take the pipeline back to a version, such as `1.2.0`.

        This object stays as it is; `fetch` gives the new state.
        """
        return perform(self._sync(client), operations.revert(self.id, version))

    async def arevert(self, version: str, *, client: AsyncVectorShift | None = None) -> Answer:
        """Take the pipeline back to a version. As `revert`."""
        return await aperform(self._async(client), operations.revert(self.id, version))
