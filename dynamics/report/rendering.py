"""Findings to HTML: one template for each section, formulas as MathML, figures as data URIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sympy import Eq, Gt, Symbol, exp, log

from dynamics.report.pictures import Picture
from dynamics.report.tables import Formula, number
from dynamics.report.theory import Theory, equations

if TYPE_CHECKING:
    from markupsafe import Markup

    from dynamics.report.page import Findings

__all__ = ["render"]


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
    environment.filters |= {"number": number, "percent": percent, "math": _math}
    text = environment.get_template("page.html.jinja").render(
        theory=findings.theory,
        shocks=findings.shocks,
        diagram=findings.diagram,
        market=findings.market,
        cascades=findings.cascades,
        settings=findings.settings,
        formulas=_formulas(findings.theory),
        equations={
            "core": equations(findings.theory.core, findings.theory.symbols),
            "depleting": _additions(findings.theory),
        },
        tables={t.name: t for t in findings.tables},
        pictures={p.name: p for p in pictures},
        provenance=provenance,
    )
    return text


def percent(value: float, digits: int = 2) -> str:
    """Return a share in percent.

    Examples
    --------
    >>> percent(0.3716)
    '37 %'
    """
    return f"{number(100 * value, digits)} %"


def _math(value: Any) -> Markup:
    from markupsafe import Markup

    return Markup(value.html if hasattr(value, "html") else value)  # noqa: S704 -- written by our own printer


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
    z = impact * Symbol("holdings")
    found: dict[str, Any] = {
        "critical_leverage": Eq(Symbol("critical_leverage"), theory.critical_leverage, evaluate=False),
        "lambda_c": Symbol("critical_leverage"),
        "valid": Gt(1 / margin, Symbol("critical_leverage"), evaluate=False),
        "cascade_number": Eq(Symbol("R"), theory.cascade_number, evaluate=False),
        "frequency": Eq(Symbol("frequency"), theory.frequency, evaluate=False),
        "no_feedback": -log(1 - 1 / target),
        "first_margin_call": log((1 - margin) / (1 - 1 / target)),
        "shortfall": 1 - (1 - exp(-z)) / z,
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
    return {name: Formula(expression, symbols) for name, expression in found.items()}


def _additions(theory: Theory) -> list[tuple[str, Formula, Formula, str]]:
    """Lines of the depleting system that the core system does not have."""
    own = {(kind, name, str(right)) for kind, _, right, name in equations(theory.core, theory.symbols)}
    return [row for row in equations(theory.depleting, theory.symbols) if (row[0], row[3], str(row[2])) not in own]
