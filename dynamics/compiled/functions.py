"""The numeric functions of a System: field, exact Jacobian, regimes, events, measures; compiled once for each content."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Integer, Max, Min, Symbol, sign
from sympy.core.relational import GreaterThan, LessThan, Relational, StrictGreaterThan, StrictLessThan

from dynamics import expressions
from dynamics.compiled.code import joined_powers, scalar_function, vector_function
from dynamics.compiled.kernels.switches import normalised
from dynamics.errors import DerivationError, SpecificationError
from dynamics.symbolic.polynomial import jacobian_matrix
from dynamics.symbolic.regimes import regimes
from dynamics.systems import MAGNITUDE, TIME, System
from dynamics.systems.indexing import index_set

__all__ = ["RegimeFunctions", "SystemFunctions", "functions_of"]

Array = NDArray[np.float64]
MOST_REGIME_SWITCHES = 6
LARGEST_EXACT_JACOBIAN = 24
SMALLEST_COMPILED_CROWD = 2000  # states from which compiled code for agents pays
_FAILURES = (ArithmeticError, ValueError, TypeError)


@dataclass(frozen=True)
class RegimeFunctions:
    """The smooth functions of one regime; ``conditions`` are all >= 0 inside it.

    ``extended`` is the field with the equations as they are written where its own formula has no value: that of a power of
    abs(y) for negative y has none for positive y, where a step that ends at the border may look.
    ``closed`` says for each condition whether the equations, as they are written, allow it to be exactly zero here.
    """

    name: str
    field: Callable[[float, Array, Sequence[Any]], Array]
    jacobian: Callable[[float, Array, Sequence[Any]], Array] | None
    conditions: Callable[[float, Array, Sequence[Any]], list[float]]
    count: int
    extended: Callable[[float, Array, Sequence[Any]], Array]
    closed: NDArray[np.bool_]


class SystemFunctions:
    """Numeric functions of a system in flat arrays; the state is one vector, states in declared order.

    Attributes
    ----------
    names : tuple of str
        States, in order.
    sizes : tuple of int
        Length of each state in the flat vector.
    dimension : int
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self.names = tuple(system.states)
        self.parameter_names = tuple(system.parameters)
        self._states = [Symbol(name) for name in self.names]
        self._parameters = [Symbol(name) for name in self.parameter_names]
        self.indexed = bool(system.indices)
        order = list(system.indices)
        self._shapes = {name: tuple(system.indices[i] if i in over else 1 for i in order)
                        for name, over in {**dict.fromkeys(self.names, ()), **system.over}.items()}
        self.sizes = tuple(int(np.prod([system.indices[i] for i in system.states[n].over], dtype=int)) for n in self.names)
        self.dimension = sum(self.sizes)
        self._sparse: dict[str, tuple[Any, Any]] = {}

    # ---- values ----------------------------------------------------------------------------------------------------

    def parameters(self, system: System) -> tuple[Any, ...]:
        """Return the parameter values in order: floats, or arrays shaped for broadcasting (sparse stays sparse)."""
        values = system.parameter_values
        return tuple(self._parameter_array(name, values[name]) for name in self.parameter_names)

    def _parameter_array(self, name: str, value: Any) -> Any:
        part = self._system.parameters[name]
        if not part.over:
            return value
        sizes = tuple(self._system.indices[i] for i in part.over)
        if part.sparse:
            from scipy.sparse import csr_array

            # one system asks several times, and hundreds of thousands of entries take seconds
            if name not in self._sparse or self._sparse[name][0] is not value:
                rows, columns, data = zip(*value, strict=True) if value else ((), (), ())
                self._sparse[name] = value, csr_array((np.array(data, dtype=float), (rows, columns)), shape=sizes)
            return self._sparse[name][1]
        array = np.array(value, dtype=float).reshape(sizes)
        if name in self._matrices:
            return array
        order = list(self._system.indices)
        return array.transpose(np.argsort([order.index(i) for i in part.over])).reshape(self._shapes[name])

    @cached_property
    def _matrices(self) -> frozenset[str]:
        """Parameters that keep their two axes: sparse ones, and those over one index twice; they stand in products only."""
        return frozenset(name for name, part in self._system.parameters.items()
                         if part.over and (part.sparse or len(set(part.over)) < len(part.over)))

    def initial_state(self, system: System, given: Mapping[str, Any] | None = None) -> Array:
        """Return the flat initial state; ``given`` replaces entries by name."""
        from dynamics.errors import did_you_mean

        given = {} if given is None else given
        if not isinstance(given, Mapping):
            raise SpecificationError(f"initial_state: must map names of states to values, not {type(given).__name__}")
        for name in given:
            if name not in self.names:
                raise SpecificationError(f"initial_state: '{name}' is not a state of '{system.name}'."
                                         + did_you_mean(name, self.names))
        values = {name: given[name] if name in given else self._initial_value(system, name) for name in self.names}
        parts = []
        for name, size in zip(self.names, self.sizes, strict=True):
            try:
                part = np.asarray(values[name], dtype=float).reshape(-1)
            except (TypeError, ValueError, OverflowError):
                raise SpecificationError(f"initial_state: the value of '{name}' is not numeric: {values[name]!r}") from None
            if part.size not in (1, size):
                raise SpecificationError(f"initial_state: '{name}' needs {size} values, not {part.size}")
            if not np.all(np.isfinite(part)):
                raise SpecificationError(f"initial_state: the value of '{name}' is not finite")
            parts.append(np.broadcast_to(part, (size,)))
        return np.concatenate(parts)

    def _initial_value(self, system: System, name: str) -> Any:
        """Declared initial value; where it is an expression over many cells, in floats from the start."""
        initial = system._parsed.initial[name]
        cells = int(np.prod(self._shapes[name]))
        if cells < SMALLEST_COMPILED_CROWD or not isinstance(initial, Expr) or not any(
                self._system.over.get(symbol.name) for symbol in initial.free_symbols):
            return system._initial_value(name)
        (value,) = self._shaped_function([initial])(0.0, np.zeros(self.dimension), self.parameters(system))
        return np.broadcast_to(value, self._shapes[name])

    def split(self, flat: Array) -> dict[str, Array]:
        """Return name to value, for a flat state whose first axis is the state; indexed states get their index axes."""
        result, start = {}, 0
        for name, size in zip(self.names, self.sizes, strict=True):
            over = self._system.states[name].over
            block = flat[start: start + size]
            shape = tuple(self._system.indices[i] for i in over)
            result[name] = block.reshape(shape + flat.shape[1:]) if over else block[0]
            start += size
        return result

    # ---- compiled functions ----------------------------------------------------------------------------------------

    def _compile(self, wanted: Sequence[Expr], *extra: Symbol) -> Callable[..., Array]:
        """Compile to ``f(t, y, p, *extra) -> flat array``; an expression whose arithmetic fails is nan."""
        resolved = [self._system.resolve(e) for e in wanted]
        if self.indexed:
            shaped = self._shaped_function(resolved, extra)
            return lambda t, y, p, *more: np.concatenate([np.asarray(v, dtype=float).reshape(-1)
                                                          for v in shaped(t, y, p, *more)])
        arguments = [(TIME, *extra), self._states, self._parameters]
        raw = scalar_function(resolved, arguments)
        alone: list[Callable[..., list[float]]] = []

        def value(function: Callable[..., list[float]], *given: Any) -> float:
            try:
                return float(function(*given)[0])
            except _FAILURES:
                return np.nan

        def function(t: float, y: Any, p: Sequence[Any], *more: float) -> Array:
            # plain floats: NumPy scalars would make every operation several times slower
            given = (t, *more), y.tolist() if hasattr(y, "tolist") else y, p
            try:
                return np.array(raw(*given), dtype=float)
            except _FAILURES:
                # the others still have values: a border is watched beside one that has none beyond it
                alone.extend(scalar_function([e], arguments) for e in resolved[len(alone):])
                return np.array([value(one, *given) for one in alone])

        return function

    def _shaped_function(self, resolved: Sequence[Expr], extra: Sequence[Symbol] = ()) -> Callable[..., list[Any]]:
        """Compile to ``f(t, y, p, *extra)``: one value for each expression, an array with one axis for each index."""
        order, over = list(self._system.indices), self._system._parsed.over
        def shaped(node: Expr) -> Expr:
            if isinstance(node, expressions.total):
                return expressions.total(shaped(node.args[0]), Integer(order.index(node.args[1].name)))
            if isinstance(node, expressions.product):
                matrix, vector = node.args
                rows, columns = over[matrix.name]
                (inner,) = index_set(vector, over, "")
                transposed = inner == rows and rows != columns
                if matrix.name not in self._matrices:
                    # laid out by index like everything else, so that it can be used by entries as well
                    return expressions.total(matrix * shaped(vector), Integer(order.index(inner)))
                target = columns if transposed else rows
                return _Product(matrix, shaped(vector), Integer(order.index(inner)), Integer(int(transposed)),
                                Integer(order.index(target)))
            return node.func(*(shaped(a) for a in node.args)) if node.args else node

        raw = vector_function([shaped(e) for e in resolved], [(TIME, *extra), self._states, self._parameters])

        def function(t: float, y: Array, p: Sequence[Any], *more: float) -> list[Any]:
            start, arrays = 0, []
            for name, size in zip(self.names, self.sizes, strict=True):
                # indices are kept in declared order, so a reshape is all that broadcasting needs
                arrays.append(np.asarray(y[start: start + size]).reshape(self._shapes[name]))
                start += size
            with np.errstate(all="ignore"):
                return raw((t, *more), arrays, p)

        return function

    @cached_property
    def field(self) -> Callable[[float, Array, Sequence[Any]], Array]:
        """``field(t, y, p)``: right-hand side (next state of a map), shape (dimension,)."""
        system = self._system
        if not self.indexed:
            return self._compile([system._parsed.equations[n] for n in self.names])
        crowd = self._crowd_field()
        if crowd is not None:
            return crowd
        # all equations at once: products that several of them need are made once
        compiled = self._shaped_function([system.resolve(system._parsed.equations[n]) for n in self.names])
        shapes = [self._shapes[n] for n in self.names]

        def function(t: float, y: Array, p: Sequence[Any]) -> Array:
            return np.concatenate([np.broadcast_to(value, shape).reshape(-1)
                                   for value, shape in zip(compiled(t, y, p), shapes, strict=True)])

        return function

    def _crowd_field(self) -> Callable[[float, Array, Sequence[Any]], Array] | None:
        """Compiled code that walks over the agents, where they are many and all alike."""
        from dynamics.compiled.kernels import jit
        from dynamics.compiled.kernels.agents import agent_field

        if self.dimension < SMALLEST_COMPILED_CROWD or not jit.available():
            return None
        try:
            return agent_field(self._system)
        except (SpecificationError, DerivationError):
            return None  # more than one index, or networks: arrays

    @cached_property
    def regimes(self) -> tuple[RegimeFunctions, ...]:
        """The smooth regimes; empty when there are none to tell apart or too many."""
        if self.indexed:
            return ()
        fields = [self._system.field[n] for n in self.names]
        if _switch_count(fields) > MOST_REGIME_SWITCHES:
            return ()  # every sign pattern would be made before it is known that there are too many
        try:
            # bounds of parameters only: a trial step may leave the bounds of a state
            bounds = {s: b for s, b in self._system.bounds().items() if s in self._parameters}
            found = regimes(fields, bounds)
        except DerivationError:
            return ()
        if len(found) < 2 or len(found) > 2**MOST_REGIME_SWITCHES:
            return ()
        return tuple(self._regime(r.name, r.expressions, r.conditions) for r in found)

    def _regime(self, name: str, fields: Sequence[Expr], conditions: Sequence[Expr]) -> RegimeFunctions:
        field, jacobian = self._compile(fields), self._jacobian(fields)
        written, written_jacobian = self.field, self.jacobian
        extended = _with_values_of(written, field)
        if jacobian is not None and written_jacobian is not None:
            jacobian = _with_values_of(written_jacobian, jacobian)
        decisions = set[Expr]().union(*(self._system.field[n].atoms(Relational, sign) for n in self.names))
        closed = np.array([_holds_at_zero(c, decisions) for c in conditions], dtype=bool)
        return RegimeFunctions(name, field, jacobian, self._conditions(conditions), len(conditions), extended, closed)

    def _conditions(self, conditions: Sequence[Expr]) -> Callable[..., list[float]]:
        compiled = self._compile(conditions)
        return lambda t, y, p: compiled(t, y, p).tolist()

    def _jacobian(self, fields: Sequence[Expr]) -> Callable[..., Array] | None:
        if len(fields) > LARGEST_EXACT_JACOBIAN:
            return None
        compiled = self._compile([joined_powers(e) for e in jacobian_matrix(fields, self._states)])
        return lambda t, y, p: compiled(t, y, p).reshape(self.dimension, self.dimension)

    @cached_property
    def jacobian(self) -> Callable[..., Array] | None:
        """``jacobian(t, y, p)``: exact derivatives, shape (dimension, dimension); None for large or indexed systems."""
        return None if self.indexed else self._jacobian([self._system.field[n] for n in self.names])

    @cached_property
    def events(self) -> Callable[[float, Array, Sequence[Any]], Array]:
        """Values of the event expressions, in declared order."""
        return self._compile([e for e, _ in self._system._parsed.events.values()])

    @cached_property
    def observables(self) -> dict[str, Callable[..., Array]]:
        """Observable name to function, flat values."""
        return {name: self._compile([e]) for name, e in self._system._parsed.observables.items()}

    @cached_property
    def measure_expressions(self) -> Callable[..., Array]:
        """Values of what the measures reduce, in declared order."""
        return self._compile(list(self._system._parsed.measures.values()))

    def transform(self, measure: str, value: float, p: Sequence[Any]) -> float:
        """Apply the transform of a measure."""
        if measure not in self._transforms:
            self._transforms[measure] = self._compile([self._system._parsed.transforms[measure]], Symbol("value"))
        return float(self._transforms[measure](0.0, np.zeros(self.dimension), p, value)[0])

    @cached_property
    def _transforms(self) -> dict[str, Callable[..., Array]]:
        return {}

    @cached_property
    def shocks(self) -> dict[str, Callable[[Array, float, Sequence[Any]], Array]]:
        """Shock name to ``f(y, magnitude, p) -> new flat state``."""
        return {name: self._assignment(assign, MAGNITUDE) for name, assign in self._system._parsed.shocks.items()}

    @cached_property
    def resets(self) -> dict[str, Callable[..., Array] | None]:
        """Event name to ``f(y, 0, p) -> new flat state``, None for events that assign nothing."""
        return {name: self._assignment(assign, MAGNITUDE) if assign else None
                for name, (_, assign) in self._system._parsed.events.items()}

    def _assignment(self, assign: Mapping[str, Expr], extra: Symbol) -> Callable[..., Array]:
        starts = dict(zip(self.names, np.cumsum((0, *self.sizes))[:-1].tolist(), strict=True))
        sizes = dict(zip(self.names, self.sizes, strict=True))
        parts = [(starts[n], sizes[n], self._compile([e], extra)) for n, e in assign.items()]

        def function(y: Array, magnitude: float, p: Sequence[Any], t: float = 0.0) -> Array:
            result = np.array(y, dtype=float)
            for start, size, part in parts:
                result[start: start + size] = part(t, y, p, magnitude)
            return result

        return function

    # ---- functions over lanes --------------------------------------------------------------------------------------

    def lane_function(self, wanted: Sequence[Expr], *extra: Symbol) -> Callable[..., Array]:
        """Compile to ``f(t, y, p, *extra)`` over lanes: y (dimension, lanes), p (parameters, lanes) -> (len, lanes)."""
        if self.indexed:
            raise SpecificationError(f"'{self._system.name}' has indexed states; "
                                     "use system.expand() for many trajectories at once")
        key = (tuple(wanted), extra)
        if key not in self._lane_functions:
            self._lane_functions[key] = self._lane_function(wanted, extra)
        return self._lane_functions[key]

    @cached_property
    def _lane_functions(self) -> dict[Any, Callable[..., Array]]:
        return {}

    def _lane_function(self, wanted: Sequence[Expr], extra: Sequence[Symbol]) -> Callable[..., Array]:
        raw = vector_function([self._system.resolve(e) for e in wanted], [(TIME, *extra), self._states, self._parameters])

        def function(t: Array, y: Array, p: Array, *more: Array) -> Array:
            with np.errstate(all="ignore"):
                values = raw((t, *more), y, p)
            result = np.empty((len(values), y.shape[1]))
            for row, value in enumerate(values):
                result[row] = value
            return result

        return function

    @cached_property
    def lane_field(self) -> Callable[[Array, Array, Array], Array]:
        """Field over lanes."""
        return self.lane_function([self._system.field[n] for n in self.names])

    @cached_property
    def lane_measures(self) -> Callable[[Array, Array, Array], Array]:
        """What the measures reduce, over lanes."""
        return self.lane_function(list(self._system._parsed.measures.values()))

    @cached_property
    def lane_jacobian(self) -> Callable[[Array, Array, Array], Array]:
        """Exact Jacobian over lanes, shape (dimension, dimension, lanes)."""
        entries = [joined_powers(e) for e in jacobian_matrix([self._system.field[n] for n in self.names], self._states)]
        compiled = self.lane_function(entries)
        return lambda t, y, p: compiled(t, y, p).reshape(self.dimension, self.dimension, y.shape[1])


def _with_values_of(other: Callable[..., Array], function: Callable[..., Array]) -> Callable[..., Array]:
    """Return a function with the values of another one where it has none itself."""
    def extended(t: float, y: Array, p: Sequence[Any]) -> Array:
        values = function(t, y, p)
        if np.isfinite(values).all():
            return values
        return np.where(np.isfinite(values), values, other(t, y, p))

    return extended


def _holds_at_zero(condition: Expr, decisions: Iterable[Expr]) -> bool:
    """Whether a regime whose condition is exactly zero agrees with all relations and signs that change there."""
    form, turned = normalised(condition)
    for decision in decisions:
        if isinstance(decision, sign):
            # neither 1 nor -1 at zero
            if normalised(decision.args[0])[0] == form:
                return False
        elif isinstance(decision, GreaterThan | LessThan | StrictGreaterThan | StrictLessThan):
            other, other_turned = normalised(decision.gts - decision.lts)
            holds = other_turned == turned
            if other == form and holds is not isinstance(decision, GreaterThan | LessThan):
                return False
    return True


def _switch_count(fields: Sequence[Expr]) -> int:
    """Number of different switches of the nonsmooth functions, up to sign."""
    found: set[Expr] = set()
    for node in {node for e in fields for node in e.atoms(Max, Min, Relational)}:
        for a, b in combinations(node.args, 2):
            switch = (a - b).expand().as_content_primitive()[1]
            found.add(-switch if switch.could_extract_minus_sign() else switch)
    return len(found)


class _Product(expressions.product):
    """A product with its axes filled in: matrix, vector, axis of the vector, transposed, axis of the result."""

    @classmethod
    def eval(cls, *args: Expr) -> None:
        return None


_Product.__name__ = "product"
_CACHE: OrderedDict[Any, SystemFunctions] = OrderedDict()
_CACHE_SIZE = 64


def functions_of(system: System) -> SystemFunctions:
    """Return the numeric functions of a system; systems that differ only in parameter values share them."""
    parsed = system._parsed
    key = (system.time, tuple(system.indices.items()), tuple(system.states), tuple(system.parameters),
           tuple(sorted(system.over.items())), tuple(parsed.definitions.items()), tuple(parsed.equations.items()),
           tuple(parsed.observables.items()), tuple(parsed.measures.items()), tuple(parsed.transforms.items()),
           tuple((n, e, tuple(a.items())) for n, (e, a) in parsed.events.items()),
           tuple((n, tuple(a.items())) for n, a in parsed.shocks.items()),
           # bounds decide which regimes exist: systems that differ in them do not share functions
           tuple((n, part.sparse, part.bounds) for n, part in system.parameters.items()))
    if key in _CACHE:
        _CACHE.move_to_end(key)
        return _CACHE[key]
    _CACHE[key] = SystemFunctions(system)
    if len(_CACHE) > _CACHE_SIZE:
        _CACHE.popitem(last=False)
    return _CACHE[key]
