"""Which mechanisms stabilise: ``python notebooks/mechanism_table.py`` writes notebooks/mechanisms.md.

Every row is the core model with one mechanism at its defaults, at the point where nobody is force-closed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq
from sympy import Symbol, simplify

import dynamics as dy
from dynamics import expressions

PAGE = Path(__file__).with_name("mechanisms.md")
CORE = 11.0
_SPELLINGS = {"price_impact": "eta", "adjustment": "theta", "reversion": "kappa", "target_leverage": "lambda",
              "maintenance_margin": "u_m"}

_RATIO_AMID_NEWS = (
    "((adjustment + news_volatility**2/2) + sqrt((adjustment + news_volatility**2/2)**2 "
    "- 2*target_leverage*adjustment*news_volatility**2))/(2*target_leverage*adjustment)")


@dataclass(frozen=True)
class Row:
    """A mechanism, where it rests, a parameter that changes the verdict, and when it acts as it does."""

    mechanism: str
    when: str
    options: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, str] = field(default_factory=dict)
    other: dict[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name and options."""
        return ", ".join((self.mechanism, *map(str, self.options.values())))


SECOND_ORDER = "moves and flows are of second order at rest: the onset stays, the critical shock shrinks"
ROWS = (
    Row("depletion", "the same onset on the whole line of rests at holdings 1; what is sold cannot be sold again, so large "
                     "falls are survived more often"),
    Row("open_interest", "impact falls with contracts in a cascade; at rest there are as many as before"),
    Row("margin_tiers", "acts below the margin only; the border to margin calls moves to leverage 1/m(N)"),
    Row("market_depth", SECOND_ORDER, {"law": "linear"}),
    Row("market_depth", "impact falls as the price falls; at rest it is that of the core", {"law": "exponential"}),
    Row("market_depth", "small flows have linear impact", {"law": "square_root"}),
    Row("market_depth", "impact falls as the price falls; at rest it is that of the core", {"law": "constant_product"}),
    Row("market_depth", "impact that decays is a second restoring force: more so the faster it decays",
        {"law": "propagator"}, other={"impact_decay": 0.1}),
    Row("order_backlog", "acts on forced orders only; a queue adds the eigenvalue -1/tau_b"),
    Row("liquidation_engine", "nothing is closed at rest; oracle, losses and fund decide what a shock does",
        {"execution": "below_market"}),
    Row("liquidity_withdrawal", SECOND_ORDER),
    Row("funding_rate", "inside the clamp funding is the carry of the index; outside it restores"),
    Row("governance", "the margin in force moves, and with it the border to margin calls", rest={
        "governed_margin": "proposed_margin"}),
    Row("token_emission", "emission ends; on the way holders lose equity", rest={"emission": "0"}),
    Row("recursive_loops", "fast loops are unwound by the debt that they make dearer; slow ones only add leverage", rest={
        "equity_ratio": "adjustment/(adjustment*target_leverage + asset_yield*loop_speed)",
        "utilisation": "kink + (asset_yield - kink_rate)/(rate_slope + steeper_slope)"}, other={"loop_speed": 5}),
    Row("sentiment", "a crowd that follows the trend sells into a fall; without trend following the onset is the core's",
        other={"trend_following": 0}),
    Row("exchange_reserves", "coins that flow in during a fall are sold; without pressure the onset is the core's",
        other={"reserve_pressure": 0}),
    Row("volatility_targeting", "procyclical targets (b < 0) sell when variance rises; countercyclical ones buy",
        other={"cyclicality": 0.5}),
    Row("stablecoin_peg", "debt in a coin that rises while it is bought back; the larger the share, the worse",
        {"kind": "collateralised"}, other={"coin_debt_share": 0.02}),
    Row("stablecoin_peg", "forced sales alone touch the coin; its peg is stable by itself", {"kind": "fiat"}),
    Row("stablecoin_peg", "the pool loses its peg iff 2 rho_z n > 1, whatever the leverage", {"kind": "algorithmic"},
        other={"run_speed": 0.6}),
    Row("performance_fee", "managers below the mark who cut risk (r > 0) sell into a fall; those who gamble (r < 0) buy",
        rest={"position_to_mark": "(1 - hurdle_distance)*target_leverage"}, other={"risk_shift": -0.5}),
    Row("news", "Ito's drift holds leverage above target, by the share (1 - u) sigma**2/(2 u theta) to first order in "
                "sigma**2; without noise the onset is the core's",
        rest={"equity_ratio": _RATIO_AMID_NEWS,
              "price_gap": f"price_impact*adjustment*(target_leverage*({_RATIO_AMID_NEWS}) - 1)/reversion"},
        other={"news_volatility": 0}),
)


def system(row: Row) -> dy.System:
    """The core with the mechanism."""
    return dy.compose(dy.models.load("deleveraging"), (row.mechanism, row.options))


def rest(row: Row, composed: dy.System) -> dict[str, Any]:
    """Where nobody is force-closed, in the parameters."""
    return {**{name: state.initial for name, state in composed.states.items()}, **row.rest}


def largest_real_part(composed: dy.System, place: dict[str, Any], leverage: float, values: dict[str, float]) -> float:
    """Of the eigenvalues at rest, those that are zero on a line of rests left out."""
    here = composed.with_parameters(values, target_leverage=leverage)
    names = {name: Symbol(name) for name in composed.parameters}
    at = {name: expressions.parse(str(text), names).xreplace(here.exact_parameters) for name, text in place.items()}
    matrix = np.array(dy.jacobian(here, at).xreplace(here.exact_parameters).tolist(), dtype=float)
    eigenvalues = np.linalg.eigvals(matrix)
    return max(z.real for z in eigenvalues if abs(z) > 1e-9 or "log_holdings" not in composed.states)


def critical_leverage(row: Row, values: dict[str, float] | None = None) -> float:
    """Target leverage at which the rest loses stability; inf where it is stable up to 19, 1 where it is never."""
    composed = system(row)
    place = rest(row, composed)

    def real_part(leverage: float) -> float:
        return largest_real_part(composed, place, leverage, values or {})

    if real_part(1.05) > 0:
        return 1.0
    if real_part(19.0) < 0:
        return np.inf
    return float(brentq(real_part, 1.05, 19.0, xtol=1e-12))


def inequality(row: Row) -> str:
    """The factor of the Routh-Hurwitz conditions whose zero set the onset lies on, if it is short."""
    composed = system(row)
    at = {name: Symbol(name) for name in composed.parameters}
    values = {**composed.exact_parameters, at["target_leverage"]: critical_leverage(row)}
    line = "log_holdings" in composed.states        # of rests, one for each position that is held
    place = dy.fixed_points(composed)[0] if line else rest(row, composed)
    values[Symbol("log_holdings")] = 0
    for condition in dy.stability_conditions(composed, place):
        scale = sum(abs(float(term.xreplace(values))) for term in condition.expression.as_ordered_terms())
        if abs(float(condition.expression.xreplace(values))) > 1e-7 * scale:
            continue
        eta, kappa, theta, target = (at[n] for n in ("price_impact", "reversion", "adjustment", "target_leverage"))
        if simplify(condition.expression / (theta + kappa - theta * eta * (target - 1))).is_positive:
            return "eta (lambda - 1) < 1 + kappa/theta"
        text = str(condition.expression)
        for name, short in _SPELLINGS.items():
            text = text.replace(name, short)
        return f"{text} > 0" if len(text) < 130 else f"closed form of {len(condition.expression.args)} terms"
    return "not determined"


def cascade_number(row: Row) -> str:
    """R along the instantaneous paths from net flow to the equity ratio, at rest and at the core's default leverage."""
    composed = system(row)
    try:
        number = dy.cascade_number(composed)
    except dy.DerivationError:
        return "not determined"
    at = {Symbol(name): text for name, text in rest(row, composed).items()}
    for _ in range(3):
        number = number.subs(at)
    value = float(number.subs(composed.exact_parameters))
    return f"{value:.4g}"


def verdict(critical: float) -> str:
    """What the mechanism does to the onset of the core."""
    if abs(critical - CORE) < 1e-6:
        return "leaves"
    return "stabilises" if critical > CORE else "destabilises"


def shown(value: float) -> str:
    """A critical leverage with its digits."""
    return "none below 19" if value == np.inf else "unstable at any" if value == 1.0 else f"{value:.4f}"


def page() -> str:
    """The page."""
    lines = [
        "# What each mechanism does to stability", "",
        "The core model (`dy.models.load(\"deleveraging\")`) with one mechanism at its defaults, at the rest where nobody",
        "is force-closed. *Critical leverage* is the target leverage at which that rest loses stability (Hopf); the core's",
        "is 1 + (1 + kappa/theta)/eta = 11. *R* is the cascade number there at target leverage 5: how much of what a",
        "sale takes off leverage its own price impact puts back at once (the core's is eta (lambda - 1) = 1.2). The column",
        "*with* changes one parameter. The longer closed forms are printed by `dy.bifurcation_conditions`.", "",
        "Written by `notebooks/mechanism_table.py`; a test fails when it drifts.", "",
        "| mechanism | R | stable iff | critical leverage | effect | with | when |", "|---|---|---|---|---|---|---|"]
    for row in ROWS:
        critical = critical_leverage(row)
        other = "; ".join(f"{name} = {value:g}: {shown(critical_leverage(row, {name: value}))}"
                          for name, value in row.other.items())
        lines.append(f"| `{row.label}` | {cascade_number(row)} | {inequality(row)} | {shown(critical)} | "
                     f"{verdict(critical)} | {other} | {row.when} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Write the page; a minute."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
