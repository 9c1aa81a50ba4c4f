"""Results for nonsmooth systems: regimes, border collisions, sliding regions and pseudo-equilibria."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sympy import Expr, S, Symbol
from sympy.logic.boolalg import Boolean

from dynamics import expressions
from dynamics.results.record import Record, hashed
from dynamics.results.records import FixedPoint

__all__ = ["BorderCollision", "BorderSide", "NonsmoothRegime", "PseudoEquilibrium", "Sliding", "Tangency"]


@dataclass(frozen=True)
class NonsmoothRegime(Record):
    """A regime: the smooth equations of one sign pattern of the switches, and their fixed points.

    Attributes
    ----------
    switches : mapping of str to bool
        On where the expression in the text is positive; only the switches that matter here.
    equations : mapping of str to SymPy expression
        Smooth; right-hand sides of a flow, next states of a map.
    valid_where : SymPy Boolean
        The closed region of the state space.
    fixed_points : tuple of FixedPoint
        Of the smooth equations; those outside the regime ("virtual") are not admissible.
    """

    switches: Mapping[str, bool]
    equations: Mapping[str, Expr]
    valid_where: Boolean
    fixed_points: tuple[FixedPoint, ...] = ()

    def __repr__(self) -> str:
        where = ", ".join(f"{text}: {on}" for text, on in self.switches.items()) or "everywhere"
        admissible = sum(point.admissible for point in self.fixed_points)
        return f"NonsmoothRegime({where}; {admissible} of {len(self.fixed_points)} fixed points admissible)"

    def __hash__(self) -> int:
        return hash(tuple(self.switches.items()))


@dataclass(frozen=True)
class BorderSide(Record):
    """One side of a border collision, in the limit at the collision.

    Attributes
    ----------
    on : bool
        Whether the switch is positive on this side.
    exists : {"below", "above", ""}
        Parameter values for which this side's fixed point lies in its own regime.
    stability, kind : str
        At the collision, at current values of the other parameters: "stable", "stable focus", ...
    eigenvalues : tuple of complex
        Of the one-sided Jacobian.
    determinant : SymPy expression
        Of -J (flow) or 1 - J (map): the collision is a persistence where those of both sides have one sign.
    stable_where : SymPy Boolean or None
        Conditions on the parameters under which this side is stable next to the border; None where no closed form was found.
    """

    on: bool
    exists: str
    stability: str
    kind: str
    eigenvalues: tuple[complex, ...]
    determinant: Expr
    stable_where: Boolean | None = None

    def __hash__(self) -> int:
        return hash(hashed((self.on, self.exists, self.kind, self.eigenvalues)))


@dataclass(frozen=True)
class BorderCollision(Record):
    """A fixed point meets the border of its regime.

    Attributes
    ----------
    switch : str
        The inequality whose border it is, ``"1 - u/m > 0"``.
    parameter : str
    solutions : tuple of SymPy expressions
        The critical value of the parameter; numbers where there is no closed form.
    values : tuple of float
        The same at the current values of the other parameters.
    valid_where : SymPy Boolean
        Where the collision belongs to the model: parameters and states inside their bounds, the other switches as assumed.
    expression : SymPy expression
        Zero at the collision; positive (up to sign) where the switch is on at the off side's fixed point.
    state : mapping of str to SymPy expression
        The fixed point at the collision.
    classification : {"persistence", "nonsmooth_fold", "not determined"}
        At current values. A fixed point on either side of the collision, or two on one side and none on the other.
    off, on : BorderSide
        The two sides.
    attractors, unstable : mapping {"below", "above"} to tuple of str
        Orbits close to the border for the parameter below and above its critical value.
    multiple_attractors : bool
        Whether two attractors are known to exist together.
    dimension : int
        Number of states.
    continuous : bool
        Whether the field is continuous across the border.
    """

    switch: str
    parameter: str
    solutions: tuple[Expr, ...]
    values: tuple[float, ...]
    valid_where: Boolean
    expression: Expr
    state: Mapping[str, Expr]
    classification: str
    off: BorderSide
    on: BorderSide
    attractors: Mapping[str, tuple[str, ...]]
    unstable: Mapping[str, tuple[str, ...]]
    dimension: int
    time: str = "continuous"
    continuous: bool = True
    remark: str = ""
    kind: str = "border_collision"
    exactness: str = "exact"
    symbols: Mapping[str, str] = field(default_factory=dict)

    @property
    def multiple_attractors(self) -> bool:
        """Whether two attractors are known to exist together on one side of the collision."""
        return any(len(found) > 1 for found in self.attractors.values())

    @property
    def latex(self) -> str:
        """The critical value as LaTeX."""
        left = expressions.latex(Symbol(self.parameter), self.symbols)
        return ",\\; ".join(f"{left} = {expressions.latex(s, self.symbols)}" for s in self.solutions)

    @property
    def note(self) -> str:
        """What the collision does, as LaTeX beside the formula."""
        return f"\\text{{border collision: {self.classification.replace('_', ' ')}}}"

    def __repr__(self) -> str:
        solved = ", ".join(f"{self.parameter} = {expressions.text(s)}" for s in self.solutions)
        sides = ", ".join(f"{side.exists or 'nowhere'}: {side.kind}" for side in (self.off, self.on))
        return f"BorderCollision({solved}; {self.classification}; {sides})"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def __hash__(self) -> int:
        return hash(hashed((self.switch, self.parameter, self.solutions, self.classification)))


@dataclass(frozen=True)
class PseudoEquilibrium(Record):
    """A zero of the sliding field.

    Attributes
    ----------
    state : mapping of str to SymPy expression
    values : mapping of str to float
    weight : SymPy expression
        Share of the on side's field, between 0 and 1 where the point is admissible.
    eigenvalues : tuple of complex
        Of the sliding field within the border (one fewer than there are states), at current parameters.
    stability : {"stable", "unstable", "not determined"}
        Stable: in an attracting sliding region, and stable within it.
    admissible : bool
        Whether it lies in a sliding region at current parameters.
    valid_where : SymPy Boolean
        Conditions on the parameters under which it does.
    """

    state: Mapping[str, Expr]
    values: Mapping[str, float]
    weight: Expr
    eigenvalues: tuple[complex, ...]
    stability: str
    admissible: bool
    valid_where: Boolean = S.true

    def __hash__(self) -> int:
        return hash(hashed((tuple(self.values.items()), self.stability)))


@dataclass(frozen=True)
class Tangency(Record):
    """Where the field of one side is tangent to the border: the edge of a sliding region.

    Attributes
    ----------
    on : bool
        Which side's field.
    state : mapping of str to SymPy expression
        Free states stand for themselves.
    second_derivative : SymPy expression
        Of the switch along that field.
    kind : {"visible", "invisible", "not determined"}
        At current parameters; visible where the trajectory of that side touches the border and stays on its side. Sliding
        trajectories leave the border at visible tangencies.
    """

    on: bool
    state: Mapping[str, Expr]
    second_derivative: Expr
    kind: str

    def __hash__(self) -> int:
        return hash(hashed((self.on, self.second_derivative, self.kind)))


@dataclass(frozen=True)
class Sliding(Record):
    """Sliding on the border of one switch (Filippov).

    Attributes
    ----------
    switch : str
    border : mapping of str to SymPy expression
        The border, solved for a state; empty where it has no closed form.
    attracting, repelling : SymPy Boolean
        Within the border: where both fields point to it, and where both point away. False where there is no such region.
    sliding_field : mapping of str to SymPy expression
        The sliding field, on the border.
    pseudo_equilibria : tuple of PseudoEquilibrium
    tangencies : tuple of Tangency
    """

    switch: str
    border: Mapping[str, Expr]
    attracting: Boolean
    repelling: Boolean
    sliding_field: Mapping[str, Expr]
    pseudo_equilibria: tuple[PseudoEquilibrium, ...] = ()
    tangencies: tuple[Tangency, ...] = ()
    regime: Mapping[str, bool] = field(default_factory=dict)
    remark: str = ""

    def __repr__(self) -> str:
        return f"Sliding({self.switch}; attracting where {expressions.text(self.attracting)}; repelling where " \
               f"{expressions.text(self.repelling)}; {len(self.pseudo_equilibria)} pseudo-equilibria)"

    def __hash__(self) -> int:
        return hash(hashed((self.switch, self.attracting, self.repelling)))
