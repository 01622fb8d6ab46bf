"""In other people's processes: uvicorn's workers, Celery's prefork, gevent's greenlets, and
Python's options.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.e2e.stage import Rotation, environment, script, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from vectorshift.testing import FakeVectorShift

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="not on Windows")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "key"


@pytest.fixture
def rotation(api: FakeVectorShift, key_file: Path) -> Rotation:
    def put(key: str) -> None:
        new = key_file.with_suffix(".new")
        new.write_text(key)
        new.chmod(0o600)
        new.replace(key_file)

    return Rotation(api, put)


@pytest.fixture
def variables(api: FakeVectorShift, rotation: Rotation, key_file: Path) -> dict[str, str]:
    return environment(VECTORSHIFT_BASE_URL=api.base_url, VECTORSHIFT_API_KEY_FILE=str(key_file))


# --- uvicorn with two workers ---

APPLICATION = """
import os
from fastapi import FastAPI
import vectorshift
from vectorshift import Pipeline

app = FastAPI()

def told():
    return {"pid": os.getpid(), "key": vectorshift.get_credential().fingerprint}

@app.get("/sync")
def sync():
    Pipeline.list()
    return told()

@app.get("/async")
async def asynchronous():
    await Pipeline.alist()
    return told()
"""


def test_two_workers_of_uvicorn_serve_sync_and_async_routes_and_follow_rotations(
    rotation: Rotation, variables: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("fastapi")
    (tmp_path / "served.py").write_text(APPLICATION)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "uvicorn", "served:app", "--workers=2", f"--port={port}"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=tmp_path, env=variables, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: (tmp_path / "log").read_text().count("startup complete") == 2)
        keys: set[str] = set()
        for _ in range(3):
            workers: set[int] = set()
            with httpx.Client(trust_env=False, headers={"Connection": "close"}) as http:
                for number in range(2_000):
                    path = ("sync", "async")[number % 2]
                    answer = http.get(f"http://127.0.0.1:{port}/{path}")
                    assert answer.status_code == 200, (tmp_path / "log").read_text()
                    workers.add(answer.json()["pid"])
                    keys.add(answer.json()["key"])
                    if len(workers) == 2 and number > 20:
                        break
            assert len(workers) == 2
            rotation.rotate()
        assert len(keys) == 3
    finally:
        process.terminate()
        process.wait(60)


# --- gevent ---

GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, json, os, sys
import vectorshift
from vectorshift import Pipeline

def one(number):
    with vectorshift.using(keys[number % 2]):
        gevent.sleep(0)
        Pipeline.list()
        return vectorshift.get_credential().fingerprint

keys = sys.argv[1:]
Pipeline.list()
jobs = [gevent.spawn(one, number) for number in range(50)]
gevent.joinall(jobs, timeout=60, raise_error=True)
print(json.dumps([job.value for job in jobs]))
"""


def test_greenlets_of_gevent_call_side_by_side_each_with_the_key_of_its_block(
    api: FakeVectorShift, variables: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("gevent")
    keys = [api.create_key(), api.create_key()]
    done = subprocess.run(
        [*script(tmp_path, GREENLETS), *keys],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    fingerprints = json.loads(done.stdout)
    assert len(fingerprints) == 50
    assert set(fingerprints[::2]).isdisjoint(fingerprints[1::2])
    assert len(set(fingerprints)) == 2


# --- Celery ---

TASKS = """
import os
from celery import Celery
import vectorshift
from vectorshift import Pipeline

vectorshift.warm_up()  # in the parent, before it forks
broker = {"data_folder_in": "queue", "data_folder_out": "queue", "processed_folder": "done"}
app = Celery("tasks", broker="filesystem://", backend="file://" + os.path.abspath("results"))
app.conf.broker_transport_options = broker
app.conf.worker_hijack_root_logger = False
parent = os.getpid()

@app.task
def call():
    Pipeline.list()
    return [os.getpid(), vectorshift.get_credential().fingerprint]

@app.task
def refused():
    vectorshift.VectorShift("vs-unknown").request("GET", "/pipelines")
"""

ASK = """
import json, sys, time
import vectorshift
from tasks import call, refused

try:
    refused.delay().get(timeout=60)
except vectorshift.AuthenticationError as error:
    status = error.status_code
answers = [each.get(timeout=60) for each in [call.delay() for _ in range(8)]]
print(json.dumps({"status": status, "answers": answers}))
"""


@pytest.mark.soak
def test_children_of_a_celery_worker_that_was_warm_before_it_forked_work_and_follow_rotations(
    rotation: Rotation, variables: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("celery")
    for folder in ("queue", "done", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tasks.py").write_text(TASKS)
    command = ["-m", "celery", "-A", "tasks", "worker", "--concurrency=2", "--pool=prefork"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command, "--loglevel=info"],
            cwd=tmp_path,
            env=variables,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: " ready." in (tmp_path / "log").read_text())
        seen: list[dict[str, Any]] = []
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", ASK],
                cwd=tmp_path,
                env=variables,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr + (tmp_path / "log").read_text()
            seen.append(json.loads(done.stdout))
            rotation.rotate()
        assert [each["status"] for each in seen] == [401, 401]
        assert process.pid not in {pid for each in seen for pid, _ in each["answers"]}
        keys = [{key for _, key in each["answers"]} for each in seen]
        assert [len(each) for each in keys] == [1, 1]
        assert keys[0] != keys[1]
    finally:
        process.terminate()
        process.wait(60)


# --- Options of Python ---

BOTH = """
import asyncio
from vectorshift import Pipeline, get_credential

print(Pipeline.list().raw["status"], asyncio.run(Pipeline.alist()).raw["status"])
assert get_credential().source == "env:VECTORSHIFT_API_KEY"
"""


@pytest.mark.parametrize("option", ["-O", "-OO", "-I", "-Werror"])
def test_calls_work_with_options_of_python_and_in_a_plain_locale(
    api: FakeVectorShift, option: str
) -> None:
    done = subprocess.run(
        [sys.executable, option, "-c", BOTH],
        env=environment(
            VECTORSHIFT_BASE_URL=api.base_url, VECTORSHIFT_API_KEY=api.create_key(), LC_ALL="C"
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("success success\n", "")
