"""A stand-in for the VectorShift API: a real HTTP server on loopback, with organisations, keys,
runs and faults.

with FakeVectorShift() as api:
    key = api.create_key(org="acme")
    client = VectorShift(key, base_url=api.base_url)
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

try:
    from starlette.responses import JSONResponse, Response

    from vectorshift.testing.server import LoopbackServer
except ModuleNotFoundError as error:
    raise ImportError(
        f"The stand-in API needs the package {error.name}: pip install 'vectorshift[testing]>=2'",
        name=error.name,
    ) from None

from vectorshift._platform.public import Self
from vectorshift.credentials.values import Secret
from vectorshift.testing.event_streams import Event, EventStream, StreamEnding
from vectorshift.testing.organisations import (
    SCOPES,
    ApiKeyRecord,
    Dialect,
    FailedRun,
    RunScript,
    World,
    documented_body,
    new_pipeline,
)
from vectorshift.testing.records import RecordedRequest
from vectorshift.testing.traffic import Fault, Traffic

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ["FakeVectorShift"]


class FakeVectorShift:
    """A stand-in VectorShift API on a free loopback port. Every method is thread-safe.

    An organisation comes into being when it is first named, with two pipelines, `<org>-assistant`
    and `<org>-summary`. A key is judged when its request arrives, before `latency`: one that was
    revoked before that is refused. The scopes, which are not documented, are `pipelines:read`,
    `pipelines:write` and `pipelines:run`.

    A run gives back its inputs as its outputs, and a file's name, type, size and SHA-256 in its
    place.

    After `close` it may be started again: same port, same keys, pipelines and records, as after an
    outage.

    Args:
        latency: seconds to wait before each answer; may be set while it runs.
        keep_requests: how many of the latest requests `requests` holds.
    """

    def __init__(self, *, latency: float = 0.0, keep_requests: int = 100_000) -> None:
        self._world = World()
        self._server = LoopbackServer(self._handle, name="vectorshift-fake-api")
        self._traffic = Traffic(self._world, keep_requests, self._server.hang_up)
        self._traffic.latency = latency

    # --- Life ---

    def start(self) -> Self:
        """Listen, and return once requests are answered.

        Raises:
            RuntimeError: it runs already.
            OSError: it is started again, and its port was taken meanwhile.
        """
        self._server.start()
        return self

    def close(self) -> None:
        """Stop at once; requests in flight get no answer. Harmless when not running."""
        self._server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def latency(self) -> float:
        """Seconds to wait before each answer; may be set while it runs."""
        return self._traffic.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._traffic.latency = seconds

    @property
    def dialect(self) -> Dialect:
        """How answers are spelled; its attributes may be set while it runs."""
        return self._world.dialect

    @property
    def base_url(self) -> str:
        """The base URL, such as `http://127.0.0.1:40123/v1`; stays the same when closed.

        Raises:
            RuntimeError: it was never started.
        """
        if not self._server.port:
            raise RuntimeError(
                "FakeVectorShift has no address yet: use it in a with block, or call start()."
            )
        return f"http://127.0.0.1:{self._server.port}/v1"

    def __repr__(self) -> str:
        place = f"on port {self._server.port}" if self._server.running else "not running"
        return (
            f"<FakeVectorShift {place}, {len(self._world.organisations)} organisations,"
            f" {len(self._world.grants)} keys>"
        )

    # --- Keys and pipelines ---

    def create_key(
        self, *, org: str = "acme", scopes: Iterable[str] = SCOPES, key: str | None = None
    ) -> str:
        """Make a key that acts on `org` and return it.

        Args:
            org: the organisation.
            scopes: what it may do; `()` for a key that is good and may do nothing.
            key: the key to use; a random `vs-...` by default.

        Raises:
            ValueError: this key exists.
        """
        key = key or f"vs-{secrets.token_urlsafe(24)}"
        with self._traffic.lock:
            if key in self._world.grants:
                raise ValueError(f"The key {Secret(key)} exists already.")
            self._world.grants[key] = ApiKeyRecord(
                organisation=self._world.organisation(org), scopes=frozenset(scopes)
            )
        return key

    def revoke_key(self, key: str) -> None:
        """Refuse `key` in every request that arrives from now on.

        Raises:
            KeyError: there is no such key.
        """
        with self._traffic.lock:
            known = self._world.grants.pop(key, None) is not None
        if not known:
            raise KeyError(f"There is no key {Secret(key)}.")

    def add_pipeline(
        self,
        org: str,
        name: str,
        *,
        id: str | None = None,
        shared_with: Iterable[str] = (),
        **fields: Any,
    ) -> str:
        """Give `org` another pipeline and return its id.

        Args:
            org: the organisation that owns it.
            name: its name.
            id: its id; 24 random hex digits by default.
            shared_with: the organisations that see it too, if they ask for shared ones.
            fields: what else stands in the object, or replaces what stands there by default:
                `description`, `folder_id`, `username`, `org_name`, `branch_id` (`main`; sent as
                `mainBranch`), `version` (`1.0.0`).
        """
        with self._traffic.lock:
            owner = self._world.organisation(org)
            pipeline = new_pipeline(org, name, id, fields)
            owner.own[pipeline["id"]] = pipeline
            for guest in map(self._world.organisation, shared_with):
                guest.shared[pipeline["id"]] = pipeline
        return cast("str", pipeline["id"])

    # --- Runs ---

    def next_outputs(self, outputs: Mapping[str, Any], *, times: int = 1) -> None:
        """Let the next runs, of any kind, have these outputs; a run gives back its inputs
        otherwise.

        Args:
            outputs: by name.
            times: how many runs have them.
        """
        with self._traffic.lock:
            self._world.outputs.extend([dict(outputs)] * times)

    def fail_run(self, error: str = "", *, times: int = 1) -> None:
        """Let the next runs, of any kind, fail. Takes its turn with `next_outputs`, also within a
        bulk run.

        Args:
            error: what they say of it; `The run failed` by default.
            times: how many runs fail.
        """
        with self._traffic.lock:
            self._world.outputs.extend([FailedRun(error=error or "The run failed")] * times)

    def script_run(self, *statuses: str, error: str = "") -> None:
        """Let the next background run say this of itself, a status each time that it is asked; the
        last one stays.

        Args:
            statuses: of either family; `in_progress` and `completed` where nothing is scripted.
            error: what it says when it has `failed`.
        """
        with self._traffic.lock:
            self._world.runs.append(
                RunScript(statuses=statuses or RunScript().statuses, error=error)
            )

    def script_events(
        self,
        events: Iterable[Event],
        *,
        piece: int | None = None,
        pause: float = 0.0,
        then: StreamEnding = "end",
    ) -> None:
        """Let the next streamed run send these events.

        Args:
            events: each what its data says as JSON, or the text or bytes that are sent as they
                stand.
            piece: bytes in each piece that is sent; each event is one by default.
            pause: seconds before each piece.
            then: `end`, `break` the connection, or `hang` until the client closes it.
        """
        stream = EventStream(events=tuple(events), piece=piece, pause=pause, then=then)
        with self._traffic.lock:
            self._world.streams.append(stream)

    @property
    def open_streams(self) -> int:
        """How many event streams are being sent now."""
        return self._traffic.open_streams

    # --- Faults ---

    def fail_next(
        self,
        status: int,
        *,
        times: int = 1,
        body: str | bytes | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        path: str | None = None,
    ) -> None:
        """Answer the next requests with `status`, whatever their key. Faults are used up in the
        order given.

        Args:
            status: the HTTP status.
            times: how many requests get it.
            body: text, bytes, or what to send as JSON; the documented body of this status by
                default.
            headers: such as `{"Retry-After": "2"}`.
            path: only requests for this path, such as `/pipelines`, with or without `/v1`.
        """
        sent = dict(headers or {})
        if isinstance(body, str | bytes):
            response = Response(body, status, sent, media_type="text/plain")
        else:
            response = JSONResponse(documented_body(status) if body is None else body, status, sent)
        self._inject(response, times, path)

    def drop_next(self, *, times: int = 1, path: str | None = None) -> None:
        """Close the connection of the next requests without an answer. Takes its turn with
        `fail_next`.
        """
        self._inject(None, times, path)

    def _inject(self, response: Response | None, times: int, path: str | None) -> None:
        with self._traffic.lock:
            self._traffic.faults.extend([Fault(response, path)] * times)

    # --- Requests ---

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests answered so far, in the order of their answers; a list of your own.

        A request is in it before its client has the answer.
        """
        with self._traffic.lock:
            return list(self._traffic.requests)

    @property
    def in_flight(self) -> int:
        """How many requests have arrived whole and wait, for `latency`, to be answered."""
        return self._traffic.in_flight

    def clear_requests(self) -> None:
        """Forget the requests recorded so far."""
        with self._traffic.lock:
            self._traffic.requests.clear()

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._traffic(scope, receive, send)
