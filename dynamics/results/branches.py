"""Branches made from arrays: labels with running numbers, one table, the place to restart from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dynamics.results.records import LABELS, Branch, SpecialPoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["branch", "numbered", "renumbered"]


def numbered(points: Iterable[SpecialPoint], counts: Mapping[str, int] | None = None) -> tuple[SpecialPoint, ...]:
    """Return the points with labels LP1, LP2, HB1, ...; resonances are R1_1, R1_2, ...

    Parameters
    ----------
    points : iterable of SpecialPoint
    counts : mapping of str to int, optional
        Points that carry a label already, by the label without its number.

    Returns
    -------
    tuple of SpecialPoint

    Examples
    --------
    >>> point = SpecialPoint("hopf", "", {"x": 0.0}, {"r": 1.0})
    >>> [p.label for p in numbered([point, point])]
    ['HB1', 'HB2']
    """
    seen, found = dict(counts or {}), []
    for point in points:
        stem = LABELS[point.kind]
        seen[stem] = seen.get(stem, 0) + 1
        found.append(replace(point, label=f"{stem}{'_' if stem[-1].isdigit() else ''}{seen[stem]}"))
    return tuple(found)


def branch(kind: str, columns: Mapping[str, NDArray[Any]], varied: Sequence[str],
           special: Sequence[tuple[int, SpecialPoint]], ends: Sequence[str], attributes: Mapping[str, Any], *,
           eigenvalues: NDArray[Any] | None = None, time: str = "continuous",
           units: Mapping[str, str] | None = None, states: Sequence[str] = ()) -> Branch:
    """Return a Branch: one row per point, special points flagged in the column ``special_point``.

    Parameters
    ----------
    kind : str
        "fixed points", "cycles", "fold curve", ...; kept as ``branch_kind``.
    columns : mapping of str to array, shape (steps,)
        Parameters, states (cycles: ``max_``, ``min_``, ``period``), counts, flags.
    varied : sequence of str
        The parameters that vary along it.
    special : sequence of (row, SpecialPoint)
        In the order of rows; they get their running numbers here where they have no label.
    ends : sequence of str
        Name of the first and the last end; one entry for a closed curve.
    attributes : mapping
        From `provenance`.
    eigenvalues : complex array, shape (steps, modes), optional
        Stored as ``eigenvalue_real`` and ``eigenvalue_imag``, ``multiplier_*`` where ``time`` is "discrete".
    units : mapping of str to str, optional
        Of the columns.
    states : sequence of str
        Columns that are states of fixed points, for `Branch.at`.

    Returns
    -------
    Branch

    Examples
    --------
    >>> import numpy as np
    >>> fold = SpecialPoint("fold", "", {"x": 0.0}, {"mu": 0.0})
    >>> made = branch("fixed points", {"mu": np.array([1.0, 0.0, 1.0]), "x": np.array([-1.0, 0.0, 1.0])}, ["mu"],
    ...               [(1, fold)], ["bound", "bound"], {})
    >>> made["LP1"].state, made.table["special_point"].values.tolist()
    ({'x': 0.0}, ['', 'LP1', ''])
    """
    import numpy as np
    import xarray as xr

    points = tuple(point for _, point in special)
    if any(not point.label for point in points):
        points = numbered(points)
    size = len(next(iter(columns.values()), ()))
    flags = [""] * size
    for (row, _), point in zip(special, points, strict=True):
        flags[row] = f"{flags[row]} {point.label}".strip()
    variables: dict[str, Any] = {name: ("step", np.asarray(values)) for name, values in columns.items()}
    if eigenvalues is not None:
        stem = "multiplier" if time == "discrete" else "eigenvalue"
        variables[f"{stem}_real"] = (("step", "mode"), np.real(eigenvalues))
        variables[f"{stem}_imag"] = (("step", "mode"), np.imag(eigenvalues))
    variables["special_point"] = ("step", np.array(flags, dtype=str))
    table = xr.Dataset(variables, attrs={**attributes, "branch_kind": kind, "varied": " ".join(varied),
                                         "states": " ".join(states)})
    for name, unit in (units or {}).items():
        if name in table:
            table[name].attrs["units"] = unit
    return Branch(table, points, tuple(ends))


def renumbered(made: Branch, counts: Mapping[str, int]) -> Branch:
    """Return a branch whose labels go on where those of others stopped.

    Parameters
    ----------
    made : Branch
    counts : mapping of str to int
        Labels in use, by the label without its number.

    Returns
    -------
    Branch

    Examples
    --------
    >>> import numpy as np
    >>> point = SpecialPoint("fold", "", {"x": 0.0}, {"mu": 0.0})
    >>> made = branch("fixed points", {"mu": np.zeros(1), "x": np.zeros(1)}, ["mu"], [(0, point)], ["bound"], {})
    >>> renumbered(made, {"LP": 3}).special_points[0].label
    'LP4'
    """
    import numpy as np

    points = numbered(made.special_points, counts)
    names = {old.label: new.label for old, new in zip(made.special_points, points, strict=True)}
    flags = [" ".join(names.get(label, label) for label in str(text).split()) for text in made.table["special_point"].values]
    return Branch(made.table.assign(special_point=("step", np.array(flags, dtype=str))), points, made.ends)
