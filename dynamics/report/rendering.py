"""Findings to HTML: one template for each section, formulas as MathML, figures as data URIs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sympy import Eq, Lt, Symbol, log

from dynamics.report.pictures import Picture
from dynamics.report.shocks import Shocks
from dynamics.report.tables import Formula, number
from dynamics.report.theory import Theory, equations

if TYPE_CHECKING:
    from markupsafe import Markup

    from dynamics.report.page import Findings

__all__ = ["render"]

# Net share sold beyond which impact per unit of current holdings is no reading of a market of fixed depth.
MOST_SOLD = 0.63


def render(findings: Findings, pictures: Sequence[Picture], provenance: Mapping[str, Any]) -> str:
    """Return the page: one HTML text that loads nothing.

    Parameters
    ----------
    findings : Findings
    pictures : sequence of Picture
    provenance : mapping
        Of the report itself: versions and time of creation.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "math": _math,
        "fall": _fall,
        "day": _day,
        "display": _display,
    }
    shocks, market = findings.shocks, findings.market
    grid = [float(v) for v in shocks.curves["depletion_instantaneous"]["target_leverage"].values]
    return environment.get_template("page.html.jinja").render(
        theory=findings.theory,
        shocks=shocks,
        diagram=findings.diagram,
        market=market,
        cascades=findings.cascades,
        settings=findings.settings,
        formulas=_formulas(findings.theory),
        low=grid[0],
        high=grid[-1],
        at_once=_at_once,
        no_feedback=_at_once(findings.theory.target),
        deep=_deep(shocks),
        most_sold=_most_sold(shocks),
        trajectory_tolerance=1e-8,
        finding="" if market is None else market.finding,
        split=() if market is None else market.split,
        equations={
            "core": equations(findings.theory.core, findings.theory.symbols),
            "depleting": _additions(findings.theory),
        },
        tables={t.name: t for t in findings.tables},
        pictures={p.name: p for p in pictures},
        provenance=provenance,
    )


def percent(value: float, digits: int = 2) -> str:
    """Return a share in percent.

    Examples
    --------
    >>> percent(0.3716)
    '37 %'
    """
    return f"{number(100 * value, digits)} %"


def _fall(value: float) -> str:
    """A change of the log price as a change of the price."""
    return f"a price change of {percent(math.expm1(value))}"


def _day(value: Any) -> str:
    return str(value)[:10]


def _at_once(leverage: float) -> float:
    """Fall of the log price that takes all equity without any sale."""
    return -math.log1p(-1 / leverage) if leverage > 1 else math.inf


def _deep(shocks: Shocks) -> list[str]:
    """Leverages at which even the depleting cascade sells more than the reading of constant depth allows."""
    return [number(c.leverage, 0) for c in shocks.close_outs if 1 - c.holdings > MOST_SOLD]


def _most_sold(shocks: Shocks) -> float:
    """Largest net share sold just past the thresholds at the current target leverage, in either direction."""
    found = [shocks.constant, shocks.constant.opposite, shocks.depleting, shocks.depleting.opposite]
    sold = [t.after.get("net_sold", math.nan) for t in found if t is not None]
    return max((value for value in sold if math.isfinite(value)), default=math.nan)


def _display(value: Any) -> Markup:
    """A formula that stands alone, with full-size fractions."""
    from markupsafe import Markup

    return Markup(value.html.replace("<math ", '<math displaystyle="true" ', 1))


def _math(value: Any) -> Markup:
    from markupsafe import Markup

    return Markup(value.html if hasattr(value, "html") else value)


def _formulas(theory: Theory) -> dict[str, Formula]:
    """Formulas within sentences."""
    symbols = {
        **theory.symbols,
        "critical_leverage": "lambda_c",
        "shock": "s",
        "frequency": "omega_H",
        "target_ratio": "u_star",
        "holdings": "h",
    }
    impact, ratio, target, margin = (
        Symbol(n) for n in ("price_impact", "equity_ratio", "target_leverage", "maintenance_margin")
    )
    found: dict[str, Any] = {
        "critical_leverage": Eq(Symbol("critical_leverage"), theory.critical_leverage, evaluate=False),
        "lambda_c": Symbol("critical_leverage"),
        "valid": Lt(Symbol("critical_leverage"), 1 / margin, evaluate=False),
        "cascade_number": Eq(Symbol("R"), theory.cascade_number, evaluate=False),
        "frequency": Eq(Symbol("frequency"), theory.frequency, evaluate=False),
        "no_feedback": -log(1 - 1 / target),
        "first_margin_call": log((1 - margin) / (1 - 1 / target)),
        "region": theory.region,
        "polynomial": theory.polynomial,
        "u": ratio,
        "u_m": margin,
        "eta": impact,
        "kappa": Symbol("reversion"),
        "theta": Symbol("adjustment"),
        "target": target,
        "latency": Symbol("liquidation_latency"),
        "h": Symbol("holdings"),
        "x": Symbol("price_gap"),
        "q": Symbol("liquidation_flow"),
        "phi": Symbol("net_flow"),
        "g": Symbol("voluntary_flow"),
        "H": Symbol("margin_call_rate"),
        "v": Symbol("price_change"),
        "omega": Symbol("log_holdings"),
        "limit": 1 / margin,
    }
    if theory.lyapunov is not None and theory.lyapunov.expression is not None:
        symbols["lyapunov"] = "l_1"
        found["lyapunov"] = Eq(Symbol("lyapunov"), theory.lyapunov.expression, evaluate=False)
    return {name: Formula(expression, symbols) for name, expression in found.items()}


def _additions(theory: Theory) -> list[tuple[str, Formula, Formula, str]]:
    """Lines of the depleting system that the core system does not have."""
    own = {(kind, name, str(right)) for kind, _, right, name in equations(theory.core, theory.symbols)}
    return [row for row in equations(theory.depleting, theory.symbols) if (row[0], row[3], str(row[2])) not in own]
