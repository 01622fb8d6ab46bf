"""The commands."""

from __future__ import annotations

from typing import Annotated

import typer

from vectorshift.version import __version__

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks would show the locals of every frame
    help="The VectorShift SDK on the command line.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vectorshift {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options of the program itself."""


@app.command()
def sandbox(
    serve: Annotated[bool, typer.Option("--serve", help="Keep the servers up, to point your own code at.")] = False,
) -> None:
    """Show the main job on real servers on loopback: a stand-in API, OpenBao, and moto's Secrets Manager."""
    try:
        from vectorshift.cli.sandbox import run, serve_until_stopped

        raise typer.Exit(serve_until_stopped() if serve else run())
    except ImportError as error:
        typer.echo(f"The sandbox lacks a package ({error}): pip install 'vectorshift[sandbox]'", err=True)
        raise typer.Exit(1) from None
