"""The command line: ``dynamics`` and ``python -m dynamics``.

Results go to stdout, everything else (progress, notes, errors) to stderr. Exit codes: 0, 1 when a computation failed, 2
when the input is bad. What is heavy is imported by the command that needs it.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dynamics.cli import catalogue, computations, derivations, reports, reproductions
from dynamics.errors import DerivationError, DynamicsError

__all__ = ["app", "main"]


class _Commands(TyperGroup):
    """Turns errors of the package into one sentence on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except DynamicsError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(_code(error)) from None
        except BrokenPipeError:
            raise  # the reader of a pipe has left: not an error of the file system
        except OSError as error:
            typer.echo(f"Error: {error.filename or 'output'}: {error.strerror or error}", err=True)
            raise typer.Exit(2) from None


def _code(error: DynamicsError) -> int:
    """2 when the input is bad, 1 when a computation failed."""
    return 1 if isinstance(error, (DerivationError, RuntimeError)) else 2


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Leverage and deleveraging dynamics: closed forms, cascade thresholds, phase diagrams.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from dynamics import __version__

        typer.echo(f"dynamics {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Leverage and deleveraging dynamics: closed forms, cascade thresholds, phase diagrams."""


for command in (
    catalogue.models,
    catalogue.show,
    derivations.derive,
    computations.integrate,
    computations.threshold,
    computations.phase_diagram,
    reports.report,
    reproductions.reproduce,
):
    app.command(command.__name__.replace("_", "-"))(command)


def main() -> None:
    """Run the command line; the console script ``dynamics``."""
    try:
        app()
    except BrokenPipeError:
        # `dynamics show ... | head`: nothing more can be written, and the interpreter's last flush must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
