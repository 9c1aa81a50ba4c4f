"""Arguments of sweeps and phase diagrams, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics.analysis import arguments
from dynamics.analysis.run_arguments import check_engine, check_magnitude, usual_shock
from dynamics.analysis.single_cells import PATH
from dynamics.analysis.sweep_cells import FLOW_MEASURES, MAP_MEASURES
from dynamics.analysis.work_budget import check_length
from dynamics.compiled.functions import functions_of
from dynamics.errors import SpecificationError, did_you_mean
from dynamics.systems import DeclaredProcess, System

__all__ = ["axis_of", "check_discard", "check_event", "check_measures", "check_shock", "described", "engine_record",
           "finite_axis", "process_record"]

Array = NDArray[np.float64]
# kinds of NumPy that become numbers without being meant as such
NO_NUMBERS = {"b": "truth values; write 0 and 1 where they are meant", "c": "complex ones; take real and imaginary parts",
              "M": "dates; give times as numbers", "m": "durations with a unit; give times as numbers",
              "U": "texts", "S": "texts"}


def axis_of(system: Any, name: str, values: Sequence[float], initial_state: Mapping[str, Any] | None = None) -> Array:
    """Return the values of an axis; they are within the bounds of what it names."""
    array = finite_axis(f"over.{name}", values)
    if initial_state is not None and not isinstance(initial_state, Mapping):
        raise SpecificationError(f"initial_state: must map names of states to values, not {type(initial_state).__name__}")
    if not isinstance(name, str):
        raise SpecificationError(f"over: an axis is named by a text, not {name!r}")
    states = getattr(system, "states", dict(initial_state or {}))
    shocks = getattr(system, "shocks", {})
    stepped = not isinstance(system, System) and callable(getattr(system, "step", None))
    if not isinstance(system, System) and not stepped:
        states = {}
    known = [*system.parameters, *states, *(f"shock:{s}" for s in shocks), *((PATH,) if stepped else ())]
    if name not in known:
        raise SpecificationError(f"over.{name}: no parameter, state or shock of '{system.name}'.{did_you_mean(name, known)}")
    if name in system.parameters:
        if getattr(system.parameters[name], "over", ()):
            raise SpecificationError(f"over.{name}: an axis needs a parameter that is one number; this one is indexed")
        for value in {float(array.min()), float(array.max())}:
            # bounds are an interval: its ends decide
            system.with_parameters({name: value})
    elif name.startswith("shock:"):
        for value in {float(array.min()), float(array.max())}:
            check_magnitude(system, name[6:], value, f"over.{name}")
    elif name in states and getattr(states[name], "over", None):
        raise SpecificationError(f"over.{name}: an axis needs a state that is one number; this one is indexed")
    if isinstance(system, System):
        functions_of(system).initial_state(system, initial_state)
    return array


def finite_axis(where: str, values: Any) -> Array:
    """Return the values of an axis: numbers, all finite, in one dimension."""
    check_length(values, where)
    _check_kind(where, values)
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise SpecificationError(f"{where}: needs a list of finite numbers, not {type(values).__name__}") from None
    if array.ndim > 1:
        raise SpecificationError(f"{where}: has {array.ndim} dimensions {getattr(values, 'dims', array.shape)}, "
                                 "and an axis has one. Points of a plane are axes that share a dimension: stack them first")
    if array.ndim != 1 or not array.size or not np.all(np.isfinite(array)):
        raise SpecificationError(f"{where}: needs a list of finite numbers")
    return array


def _check_kind(where: str, values: Any) -> None:
    """Refuse what NumPy would turn into numbers although it is none."""
    try:
        given = np.asarray(values)
    except ValueError:
        return  # no array at all, which is said where it is made one
    kinds = {given.dtype.kind} if given.dtype.kind != "O" else {np.asarray(value).dtype.kind for value in given.flat}
    for kind in sorted(kinds & set(NO_NUMBERS)):
        raise SpecificationError(f"{where}: needs a list of finite numbers, not {NO_NUMBERS[kind]}")


def check_measures(system: Any, measure: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the measures to compute."""
    given = None if measure is None else arguments.names(measure, "measure")
    if not isinstance(system, System):
        return _of_process(system, given)
    states = list(system.states) if system.time == "discrete" else []
    observables = [n for n in system.observables if n not in system.over]
    known = [*system.measures, *system.states, *observables,
             *(MAP_MEASURES if system.time == "discrete" else FLOW_MEASURES)]
    if given is None:
        given = (*system.measures, *states)
    if not given:
        raise SpecificationError(f"measure: '{system.name}' declares none; say which numbers to keep. There are "
                                 f"{', '.join(known)}")
    for name in given:
        if name not in known:
            raise SpecificationError(f"measure '{name}' is not one of '{system.name}'.{did_you_mean(str(name), known)}"
                                     f" There are {', '.join(known)}")
    return tuple(dict.fromkeys(given))


def _of_process(process: Any, given: tuple[str, ...] | None) -> tuple[str, ...]:
    declared = [*getattr(process, "measures", {}), *getattr(process, "statistics", {})]
    scalars = [n for n, part in getattr(process, "states", {}).items() if not part.over]
    if not given and not (declared or scalars):
        raise SpecificationError(f"measure: '{process.name}' is a Process; name the states, or the numbers of its "
                                 "solution, to keep")
    if not given:
        return tuple(declared or scalars)
    if isinstance(process, DeclaredProcess) and callable(getattr(process, "step", None)):
        known = [*declared, *scalars, *process.declaration.observables]
        for name in given:
            if name not in known:
                raise SpecificationError(f"measure '{name}' is not one of '{process.name}'.{did_you_mean(name, known)}"
                                         f" There are {', '.join(known)}")
    return tuple(dict.fromkeys(given))


def check_discard(system: Any, discard: float | None) -> float | None:
    """Return the time (steps of a map) left out."""
    if discard is None:
        return None
    whole = not isinstance(system, System) or system.time == "discrete"
    found = arguments.number(discard, "discard", 0)
    if whole and found != int(found):
        raise SpecificationError(f"discard must be a whole number of at least 0, not {discard!r}")
    return int(found) if whole else found


def check_shock(system: Any, shock: str | None, threshold: bool, axes: Mapping[str, Array]) -> str | None:
    """Return the shock of every cell; a search for thresholds needs one whose size is free."""
    if threshold:
        shock = shock if shock is not None else usual_shock(system)
        if shock is None:
            raise SpecificationError(f"measure 'threshold': say with shock= which shock of '{system.name}'; there are "
                                     f"{', '.join(getattr(system, 'shocks', {})) or 'none'}")
        if any(name.startswith("shock:") for name in axes):
            raise SpecificationError("measure 'threshold' looks for the size of a shock, so no axis can be one")
    return shock


def check_event(system: Any, events: tuple[str, ...] | None, threshold: bool) -> str | list[str] | None:
    """Return the event or the events that end trajectories, as options keep them; a search for thresholds needs one."""
    declared = getattr(system, "events", {})
    if threshold and not events and not any(part.terminal for part in declared.values()):
        raise SpecificationError(f"measure 'threshold': say with event= which event of '{system.name}'; there are "
                                 f"{', '.join(declared) or 'none'}")
    if not events:
        return None
    return events[0] if len(events) == 1 else list(events)


def engine_record(engine: str) -> dict[str, Any]:
    """Return what tells numbers of one engine from those of another: they differ in the last digits."""
    check_engine(engine)
    return {"engine": engine, "compiled": engine != "numpy" and find_spec("llvmlite") is not None}


def process_record(process: Any) -> dict[str, Any]:
    """Return what tells one Process from another, where no text does that."""
    if isinstance(process, (System, DeclaredProcess)):
        return {}
    kind = type(process)
    return {"process": {"type": f"{kind.__module__}.{kind.__qualname__}",
                        **{name: str(part.value) for name, part in process.parameters.items()}}}


def described(system: Any, name: str) -> dict[str, Any]:
    """Attributes of an axis."""
    if name.startswith("shock:"):
        part: Any = system.shocks[name[6:]]
        return {"units": part.unit, "long_name": part.meaning or f"size of the {name[6:]} shock", "symbol": "s"}
    if name == PATH and name not in system.parameters:
        return {"units": "1", "long_name": "independent run"}
    part = system.parameters.get(name) or getattr(system, "states", {}).get(name)
    if part is None:
        return {"long_name": name.replace("_", " ")}
    return {"units": part.unit, "long_name": part.meaning or name.replace("_", " "), "symbol": part.symbol or name}
