r"""Coupled leverage maps of banks that trade one asset: synchronisation, thresholds, and a Henon-like attractor.

Read in the text: the map, its parameters, the theorem on synchronisation, the remark on large exogenous variance, the
formula for a small bank driven by a large one, and the box-counting dimension 1.203 +- 0.006 of an attractor captioned with
the weight 0.5 and the memories 0.5 and 0.3. Three of these do not come out as printed. The dimension is that of the weight
0.8, the first panel of the next figure; the formula of the driven bank lacks a factor; and the return autocorrelation is
printed with its bracket in another place than the map needs. The thresholds are derived: several banks double where
:math:`\sum_i \pi_i (1 - \omega_i)/(1 + \omega_i) = \sqrt K`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.box_counting import box_counting_dimension
from dynamics.analysis.equilibria import fixed_points
from dynamics.analysis.lyapunov import lyapunov_exponents
from dynamics.analysis.orbit_ensembles import orbit_ensemble
from dynamics.analysis.orbits import iterate
from dynamics.analysis.stability import bifurcation_conditions
from dynamics.papers import Claim, Computation, Computed, Context, Paper, PaperFigure, Reference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["paper"]

# weight of the first bank and both memories, to the exponents and the Kaplan-Yorke dimension of our earlier run
ATTRACTORS = {"caption": ((0.5, 0.5, 0.3), (0.384, -0.831, 1.462)), "heavier": ((0.8, 0.5, 0.3), (0.209, -1.024, 1.204)),
              "short_memories": ((0.8, 0.3, 0.2), (0.588, -1.449, 1.406)),
              "light": ((0.2, 0.6, 0.3), (0.455, -0.553, 1.823)), "driven": ((0.001, 0.6, 0.3), (0.603, -0.510, 2.0))}
PRINTED_DIMENSION = 1.203


def paper() -> Paper:
    """Make the paper."""
    return Paper(
        name="ioffredi_marmi_tanzi_2026",
        reference=Reference("M. Ioffredi, S. Marmi, M. Tanzi", 2026,
                            "Chaos and synchronization in financial leverages dynamics: modeling systemic risk with coupled"
                            " unimodal maps", "Chaos", "10.1063/5.0320793"),
        models=("unimodal_leverage", "coupled_leverage"),
        computations=(
            Computation(trivial_dynamics, (
                Claim("trivial_dynamics", True, location="text, on the exogenous variance", evidence="text",
                      statement="for exogenous variance from 0.015^2 on, the dynamics are trivial: all memories have a"
                                " stable"
                                " fixed point"),
                Claim("smallest_trivial_deviation", 1/164, 1e-9, "closed form", evidence="derived",
                      statement="exogenous standard deviation from which no memory doubles, 1/(alpha gamma)"),
            )),
            Computation(synchronisation, (
                Claim("banks_synchronise", True, location="theorem on synchronisation", evidence="text",
                      statement="banks with equal memories synchronise fully, for any weights"),
                Claim("distance_never_grows", True, location="theorem on synchronisation", evidence="text",
                      statement="|lambda_1 - lambda_2|/(lambda_1 + lambda_2) decreases strictly at every step"),
            )),
            Computation(driven_bank, (
                Claim("driven_fixed_point", 89.10695, 5e-6, "formula of the random fixed point of a small bank", "1", "text",
                      statement="leverage of a bank without weight, memory 0.5, beside one that stays at 70",
                      explanation="The printed sum is sum_i A(lambda_2) omega_1^i; every term of the iterated map"
                                  " carries the"
                                  " factor 1 - omega_1 of the map's second term. With it a constant driver gives"
                                  " (1 + gamma - 70)/sqrt K whatever the memory, which is also where the map itself"
                                  " settles."),
                Claim("driven_fixed_point_with_factor", 126.01626, 5e-6, "closed form", evidence="derived",
                      statement="the same with the factor 1 - omega_1"),
            )),
            Computation(autocorrelation, (
                Claim("autocorrelation_as_printed", 0.7905939005, 5e-11, "definition of phi", evidence="text",
                      statement="phi = sum(lambda_i pi_i - 1)/gamma for two banks at rest",
                      explanation="The map has 1 + gamma - sum pi_j lambda_j in its denominator, which is gamma (1 -"
                                  " phi) with"
                                  " phi = (sum pi_j lambda_j - 1)/gamma. The printed bracket subtracts 1 once for every"
                                  " bank;"
                                  " for one bank both are the same."),
            )),
            Computation(thresholds, (
                Claim("two_bank_threshold", 0.8807092961, 5e-11, "closed form", evidence="derived",
                      statement="memory of the first of two equal banks at which period 2 appears, the other's being 0.4"),
                Claim("cycle_below_threshold", True, location="closed form", evidence="derived",
                      statement="at 0.87 the banks alternate, at 0.89 they settle"),
                Claim("many_bank_threshold", True, location="closed form", evidence="derived",
                      statement="for 2, 3, 5 and 8 banks the largest multiplier is -1 where the weighted sum of (1 -"
                                " omega)/(1 +"
                                " omega) is sqrt K"),
            )),
            Computation(attractors, (
                *(claim for name, (values, (first, second, dimension)) in ATTRACTORS.items() for claim in (
                    _earlier(f"{name}_first_exponent", first, 0.006, values, "largest Lyapunov exponent per step"),
                    _earlier(f"{name}_second_exponent", second, 0.006, values, "second Lyapunov exponent per step"),
                    _earlier(f"{name}_dimension", dimension, 0.006, values, "Kaplan-Yorke dimension"))),
                Claim("strange_attractor", True, location="figure of the attractor", evidence="text",
                      statement="at the caption's parameters the attractor is like Henon's: one exponent is positive and"
                                " areas shrink"),
            )),
            Computation(box_dimensions, (
                Claim("attractor_dimension", PRINTED_DIMENSION, 0.006, "figure of the attractor, caption",
                      statement="box-counting dimension of the attractor with weight 0.5, memories 0.5 and 0.3",
                      explanation="The attractor of the caption's parameters has a box-counting dimension near 1.49, and its"
                                  " Lyapunov exponents give the Kaplan-Yorke dimension 1.46. The printed 1.203 is what"
                                  " the weight"
                                  " 0.8 gives, the first panel of the next figure: number or caption belong to another"
                                  " panel."),
                Claim("boxes_caption", 1.485, band=(1.48, 1.49), location="our earlier run", evidence="earlier",
                      statement="box-counting dimension of the attractor with weight 0.5, memories 0.5 and 0.3"),
                Claim("boxes_heavier", 1.19, 0.005, "our earlier run", evidence="earlier",
                      statement="box-counting dimension of the attractor with weight 0.8, memories 0.5 and 0.3"),
                Claim("attractor_dimension_weight_08", PRINTED_DIMENSION, 0.006, "the printed number, for weight 0.8",
                      statement="dimension of the attractor with weight 0.8, memories 0.5 and 0.3, from its exponents"),
            )),
        ),
        figures=(
            PaperFigure("attractors", attractor_points, draw_attractors,
                        "Attractors of two banks with memories 0.5 and 0.3: weight 0.5, the parameters of the caption"
                        " (left), and"
                        " weight 0.8, whose dimension is the printed one (right).", panels=(1, 2), size=(6.8, 3.3)),
            PaperFigure("synchronisation", synchronising, draw_synchronisation,
                        "Relative distance of two banks with equal memory 0.4 and weights 0.3 and 0.7, from 40 starts:"
                        " it falls at"
                        " every step, as the theorem says, while both orbits stay chaotic.", size=(3.4, 2.8)),
        ),
    )


def _earlier(name: str, value: float, tolerance: float, parameters: tuple[float, ...], statement: str) -> Claim:
    return Claim(name, value, tolerance, "our earlier run", evidence="earlier",
                 statement=f"{statement}; weight {parameters[0]:g}, memories {parameters[1]:g} and {parameters[2]:g}")


def _banks(weight: float, first: float, second: float) -> Any:
    """Two banks as a system of scalar states."""
    return models.load("coupled_leverage", memories=(first, second), weights=(weight, 1 - weight)).expand()


def trivial_dynamics(context: Context) -> dict[str, Any]:
    """Stability of the fixed point at all memories for large exogenous variance, and the variance from which on it is so."""
    system = models.load("unimodal_leverage")
    stable = []
    for memory in np.linspace(0.0, 0.99, 12):
        at = system.with_parameters(exogenous_variance=0.015**2, memory=float(memory))
        stable.append(any(point.stability == "stable" for point in fixed_points(at)))
    (rest,) = (point for point in fixed_points(system) if point.values["leverage"] < 101)
    doubling = next(c for c in bifurcation_conditions(system, rest, parameter="memory") if c.kind == "period_doubling")
    # the doubling reaches the memory zero
    from scipy.optimize import brentq

    def memory_of(deviation: float) -> float:
        numbers = system.with_parameters(exogenous_variance=deviation**2).exact_parameters
        return float(doubling.solutions[0].xreplace(numbers))

    return {"trivial_dynamics": all(stable), "smallest_trivial_deviation": brentq(memory_of, 0.001, 0.02, xtol=1e-14)}


def synchronisation(context: Context) -> dict[str, Any]:
    """Orbits of banks with equal memories, many weights and starts."""
    falls, ends = [], []
    for number, weight in enumerate((0.05, 0.3, 0.5, 0.9)):
        for memory in (0.2, 0.4, 0.55):
            system = _banks(weight, memory, memory)
            orbits = orbit_ensemble(system, 200, trajectories=20, spread=0.5, seed=context.seed + number,
                                    initial_state={"leverage_1": 60.0, "leverage_2": 50.0})
            first, second = (orbits[name].values for name in ("leverage_1", "leverage_2"))
            ratio = np.abs(first - second)/(first + second)
            falls.append(bool((np.diff(ratio)[ratio[:, :-1] > 1e-12] < 0).all()))
            ends.append(bool((ratio[:, -1] < 1e-9).all()))
    return {"banks_synchronise": all(ends), "distance_never_grows": all(falls)}


def driven_bank(context: Context) -> dict[str, Any]:
    """A bank without weight beside one whose memory of one keeps it where it is."""
    system = models.load("coupled_leverage", memories=(0.5, 1), weights=(0, 1))
    settled = float(iterate(system, 200, {"leverage": [50.0, 70.0]})["leverage"].isel(bank=0, time=-1))
    pulls = (0.246/(101 - 70))**2
    series = 1/math.sqrt(sum(0.5*pulls*0.5**i for i in range(200)))
    return {"driven_fixed_point": Computed(settled, second=series, second_method="the sum with the factor, 200 terms"),
            "driven_fixed_point_with_factor": settled}


def autocorrelation(context: Context) -> dict[str, Any]:
    """The autocorrelation that the denominator of the map stands for, two banks at rest."""
    system = models.load("coupled_leverage", memories=(0.9, 0.9), weights=(0.5, 0.5))
    settled = iterate(system, 2000).isel(time=-1)
    leverage = settled["leverage"].values
    # the second way: the map's own denominator is gamma (1 - phi), seen in one step from the settled state
    inside = (0.246**2*(1 - 0.9)/(leverage[0]**-2 - 0.9*leverage[0]**-2))**0.5
    return {"autocorrelation_as_printed": Computed(float(settled["return_autocorrelation"]), second=1 - inside/100,
                                                   second_method="read off one step of the map")}


def thresholds(context: Context) -> dict[str, Any]:
    """Period doubling of several banks."""
    two = _banks(0.5, 0.87, 0.4)
    rest = next(point for point in fixed_points(two) if max(point.values.values()) < 101)
    doubling = next(c for c in bifurcation_conditions(two, rest, parameter="memory_1") if c.kind == "period_doubling")
    apart = []
    for memory in (0.87, 0.89):
        orbit = iterate(_banks(0.5, memory, 0.4), 4000)["leverage_1"].values
        apart.append(abs(orbit[-1] - orbit[-2]))
    return {"two_bank_threshold": doubling.values[0], "cycle_below_threshold": apart[0] > 1e-3 > 1e-8 > apart[1],
            "many_bank_threshold": all(_doubles_at_the_sum(count) for count in (2, 3, 5, 8))}


def _doubles_at_the_sum(count: int) -> bool:
    """Whether the smallest multiplier is -1 where the sum says, with unequal weights and memories."""
    weights = np.arange(1, count + 1)/sum(range(1, count + 1))
    shape = 0.9 - 0.5*np.arange(count)/count
    # one factor moves all memories until the sum is sqrt K
    low, high = 0.0, 1/0.95
    for _ in range(80):
        middle = (low + high)/2
        sums = float(weights @ ((1 - middle*shape)/(1 + middle*shape)))
        low, high = (middle, high) if sums > 0.246 else (low, middle)
    system = models.load("coupled_leverage", memories=tuple((low*shape).tolist()), weights=tuple(weights.tolist()))
    from dynamics.compiled.functions import functions_of

    functions = functions_of(system)
    p, at = functions.parameters(system), np.full(count, 101/1.246)
    # central differences of the packaged map, whose step is far above rounding and far below curvature
    columns = [(functions.field(0.0, at + 1e-4*unit, p) - functions.field(0.0, at - 1e-4*unit, p))/2e-4
               for unit in np.eye(count)]
    return bool(abs(min(np.linalg.eigvals(np.array(columns).T).real) + 1) < 1e-6)


def attractors(context: Context) -> dict[str, Any]:
    """Lyapunov exponents and Kaplan-Yorke dimensions."""
    found: dict[str, Any] = {}
    for name, (values, _) in ATTRACTORS.items():
        run = lyapunov_exponents(_banks(*values), context.size(20_000, 1000), transient=1000,
                                 seed=context.seeds(name, 1)[0])
        first, second = (float(e) for e in run["exponent"])
        errors = [2*float(e) for e in run["standard_error"]]
        dimension = float(run.attrs["kaplan_yorke_dimension"])
        slack = errors[0]/abs(second) + first*errors[1]/second**2 if dimension < 2 else 0.0
        found |= {f"{name}_first_exponent": Computed(first, errors[0]),
                  f"{name}_second_exponent": Computed(second, errors[1]), f"{name}_dimension": Computed(dimension, slack)}
        if name == "caption":
            found["strange_attractor"] = first > 0 > first + second
    return found


def box_dimensions(context: Context) -> dict[str, Any]:
    """Box counting and the Kaplan-Yorke dimension of both attractors."""
    found = {}
    for name in ("caption", "heavier"):
        system = _banks(*ATTRACTORS[name][0])
        points = _points(system, context.size(1000, 100), context.seeds(f"boxes {name}", 1)[0])
        counted = box_counting_dimension(points)
        other = lyapunov_exponents(system, context.size(20_000, 1000), transient=1000).attrs["kaplan_yorke_dimension"]
        found[name] = (float(counted["dimension"]), 2*float(counted["standard_error"]), other)
    return {"attractor_dimension": Computed(*found["caption"], "Kaplan-Yorke dimension"),
            "boxes_caption": Computed(*found["caption"][:2]), "boxes_heavier": Computed(*found["heavier"][:2]),
            "attractor_dimension_weight_08": Computed(found["heavier"][2], second=found["heavier"][0],
                                                      second_method="box counting")}


def _points(system: Any, steps: int, seed: int = 0) -> Any:
    """Points of the attractor, shape (4000*steps, 2)."""
    orbits = orbit_ensemble(system, steps, discard=500, trajectories=4000, spread=0.1, seed=seed)
    return np.stack([orbits[name].values.ravel() for name in system.states], axis=1)


def attractor_points(context: Context) -> xr.Dataset:
    """Both attractors."""
    import xarray as xr

    steps, found = context.size(100, 10), []
    for name in ("caption", "heavier"):
        orbits = orbit_ensemble(_banks(*ATTRACTORS[name][0]), steps, discard=500, trajectories=4000, spread=0.1)
        found.append(orbits[["leverage_1", "leverage_2"]].stack(point=("trajectory", "time"), create_index=False))
    bare = [one.drop_vars(["trajectory", "time"], errors="ignore") for one in found]
    both = xr.concat(bare, "panel", combine_attrs="override")
    return both.assign_coords(panel=["weight 0.5", "weight 0.8"])


def draw_attractors(data: xr.Dataset, axes: Any) -> Any:
    """One panel for each."""
    from dynamics.figures.style import BLACK

    for ax, name in zip(axes, data["panel"].values, strict=True):
        one = data.sel(panel=name)
        ax.plot(one["leverage_1"], one["leverage_2"], ",", color=BLACK, alpha=0.25, rasterized=True)
        ax.set(xlabel=r"Leverage of the first bank $\lambda_1$", ylabel=r"Leverage of the second bank $\lambda_2$")
        ax.set_title(rf"$\pi_1 = {name.split()[1]}$", loc="left")
    return axes


def synchronising(context: Context) -> xr.Dataset:
    """Relative distance of two banks with equal memories."""
    orbits = orbit_ensemble(_banks(0.3, 0.4, 0.4), 40, trajectories=40, spread=0.5, seed=context.seed)
    first, second = orbits["leverage_1"], orbits["leverage_2"]
    return orbits.assign(distance=abs(first - second)/(first + second))[["distance"]]


def draw_synchronisation(data: xr.Dataset, ax: Any) -> Any:
    """Distance over steps, logarithmic."""
    from dynamics.figures.style import BLUE

    ax.semilogy(data["time"], np.where(data["distance"] > 1e-15, data["distance"], np.nan).T, color=BLUE, linewidth=0.6,
                alpha=0.6)
    ax.set(xlabel="Step", ylabel=r"$|\lambda_1 - \lambda_2|/(\lambda_1 + \lambda_2)$")
    return ax
