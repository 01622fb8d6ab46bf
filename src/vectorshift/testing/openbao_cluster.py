"""A real cluster of OpenBao on loopback: servers that replicate by raft, and a load balancer."""

from __future__ import annotations

import base64
import json
import secrets
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx

from vectorshift._platform.public import Self
from vectorshift.testing._processes import BaoProcess
from vectorshift.testing.openbao import OpenBaoApi

__all__ = ["OpenBaoCluster"]

_NOT_RUNNING = "The cluster is not running: use `with OpenBaoCluster() as bao:`."


class OpenBaoCluster(OpenBaoApi):
    """Servers of OpenBao that replicate by raft. Use it as a context manager (POSIX).

    It starts with a leader, KV version 2 at `secret`, and every server up to date; that takes some
    seconds. A server can be killed, started again, stopped in its tracks and continued. The servers
    end on leaving the block, or when the process that started them ends in whatever way.

    Args:
        nodes: how many servers. With three, one may be missing.
        start_timeout: seconds for each step of the start, and for a call to find a leader.

    Raises:
        ImportError: on entering, if OpenBao is not installed.
        RuntimeError: on entering, if it does not come up.
    """

    def __init__(self, nodes: int = 3, *, start_timeout: float = 30.0) -> None:
        super().__init__(start_timeout)
        self.root_token = ""
        self._count = nodes
        self._nodes: list[_Node] = []
        self._balancer: _Balancer | None = None
        self._stack = ExitStack()

    def __repr__(self) -> str:
        return f"<OpenBaoCluster {self.address if self._balancer else 'stopped'}>"

    @property
    def address(self) -> str:
        """The address of the load balancer. Each connection goes to the next server that accepts
        it, also to one that is stopped in its tracks.
        """
        if self._balancer is None:
            raise RuntimeError(_NOT_RUNNING)
        return self._balancer.address

    @property
    def addresses(self) -> list[str]:
        """The address of each server."""
        return [node.address for node in self._nodes]

    def write(self, path: str, fields: Mapping[str, Any], mount: str = "secret") -> int | None:
        """Write a secret, and wait until each server that runs and is not frozen has it."""
        version = super().write(path, fields, mount)
        self._until(self._has_caught_up, "replication")
        return version

    def _send(self, *request: Any) -> httpx.Response:
        end = time.monotonic() + self._start_timeout
        while True:
            is_over = time.monotonic() > end
            try:
                response = super()._send(*request)
            except httpx.TransportError:
                if is_over:
                    raise
            else:
                if is_over or not (response.status_code == 307 or response.is_server_error):
                    return response
            time.sleep(0.1)

    def route(self, node: int | None) -> None:
        """Let the load balancer send everything to one server, or to all again. It closes the
        connections that are open.
        """
        if self._balancer is None:
            raise RuntimeError(_NOT_RUNNING)
        self._balancer.only = node
        self._balancer.drain()

    @property
    def leader(self) -> int:
        """The index of the leader. Waits for an election to end."""
        found: list[int] = []

        def is_found() -> bool:
            found[:] = [at for at, node in enumerate(self._nodes) if node.leads(self._http)]
            return len(found) == 1

        self._until(is_found, "a leader")
        return found[0]

    @property
    def standbys(self) -> list[int]:
        """The indexes of the other servers."""
        leader = self.leader
        return [at for at in range(len(self._nodes)) if at != leader]

    def kill(self, node: int) -> None:
        """Kill a server, as a crash does."""
        self._nodes[node].kill()

    def start(self, node: int) -> None:
        """Start a server that was killed, and wait until it serves."""
        self._nodes[node].start()
        self._until(lambda: self._nodes[node].serves(self._http), f"server {node}")

    def freeze(self, node: int) -> None:
        """Stop a server in its tracks: it accepts connections, and says nothing."""
        self._nodes[node].send(signal.SIGSTOP)
        self._nodes[node].frozen = True

    def thaw(self, node: int) -> None:
        """Let a frozen server go on."""
        self._nodes[node].send(signal.SIGCONT)
        self._nodes[node].frozen = False

    def heal(self) -> None:
        """Start what was killed, thaw what was frozen, and wait until every server has caught up
        with its leader.
        """
        self.route(None)
        for at, node in enumerate(self._nodes):
            if node.runs:
                self.thaw(at)
            else:
                node.start()
        self._until(self._has_caught_up, "all servers")

    @property
    def _api_address(self) -> str:
        return self._nodes[self.leader].address

    def __enter__(self) -> Self:
        for last in (False, False, True):  # another process may take a port before a server does
            try:
                with ExitStack() as stack:
                    self._start(stack)
                    self._stack = stack.pop_all()
            except RuntimeError:
                if last:
                    raise
            else:
                break
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._nodes, self._balancer, self._http = [], None, None
        self._kv1.clear()

    def _start(self, stack: ExitStack) -> None:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vectorshift-openbao-")))
        self._http = stack.enter_context(
            httpx.Client(verify=False, trust_env=False, timeout=2)  # noqa: S501  # plain HTTP
        )
        ports = _free_ports(self._count)
        seal = base64.b64encode(secrets.token_bytes(32)).decode()
        self._nodes = [_Node(home, at, ports, seal) for at in range(self._count)]
        for node in self._nodes:
            stack.callback(node.kill)
            node.start()
        self._until(self._initialise, "the start")
        # a new server has a vote only when it has been well for a while
        pace = {"server_stabilization_time": "0s"}
        self._until(
            lambda: self.call("POST", "sys/storage/raft/autopilot/configuration", pace), "pace"
        )
        self._until(self._is_complete, "all servers")
        self.mount_kv("secret")
        self._until(lambda: all(map(self._has_mount, self._nodes)), "the mount")
        self._balancer = _Balancer(ports)
        stack.callback(self._balancer.close)

    def _initialise(self) -> bool:
        assert self._http is not None
        made = self._http.post(
            f"{self._nodes[0].address}/v1/sys/init",
            json={"recovery_shares": 1, "recovery_threshold": 1},
            timeout=self._start_timeout,  # it answers once alone with the token
        )
        if made.is_success:
            self.root_token = str(made.json()["root_token"])
        return bool(self.root_token)

    def _is_complete(self) -> bool:
        told = self.call("GET", "sys/storage/raft/configuration")["data"]["config"]["servers"]
        voters = [each for each in told if each["voter"]]
        return len(voters) == self._count and all(node.serves(self._http) for node in self._nodes)

    def _has_caught_up(self) -> bool:
        assert self._http is not None
        live = [node for node in self._nodes if node.runs and not node.frozen]
        told = [self._http.get(f"{node.address}/v1/sys/leader").json() for node in live]
        applied = {each.get("raft_applied_index") for each in told}
        return len(applied) == 1 and all(node.serves(self._http) for node in live)

    def _has_mount(self, node: _Node) -> bool:
        """Return whether a server serves the mount, which it prepares for a moment."""
        assert self._http is not None
        sent = {"X-Vault-Token": self.root_token}
        return self._http.get(f"{node.address}/v1/secret/config", headers=sent).is_success

    @property
    def _log(self) -> str:
        return "\n".join(node.log[-1000:] for node in self._nodes)


def _free_ports(count: int) -> list[int]:
    """Return ports that are free together with the next one each. They are below those that systems
    give to connections, as a server that is started again has to find its own free.
    """
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = 15_000 + 2 * secrets.randbelow(8_000)
            with suppress(OSError):
                for each in (port, port + 1):
                    held.enter_context(socket.create_server(("127.0.0.1", each)))
                found.append(port)
    return found


class _Node:
    """One server of a cluster."""

    def __init__(self, home: Path, at: int, ports: list[int], seal: str) -> None:
        self.address = f"http://127.0.0.1:{ports[at]}"
        self._home, self._name = home, f"node{at}"
        self._log_file = home / f"{self._name}.log"
        self.frozen = False
        self._program: BaoProcess | None = None
        (home / self._name).mkdir()
        others = [f"http://127.0.0.1:{port}" for port in ports if port != ports[at]]
        config: dict[str, Any] = {
            "api_addr": self.address,
            "cluster_addr": f"https://127.0.0.1:{ports[at] + 1}",
            "listener": {
                "tcp": {
                    "address": f"127.0.0.1:{ports[at]}",
                    "cluster_address": f"127.0.0.1:{ports[at] + 1}",
                    "tls_disable": True,
                }
            },
            "seal": {"static": {"current_key_id": "1", "current_key": seal}},
            "storage": {
                "raft": {
                    "path": str(home / self._name),
                    "node_id": self._name,
                    "performance_multiplier": 1,
                    "autopilot_reconcile_interval": "200ms",
                    "autopilot_update_interval": "200ms",
                    "retry_join": [{"leader_api_addr": address} for address in others],
                }
            },
        }
        (home / f"{self._name}.json").write_text(json.dumps(config), "utf-8")

    @property
    def runs(self) -> bool:
        """Return whether the process was started and not killed."""
        return self._program is not None

    @property
    def log(self) -> str:
        """The output of the server."""
        return self._log_file.read_text("utf-8", "replace")

    def start(self) -> None:
        """Start the process."""
        config = f"-config={self._home / self._name}.json"
        self._program = BaoProcess(["server", config], self._home, self._log_file)

    def kill(self) -> None:
        """End the process, if it runs, also one that is frozen."""
        if self._program is not None:
            self._program.kill()
        self._program = None
        self.frozen = False

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        if self._program is None:
            raise RuntimeError(f"{self._name} does not run.")
        self._program.process.send_signal(number)

    def leads(self, http: httpx.Client | None) -> bool:
        """Return whether the server says that it is the leader, and serves."""
        return self._health(http, "standbyok=false") == 200

    def serves(self, http: httpx.Client | None) -> bool:
        """Return whether the server is unsealed and part of the cluster."""
        return self._health(http, "standbyok=true") == 200

    def _health(self, http: httpx.Client | None, how: str) -> int:
        if http is None or self._program is None:
            return 0
        try:
            return http.get(f"{self.address}/v1/sys/health?{how}").status_code
        except httpx.TransportError:
            return 0


class _Balancer:
    """Forwards each connection to the next server that accepts it."""

    def __init__(self, ports: list[int]) -> None:
        self._ports, self._next = ports, 0
        self.only: int | None = None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Close everything."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.drain()

    def drain(self) -> None:
        """Close the connections that are open."""
        for each in tuple(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = self._connect()
        if server is None:
            client.close()
            return
        self._open |= {client, server}
        back = threading.Thread(target=self._forward, args=(server, client), daemon=True)
        back.start()
        self._forward(client, server)
        back.join()
        self._open -= {client, server}
        client.close()
        server.close()

    def _connect(self) -> socket.socket | None:
        for _ in self._ports:
            self._next = (self._next + 1) % len(self._ports)
            at = self._next if self.only is None else self.only
            with suppress(OSError):
                return socket.create_connection(("127.0.0.1", self._ports[at]), 1)
        return None

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        source.settimeout(None)
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
