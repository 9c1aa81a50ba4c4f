r"""The unimodal leverage map of one bank: fixed point, period doublings, chaos and periodic windows.

The map is that of Lillo, Livieri, Marmi, Solomko and Vaienti as Ioffredi, Marmi and Tanzi restate it, with the parameters
of the latter. No number of the former could be read, so this is a check of the model: closed forms (fixed point, slope,
first doubling, critical point) against the package, and the cascade against the universal constant of period doubling.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.fixed_point_continuation import continue_fixed_points
from dynamics.analysis.linearization import jacobian
from dynamics.analysis.orbit_ensembles import orbit_ensemble
from dynamics.analysis.orbits import iterate
from dynamics.analysis.stability import bifurcation_conditions
from dynamics.analysis.sweeps import sweep
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference

if TYPE_CHECKING:
    import xarray as xr

    from dynamics.results import FixedPoint

__all__ = ["paper"]

# exponent and tolerance: on chaotic attractors the earlier runs were single orbits of some thousand steps
EXPONENTS = {0.62: (-0.0783, 5e-5), 0.495: (-0.1683, 5e-5), 0.445: (0.285, 0.01), 0.4: (0.422, 0.01), 0.3: (0.593, 0.01),
             0.27: (0.628, 0.01), 0.2: (0.729, 0.01)}
PERIODS = {0.605: 2, 0.5: 4, 0.475: 8, 0.47: 16, 0.3225: 8}
SCAN = 5e-4  # the earlier ends of the window are points of a scan with this step
DOUBLINGS = (0.5014969388, 0.4763526144, 0.4709200454, 0.4697523519)


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="lillo_et_al_2023",
        reference=Reference("F. Lillo, G. Livieri, S. Marmi, A. Solomko, S. Vaienti", 2023,
                            "Unimodal maps perturbed by heteroscedastic noise",
                            "Journal of Statistical Physics", "10.1007/s10955-023-03160-0"),
        models=("unimodal_leverage",),
        kind="model check",
        computations=(
            Computation(rest, (
                _closed("fixed_point", 81.0593900481541, 5e-14, "leverage at rest, (1 + gamma)/(1 + sqrt K)"),
                _closed("slope", -2.0390243902, 5e-11, "slope at rest for memory 0.4, omega - (1 - omega)/sqrt K"),
                _closed("slope_without_memory", -4.065041, 5e-7, "slope at rest for memory 0, -1/sqrt K"),
                _closed("first_doubling", 0.6051364365971, 5e-14, "memory of the first doubling, (1 - sqrt K)/(1 + sqrt K)"),
                Claim("slope_formula", True, location="closed form", evidence="derived",
                      statement="at 20 memories the slope at rest is omega - (1 - omega)/sqrt K"),
            )),
            Computation(critical_orbit, (
                _closed("critical_point", 66.415311, 5e-7, "where the map is highest, for memory 0.3"),
                _closed("highest_value", 98.328859, 5e-7, "image of the critical point, for memory 0.3"),
                Claim("lowest_value", 12.944366, 5e-7, "closed form", evidence="derived",
                      statement="second image of the critical point, for memory 0.3",
                      explanation="12.944366 is the image of 98.328859, the rounded first image; the map falls with slope"
                                  " 4.8 there. The image of the unrounded value is 12.9443654, in 30 digits too."),
                _closed("last_admissible_memory", 0.2702559669, 1e-4,
                        "memory below which orbits pass 1 + gamma: omega^(1/3) + ((1 - omega) K)^(1/3) = 1"),
                _closed("last_bounded_memory", _least_memory((1 - 0.246)**(2/3)), 1e-4,
                        "memory below which orbits pass the repelling point (1 + gamma)/(1 - sqrt K) and escape"),
                _earlier("inadmissible_below", 0.09, 0.005, "memory below which some orbits leave the admissible set",
                         "Admissible are leverages from 1 to 1 + gamma. The highest value of the map is (1 + gamma)/"
                         "(omega^(1/3) + ((1 - omega) K)^(1/3))^(3/2). It passes 1 + gamma at 0.2703, and orbits that land"
                         " near 1 + gamma fall far below 1 at the next step. At 0.09 something else happens: the highest"
                         " value passes the repelling fixed point (1 + gamma)/(1 - sqrt K) and orbits escape to infinity,"
                         " which is what the earlier run must have counted."),
                Claim("unimodal", True, location="title", evidence="abstract",
                      statement="the map is unimodal: it rises up to one critical point and falls after it"),
            )),
            Computation(doublings, (
                *(_earlier(f"doubling_{2**k}_to_{2**(k + 1)}", value, 5e-11, f"memory at which period {2**k} doubles")
                  for k, value in enumerate(DOUBLINGS, 1)),
                _earlier("ratio_1", 4.122, 5e-4, "ratio of the first two distances between doublings"),
                _earlier("ratio_2", 4.628, 5e-4, "ratio of the next two"),
                _earlier("ratio_3", 4.652, 5e-4, "ratio of the next two"),
                Claim("feigenbaum_constant", 4.669201609, 0.02, "universal constant", evidence="derived",
                      statement="the third ratio is near the universal constant of period doubling"),
            )),
            Computation(period_three, (
                _earlier("window_end", 0.3935, SCAN, "memory at which the period-3 orbit appears in a fold"),
                _earlier("window_doubling", 0.385, SCAN, "memory at which period 3 doubles"),
                _earlier("period_six_from", 0.3845, SCAN, "largest memory with period 6"),
                _earlier("period_six_to", 0.381, SCAN, "smallest memory with period 6, where it doubles"),
                Claim("period_three_stable", True, location="our earlier run", evidence="earlier",
                      statement="at memory 0.39 every orbit has period 3"),
            )),
            Computation(attractors, (
                *(_earlier(f"exponent_{_digits(memory)}", value, width, f"Lyapunov exponent per step at memory {memory:g}")
                  for memory, (value, width) in EXPONENTS.items()),
                *(_earlier(f"period_{_digits(memory)}", period, 0.0, f"period of the attractor at memory {memory:g}")
                  for memory, period in PERIODS.items()),
                _earlier("aperiodic_4675", True, 0.0, "no period up to 64 on the attractor at memory 0.4675"),
                _earlier("negative_5", True, 0.0, "the exponent is negative at memory 0.5"),
                Claim("chaos_below", True, location="closed form", evidence="derived",
                      statement="the exponent is negative on the stable side of the doublings and positive in the chaos"),
            )),
        ),
        figures=(PaperFigure(
            "bifurcation_diagram", bifurcation_diagram, draw_bifurcation_diagram,
            "Attractor of the leverage map over the memory of the bank, and the Lyapunov exponent below it; the dotted"
            " line is "
            "the first doubling in closed form. To be compared with the bifurcation diagrams of the papers on this map.",
            panels=(2, 1), size=(6.8, 5.0), layout={"sharex": True, "height_ratios": (2.2, 1)}),),
    )


def _closed(name: str, value: float, tolerance: float, statement: str) -> Claim:
    return Claim(name, value, tolerance, "closed form", evidence="derived", statement=statement)


def _earlier(name: str, value: float, tolerance: float, statement: str, explanation: str = "") -> Claim:
    return Claim(name, value, tolerance, "our earlier run", evidence="earlier", statement=statement,
                 explanation=explanation)


def _least_memory(height: float) -> float:
    """Memory at which omega^(1/3) + ((1 - omega) K)^(1/3) has the given value, sqrt K being 0.246."""
    from scipy.optimize import brentq

    return float(brentq(lambda w: w**(1/3) + ((1 - w)*0.246**2)**(1/3) - height, 1e-6, 0.5, xtol=1e-15))


def _digits(value: float) -> str:
    return f"{value:g}".removeprefix("0.")


def _rest(system: Any) -> FixedPoint:
    """The fixed point below the leverage at which returns explode."""
    (point,) = (p for p in fixed_points(system) if p.values["leverage"] < 101)
    return point


def rest(context: Context) -> dict[str, Any]:
    """Fixed point, slope and first doubling."""
    system = models.load("unimodal_leverage")
    point = _rest(system)
    (slope,) = jacobian(system, point)
    (doubling,) = bifurcation_conditions(system, point, parameter="memory")
    root = 1.64*100*0.0015
    slopes = {memory: float(slope.xreplace(system.with_parameters(memory=memory).exact_parameters))
              for memory in [0.0, 0.4, *np.linspace(0.02, 0.98, 20).tolist()]}
    return {"fixed_point": point.values["leverage"], "slope": slopes[0.4], "first_doubling": doubling.values[0],
            "slope_without_memory": slopes[0.0],
            "slope_formula": all(math.isclose(s, m - (1 - m)/root, rel_tol=1e-10) for m, s in slopes.items())}


def critical_orbit(context: Context) -> dict[str, Any]:
    """The critical point, where the slope of the map vanishes, and its images."""
    from scipy.optimize import brentq

    system = models.load("unimodal_leverage").with_parameters(memory=0.3)
    symbol = system.symbols["leverage"]
    (expression,) = jacobian(system).xreplace(system.exact_parameters)

    def slope(leverage: float) -> float:
        return float(expression.xreplace({symbol: leverage}))

    critical = brentq(slope, 2, 100, xtol=1e-13)
    signs = np.sign([slope(leverage) for leverage in np.linspace(1, 100.9, 200)])
    images = iterate(system, 2, {"leverage": critical})["leverage"].values
    memories = np.linspace(0.265, 0.275, 201)
    orbits = orbit_ensemble(system, 5000, over={"memory": memories.tolist()})["leverage"].isel(trajectory=0)
    last = float(memories[(orbits.max("time") > 101).values].max())
    lower = np.linspace(0.085, 0.095, 101)
    ends = orbit_ensemble(system, 1, discard=20_000, trajectories=40, spread=0.2, over={"memory": lower.tolist()})
    return {"last_admissible_memory": last, "critical_point": critical,
            "inadmissible_below": Computed(last, second=_least_memory(1.0), second_method="root of the closed form"),
            "last_bounded_memory": float(lower[(ends["status"] != 0).any("trajectory").values].max()),
            "highest_value": float(images[1]),
            "lowest_value": Computed(float(images[2]), second=_lowest(), second_method="closed forms in 30 digits"),
            "unimodal": bool(signs[0] == 1 and signs[-1] == -1 and (np.diff(signs) != 0).sum() == 1)}


def _lowest() -> float:
    """Second image of the critical point for memory 0.3, from its closed form."""
    import mpmath

    with mpmath.workdps(30):
        memory, square, top = mpmath.mpf("0.3"), mpmath.mpf("0.246")**2, mpmath.mpf(101)
        leverage = top/(1 + mpmath.cbrt((1 - memory)*square/memory))
        for _ in range(2):
            leverage = (memory/leverage**2 + (1 - memory)*square/(top - leverage)**2)**mpmath.mpf("-0.5")
        return float(leverage)


def doublings(context: Context) -> dict[str, Any]:
    """Each doubling located on the branch that leaves the one before, polished on its defining equations."""
    system, places = models.load("unimodal_leverage"), []
    branch = continue_fixed_points(system, "memory", (0.55, 0.7), start=_rest(system.with_parameters(memory=0.7)))
    gap = 0.1
    for period in (1, 2, 4, 8, 16):
        (point,) = (p for p in branch.special_points if p.kind == "period_doubling")
        places.append(point.parameters["memory"])
        gap = (places[-2] - places[-1])*0.4 if len(places) > 1 else 0.15
        bounds = (places[-1] - gap, places[-1] + 1e-9)
        if period < 16:
            branch = continue_fixed_points(system, "memory", bounds, start=point, period=2*period)
    ratios = np.diff(places)[:-1]/np.diff(places)[1:]
    return {**{f"doubling_{2**k}_to_{2**(k + 1)}": places[k] for k in range(1, 5)},
            **{f"ratio_{k}": float(ratio) for k, ratio in enumerate(ratios, 1)}, "feigenbaum_constant": float(ratios[-1])}


def period_three(context: Context) -> dict[str, Any]:
    """Both ends of the window, by continuation of its orbit."""
    system = models.load("unimodal_leverage")
    orbit = iterate(system.with_parameters(memory=0.39), 3000)["leverage"].values
    branch = continue_fixed_points(system, "memory", (0.38, 0.4), start={"leverage": float(orbit[-1]), "memory": 0.39},
                                   period=3)
    place = {p.kind: p.parameters["memory"] for p in branch.special_points}
    six = continue_fixed_points(system, "memory", (0.375, place["period_doubling"] + 1e-9), period=6, start=next(
        p for p in branch.special_points if p.kind == "period_doubling"))
    (end,) = (p.parameters["memory"] for p in six.special_points if p.kind == "period_doubling")
    starts = sweep(system.with_parameters(memory=0.39), {"leverage": np.linspace(20, 95, 64).tolist()}, measure="period")
    return {"window_end": place["fold"], "window_doubling": place["period_doubling"],
            "period_six_from": place["period_doubling"], "period_six_to": end,
            "period_three_stable": bool((starts["period"] == 3).all())}


def attractors(context: Context) -> dict[str, Any]:
    """Exponents and periods on attractors."""
    system = models.load("unimodal_leverage")
    found = sweep(system, {"memory": [*EXPONENTS, 0.5]}, measure="lyapunov", duration=float(context.size(400_000, 100_000)))
    exponents = dict(zip([*EXPONENTS, 0.5], found["lyapunov"].values.tolist(), strict=True))
    periods = sweep(system, {"memory": [*PERIODS, 0.4675]}, measure="period", discard=60_000)["period"].values.tolist()
    return {**{f"exponent_{_digits(memory)}": exponents[memory] for memory in EXPONENTS},
            **{f"period_{_digits(memory)}": float(value) for memory, value in zip(PERIODS, periods, strict=False)},
            "aperiodic_4675": periods[-1] == 0, "negative_5": exponents[0.5] < 0,
            "chaos_below": exponents[0.62] < 0 and exponents[0.495] < 0 and min(
                exponents[m] for m in (0.445, 0.4, 0.3, 0.27, 0.2)) > 0}


def bifurcation_diagram(context: Context) -> xr.Dataset:
    """The attractor and its exponent at thousands of memories."""
    system = models.load("unimodal_leverage")
    memories = np.linspace(0.1, 0.7, context.size(3000, 300)).tolist()
    orbits = orbit_ensemble(system, context.size(600, 120), discard=2000, over={"memory": memories})
    exponents = sweep(system, {"memory": memories}, measure="lyapunov")
    return orbits[["leverage"]].isel(trajectory=0).assign(lyapunov=exponents["lyapunov"])


def draw_bifurcation_diagram(data: xr.Dataset, axes: Any) -> Any:
    """Density of the attractor above, exponent below."""
    from dynamics.figures.style import BLACK, BLUE, VERMILION

    above, below = axes
    memories, leverage = data["memory"].values, data["leverage"].values
    # faint single pixels: what is visited often is dark, and a periodic orbit is black
    above.plot(np.repeat(memories, leverage.shape[1]), leverage.ravel(), ",", color=BLACK, alpha=0.06, rasterized=True)
    above.set(ylabel=r"Leverage $\lambda$", ylim=(0, None))
    below.axhline(0, color="0.6", linewidth=0.7)
    exponent = data["lyapunov"].values
    below.plot(memories, exponent, color=BLUE, linewidth=0.5)
    below.set(xlabel=r"Memory $\omega$", ylabel="Lyapunov exponent\n(1/step)", ylim=(max(-1.0, exponent.min()), None),
              xlim=(memories[0], memories[-1]))
    above.axhline(101, color=VERMILION, linewidth=0.8, linestyle="--")
    above.annotate(r"$1 + \gamma$: returns explode", (0.5, 101), xytext=(0, 2), textcoords="offset points",
                   ha="center", va="bottom")
    critical = (1 - 0.246)/(1 + 0.246)
    for ax in axes:
        ax.axvline(critical, color=VERMILION, linewidth=0.8, linestyle=":")
    above.annotate(r"$\omega_c = \frac{1 - \sqrt{K}}{1 + \sqrt{K}}$", (critical, 0), xytext=(4, 4), color=BLACK,
                   textcoords="offset points", ha="left", va="bottom")
    return axes
