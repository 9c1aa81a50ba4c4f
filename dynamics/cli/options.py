"""What every command understands: which system, with which values; and the small languages of its arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dynamics.errors import SpecificationError, did_you_mean

if TYPE_CHECKING:
    from dynamics.systems import System

__all__ = [
    "AsJson",
    "Ignore",
    "Mechanism",
    "ModelFile",
    "Name",
    "Option",
    "Set",
    "assignments",
    "axis",
    "check_writable",
    "number",
    "size_of_shock",
    "system_from",
]

Name = Annotated[
    str | None, typer.Argument(metavar="NAME", help="A packaged model; see `dynamics models`.", show_default=False)
]
ModelFile = Annotated[
    Path | None,
    typer.Option("--model-file", metavar="FILE.toml", help="A model of your own instead of NAME.", show_default=False),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter; may be repeated.", show_default=False),
]
Mechanism = Annotated[
    list[str] | None,
    typer.Option(
        "--mechanism",
        metavar="NAME",
        show_default=False,
        help="Compose with a mechanism; may be repeated, in this order.",
    ),
]
Option = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="NAME=VALUE",
        show_default=False,
        help="An option of the model, such as margin_call=hill; may be repeated.",
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="PART",
        show_default=False,
        help="Leave out what the analysis cannot treat: noise, jumps or resets; may be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout, and nothing else there.")]


def system_from(
    name: str | None,
    model_file: Path | None,
    mechanism: Sequence[str] | None,
    values: Sequence[str] | None,
    option: Sequence[str] | None = None,
) -> System:
    """Return the system that the options of a command describe.

    Raises
    ------
    SpecificationError
        For unknown names, or unless exactly one of a name and a file is given.
    """
    from dynamics import mechanisms, models, systems

    if (name is None) == (model_file is None):
        raise SpecificationError(
            "give either the NAME of a model or --model-file, "
            + ("not both" if name else f"for example: {', '.join(models.names())}")
        )
    if model_file is not None:
        if option:
            raise SpecificationError("--option belongs to packaged models; a model file has parameters: use --set")
        system = systems.load(model_file)
    else:
        system = models.load(str(name), **assignments(option, "--option"))
    if not isinstance(system, systems.System):
        raise SpecificationError(f"'{name}' is a Process, not a System; this command works on equations. "
                                 f"`dynamics show {name}` shows it; in Python, dynamics.models.load('{name}') makes it")
    composed = mechanisms.compose(system, *(mechanism or ()))
    return composed.with_parameters(numbers_of(values))


def numbers_of(values: Sequence[str] | None) -> dict[str, Any]:
    """Return ``--set`` entries as numbers by name."""
    return {k: number(v, f"--set {k}") for k, v in assignments(values, "--set").items()}


def assignments(entries: Sequence[str] | None, flag: str) -> dict[str, str]:
    """Return ``["a=1", "b=2"]`` as a dict of texts.

    Raises
    ------
    SpecificationError
        For an entry without ``=``, or a name given twice.

    Examples
    --------
    >>> assignments(["price_impact=0.5"], "--set")
    {'price_impact': '0.5'}
    """
    found: dict[str, str] = {}
    for entry in entries or ():
        name, sign, value = entry.partition("=")
        name, value = name.strip(), value.strip()
        if not (name and sign and value):
            raise SpecificationError(f"{flag} '{entry}': write NAME=VALUE, for example {flag} {name or 'price'}=0.1")
        if name in found:
            raise SpecificationError(f"{flag} '{entry}': '{name}' is given twice")
        found[name] = value
    return found


def number(text: str, where: str) -> float:
    """Return a finite number, also from a fraction such as ``1/12``.

    Raises
    ------
    SpecificationError
        Otherwise.

    Examples
    --------
    >>> number("1/8", "--set margin")
    0.125
    """
    above, _, below = text.partition("/")
    try:
        value = float(above) / (float(below) if below else 1.0)
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not math.isfinite(value):
        raise SpecificationError(f"{where}: '{text}' is not a finite number")
    return value


def axis(text: str, flag: str) -> tuple[str, list[float]]:
    """Return the name and the values of ``NAME=LOW:HIGH:COUNT[:log]``.

    Raises
    ------
    SpecificationError
        If it is not of this form.

    Examples
    --------
    >>> axis("price_impact=0.1:0.4:4", "--x")
    ('price_impact', [0.1, 0.2, 0.3, 0.4])
    >>> axis("shock:price=0.01:1:3:log", "--y")
    ('shock:price', [0.01, 0.1, 1.0])
    """
    name, sign, span = text.rpartition("=")
    parts = span.split(":")
    if not (name and sign) or len(parts) not in (3, 4) or (len(parts) == 4 and parts[3] not in ("log", "linear")):
        raise SpecificationError(
            f"{flag} '{text}': write NAME=LOW:HIGH:COUNT or NAME=LOW:HIGH:COUNT:log, for example "
            f"{flag} price_impact=0.02:1.5:64:log"
        )
    low, high = (number(part, f"{flag} {name}") for part in parts[:2])
    if not parts[2].isdecimal() or not 2 <= int(parts[2]) <= 4096:
        raise SpecificationError(f"{flag} {name}: the count must be a whole number from 2 to 4096, not '{parts[2]}'")
    count, logarithmic = int(parts[2]), parts[-1] == "log"
    if not low < high or (logarithmic and low <= 0):
        raise SpecificationError(
            f"{flag} {name}: the range {low:g} to {high:g} must increase"
            + (" and be positive for a logarithmic axis" if logarithmic else "")
        )
    import numpy as np

    values = np.geomspace(low, high, count) if logarithmic else np.linspace(low, high, count)
    return name, [float(f"{value:.15g}") for value in values]


def size_of_shock(text: str, system: System) -> tuple[str, float]:
    """Return name and magnitude of ``NAME=SIZE``.

    Raises
    ------
    SpecificationError
        If it is not of this form, or the system has no such shock.
    """
    ((name, value),) = assignments([text], "--shock").items()
    check_name(name, system.shocks, "shock", system)
    return name, number(value, f"--shock {name}")


def check_name(name: str, known: Any, what: str, system: System) -> None:
    """Raise SpecificationError with a suggestion unless ``name`` is known."""
    if name not in known:
        raise SpecificationError(
            f"'{name}' is not a{'n' if what[0] in 'aeiou' else ''} {what} of '{system.name}'."
            f"{did_you_mean(name, known)} There are {', '.join(known) or 'none'}"
        )


def check_writable(path: Path | None, suffixes: Sequence[str]) -> None:
    """Refuse an output file that could not be written, before anything is computed.

    Raises
    ------
    SpecificationError
        For another suffix.
    DataError
        For a folder that does not exist, or one that may not be entered.
    """
    if path is None:
        return
    if path.suffix not in suffixes:
        raise SpecificationError(f"{path}: the suffix must be one of {', '.join(suffixes)}")
    from dynamics.results.atomic_files import as_path, place_of

    place_of(as_path(path))
