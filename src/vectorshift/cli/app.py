"""The commands, and the message and exit code for each error."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
from enum import Enum
from traceback import walk_tb
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperGroup

from vectorshift._compat import not_here
from vectorshift.cli.exits import Exit, exit_of
from vectorshift.cli.screen import complain, folded, printable
from vectorshift.errors import VectorshiftError
from vectorshift.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "run"]

_COMPLETE = "_VECTORSHIFT_COMPLETE"
"""The variable with which a shell's script asks for the completion of a line."""


class _Shell(str, Enum):
    bash = "bash"
    zsh = "zsh"
    fish = "fish"


_HELP = {"help_option_names": ["-h", "--help"]}


_INSTEAD = {
    **{
        name: not_here(f"The command {name}", program=f"vectorshift {name}")
        for name in ("integrations", "connect", "status", "sync", "reauth", "disconnect")
    },
    **{
        name: f"No such command {name!r}. Did you mean: vectorshift {meant}"
        for name, meant in {
            "login": "auth login",
            "logout": "auth logout",
            "profiles": "auth list",
            "check": "auth check",
            "whoami": "auth whoami",
            "explain": "auth status",
            "list": "providers list",
            "settings": "config",
            "env": "config",
            "run": "exec",
        }.items()
    },
}
_INSTEAD["status"] = "To see which key a call uses: vectorshift auth status. " + _INSTEAD["status"]
"""The advice for each command of the official SDK and of other tools that is not here."""


class _Commands(TyperGroup):
    """Lists `auth` and `providers` before the single commands, and names what to use instead of a
    command of another program.
    """

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the names, those of groups first."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: not isinstance(self.commands[name], TyperGroup))

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """Return the command. The arguments of an absent one are not shown: they may be a key."""
        if not ctx.resilient_parsing and (instead := _INSTEAD.get(args[0])):  # or a Tab prints it
            complain(instead)
            raise typer.Exit(Exit.USAGE)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    context_settings=_HELP,
    pretty_exceptions_enable=False,  # its tracebacks would show the locals of every frame
    rich_markup_mode=None,
    help="The VectorShift SDK on the command line.",
)
auth = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=_HELP,
    help="Store a key, and see which one is in use.",
)
providers = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=_HELP,
    help="Where keys may come from.",
)
app.add_typer(auth, name="auth")
app.add_typer(providers, name="providers")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _use_profile(name: str | None) -> str | None:
    if name is not None:
        from vectorshift.cli.login import use_profile

        try:
            use_profile(name)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    return name


Profile = Annotated[
    str | None,
    typer.Option(
        "--profile", metavar="NAME", callback=_use_profile, help="The name of a stored key."
    ),
]


def _silence(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        ctx.with_resource(contextlib.redirect_stdout(io.StringIO()))


Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_silence, help="Print nothing; the exit code tells."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vectorshift {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    profile: Profile = None,
) -> None:
    """Handle the options of the program itself."""
    from vectorshift.scope.current import DEFAULT_SCOPE

    # A command has no using block. `vectorshift.configure` would import httpx.
    DEFAULT_SCOPE.configure(None, require_using=False)


@auth.command("status", short_help="Show which key a call would use, and why.")
def auth_status(
    probe: Annotated[
        bool | None,
        typer.Option(
            "--probe/--no-probe",
            help=(
                "Contact every store, or none. The default: those that a call would ask, until "
                "one answers."
            ),
            show_default=False,
        ),
    ] = None,
    profile: Profile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say which key a call would use, and why that one."""
    from vectorshift.cli.status import show_status

    raise typer.Exit(show_status(probe, as_json))


@auth.command("check", short_help="Ask the API whether the key works.")
def auth_check(profile: Profile = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Ask the API whether the key works. Exits with 0 if so, 1 if refused, 2 without a key, 3 if a
    source failed.
    """
    from vectorshift.cli.check import show_check

    raise typer.Exit(show_check(as_json))


@auth.command("whoami", short_help="Show what this key can see.")
def auth_whoami(profile: Profile = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Say what the API lets this key see: how many pipelines, and their names. The API does not say
    whose key it is.
    """
    from vectorshift.cli.check import show_whoami

    raise typer.Exit(show_whoami(as_json))


@auth.command("login", short_help="Store a key in the system's keyring.")
def auth_login(
    profile: Profile = None,
    with_token: Annotated[
        bool, typer.Option("--with-token", help="Read the key from standard input.")
    ] = False,
    in_file: Annotated[
        bool,
        typer.Option("--file", help="Store it in ~/.vectorshift/credentials.toml, in plain text."),
    ] = False,
) -> None:
    """Ask for a key, let the API check it, and store it in the system's keyring. It is used if its
    profile is named. The default name is `default`.
    """
    from vectorshift.cli.login import log_in

    raise typer.Exit(log_in(with_token, in_file))


@auth.command("logout", short_help="Remove a key that login stored.")
def auth_logout(profile: Profile = None) -> None:
    """Remove a key that login stored, from the keyring and from the file. It is not revoked."""
    from vectorshift.cli.login import log_out

    raise typer.Exit(log_out())


@auth.command("list", short_help="List the profiles that login stored.")
def auth_list(profile: Profile = None, as_json: AsJson = False) -> None:
    """List the profiles that login stored. Opens no keyring."""
    from vectorshift.cli.login import list_profiles

    raise typer.Exit(list_profiles(as_json))


@auth.command("in-use", short_help="Count the processes that still use a key.")
def auth_in_use(
    fingerprint: Annotated[
        str, typer.Argument(help="The fingerprint of the key, such as '#1a2b3c4d'.")
    ],
    urls: Annotated[
        list[str],
        typer.Argument(
            help="Addresses of metrics: of processes, or the /federate of a Prometheus."
        ),
    ],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say how many processes still use a key, by the metric vectorshift.credential.in_use. Exits
    with 0 if no process that reported uses it, 1 if one does, 5 if unknown.
    """
    from vectorshift.cli.in_use import show_in_use

    raise typer.Exit(show_in_use(fingerprint, urls, as_json))


@app.command("config", short_help="List the settings and where they are set.")
def config(
    everything: Annotated[
        bool, typer.Option("--all", help="Print settings with default values too.")
    ] = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """List the settings, their values, and where each comes from. Prints no secret."""
    from vectorshift.cli.config import show_config

    raise typer.Exit(show_config(as_json, everything))


@providers.command("list", short_help="List the providers and what configures them.")
def providers_list(profile: Profile = None, as_json: AsJson = False) -> None:
    """List the providers, what configures each, and which are in the chain. Contacts nothing."""
    from vectorshift.cli.providers import show_providers

    raise typer.Exit(show_providers(as_json))


@providers.command("new", short_help="Create a package for your own provider.")
def providers_new(
    name: Annotated[str, typer.Argument(help="Its name, such as acme.", show_default=False)],
    asynchronous: Annotated[
        bool, typer.Option("--async", help="The store's library is async.")
    ] = False,
    command: Annotated[bool, typer.Option("--command", help="It runs a program.")] = False,
    http: Annotated[bool, typer.Option("--http", help="It asks a URL.")] = False,
) -> None:
    """Write the package vectorshift-NAME into a new folder: a provider, and its tests.

    It reads a file, unless an option says otherwise.
    """
    from vectorshift.cli.new_provider import create

    kinds = {"async": asynchronous, "command": command, "http": http}
    chosen = [kind for kind, is_chosen in kinds.items() if is_chosen] or ["file"]
    if len(chosen) > 1:
        complain(f"Choose one of {' and '.join(f'--{each}' for each in chosen)}.")
        raise typer.Exit(Exit.USAGE)
    raise typer.Exit(create(name, chosen[0]))


@providers.command("check", short_help="Try an installed provider with your settings.")
def providers_check(
    name: Annotated[str, typer.Argument(help="Its name, such as acme.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Find an installed provider, make it with your settings, and ask it once. Exits with 0 if it
    has a key.
    """
    from vectorshift.cli.check_provider import check

    raise typer.Exit(check(name, as_json))


@app.command(
    "exec",
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] [--]",
    short_help="Run a program with the key.",
)
def execute(
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="PROGRAM", help="The program and its arguments, optionally after --."
        ),
    ],
    profile: Profile = None,
    env_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help=(
                "Read the key and the settings from this dotenv file, and pass its other "
                "variables to the program."
            ),
        ),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--as", metavar="NAME", help="Pass the key in this variable. May be repeated."
        ),
    ] = None,
    clean: Annotated[
        bool,
        typer.Option("--clean", help="Pass only PATH, HOME and what the other options name."),
    ] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --clean: pass this variable too. May be repeated."),
    ] = None,
) -> None:
    """Run a program with the key in its environment only. It reads VECTORSHIFT_API_KEY there,
    unless --as names others.
    """
    from vectorshift.cli.exec import Handover, execute

    if keep and not clean:
        complain("--keep needs --clean. Without --clean, the program gets every variable.")
        raise typer.Exit(Exit.USAGE)
    kept = ("PATH", "HOME", *(keep or ())) if clean else None
    handover = Handover(env_file=env_file, names=tuple(names or ()), kept=kept)
    raise typer.Exit(execute(command, handover))


@app.command("rotate", short_help="Replace the key with a new one.")
def rotate(
    source: Annotated[
        str | None,
        typer.Option(
            metavar="STORE",
            help=(
                "Where to write it: vault, aws, parameter, file, dotenv or login. The default: "
                "where the key in use comes from."
            ),
        ),
    ] = None,
    expires_at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Vault KV 2: when the new key expires, in RFC 3339, or never."
        ),
    ] = None,
    no_check_and_set: Annotated[
        bool,
        typer.Option(
            "--no-check-and-set", help="Write to KV version 1, which has no check-and-set."
        ),
    ] = False,
    unverified: Annotated[
        bool,
        typer.Option("--unverified", help="Accept a key that shares no pipeline with the old one."),
    ] = False,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Go back to the version before (Vault KV 2, Secrets Manager)."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but write.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask. Without a terminal, pass --source too.")
    ] = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Replace the key in the store or the file that holds it. Asks for the new key, or reads it
    from standard input.
    """
    from vectorshift.cli.rotate import Mode, show_rotation
    from vectorshift.rotation.flow import Options

    options = Options(
        source=source,
        expires_at=expires_at,
        check_and_set=not no_check_and_set,
        unverified=unverified,
    )
    mode = Mode(undo=undo, dry_run=dry_run, yes=yes, as_json=as_json)
    raise typer.Exit(show_rotation(options, mode))


@app.command("completion", short_help="Print the completion script of a shell.")
def completion(
    shell: Annotated[_Shell, typer.Argument(metavar="SHELL", help="The shell.")],
) -> None:
    """Print a script that completes commands and options. For bash: add the line
    eval "$(vectorshift completion bash)" to ~/.bashrc.
    """
    # typer does not export it
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script = get_completion_script(
        prog_name="vectorshift", complete_var=_COMPLETE, shell=shell.value
    )
    typer.echo(script)


@app.command(short_help="Run a demonstration on local servers.")
def sandbox(
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the servers running, for your own code.")
    ] = False,
) -> None:
    """Show the main job on real servers on loopback: a stand-in API, OpenBao, and moto's Secrets
    Manager.
    """
    try:
        from vectorshift.testing.sandbox.sandbox import run, serve_until_stopped

        raise typer.Exit(serve_until_stopped() if serve else run())
    except ImportError as error:
        lacks = f"the package {error.name.partition('.')[0]}" if error.name else "a package"
        typer.echo(f"The sandbox lacks {lacks}: pip install 'vectorshift[sandbox]>=2'", err=True)
        raise typer.Exit(1) from None


# --- Running them ---

# in typer, its name depends on the version
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. An operator sees a message, never a traceback.

    Args:
        arguments: the command line; by default, that of the process.
    """
    _set_streams()
    _complete()
    try:
        code = app(arguments, prog_name="vectorshift", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        return _pipe_gone()
    except SystemExit as end:  # typer and rich exit when standard output is gone
        if isinstance(end.__context__, BrokenPipeError):
            return _pipe_gone()
        return cast("int", end.code)
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except _UsageError as error:
        error.message = _without_keys(
            error.message, sys.argv[1:] if arguments is None else arguments
        )
        error.show()
        return Exit.USAGE
    except VectorshiftError as error:
        complain(error.message)
        return exit_of(error)
    except Exception as error:
        return _unforeseen(error)
    return code if isinstance(code, int) else Exit.GOOD


def _complete() -> None:
    """Register typer's shells if one asks for the completion of a line."""
    if _COMPLETE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()


def _without_keys(message: str, arguments: Sequence[str]) -> str:
    """Return a message without arguments that may be keys: only short plain words stay."""
    for each in sorted(arguments, key=len, reverse=True):
        if len(each) > 1 and not _WORD.fullmatch(each):
            message = message.replace(each, "(not shown)")
    return message


_WORD = re.compile("-{0,2}[a-z][a-z-]{0,15}")


class _Printable(logging.Formatter):
    """Formats log records without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return folded(printable(super().format(record)), sys.stderr)


def _set_streams() -> None:
    """Open closed streams, let standard output take any character, and log to standard error."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the parent process closed it
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("vectorshift: %(levelname)s: %(message)s"))
    # A command itself says that there is no key, or that it is rejected.
    handler.addFilter(lambda record: getattr(record, "event", "") not in ("lost", "rejected"))
    logging.basicConfig(handlers=[handler])


def _pipe_gone() -> Exit:
    """Replace standard output that cannot be written.

    Python flushes it at exit, and a failure would change the exit code.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return Exit.PIPE_GONE


def _unforeseen(error: Exception) -> Exit:
    """Print the error's type and line, and the system's message for errors such as a full disk."""
    number = error.errno if isinstance(error, OSError) else None
    words = f" ({os.strerror(number).lower()})" if number else ""
    *_, (frame, line) = walk_tb(error.__traceback__)
    complain(
        f"unexpected {type(error).__name__}{words} at {frame.f_code.co_filename}:{line}. Its "
        "text is withheld: it may hold a secret."
    )
    try:
        sys.stdout.flush()
    except OSError:
        _pipe_gone()
    return Exit.INTERNAL
