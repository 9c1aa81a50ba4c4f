"""Systems: what a model is made of, checked once, frozen."""

from __future__ import annotations

from pathlib import Path

from dynamics.systems import toml_format
from dynamics.systems.parts import Event, Jump, Measure, Parameter, Reference, Shock, State
from dynamics.systems.process import DeclaredProcess, Process
from dynamics.systems.specification import MAGNITUDE, TIME
from dynamics.systems.system import System
from dynamics.systems.units import check_units, not_checking

__all__ = ["MAGNITUDE", "TIME", "DeclaredProcess", "Event", "Jump", "Measure", "Parameter", "Process", "Reference", "Shock",
           "State", "System", "check_units", "load", "not_checking"]


def load(path: str | Path) -> System:
    """load("model.toml"): read a System from a TOML model file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    System

    Raises
    ------
    SpecificationError
        If the file is no model; every fault is listed with its place.

    Examples
    --------
    >>> import pathlib, tempfile, dynamics as dy
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.toml"
    >>> _ = path.write_text(dy.models.load("deleveraging").to_toml())
    >>> dy.load(path) == dy.models.load("deleveraging")
    True
    """
    return System(**toml_format.read_file(path))
