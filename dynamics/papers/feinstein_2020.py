r"""Liquidation under a capital requirement with price impact: well posed below a cascade number of one, a jump above it.

Only the abstract could be read (bounds on risk weights for a given liquidity; existence and uniqueness), so this is a check
of the model. For one bank and one asset :math:`\ln q = -rt - \beta(1 - q^\kappa)` with the cascade number
:math:`R = \beta\kappa`. For :math:`R > 1` an infinitesimal breach sells the share :math:`z` at once; with sales at marginal
prices

.. math:: (1 - z)e^{-\beta z} = 1 - \frac{\lambda}{(\lambda - 1)\beta}(1 - e^{-\beta z}), \qquad z \approx 2(1 - 1/R).

During the jump the bank is off its constraint; continuing :math:`u = q^\kappa` through it would give the epidemic law
:math:`z = 1 - e^{-Rz}`, which sales in small steps reject.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.orbits import iterate
from dynamics.analysis.trajectories import integrate
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference
from dynamics.results import provenance
from dynamics.systems import Event, Parameter, State, System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

# leverage, impact: prices when the exogenous fall is 0.01, 0.05, 0.1, and the first amplification
PATHS = {(5, 0.1): (0.983813, 0.926535, 0.866127, 1.6667), (10, 0.1): (0.960192, 0.892052, 0.835057, 10),
         (20, 0.04): (0.975080, 0.921736, 0.871935, 4.1667), (33, 0.03): (0.972783, 0.925439, 0.878513, 25)}
# leverage, impact: share sold at once, 2(1 - 1/R); share sold, price, equity (relative to before) of our earlier simulation
JUMPS = {(20, 0.06): (0.24622, 0.24561, 0.24623, 0.98533, 0.74271),
         (20, 0.08): (0.69057, 0.68421, 0.69057, 0.94625, 0.29280),
         (20, 0.10): (0.96282, 0.94737, 0.96282, 0.90821, 0.03377),
         (10, 0.15): (0.52542, 0.51852, 0.52542, 0.92421, 0.43861),
         (33, 0.05): (0.75475, 0.75000, 0.75475, 0.96297, 0.23616)}
NUMBERS = {(5, 0.1): 0.40, (10, 0.1): 0.90, (20, 0.04): 0.76, (33, 0.03): 0.96, (20, 0.06): 1.14, (20, 0.08): 1.52,
           (20, 0.1): 1.90, (10, 0.15): 1.35, (33, 0.05): 1.60, (20, 0.105): 1.995}
# impact: ratio of the first two falls of the log price, in rounds of sales at leverage 10
ROUNDS = {0.05: 0.45, 0.1111: 0.9999, 0.15: 1.35}
STEP = 2e-5  # share that the simulation sells at a time; of the earlier one it is not recorded


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="feinstein_2020",
        reference=Reference("Z. Feinstein", 2020, "Capital regulation under price impacts and dynamic financial contagion",
                            "European Journal of Operational Research 281(2), 449-463", "10.48550/arXiv.1807.02711"),
        models=("leverage_constraint",),
        kind="model check",
        computations=(
            Computation(price_paths, tuple(
                _closed(f"price_{_case(*case)}_fall_{fall}", value, 5e-7,
                        f"price when the exogenous fall is 0.{fall}, leverage {case[0]}, impact {case[1]:g}")
                for case, values in PATHS.items() for fall, value in zip(("01", "05", "1"), values[:3], strict=True))),
            Computation(amplifications, tuple(
                _closed(f"amplification_{_case(*case)}", values[3], 5e-5,
                        f"price change over the exogenous one at the first sale, leverage {case[0]}, impact {case[1]:g}")
                for case, values in PATHS.items())),
            Computation(well_posed, (
                Claim("unique_path_above_bound", True, location="abstract", evidence="abstract",
                      statement="risk weights above a bound set by liquidity give one path of the price"),
                Claim("bound_on_risk_weights", True, location="closed form", evidence="derived",
                      statement="the bound is risk weight times requirement = beta/(1 + beta), that is R = 1"),
            )),
            Computation(cascade_numbers, tuple(
                _closed(f"cascade_number_{_case(*case)}", value, 1e-12,
                        f"cascade number beta (lambda - 1), leverage {case[0]}, impact {case[1]:g}")
                for case, value in NUMBERS.items())),
            Computation(rounds, (*(
                _closed(f"ratio_{_case(10, impact)}", value, 5e-5,
                        f"ratio of successive falls of the log price in rounds of sales, leverage 10, impact {impact:g}")
                for impact, value in ROUNDS.items()),
                _earlier("late_ratio_10_1111", 0.9998, 5e-5, "the same in the twelfth round, impact 0.1111"),
            )),
            Computation(small_steps, tuple(claim for case, (_, _, sold, price, equity) in JUMPS.items() for claim in (
                _earlier(f"jump_sold_{_case(*case)}", sold, STEP, "share sold by sales in small steps"),
                _earlier(f"jump_price_{_case(*case)}", price, 1e-5, "price after them"),
                _earlier(f"jump_equity_{_case(*case)}", equity, 2.5e-5, "equity after them over that before"),
            )), fast=False),
            Computation(jumps, (*(claim for case, (share, first_order, *_) in JUMPS.items() for claim in (
                _closed(f"jump_{_case(*case)}", share, 5e-6,
                        f"share sold at once after an infinitesimal breach, leverage {case[0]}, impact {case[1]:g}"),
                _closed(f"jump_first_order_{_case(*case)}", first_order, 5e-6, "the same to first order, 2(1 - 1/R)"),
            )),
                _closed("jump_first_order_20_105", 0.9975, 5e-5, "2(1 - 1/R) where the sale does not end, R = 1.995"),
                Claim("first_order_for_small_impact", True, location="closed form", evidence="derived",
                      statement="the share sold tends to 2(1 - 1/R) as the impact vanishes, the cascade number being kept"),
                _closed("epidemic_share", 0.7672, 5e-5, "share that the epidemic law z = 1 - exp(-R z) gives at R = 1.9"),
                Claim("no_end_in_sight", True, location="closed form", evidence="derived",
                      statement="at leverage 20 and impact 0.105 the bank is insolvent before the sale ends"),
                Claim("epidemic_law_rejected", True, location="closed form", evidence="derived",
                      statement="at R = 1.9 small steps sell 0.963, not the 0.767 of the epidemic law"),
            )),
        ),
        figures=(PaperFigure(
            "paths_and_jumps", paths_and_jumps, draw_paths_and_jumps,
            "Left: price over the exogenous fall at four cascade numbers below one; dotted without feedback. Right:"
            " share sold at "
            "once over the cascade number, from the closed form at leverage 20 (line) and from sales in small steps (dots); "
            "dashed 2(1 - 1/R).", panels=(1, 2), size=(6.8, 2.8)),),
    )


def _case(leverage: float, impact: float) -> str:
    return f"{leverage}_{impact:g}".replace("0.", "")


def _closed(name: str, value: float, tolerance: float, statement: str) -> Claim:
    return Claim(name, value, tolerance, "closed form", evidence="derived", statement=statement)


def _earlier(name: str, value: float, tolerance: float, statement: str) -> Claim:
    return Claim(name, value, tolerance, "our earlier simulation", evidence="earlier", statement=statement)


def _bank(leverage: float, impact: float) -> System:
    return models.load("leverage_constraint").with_parameters(requirement=1/leverage, price_impact=impact)


def price_paths(context: Context) -> dict[str, Any]:
    """The equations, integrated."""
    found: dict[str, Any] = {}
    for case in PATHS:
        path = integrate(_bank(*case), 10, times=[0, 1, 5, 10], relative_tolerance=1e-10)["price"].values
        found |= {f"price_{_case(*case)}_fall_{fall}": float(value) for fall, value in zip(("01", "05", "1"), path[1:],
                                                                                          strict=True)}
    return found


def amplifications(context: Context) -> dict[str, Any]:
    """Slope of the log price at the first sale over the exogenous one."""
    found = {}
    for case in PATHS:
        system = _bank(*case)
        change = system.resolve(system.symbols["price_change"])
        slope = float(change.xreplace({**system.exact_parameters, system.symbols["held"]: 1}))
        found[f"amplification_{_case(*case)}"] = -slope/system.parameter_values["shock_rate"]
    return found


def well_posed(context: Context) -> dict[str, Any]:
    """Whether the price goes on falling smoothly, on either side of the bound."""
    sides: dict[float, list[bool]] = {1.02: [], 0.98: []}
    for impact in (0.02, 0.05, 0.1, 0.3):
        for factor, found in sides.items():
            product = factor*impact/(1 + impact)
            run = integrate(_bank(1/product, impact), 20)
            change = np.diff(run["price"].values)
            found.append(run.attrs["status"] == "completed" and bool((change < 0).all()))
    return {"unique_path_above_bound": all(sides[1.02]),
            "bound_on_risk_weights": all(sides[1.02]) and not any(sides[0.98])}


def cascade_numbers(context: Context) -> dict[str, Any]:
    """The cascade number of the whole position."""
    found = {}
    for case in NUMBERS:
        system = _bank(*case)
        number = system.resolve(system.symbols["cascade_number"])
        whole = {**system.exact_parameters, system.symbols["held"]: 1}
        found[f"cascade_number_{_case(*case)}"] = float(number.xreplace(whole))
    return found


def rounds(context: Context) -> dict[str, Any]:
    """A sector at its limit sells in rounds, after a first fall of the log price of 1e-6."""
    found = {}
    for impact in ROUNDS:
        run = iterate(_rounds_of_sales(10, impact), 13)
        falls = np.diff(run["log_price"].values, prepend=0)
        ratios = falls[1:]/falls[:-1]
        found[f"ratio_{_case(10, impact)}"] = float(ratios[0])
        if impact == 0.1111:
            found["late_ratio_10_1111"] = float(ratios[11])
    return found


def _rounds_of_sales(leverage: float, impact: float) -> System:
    """All sell at the price of the round what brings leverage back at it; then the price falls."""
    return System(
        name="rounds of sales", time="discrete",
        states={"log_price": State(-1e-6), "held": State(1), "debt": State(f"1 - 1/{leverage}")},
        parameters={"beta": Parameter(impact), "limit": Parameter(leverage)},
        definitions={"price": "exp(log_price)", "sold": "held - limit*(held*price - debt)/price"},
        equations={"log_price": "log_price - beta*sold", "held": "held - sold", "debt": "debt - sold*price"})


def _small_steps(leverage: float, impact: float, share: float) -> System:
    """A bank that sells the share of its first position at a time, at the price of the moment, while it is above its"
      " limit."""
    return System(
        name="sales in small steps", time="discrete", states={"held": State(1), "debt": State(f"1 - 1/{leverage}")},
        parameters={name: Parameter(value) for name, value in (("beta", impact), ("limit", leverage), ("share", share))},
        definitions={"price": "exp(-beta*(1 - held))", "equity": "held*price - debt"},
        observables={"market": "price", "wealth": "equity"},
        equations={"held": "max(0, held - share)",
                   "debt": "debt - share*exp(-beta*(1 - held + share/2))"},
        # after the first sale, which the breach forces, leverage is above the limit until the jump ends
        events={"back": Event("limit*equity - held*price", "rising", terminal=True),
                "insolvent": Event("equity", "falling", terminal=True),
                "sold": Event("held - share/2", "falling", terminal=True)},
    )


def _jump(leverage: float, impact: float, share: float) -> tuple[float, float, float, str]:
    """Share sold, price, equity over the first one, and how the sale ended."""
    run = iterate(_small_steps(leverage, impact, share), round(1.2/share))
    names = run["event_name"].values.tolist()
    last = run.isel(time=-1)
    return 1 - float(last["held"]), float(last["market"]), float(last["wealth"])*leverage, names[-1] if names else "none"


def _closed_jump(leverage: float, impact: float) -> float:
    """Root of the closed form beyond zero; nan where there is none."""
    from scipy.optimize import brentq

    def gap(z: float) -> float:
        return float((1 - z)*np.exp(-impact*z) - 1 + leverage/((leverage - 1)*impact)*(1 - np.exp(-impact*z)))

    low = 0.02*(1 - 1/(impact*(leverage - 1)))
    return brentq(gap, low, 1, xtol=1e-14) if gap(low)*gap(1) < 0 else float("nan")


def _marginal_sale(leverage: float, impact: float) -> float:
    """Share sold at marginal prices until leverage is back."""
    sale = System(
        name="sale at marginal prices", time="continuous", states={"debt": State(f"1 - 1/{leverage}")},
        parameters={"beta": Parameter(impact), "limit": Parameter(leverage)},
        definitions={"price": "exp(-beta*time)", "equity": "(1 - time)*price - debt"},
        equations={"debt": "-price"},
        events={"back": Event("limit*equity - (1 - time)*price", "rising", terminal=True)})
    return float(integrate(sale, 1, relative_tolerance=1e-12, absolute_tolerance=1e-14)["time"][-1])


def small_steps(context: Context) -> dict[str, Any]:
    """Where sales in small steps end."""
    return {f"jump_{what}_{_case(*case)}": value for case in JUMPS
            for what, value in zip(("sold", "price", "equity"), _jump(*case, STEP)[:3], strict=True)}


def jumps(context: Context) -> dict[str, Any]:
    """A sale at marginal prices, and the closed form."""
    found: dict[str, Any] = {}
    for case in JUMPS:
        share, name, number = _marginal_sale(*case), _case(*case), case[1]*(case[0] - 1)
        found |= {f"jump_{name}": Computed(share, second=_closed_jump(*case), second_method="root of the closed form"),
                  f"jump_first_order_{name}": 2*(1 - 1/number)}
    limits = [_marginal_sale(1 + number/1e-4, 1e-4) for number in (1.2, 1.5, 1.8)]
    epidemic = _small_root(lambda z: z - 1 + np.exp(-1.9*z))
    return {**found, "no_end_in_sight": _jump(20, 0.105, 1e-4)[3] == "insolvent",
            "jump_first_order_20_105": 2*(1 - 1/1.995), "epidemic_share": epidemic,
            "first_order_for_small_impact": np.allclose(limits, [2*(1 - 1/n) for n in (1.2, 1.5, 1.8)], atol=2e-4),
            "epidemic_law_rejected": abs(_jump(20, 0.1, 1e-4)[0] - 0.9628) < 1e-3 < abs(epidemic - 0.9628)}


def _small_root(gap: Any) -> float:
    from scipy.optimize import brentq

    return float(brentq(gap, 0.01, 1, xtol=1e-14))


def paths_and_jumps(context: Context) -> xr.Dataset:
    """Paths over the exogenous fall, and jumps over the cascade number."""
    import xarray as xr

    times = np.linspace(0, 10, 201).tolist()
    paths = {f"{R:g}": integrate(_bank(20, R/19), 10, times=times)["price"].values for R in (0.3, 0.6, 0.9, 0.99)}
    numbers = np.linspace(1.002, 1.97, context.size(400, 60))
    dots = np.linspace(1.1, 1.9, 9)
    return xr.Dataset(
        {"price": (("path", "fall"), np.array(list(paths.values()))),
         "closed": ("cascade_number", [_closed_jump(20, R/19) for R in numbers]),
         "simulated": ("simulation", [_jump(20, R/19, 1e-3)[0] for R in dots])},
        coords={"path": list(paths), "fall": np.array(times)*0.01, "cascade_number": numbers, "simulation": dots},
        attrs=provenance("paths and jumps", _bank(20, 0.05)))


def draw_paths_and_jumps(data: xr.Dataset, axes: Any) -> Any:
    """Paths on the left, jumps on the right."""
    from dynamics.figures.style import BLACK, CYCLE, VERMILION

    left, right = axes
    for name, colour in zip(data["path"].values, CYCLE, strict=False):
        left.plot(data["fall"], data["price"].sel(path=name), color=colour, label=f"$R = {name}$")
    left.plot(data["fall"], np.exp(-data["fall"]), color=BLACK, linestyle=":", linewidth=0.9)
    left.set(xlabel="Exogenous fall of the log price $rt$", ylabel="Price $q$")
    left.legend(loc="lower left")
    numbers = data["cascade_number"].values
    right.plot(numbers, data["closed"], color=CYCLE[0], label="closed form")
    right.plot(data["simulation"], data["simulated"], "o", color=VERMILION, markersize=3.5, label="sales in small steps")
    right.plot(numbers, 2*(1 - 1/numbers), color=BLACK, linestyle="--", linewidth=0.8, label="$2(1 - 1/R)$")
    right.set(xlabel="Cascade number $R$", ylabel="Share sold at once $z$", ylim=(0, 1.02))
    right.legend(loc="lower right")
    return axes
