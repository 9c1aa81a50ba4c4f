"""What every analysis of shocked trajectories is told, checked in one place before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynamics.errors import SpecificationError, did_you_mean
from dynamics.systems import System

__all__ = ["ENGINES", "RunArguments", "asked_events", "check_engine", "check_events", "check_magnitude", "check_positive",
           "check_run", "check_shock_name", "usual_event", "usual_shock"]

ENGINES = ("auto", "kernel", "numpy")
ANY = "any"


@dataclass(frozen=True)
class RunArguments:
    """Checked arguments.

    Attributes
    ----------
    duration : float or None
    shock : str or None
    magnitude : float
    events : tuple of str or None
        Those asked for, in declared order; None where nothing was said.
    relative_tolerance, absolute_tolerance, tolerance : float
    engine : str
    ramp : float
    bracket : (float, float) or None
    """

    duration: float | None
    shock: str | None
    magnitude: float
    events: tuple[str, ...] | None
    relative_tolerance: float
    absolute_tolerance: float
    tolerance: float
    engine: str
    ramp: float
    bracket: tuple[float, float] | None


def check_run(system: Any, *, duration: Any = None, shock: str | None = None, magnitude: Any = 0.0, event: Any = None,
              relative_tolerance: Any = 1e-6, absolute_tolerance: Any = 1e-9, tolerance: Any = 1e-8,
              engine: str = "auto", initial_state: Mapping[str, Any] | None = None, ramp: Any = 0.0,
              bracket: Any = None) -> RunArguments:
    """check_run(system, duration=..., shock=..., ...): the arguments of runs after a shock, or what is wrong with them.

    Parameters
    ----------
    system : System or Process
    duration : float, optional
        Positive, finite.
    shock, magnitude : str, float
        A declared shock, within its bounds; a magnitude without a shock has to be a finite number all the same.
    event : str, sequence of str or "any", optional
        Declared events; "any": every terminal one.
    relative_tolerance, absolute_tolerance : float
        Positive, finite.
    tolerance : float
        Of a magnitude; between 0 and 1.
    engine : str
    initial_state : mapping of str to float, optional
        Of declared states; finite numbers.
    ramp : float
        A time of at least 0.
    bracket : (float, float), optional
        Two different finite magnitudes, in any order.

    Returns
    -------
    RunArguments

    Raises
    ------
    SpecificationError
        Says which argument, what it is, and what it may be.

    Examples
    --------
    >>> import dynamics as dy
    >>> check_run(dy.models.load("deleveraging"), shock="price", magnitude=0.1, event="any").events
    ('insolvency',)
    """
    check_shock_name(system, shock)
    if isinstance(system, System) and not system.indices:
        from dynamics.compiled.functions import functions_of

        functions_of(system).initial_state(system, initial_state)
    return RunArguments(
        duration=None if duration is None else check_positive(duration, "duration"),
        shock=shock,
        magnitude=check_magnitude(system, shock, magnitude),
        events=check_events(system, event),
        relative_tolerance=check_positive(relative_tolerance, "relative_tolerance"),
        absolute_tolerance=check_positive(absolute_tolerance, "absolute_tolerance"),
        tolerance=_tolerance(tolerance),
        engine=check_engine(engine),
        ramp=_ramp(ramp),
        bracket=None if bracket is None else _bracket(bracket))


def check_positive(value: Any, name: str) -> float:
    """Return a positive, finite number."""
    number = _number(value)
    if not (math.isfinite(number) and number > 0):
        raise SpecificationError(f"{name} must be a positive number, not {value!r}")
    return number


def _tolerance(value: Any) -> float:
    number = _number(value)
    if not 0 < number < 1:
        raise SpecificationError(f"tolerance must lie between 0 and 1, not {value!r}")
    return number


def _ramp(value: Any) -> float:
    number = _number(value)
    if not (math.isfinite(number) and number >= 0):
        raise SpecificationError(f"ramp must be a time of at least 0, not {value!r}")
    return number


def _bracket(given: Any) -> tuple[float, float]:
    several = isinstance(given, Iterable) and not isinstance(given, str) and getattr(given, "ndim", 1) > 0
    ends = sorted(_number(end) for end in given) if several else []
    if len(ends) != 2 or not all(map(math.isfinite, ends)) or ends[0] == ends[1]:
        raise SpecificationError(f"bracket must be two different finite magnitudes, not {given!r}")
    return ends[0], ends[1]


def check_engine(engine: str) -> str:
    """Return the name of an engine."""
    if not isinstance(engine, str) or engine not in ENGINES:
        near = did_you_mean(str(engine), ENGINES)
        raise SpecificationError(f"engine: '{engine}' is not one of {', '.join(ENGINES)}.{near}")
    return engine


def check_shock_name(system: Any, shock: str | None, needed: bool = False) -> None:
    """Refuse a shock that is not declared, or none where one is needed."""
    shocks = getattr(system, "shocks", {})
    if (needed or shock is not None) and not (isinstance(shock, str) and shock in shocks):
        raise SpecificationError(f"'{shock}' is not a shock of '{system.name}'.{did_you_mean(str(shock), shocks)} "
                                 f"There are {', '.join(shocks) or 'none'}")


def check_magnitude(system: Any, shock: str | None, magnitude: Any, where: str = "magnitude") -> float:
    """Return the size of a shock: a finite number within the bounds of the shock."""
    number = _number(magnitude)
    if not math.isfinite(number):
        raise SpecificationError(f"{where} must be a finite number, not {magnitude!r}")
    if shock is not None:
        low, high = system.shocks[shock].bounds
        if (low is not None and number < low) or (high is not None and number > high):
            raise SpecificationError(f"{where}: {number!r} is outside the bounds of the shock '{shock}' "
                                     f"[{'-inf' if low is None else low}, {'inf' if high is None else high}]")
    return number


def check_events(system: Any, event: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the events asked for, in declared order; "any": every terminal one. None where nothing was asked."""
    if event is None:
        return None
    events = getattr(system, "events", {})
    if not isinstance(event, str | Iterable) or getattr(event, "ndim", 1) == 0:
        raise SpecificationError(f"event: name an event of '{system.name}', several, or \"any\"; not {event!r}")
    if isinstance(event, str) and event == ANY and ANY not in events:
        return tuple(name for name, part in events.items() if part.terminal)
    asked = [event] if isinstance(event, str) else list(event)
    if not asked:
        raise SpecificationError(f"event: name an event of '{system.name}', several, or \"any\"; the list is empty")
    for name in asked:
        if not isinstance(name, str) or name not in events:
            raise SpecificationError(f"'{name}' is not an event of '{system.name}'.{did_you_mean(str(name), events)}")
    return tuple(name for name in events if name in asked)


def asked_events(system: Any, event: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the events asked for, in declared order; None: every terminal one. There has to be one."""
    names = check_events(system, ANY if event is None else event)
    if not names:
        raise SpecificationError(f"'{system.name}' has no terminal event; say with event= which one is meant. "
                                 f"There are {', '.join(system.events) or 'none'}")
    return names


def usual_shock(system: Any) -> str | None:
    """Return the shock that is meant where none is named: "price" where it is declared, else the only one, else none."""
    shocks = getattr(system, "shocks", {})
    if "price" in shocks:
        return "price"
    return next(iter(shocks)) if len(shocks) == 1 else None


def usual_event(system: Any) -> str | None:
    """Return what counts as a cascade where nothing is named: "insolvency" where it is declared, else the first terminal
    event, else none."""
    events = getattr(system, "events", {})
    if "insolvency" in events:
        return "insolvency"
    return next((name for name, part in events.items() if part.terminal), None)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
