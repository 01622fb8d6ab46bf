"""Check what was built: `python -m tests.artefacts dist`, a part of `make build`.

The wheel has the package and nothing else. Installed alone, in an environment and a folder of its
own, it makes a call with a key; with all extras its command runs. What that environment holds is
written beside it as an SBOM, in the format CycloneDX.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"

CALL = """
import json, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        ok = self.headers["Authorization"] == "Bearer vs-of-a-built-wheel"
        body = json.dumps({"objects": [{"_id": "1", "name": "found"}]} if ok else {}).encode()
        self.send_response(200 if ok else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()

import vectorshift
assert "site-packages" in vectorshift.__file__, vectorshift.__file__
assert vectorshift.__version__ == sys.argv[1], vectorshift.__version__
client = vectorshift.VectorShift("vs-of-a-built-wheel", base_url=f"http://127.0.0.1:{server.server_port}/v1")
assert [each.name for each in vectorshift.Pipeline.list(client=client)] == ["found"]
try:
    vectorshift.VaultProvider("secret", addr="http://127.0.0.1:1", token="t").get_credential()
except vectorshift.CredentialConfigurationError as error:
    assert "vectorshift[vault]" in str(error), error
else:
    raise SystemExit("the extra vault is there, or its lack is not told")
"""


def contents(dist: Path) -> list[str]:
    """Return what is wrong with the files of the wheel and of the source distribution."""
    (wheel,), (archive,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    packed = set(zipfile.ZipFile(wheel).namelist())
    ours = {
        str(each.relative_to(SOURCE))
        for each in SOURCE.rglob("*")
        if each.is_file() and "__pycache__" not in each.parts
    }
    problems = [f"the wheel lacks {each}" for each in sorted(ours - packed)]
    problems += [
        f"the wheel has {each}" for each in sorted(packed - ours) if ".dist-info/" not in each
    ]
    if not any(each.endswith("/licenses/LICENSE") for each in packed):
        problems.append("the wheel lacks its licence")
    with tarfile.open(archive) as source:
        names = {each.partition("/")[2] for each in source.getnames()}
    for each in (
        "pyproject.toml",
        "CHANGELOG.md",
        "tests/conftest.py",
        *(f"src/{o}" for o in ours),
    ):
        if each not in names:
            problems.append(f"the source distribution lacks {each}")
    problems += [
        f"the source distribution has {each}"
        for each in sorted(names)
        if each.startswith((".venv", ".mutants", ".chaos", ".fuzz")) or "__pycache__" in each
    ]
    return problems


def installed(wheel: Path, sbom: Path) -> None:
    """Install the wheel and use it. Raises CalledProcessError for what fails."""
    version = wheel.name.split("-")[1]
    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder, "venv"), with_pip=True)
        python = Path(folder, "venv", "bin", "python")
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        empty = Path(folder, "empty")
        empty.mkdir()
        bare = {"HOME": folder, "PATH": ""}

        def run(*command: str | Path) -> None:
            subprocess.run(command, cwd=empty, check=True, env=bare, stdout=subprocess.DEVNULL)

        subprocess.run([*pip, "install", wheel], check=True)
        run(python, "-I", "-c", CALL, version)
        subprocess.run([*pip, "install", f"{wheel}[all]"], check=True)
        subprocess.run([*pip, "check"], check=True, stdout=subprocess.DEVNULL)
        run(python, "-I", "-m", "vectorshift", "providers", "list")
        subprocess.run([*pip, "uninstall", "--yes", "pip"], check=True)
        write = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
        subprocess.run(
            [*write, "--pyproject", ROOT / "pyproject.toml", "-o", sbom, python], check=True
        )


def main(dist: Path) -> int:
    """Check the artefacts in a folder; return 1 if anything is wrong."""
    problems = contents(dist)
    for each in problems:
        print(each)
    if problems:
        return 1
    (wheel,) = dist.glob("*.whl")
    installed(wheel.resolve(), dist.resolve() / f"{'-'.join(wheel.name.split('-')[:2])}.cdx.json")
    for made in sorted(dist.iterdir()):
        print(f"{made.stat().st_size:10,} {made}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
