"""Process: what is no ODE and no map (market clearing, matching, boundary values)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol, Self, runtime_checkable

from dynamics.errors import SpecificationError
from dynamics.systems.parts import Measure, Parameter, Reference, State
from dynamics.systems.system import System

__all__ = ["DeclaredProcess", "Process"]


@runtime_checkable
class Process(Protocol):
    """A model that is stepped or solved as a whole.

    A process has ``step(state, parameters, generator) -> state`` (a random or deterministic transition) or
    ``solve(parameters) -> Dataset`` (a boundary-value or equilibrium problem). ``iterate``, ``sweep``, ``phase_diagram``
    and saving accept it; symbolic functions raise DerivationError and name what does work. The packaged ones are made with
    :class:`DeclaredProcess`, which checks what is declared as a System does.

    Attributes
    ----------
    name : str
    parameters : mapping of str to Parameter
    references : tuple of Reference
    """

    name: str
    parameters: Mapping[str, Parameter]
    references: tuple[Reference, ...]

    def with_parameters(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> Process:
        """Return the process with new parameter values."""
        ...


class DeclaredProcess:
    """A Process whose states, parameters and measures are declared, checked and identified like those of a System.

    A subclass adds ``step`` or ``solve``, and nothing that changes: all a run depends on are parameters and ``options``.

    Parameters
    ----------
    name : str
    states : mapping of str to State or number
        What ``step`` takes and returns, with initial values; for ``solve`` the numbers of its solution, with their units.
    parameters : mapping of str to Parameter or number
    observables : mapping of str to str
        Functions of the states and parameters to report with an orbit.
    measures : mapping of str to Measure
        Of an orbit; expressions in states, parameters and observables.
    statistics : mapping of str to (unit, meaning)
        Numbers of an orbit that are no reduction of an expression; ``statistics_of`` computes them.
    regimes : sequence of str
        Names of the values 0, 1, ... of the state, statistic or number ``regime``.
    options : mapping of str to value
        Choices of the model that are no numbers to vary; part of its identity.
    indices : mapping of str to int
    references : sequence of Reference
    time_unit : str

    Raises
    ------
    SpecificationError
        Listing every fault; also when the subclass has neither ``step`` nor ``solve``.

    Examples
    --------
    >>> import dynamics as dy
    >>> class Walk(dy.DeclaredProcess):
    ...     def step(self, state, parameters, generator):
    ...         return {"x": state["x"] + parameters["drift"] + generator.normal()}
    >>> walk = Walk(name="walk", states={"x": 0}, parameters={"drift": dy.Parameter(0.1, "1", (0, None))})
    >>> dy.iterate(walk, 10, seed=1)["x"].shape
    (11,)
    """

    def __init__(self, *, name: str, states: Mapping[str, Any], parameters: Mapping[str, Any] | None = None,
                 observables: Mapping[str, str] | None = None, measures: Mapping[str, Measure] | None = None,
                 statistics: Mapping[str, tuple[str, str]] | None = None, regimes: Sequence[str] = (),
                 options: Mapping[str, Any] | None = None, indices: Mapping[str, int] | None = None,
                 references: Sequence[Reference] = (), time_unit: str = "1") -> None:
        if not callable(getattr(self, "step", None)) and not callable(getattr(self, "solve", None)):
            raise SpecificationError(f"process '{name}': {type(self).__name__} has neither step(state, parameters, "
                                     "generator) nor solve(parameters); write one of them")
        # the equations say only that nothing else is known of the next state
        declared = System(name=name, time="discrete", states=states, parameters=parameters or {}, indices=indices or {},
                          equations={str(state): str(state) for state in states}, observables=observables or {},
                          measures=measures or {}, references=tuple(references), time_unit=time_unit)
        taken = [n for n in (statistics or {}) if n in (*declared.symbols, *declared.measures)]
        if taken:
            raise SpecificationError(f"process '{name}': statistics.{taken[0]}: the name is already used")
        self.__dict__.update(_declared=declared, statistics=dict(statistics or {}), regimes=tuple(regimes),
                             options=dict(options or {}))

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"a Process does not change; with_parameters({name}=...) returns a new one")

    # ---- what is declared ----------------------------------------------------------------------------------------------

    statistics: dict[str, tuple[str, str]]
    regimes: tuple[str, ...]
    options: dict[str, Any]
    _declared: System

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._declared.name

    @property
    def states(self) -> Mapping[str, State]:
        """Name to State."""
        return self._declared.states

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Name to Parameter."""
        return self._declared.parameters

    @property
    def measures(self) -> Mapping[str, Measure]:
        """Name to Measure."""
        return self._declared.measures

    @property
    def indices(self) -> Mapping[str, int]:
        """Name to size."""
        return self._declared.indices

    @property
    def references(self) -> tuple[Reference, ...]:
        """Sources."""
        return self._declared.references

    @property
    def time_unit(self) -> str:
        """Unit of one step."""
        return self._declared.time_unit

    @property
    def declaration(self) -> System:
        """States, parameters and measures as a System whose equations change nothing."""
        return self._declared

    # ---- values --------------------------------------------------------------------------------------------------------

    @property
    def parameter_values(self) -> dict[str, Any]:
        """Parameter name to float, or to nested tuples of floats."""
        return self._declared.parameter_values

    def initial_state(self) -> dict[str, Any]:
        """Initial value of every state at the current parameters: floats, or nested tuples of floats."""
        return self._declared.initial_state()

    def with_parameters(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """Return a process with new parameter values; nothing else changes.

        Raises
        ------
        SpecificationError
            For an unknown name or a value outside the parameter's bounds.
        """
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__, _declared=self._declared.with_parameters(values, **more))
        return twin

    def statistics_of(self, orbit: Any) -> Mapping[str, float]:
        """Return every one of ``statistics`` for an orbit (a Dataset of states over ``time``)."""
        return {}

    # ---- identity ------------------------------------------------------------------------------------------------------

    def to_text(self) -> str:
        """Return the canonical text: kind, options, and the declaration as TOML, whose equations only stand for ``step``."""
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        return (f"# process {kind}: its own step or solve takes the place of the equations below\n"
                f"# options {json.dumps(self.options, sort_keys=True, default=str)}\n{self._declared.to_toml()}")

    @property
    def sha256(self) -> str:
        """Hash of the canonical text."""
        return hashlib.sha256(self.to_text().encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.to_text() == other.to_text() if isinstance(other, DeclaredProcess) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_text())

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        does = "stepped" if callable(getattr(self, "step", None)) else "solved"
        values = ", ".join(f"{n}={v:.6g}" if isinstance(v, (int, float)) else f"{n}=<{len(v)} entries>"
                           for n, v in self.parameter_values.items())
        return f"Process '{self.name}' ({does}, states {', '.join(self.states)})\n  parameters: {values or 'none'}"
