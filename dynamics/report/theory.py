"""What holds in closed form: equations, fixed points, stability, critical leverage and cascade number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sympy import Expr, S, Symbol, sqrt
from sympy.logic.boolalg import Boolean

from dynamics import mechanisms, models
from dynamics.analysis.competing_paths import cascade_number
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.feedback_loops import feedback_loops
from dynamics.analysis.linearization import characteristic_polynomial
from dynamics.analysis.normal_forms import first_lyapunov_coefficient
from dynamics.analysis.stability import bifurcation_conditions, region, stability_conditions
from dynamics.errors import DerivationError, SpecificationError
from dynamics.report.tables import Column, Formula, Table
from dynamics.results import Coefficient, FeedbackLoop, FixedPoint, FixedPoints, StabilityCondition
from dynamics.systems import System

__all__ = ["SYMBOLS", "Theory", "derive"]

# Flows have names in the model and letters on the page.
SYMBOLS = {
    "voluntary_flow": "g",
    "margin_call_rate": "H",
    "net_flow": "phi",
    "price_change": "v",
    "effective_impact": "eta_e",
    "forced_sales": "q",
    "effective_target": "lambda_e",
}


@dataclass(frozen=True)
class Theory:
    """Closed forms of the core model, with their values at the current parameters.

    Attributes
    ----------
    core, depleting : System
        With depth per unit of current holdings, and with the mechanism ``depletion``.
    conditions : tuple of StabilityCondition
        Of the ordinary fixed point, where holders reach their target and nothing is force-sold.
    critical_leverage : SymPy expression
        Target leverage at which it loses stability; ``critical_value`` is inf where it never does.
    cascade_number : SymPy expression
        In the equity ratio: the reinforcing effect of a sale over its balancing effect.
    lyapunov : Coefficient or None
        First Lyapunov coefficient at the critical leverage; None where there is no Hopf bifurcation.
    loops : tuple of FeedbackLoop
        At the ordinary fixed point.
    """

    core: System
    depleting: System
    points: FixedPoints
    depleting_points: FixedPoints
    conditions: tuple[StabilityCondition, ...]
    region: Boolean
    polynomial: Expr
    critical_leverage: Expr
    critical_value: float
    critical_valid: Boolean
    cascade_number: Expr
    cascade_at_target: float
    cascade_at_margin: float
    frequency: Expr
    frequency_value: float
    smallest_impact: float
    lyapunov: Coefficient | None
    loops: tuple[FeedbackLoop, ...]
    symbols: Mapping[str, str]

    @property
    def margin(self) -> float:
        """Maintenance margin."""
        return float(self.core.parameter_values["maintenance_margin"])

    @property
    def target(self) -> float:
        """Target leverage."""
        return float(self.core.parameter_values["target_leverage"])

    @property
    def limit(self) -> float:
        """Largest target leverage at which the ordinary point exists and is stable."""
        return min(self.critical_value, 1 / self.margin)

    def formula(self, expression: Any) -> Formula:
        """Return an expression, printed with the symbols of this system."""
        return Formula(S(1) * expression if isinstance(expression, Expr) else expression, self.symbols)


def derive(parameters: Mapping[str, float] | None = None) -> Theory:
    """derive(): the closed forms of the core model.

    Parameters
    ----------
    parameters : mapping of str to float, optional
        Replaces values of the core model.

    Returns
    -------
    Theory

    Raises
    ------
    SpecificationError
        For unknown parameters or values outside their bounds.
    DerivationError
        If a closed form was not found.
    """
    core = models.load("deleveraging").with_parameters(parameters or {})
    depleting = mechanisms.compose(core, "depletion")
    points, depleting_points = fixed_points(core), fixed_points(depleting)
    ordinary = _ordinary(points)
    hopf = bifurcation_conditions(core, ordinary, "target_leverage")[0]
    numbers = core.exact_parameters
    critical = hopf.solutions[0]
    cascade = cascade_number(core)
    ratio = Symbol("equity_ratio")
    at = {
        n: float(cascade.xreplace({ratio: r}).xreplace(numbers))
        for n, r in (("target", 1 / Symbol("target_leverage")), ("margin", Symbol("maintenance_margin")))
    }
    kappa, theta, margin = (core.parameter_values[n] for n in ("reversion", "adjustment", "maintenance_margin"))
    frequency = sqrt(Symbol("reversion") * Symbol("adjustment"))
    return Theory(
        core=core,
        depleting=depleting,
        points=points,
        depleting_points=depleting_points,
        conditions=tuple(stability_conditions(core, ordinary)),
        region=region(core, ordinary, "target_leverage"),
        polynomial=characteristic_polynomial(core, ordinary),
        critical_leverage=critical,
        critical_value=hopf.values[0] if hopf.values else float("inf"),
        critical_valid=hopf.valid_where,
        cascade_number=cascade,
        cascade_at_target=at["target"],
        cascade_at_margin=at["margin"],
        frequency=frequency,
        frequency_value=(kappa * theta) ** 0.5,
        smallest_impact=(1 + kappa / theta) / (1 / margin - 1) if theta else float("inf"),
        lyapunov=_lyapunov(core, hopf.values[0]) if hopf.values else None,
        loops=tuple(feedback_loops(core, ordinary)),
        symbols={**depleting.symbol_spellings(), **SYMBOLS},
    )


def _ordinary(points: FixedPoints) -> FixedPoint:
    for point in points:
        if point.state["equity_ratio"] == 1 / Symbol("target_leverage"):
            return point
    raise DerivationError("the fixed point at the target leverage was not found in closed form")


def _lyapunov(core: System, critical: float) -> Coefficient | None:
    """First Lyapunov coefficient of the ordinary point at its critical leverage."""
    try:
        at = core.with_parameters(target_leverage=critical)
        return first_lyapunov_coefficient(at, _ordinary(fixed_points(at)))
    except (DerivationError, SpecificationError):
        return None


def equations(system: System, symbols: Mapping[str, str]) -> list[tuple[str, Formula, Formula, str]]:
    """Return (kind, left, right, name) of definitions and equations, in that order."""
    parsed = system._parsed
    rows = [
        ("definition", Formula(Symbol(n), symbols), Formula(e, symbols), n)
        for n, e in parsed.definitions.items()
        if Formula(Symbol(n), symbols).html != Formula(e, symbols).html
    ]
    return rows + [
        ("equation", Formula(Symbol(n), symbols), Formula(parsed.equations[n], symbols), n) for n in system.states
    ]


def parameter_table(theory: Theory) -> Table:
    """Return the parameters with values, units and meanings."""
    system = theory.core
    rows = tuple(
        (Formula(Symbol(n), theory.symbols), n, v, system.parameters[n].unit, system.parameters[n].meaning)
        for n, v in system.parameter_values.items()
    )
    return Table(
        "parameters",
        "Parameters",
        (
            Column("symbol", "symbol"),
            Column("name", "name"),
            Column("value", "value", digits=0),
            Column("unit", "unit"),
            Column("meaning", "meaning"),
        ),
        rows,
    )


def fixed_point_table(theory: Theory) -> Table:
    """Return the fixed points of both systems, one row each: closed forms, and values at the current parameters."""
    names = list(theory.depleting.states)
    rows = []
    for label, points in (("constant", theory.points), ("depletion", theory.depleting_points)):
        for point in points:
            forms = [Formula(point.state[n], theory.symbols) if n in point.state else None for n in names]
            values = [point.values[n] if n in point.values and n not in point.free else None for n in names]
            rows.append(
                (
                    label,
                    *forms,
                    *values,
                    point.values["equity_ratio"],
                    point.kind,
                    _admissibility(point),
                    "yes" if point.admissible else point.remark,
                    point.exactness,
                )
            )
    heads = [Formula(Symbol(n), theory.symbols).html for n in names]
    columns = (
        Column("market_depth", "depth"),
        *(Column(n, head) for n, head in zip(names, heads, strict=True)),
        *(Column(f"{n}_value", n, where="files") for n in names),
        Column("equity_ratio_here", "equity ratio here", where="page"),
        Column("kind", "kind"),
        Column("admissible", "admissible", where="page"),
        Column("remark", "admissible", where="files"),
        Column("exactness", "exactness", where="files"),
    )
    return Table("fixed_points", "Fixed points", columns, tuple(rows))


def loop_table(theory: Theory) -> Table:
    """Return the feedback loops at the ordinary fixed point."""
    rows = tuple(
        (" > ".join(name.replace("_", " ") for name in loop.path), loop.polarity.replace("_", " "),
         theory.formula(loop.gain) if isinstance(loop.gain, Expr) else None, loop.value)
        for loop in theory.loops
    )
    return Table("feedback_loops", "Feedback loops at the ordinary fixed point", (
        Column("path", "path"), Column("polarity", "polarity"), Column("gain", "gain"), Column("value", "here"),
    ), rows)


def _admissibility(point: FixedPoint) -> str:
    if point.admissible:
        return "yes"
    return "no: outside its regime" if point.remark.startswith("virtual") else "no: equity is gone"
