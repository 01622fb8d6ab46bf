"""Makes the pictures of `auth status` in docs/screens, from the real program on real servers.

`python -m tests.cli.screens` writes them; a test makes them again and compares.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text
from tests.cli.program import on_terminal

from vectorshift.testing import MotoServer, OpenBaoServer

FOLDER = Path(__file__).parents[2] / "docs" / "screens"
COLUMNS = 90
_KEYS = {
    "env": "vs-the-key-of-the-environment",
    "vault": "vs-the-key-in-vault",
    "aws": "vs-the-key-in-aws",
}
_SECRET = "web/vectorshift"
_PLACE = "/opt"  # there on every machine that has these tests, so that no path of this one is shown

_FORMAT = """\
<svg class="screen" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Screen(NamedTuple):
    name: str
    text: str
    svg: str
    code: int


def screens(bao: OpenBaoServer, moto: MotoServer) -> list[Screen]:
    """Run the program in three states of its surroundings."""
    bao.forget(_SECRET)
    bao.write(_SECRET, {"api_key": _KEYS["vault"]})
    moto.put(_SECRET, _KEYS["aws"])
    bao.policy("screens", f'path "secret/data/{_SECRET}" {{ capabilities = ["read"] }}')
    vault = {
        "VECTORSHIFT_VAULT_PATH": _SECRET,
        "VECTORSHIFT_VAULT_ADDR": bao.address,
        "VECTORSHIFT_VAULT_TOKEN": bao.token(["screens"]),
    }
    aws = {"VECTORSHIFT_AWS_SECRET_ID": _SECRET, **moto.environment()}
    refused = {**vault, "VECTORSHIFT_VAULT_TOKEN": bao.token(["default"])}
    addresses = {bao.address: "http://127.0.0.1:18200", moto.endpoint_url: "http://127.0.0.1:15000"}
    return [
        _taken("env-wins", {**vault, **aws, "VECTORSHIFT_API_KEY": _KEYS["env"]}, addresses),
        _taken("vault-wins", {**vault, **aws}, addresses),
        _taken("vault-refused", {**refused, **aws}, addresses),
    ]


def _taken(name: str, variables: dict[str, str], addresses: dict[str, str]) -> Screen:
    base = {"PATH": os.environ["PATH"], "HOME": _PLACE, "LANG": "C.UTF-8", "TERM": "xterm-256color"}
    text, code = on_terminal(["auth", "status"], {**base, **variables}, columns=COLUMNS, cwd=_PLACE)
    for address, shown in addresses.items():
        text = text.replace(address, shown)
    lines = [line.rstrip() for line in text.splitlines()]
    console = Console(
        record=True,
        width=COLUMNS,
        file=io.StringIO(),
        color_system="truecolor",
        legacy_windows=False,
    )
    for line in ["\x1b[1m$\x1b[0m vectorshift auth status", *lines]:
        console.print(Text.from_ansi(line), soft_wrap=True)
    svg = console.export_svg(title="", code_format=_FORMAT, unique_id=name)
    plain = "\n".join(Text.from_ansi(line).plain.rstrip() for line in lines)
    return Screen(
        name, plain + "\n", "\n".join(line.rstrip() for line in svg.splitlines()) + "\n", code
    )


def main() -> None:
    """Write the pictures."""
    for name in list(os.environ):
        if name.startswith(("VECTORSHIFT_", "VAULT_", "BAO_", "AWS_")):
            del os.environ[name]
    FOLDER.mkdir(exist_ok=True)
    with OpenBaoServer() as bao, MotoServer() as moto:
        for screen in screens(bao, moto):
            (FOLDER / f"{screen.name}.svg").write_text(screen.svg, "utf-8")
            print(screen.text, f"exit code {screen.code}", sep="\n")


if __name__ == "__main__":
    main()
