"""What stands on axes and in legends: words, symbol and unit, from the metadata of systems and results."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sympy import Symbol
from sympy.core.alphabets import greeks

from dynamics import expressions
from dynamics.errors import SpecificationError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dynamics.systems import System

__all__ = ["data_label", "label", "left_out", "of_equations", "sentence", "swept_label", "symbol",
           "system_of", "unit_of", "unknown", "words"]


def sentence(text: str) -> str:
    """Return the text with a capital first letter and no underscores.

    Examples
    --------
    >>> sentence("margin_call_start")
    'Margin call start'
    """
    text = text.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def symbol(system: System, name: str) -> str:
    r"""Return the symbol of a state or parameter in mathtext, empty where a name is only words.

    Examples
    --------
    >>> import dynamics as dy
    >>> symbol(dy.models.load("deleveraging"), "target_leverage")
    '$\\lambda^{*}$'
    """
    spellings = system.symbol_spellings()
    if name not in spellings and len(name) > 1 and name.rstrip("0123456789_") not in greeks:
        return ""
    return f"${expressions.latex(Symbol(name), spellings)}$"


def words(system: System, name: str) -> str:
    """Return the words for a name, empty where the name is its own symbol (``x``, ``lambda``)."""
    spoken = symbol(system, name) == "" or (name in system.symbol_spellings() and len(name) > 1)
    return sentence(name) if spoken else ""


def label(system: System, name: str, unit: str | None = None, width: int | None = None) -> str:
    r"""Return words, symbol and unit of a name, for an axis.

    Parameters
    ----------
    system : System
    name : str
        A state, parameter, definition or observable, or ``"time"``.
    unit : str, optional
        Replaces the declared unit.
    width : int, optional
        Break lines to about this many characters; symbol and unit stay together.

    Examples
    --------
    >>> import dynamics as dy
    >>> label(dy.models.load("deleveraging"), "liquidation_flow")
    'Liquidation flow $q$ (1/day)'
    """
    unit = unit_of(system, name) if unit is None else unit
    return _joined(words(system, name), symbol(system, name), unit, width)


def data_label(variable: Any, name: str = "", width: int | None = None) -> str:
    """Return the label of an xarray variable from its attrs ``long_name``, ``symbol`` and ``units``."""
    attributes: Mapping[str, Any] = variable.attrs
    long_name = sentence(str(attributes.get("long_name") or name or variable.name or ""))
    spelled = str(attributes.get("symbol") or "").strip("$")
    if spelled.replace("_", "").isalnum():  # a SymPy spelling, not LaTeX
        spelled = expressions.latex(Symbol("name"), {"name": spelled})
    return _joined(long_name, f"${spelled}$" if spelled else "", str(attributes.get("units") or "1"), width)


def swept_label(result: Any, name: str, width: int | None = 40) -> str:
    """Return the label of a dimension of a result: as the system names it, else from the attrs of the coordinate."""
    system = system_of(result.attrs)
    return label(system, name, width=width) if system is not None and name in system.symbols \
        else data_label(result[name], name, width)


def _joined(text: str, spelled: str, unit: str, width: int | None) -> str:
    tail = " ".join(part for part in (spelled, "" if unit in ("", "1") else f"({unit})") if part)
    if width is None:
        return " ".join(part for part in (text, tail) if part)
    lines = textwrap.wrap(text, width)
    if tail and lines and len(lines[-1]) + (1 if spelled else 0) + len(tail.replace(spelled, "")) + 1 < width:
        lines[-1] += f" {tail}"
    elif tail:
        lines.append(tail)
    return "\n".join(lines)


def left_out(ax: Axes, attributes: Mapping[str, Any]) -> None:
    """Write on the axes what was ignored; nothing where that is nothing."""
    ignored = attributes.get("ignored")
    _in_the_corner(ax, f"without {' and '.join(ignored)}" if ignored else None)


def of_equations(ax: Axes, system: System, figure: str) -> None:
    """Write on the axes what a figure of the equations alone leaves out of a system."""
    from dynamics.analysis.treatability import drift_note

    _in_the_corner(ax, drift_note(system, figure))


def _in_the_corner(ax: Axes, text: str | None) -> None:
    if text:
        ax.annotate("\n".join(textwrap.wrap(text, 40)), (1, 0), xytext=(-3, 3), xycoords="axes fraction",
                    textcoords="offset points", ha="right", va="bottom", fontsize=6, color="0.2", gid="left out", zorder=6,
                    bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5})


def unit_of(system: System, name: str) -> str:
    """Return the declared unit of a name; that of a definition or observable follows from its expression.

    Returns
    -------
    str
        A unit in the spelling of the system's declarations; "1" where it is a pure number or cannot be told.
    """
    if name == "time":
        return system.time_unit
    units = {n: part.unit for n, part in system.states.items()} | {n: p.unit for n, p in system.parameters.items()}
    if name in units:
        return units[name]
    candidates = dict.fromkeys(["1", *units.values()])
    return next((unit for unit in candidates if _can_be_added(system, name, unit)), "1") if len(candidates) > 1 else "1"


def _can_be_added(system: System, name: str, unit: str) -> bool:
    """Whether the value of ``name`` and a number of unit ``unit`` have a sum."""
    from dynamics.systems import Parameter

    try:
        replace(system, parameters={**system.parameters, "of_that_unit": Parameter(1, unit)},
                definitions={**system.definitions, "sum_of_both": f"{name} + of_that_unit"})
    except SpecificationError:
        return False
    return True


def system_of(attributes: Mapping[str, Any]) -> System | None:
    """Return the System a result was computed from, from its attribute ``system_text``; None where there is none."""
    from dynamics.systems import System, not_checking, toml_format

    text = attributes.get("system_text")
    if not text:
        return None
    with not_checking():  # it was checked when the result was made
        return System(**toml_format.read(str(text), "attrs['system_text']"))


def checked(name: Any, known: Iterable[str], what: str) -> str:
    """Return the name of one of ``known``.

    Raises
    ------
    SpecificationError

    Examples
    --------
    >>> checked("price", ["price"], "variables")
    'price'
    """
    listed = list(known)
    if not isinstance(name, str) or name not in listed:
        raise unknown(str(name), listed, what)
    return name


def unknown(name: str, known: Iterable[str], what: str) -> SpecificationError:
    """Return the error for a name that is none of ``known``, with a suggestion.

    Examples
    --------
    >>> print(unknown("prise", ["price"], "variables"))
    variables: there is no 'prise'. Did you mean 'price'? There are price
    """
    known = list(known)
    return SpecificationError(f"{what}: there is no '{name}'.{did_you_mean(name, known)} "
                              f"There are {', '.join(known) or 'none'}")
