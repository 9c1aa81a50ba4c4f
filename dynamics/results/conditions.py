"""Symbolic results: stability and bifurcation conditions, feedback loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sympy import Expr, S
from sympy.logic.boolalg import Boolean

from dynamics import expressions
from dynamics.errors import SpecificationError
from dynamics.results.record import Record

__all__ = ["BifurcationCondition", "FeedbackLoop", "StabilityCondition", "condition_latex"]


def condition_latex(condition: Any, symbols: Mapping[str, str] | None = None) -> str:
    """LaTeX of a condition or expression; "always" for true."""
    return "\\text{always}" if condition is S.true else expressions.latex(condition, symbols)


def _words(text: str) -> str:
    return f"\\text{{{text.replace('_', ' ')}}}"


@dataclass(frozen=True)
class StabilityCondition(Record):
    """One inequality of a stability region: stable where ``expression`` is positive.

    Attributes
    ----------
    expression : SymPy expression
        Factored, in the model's parameters.
    bifurcation : str
        What happens on the zero set: fold, hopf, period_doubling, neimark_sacker, ...
    boundary : SymPy equation
        ``expression = 0``.
    valid_where : SymPy Boolean
    value : float or None
        The expression at the current parameters.
    """

    expression: Expr
    bifurcation: str
    boundary: Boolean
    valid_where: Boolean = S.true
    value: float | None = None
    symbols: Mapping[str, str] = field(default_factory=dict)

    @property
    def latex(self) -> str:
        """The inequality as LaTeX."""
        return f"{expressions.latex(self.expression, self.symbols)} > 0"

    @property
    def note(self) -> str:
        """What happens on the boundary, as LaTeX beside the formula."""
        return _words(f"{self.bifurcation} where it is 0")

    @property
    def mathml(self) -> str:
        """The inequality as MathML."""
        return expressions.mathml(self.expression > 0, self.symbols)

    def __call__(self, **parameters: Any) -> Any:
        """Return the expression at parameter values, numbers or arrays by name; positive is stable.

        Examples
        --------
        >>> import dynamics as dy
        >>> market = dy.models.load("deleveraging")
        >>> condition, = dy.stability_conditions(market, dy.fixed_points(market)[0])
        >>> round(float(condition(**market.parameter_values)), 12)
        0.9
        """
        from sympy import Symbol, lambdify

        names = sorted(s.name for s in self.expression.free_symbols)
        missing = [name for name in names if name not in parameters]
        if missing:
            raise SpecificationError(f"the condition depends on {', '.join(names)}; no value given for {', '.join(missing)}")
        renamed = {Symbol(name): Symbol(f"a{k}") for k, name in enumerate(names)}
        function = lambdify(list(renamed.values()), self.expression.xreplace(renamed), modules=["numpy"])
        return function(*(parameters[name] for name in names))

    def __repr__(self) -> str:
        return f"StabilityCondition({expressions.text(self.expression)} > 0; {self.bifurcation} where it is 0)"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def __hash__(self) -> int:
        return hash((self.expression, self.bifurcation))


@dataclass(frozen=True)
class BifurcationCondition(Record):
    """The zero set of a stability condition, solved for ``parameter`` where one was asked for.

    Attributes
    ----------
    kind : str
    parameter : str or None
    solutions : tuple of SymPy expressions
        Critical values of the parameter.
    valid_where : SymPy Boolean
        Where the first solution is a bifurcation of the full model.
    values : tuple of float
        The solutions at the current parameters.
    expression : SymPy expression
        Zero on the bifurcation.
    """

    kind: str
    parameter: str | None
    solutions: tuple[Expr, ...]
    valid_where: Boolean
    values: tuple[float, ...] = ()
    expression: Expr = S.Zero
    symbols: Mapping[str, str] = field(default_factory=dict)

    @property
    def latex(self) -> str:
        """The condition as LaTeX."""
        if not self.solutions:
            return f"{expressions.latex(self.expression, self.symbols)} = 0"
        from sympy import Symbol

        left = expressions.latex(Symbol(self.parameter or ""), self.symbols)
        return ",\\; ".join(f"{left} = {expressions.latex(s, self.symbols)}" for s in self.solutions)

    @property
    def note(self) -> str:
        """The kind and where the solution is that bifurcation, as LaTeX beside the formula."""
        if self.valid_where is S.true:
            return _words(self.kind)
        return f"{_words(self.kind + ', valid where ')} {condition_latex(self.valid_where, self.symbols)}"

    def __repr__(self) -> str:
        solved = ", ".join(f"{self.parameter} = {expressions.text(s)}" for s in self.solutions)
        return f"BifurcationCondition({self.kind}: {solved or expressions.text(self.expression) + ' = 0'}; " \
               f"valid where {expressions.text(self.valid_where)})"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def __hash__(self) -> int:
        return hash((self.kind, self.parameter, self.solutions))


@dataclass(frozen=True)
class FeedbackLoop(Record):
    """A cycle of influences between states and definitions.

    Attributes
    ----------
    path : tuple of str
        Nodes in the direction of influence, from the first state on; the last one acts on the first.
    polarity : str
        "reinforcing", "balancing", "depends on ..." or "inactive where ...".
    gain : SymPy expression or float
        Product of the derivatives along the path: a loop gain (Mason), not an eigenvalue.
    definition : str
        The definitions through which a state enters the loop; empty where equations use the states directly.
    value : float or None
        The gain in numbers, where a state was given.
    """

    path: tuple[str, ...]
    polarity: str
    gain: Expr | float
    definition: str = ""
    value: float | None = None

    def __repr__(self) -> str:
        number = "" if self.value is None else f" = {self.value:.6g}"
        gain = expressions.text(self.gain) if isinstance(self.gain, Expr) else f"{self.gain:.6g}"
        return f"FeedbackLoop({' -> '.join(self.path)}; {self.polarity}; gain {gain}{number})"
