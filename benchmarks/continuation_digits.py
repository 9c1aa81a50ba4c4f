"""Digits of special points: this package, and what other packages print, against known values.

Run: python benchmarks/continuation_digits.py > table.md, some minutes. Every point is found from a plain start: fixed points
by `bifurcation_diagram` inside a box, points of codimension two on the curves through its folds and Hopf points, cycles
from Hopf points or integrated orbits. Exact values: closed forms, 40-digit arithmetic, Taylor shooting, shooting by DOP853
(tests/reference says which). Prints are those of AUTO-07p's demos, AUTO97 (Bazykin), BifurcationKit (extended Lorenz model)
and ewstools (Rosenzweig-MacArthur), at their own settings.
"""

from __future__ import annotations

import math
import runpy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dynamics as dy
from dynamics.results import SpecialPoint

REFERENCE = Path(__file__).parents[1] / "tests" / "reference"
FIXED = runpy.run_path(str(REFERENCE / "equilibrium_bifurcations.py"))
CYCLES = runpy.run_path(str(REFERENCE / "cycle_bifurcations.py"))
GOAL_FIXED, GOAL_CYCLES = 1e-10, 1e-7


@dataclass(frozen=True)
class Row:
    """A point: where, what it is, its exact value, what was found, what another package prints (None: nothing known)."""

    problem: str
    point: str
    exact: float
    found: float
    printed: float | None = None
    rounding: float = 0.0  # relative, of the reference itself
    goal: float = GOAL_FIXED


def system_of(model: dict[str, Any], values: dict[str, Any] | None = None) -> dy.System:
    states = model["states"] if isinstance(model["states"], dict) else dict.fromkeys(model["states"], 0.1)
    return dy.System(name="reference", time=model.get("time", "continuous"), states=states,
                     parameters=model["parameters"] | (values or {}),
                     equations=dict(zip(states, model["equations"], strict=True)), invariants=model.get("invariants", {}))


def nearest(points: Any, kind: str, name: str, exact: float) -> float:
    found = [p.parameters[name] for p in points if p.kind == kind]
    return min(found, key=lambda value: abs(value - exact), default=math.nan)


# title, model, values, parameter, bounds, box, options, (kind, exact, printed by others)
DIAGRAMS: list[tuple[str, str, dict[str, Any], str, tuple[float, float], dict[str, Any], dict[str, Any], list[Any]]] = [
    ("A->B, p2 = 14", "AB", {"p2": 14}, "p1", (0.01, 0.4), {"u1": (0, 1), "u2": (0, 10)}, {},
     [("hopf", 0.165042045323561, 0.16504203291)]),
    ("A->B, p2 = 15", "AB", {"p2": 15}, "p1", (0.01, 0.4), {"u1": (0, 1), "u2": (0, 10)}, {},
     [("hopf", 0.146882475604236, 0.14688246439)]),
    ("A->B, p2 = 16", "AB", {"p2": 16}, "p1", (0.01, 0.4), {"u1": (0, 1), "u2": (0, 10)}, {},
     [("hopf", 0.132538444269215, 0.13253843398)]),
    ("A->B, p2 = 17", "AB", {"p2": 17}, "p1", (0.01, 0.4), {"u1": (0, 1), "u2": (0, 10)}, {},
     [("hopf", 0.120865719509389, 0.12086570997), ("hopf", 0.217080509696289, 0.21707942746),
      ("fold", 0.121901160810783, 0.12190115042), ("fold", 0.117014750426704, 0.11701473407)]),
    ("A->B, p2 = 18", "AB", {}, "p1", (0.01, 0.4), {"u1": (0, 1), "u2": (0, 10)}, {},
     [("hopf", 0.111153484189864, 0.11115349697), ("hopf", 0.183834607985987, 0.18383291854),
      ("fold", math.exp(-1.5) / 2, 0.11156507078), ("fold", 2 * math.exp(-3), 0.09957412014)]),
    ("fish and sharks", "PP2", {}, "p1", (0, 1), {"u1": (-0.1, 2), "u2": (-1, 5)}, {},
     [("transcritical", 0.6, 0.59999999798), ("transcritical", 2 / 3 / (1 - math.exp(-5 / 3)), 0.82190434957),
      ("fold", 0.832929322234157, 0.83292932223), ("hopf", 0.671593847478832, 0.67159384717)]),
    ("enzyme", "ENZ", {}, "s0", (0, 60), {"s1": (0, 60), "s2": (0, 60)}, {},
     [("fold", 34.3569249985262, 34.356924999), ("fold", 18.8870676579243, 18.887067658),
      ("pitchfork", 34.2228865441902, 34.222886087), ("pitchfork", 22.1816379261242, 22.181636915),
      ("fold", 25.372714838124, 25.372714838), ("fold", 26.6220717700449, 26.62207177)]),
    ("plant", "PLP", {}, "rh", (0.1, 10), {"S": (0, 200), "A": (0, 600)}, {},
     [("hopf", 3.49995382798691, 3.4999530115), ("hopf", 4.6504578126027, 4.6504590515)]),
    ("Lorenz", "LORENZ", {}, "r", (0, 30), {"x": (-30, 30), "y": (-30, 30), "z": (-1, 50)}, {},
     [("pitchfork", 1.0, 0.99999994), ("hopf", 470 / 19, 24.736843683)]),
    ("cusp", "CUSP", {}, "mu", (-1, 1), {"x": (-3, 3)}, {},
     [("fold", 2 / 27**0.5, 0.3849), ("fold", -2 / 27**0.5, -0.3849)]),
    ("extended Lorenz-84, T = 0.04", "LORENZ84", {}, "F", (0, 4), dict.fromkeys("XYZU", (-3, 3)), {},
     [("fold", 1.54664837259813, 1.546648372620807), ("hopf", 1.61965782094258, 1.619657484413436),
      ("hopf", 2.46722212311275, 2.467211879219629), ("hopf", 2.85987541274829, 2.859863413561998)]),
    ("Bazykin, d = 0", "BAZYKIN", {"d": 0, "a": 0.5}, "a", (0, 1.5), {"x": (-1, 200), "y": (-1, 200)}, {},
     [("hopf", 0.0102062294129596, 0.01020625), ("hopf", 0.97979377058704, 0.9797938), ("transcritical", 0.99, None)]),
    ("Brusselator, A = 1", "BRUSSELATOR", {}, "B", (0.1, 5), {"x": (0, 10), "y": (0, 10)}, {}, [("hopf", 2.0, None)]),
    ("Rosenzweig-MacArthur", "ROSENZWEIG", {}, "a", (1, 25), {"x": (-1, 5), "y": (-1, 5)}, {},
     [("hopf", 80 / 5.1, 15.69), ("transcritical", 1 / 0.17, 5.6)]),
    ("logistic map", "LOGISTIC", {}, "mu", (0.5, 3.58), {"x": (0, 1)}, {"cycles": True, "longest_period": 32},
     [("transcritical", 1.0, 0.99999999944), ("period_doubling", 3.0, 3.000000001),
      ("period_doubling", 3.449489742783178, 3.4494897431), ("period_doubling", 3.544090359551923, 3.5440903614),
      ("period_doubling", 3.5644072660954325, 3.5644072699), ("period_doubling", 3.5687594195438264, 3.5687594362),
      ("period_doubling", 3.5696916098013967, 3.5696916101)]),
    ("Henon map, b = 0.3", "HENON", {"a": 0.1}, "a", (-1, 1), {"x": (-3, 3), "y": (-3, 3)},
     {"cycles": True, "longest_period": 2},
     [("fold", -0.1225, None), ("period_doubling", 0.3675, None), ("period_doubling", 0.9125, None)]),
    ("discrete predator-prey", "HUNT", {}, "p1", (0, 4), {"u1": (-0.4, 2), "u2": (-0.1, 2)}, {},
     [("transcritical", 1.0, 1.0), ("transcritical", 2.0, 2.0), ("period_doubling", 3.0, 3.0)]),
    ("delayed logistic map", "DELAYED", {}, "r", (0.5, 3), {"x": (-1, 2), "y": (-1, 2)}, {},
     [("neimark_sacker", 2.0, None)]),
]


def diagrams() -> Iterator[Row]:
    for title, name, values, parameter, bounds, box, options, points in DIAGRAMS:
        diagram = dy.bifurcation_diagram(system_of(FIXED[name], values), parameter, bounds, box=box,
                                         **({"cycles": False} | options))
        for kind, exact, printed in points:
            yield Row(title, f"{kind}, {parameter}", exact, nearest(diagram.special_points, kind, parameter, exact), printed)


def period_three() -> Iterator[Row]:
    window = dy.continue_fixed_points(system_of(FIXED["LOGISTIC"]), "mu", (3.8, 3.85), {"x": 0.5, "mu": 3.835}, period=3)
    for kind, exact in (("fold", 1 + 8**0.5), ("period_doubling", 3.841499007543508)):
        yield Row("logistic map, period 3", f"{kind}, mu", exact, nearest(window.special_points, kind, "mu", exact))


def codimension_two() -> Iterator[Row]:
    cusp = system_of(FIXED["CUSP"])
    fold = dy.continue_fixed_points(cusp, "mu", (-1, 1), {"x": 1})["LP1"]
    point = dy.continue_curve(cusp, fold, ("mu", "lam"), {"mu": (-1, 1), "lam": (-1, 2)})["CP1"]
    yield Row("cusp", "cusp, 1 + lam", 1.0, 1 + point.parameters["lam"])
    lorenz = system_of(FIXED["LORENZ84"])
    branch = dy.continue_fixed_points(lorenz, "F", (0, 4), {"X": 1, "Y": 0, "Z": 0.2, "U": -0.1})
    ranges = {"F": (0, 4), "T": (-0.1, 0.1)}
    found = list(dy.continue_curve(lorenz, branch["LP1"], ("F", "T"), ranges).special_points)
    for label in ("HB1", "HB2", "HB3"):
        found += dy.continue_curve(lorenz, branch[label], ("F", "T"), ranges).special_points
    for kind, exact, printed in (("bogdanov_takens", 0.0209401696833226, 0.02058724),
                                 ("zero_hopf", 0.000126540834120498, 4.983e-05),
                                 ("hopf_hopf", 0.0262739429830842, 0.02627393)):
        yield Row("extended Lorenz-84", f"{kind}, T", exact, nearest(found, kind, "T", exact), printed)
    yield from generalized_hopf(next(p for p in found if p.kind == "generalized_hopf"))
    bazykin = system_of(FIXED["BAZYKIN"], {"a": 0.5, "d": 0.1})
    box = {"x": (0.01, 200), "y": (0.01, 200)}
    ranges = {"a": (0.05, 1.5), "d": (1e-4, 0.4)}
    branch = dy.continue_fixed_points(bazykin, "a", ranges["a"], {"x": 2, "y": 2}, box=box)
    folds = dy.continue_curve(bazykin, branch["LP1"], ("a", "d"), ranges, box=box)
    small = min((p for p in folds.special_points if p.kind == "bogdanov_takens"), key=lambda p: p.parameters["d"])
    points = [*folds.special_points, *dy.continue_curve(bazykin, small, ("a", "d"), ranges, box=box).special_points]
    for kind, exact in (("bogdanov_takens", 0.453624327778129), ("bogdanov_takens", 0.860704459309851),
                        ("cusp", 0.901232691938992), ("generalized_hopf", 0.956623198035283)):
        yield Row("Bazykin", f"{kind}, a", exact, nearest(points, kind, "a", exact))


def generalized_hopf(point: SpecialPoint) -> Iterator[Row]:
    """Of the extended Lorenz model: BifurcationKit prints Re(c2) = omega l2 of a point that it does not refine."""
    place = next(place for model, place, kind in FIXED["OTHERS"] if model is FIXED["LORENZ84"] and kind == point.kind)
    for name in ("F", "T"):
        yield Row("extended Lorenz-84", f"{point.kind}, {name}", place[name], point.parameters[name])
    exact, printed, form = FIXED["LORENZ84_GH"], FIXED["LORENZ84_GH_PRINTED"], point.normal_form
    yield Row("extended Lorenz-84", f"{point.kind}, omega", exact["omega"], form["omega"], printed["omega"])
    yield Row("extended Lorenz-84", f"{point.kind}, omega l2", exact["omega"] * exact["l2"], form["omega"] * form["l2"],
              printed["c2"])


def chain() -> Iterator[Row]:
    literal, exact = CYCLES["brusselator_chain"](), CYCLES["brusselator_chain_hopf"]
    system = system_of(literal)
    branch = dy.continue_fixed_points(system, "L", (0.4, 2.0), literal["states"])
    prints = (0.51298982698, 1.0233753981, 1.5178935252, 1.9595941272)
    for mode, printed in enumerate(prints, start=1):
        value = exact(mode)
        yield Row("Brusselator chain", f"hopf of mode {mode}, L", value, nearest(branch.special_points, "hopf", "L", value),
                  printed)
    first = dy.continue_cycles(system, hopf(literal["states"], L=exact(1)), "L", (0.4, 1.3))
    second = dy.continue_cycles(system, first["BPC1"], "L", (0.9, 1.6))
    yield Row("Brusselator chain", "neimark_sacker of cycles, L", CYCLES["BRUSSELATOR_CHAIN_TORUS"],
              second["NS1"].parameters["L"], 1.4018393957, 1e-11, GOAL_CYCLES)


def hopf(state: dict[str, float], **parameters: float) -> SpecialPoint:
    return SpecialPoint("hopf", "HB1", state, parameters)


def cycles() -> Iterator[Row]:
    oscillator = system_of(CYCLES["VAN_DER_POL"])
    row = dy.continue_cycles(oscillator, dy.integrate(oscillator, 60), "mu", (0.9, 1.0), fineness=0.15,
                             direction="backward").table.isel(step=0)
    yield Row("van der Pol, mu = 1", "period", CYCLES["VAN_DER_POL_PERIOD"], float(row["period"]), goal=GOAL_CYCLES)
    yield Row("van der Pol, mu = 1", "multiplier", CYCLES["VAN_DER_POL_MULTIPLIER"], float(row["multiplier_real"][0]),
              goal=GOAL_CYCLES)
    circle = dy.continue_cycles(system_of(CYCLES["STUART_LANDAU"]), hopf({"x": 0.0, "y": 0.0}, mu=0.0), "mu", (-1, 0.5),
                                fineness=0.15).table.isel(step=-1)
    yield Row("Hopf normal form, mu = 0.5", "radius", 0.5**0.5, float(circle["max_x"]), goal=GOAL_CYCLES)
    yield Row("Hopf normal form, mu = 0.5", "multiplier", math.exp(-2 * math.pi), float(circle["multiplier_real"][0]),
              goal=GOAL_CYCLES)
    plant = dy.continue_cycles(system_of(CYCLES["PLANT"]), hopf(CYCLES["PLANT"]["states"], rh=CYCLES["PLANT_HOPF"][0]), "rh",
                               (1.0, 7.0))
    for point, (exact, period), printed in zip(plant.special_points, CYCLES["PLANT_FOLDS"], (2.7596872721, 5.0078403922),
                                               strict=True):
        yield Row("plant", f"{point.kind}, rh", exact, point.parameters["rh"], printed, 2e-11, GOAL_CYCLES)
        yield Row("plant", f"{point.kind}, period", period, point.period, None, 5e-12, GOAL_CYCLES)
    lorenz = system_of(CYCLES["LORENZ"])
    run = dy.integrate(lorenz, 40, parameters={"r": 350.0}, initial_state={"x": 10.0, "y": 10.0, "z": 300.0})
    branch = dy.continue_cycles(lorenz, run, "r", (200.0, 360.0), direction="backward")
    branch = dy.continue_cycles(lorenz, branch["BPC1"], "r", (200.0, 360.0))
    prints = (229.40671021, 218.21014029, 215.96643086)
    for k, ((exact, _, rounding), printed) in enumerate(zip(CYCLES["LORENZ_DOUBLINGS"], prints, strict=True)):
        point = branch["PD1"]
        yield Row("Lorenz", f"period_doubling {k + 1} of cycles, r", exact, point.parameters["r"], printed,
                  max(rounding, 1e-12), GOAL_CYCLES)
        if k < 2:
            branch = dy.continue_cycles(lorenz, point, "r", (214.0, 360.0))
    for p2, (p1, u1, u2) in CYCLES["AB_HOPF"].items():
        system, start = system_of(CYCLES["AB"], {"p2": float(p2)}), hopf({"u1": u1, "u2": u2}, p1=p1)
        if p2 <= 16:
            last = dy.continue_cycles(system, start, "p1", (0.05, 0.25)).table.isel(step=-1)
            yield Row(f"A->B, p2 = {p2}", "periodic_orbit at p1 = 0.25, period", CYCLES["AB_PERIOD_AT_QUARTER"][p2],
                      float(last["period"]), {14: 2.22034, 15: 1.72637, 16: 1.23162}[p2], 1e-12, GOAL_CYCLES)
        else:
            last = dy.continue_cycles(system, start, "p1", (0.05, 0.25), max_period=1000.0).table.isel(step=-1)
            yield Row(f"A->B, p2 = {p2}", "homoclinic_limit, p1 at period 1000", CYCLES["AB_AT_PERIOD_1000"][p2],
                      float(last["p1"]), {17: 0.120102, 18: 0.110829}[p2], 1e-11, GOAL_CYCLES)
    last = dy.continue_cycles(system_of(CYCLES["PREDATORS"]), hopf(CYCLES["PREDATORS"]["states"],
                                                                   p1=CYCLES["PREDATORS_HOPF"]), "p1", (0.5, 0.8),
                              max_period=36.0).table.isel(step=-1)
    yield Row("fish and sharks", "homoclinic_limit, p1 at period 36", CYCLES["PREDATORS_AT_PERIOD_36"], float(last["p1"]),
              0.707941, 1e-12, GOAL_CYCLES)


def basel() -> Iterator[Row]:
    model = dy.models.load("basel_leverage_cycle_ode").with_parameters(risk_factor=CYCLES["BASEL_HOPF"])
    state = {name: float(value) for name, value in model.initial_state().items()}
    point = dy.continue_cycles(model, hopf(state, risk_factor=CYCLES["BASEL_HOPF"]), "risk_factor", (0.0005, 0.0125))["NS1"]
    yield Row("Basel leverage cycle, flow", "neimark_sacker of cycles, risk factor", CYCLES["BASEL_TORUS"],
              point.parameters["risk_factor"], None, 1e-12, GOAL_CYCLES)
    yield Row("Basel leverage cycle, flow", "neimark_sacker of cycles, period", CYCLES["BASEL_TORUS_PERIOD"], point.period,
              None, 2e-12, GOAL_CYCLES)


def bodies() -> Iterator[Row]:
    literal, period = CYCLES["ARENSTORF"], CYCLES["ARENSTORF_PERIOD"]
    table = dy.continue_cycles(system_of(literal), literal["states"] | {"period": period}, "mu", (0.0122, 0.0123),
                               max_steps=1, fineness=0.2).table
    found = min(zip(table["mu"].values, table["period"].values, strict=True), key=lambda pair: abs(pair[0] - 0.012277471))
    yield Row("Arenstorf's orbit", "periodic_orbit, period", period, float(found[1]), None, 1e-10, GOAL_CYCLES)


def digits(value: float, exact: float) -> str:
    return f"{min(16.0, -math.log10(max(abs(value / exact - 1), 1e-16))):.1f}"


def line(row: Row) -> str:
    error = abs(row.found / row.exact - 1)
    verdict = "yes" if error <= max(row.goal, row.rounding) else "NO"
    others = "" if row.printed is None else digits(row.printed, row.exact)
    return (f"| {row.problem} | {row.point} | {row.found:.13g} | {error:.1e} | {digits(row.found, row.exact)} | {others} | "
            f"{verdict} |")


def main() -> None:
    sys.stdout.write("| problem | point | found | relative error | digits | digits others print | within its goal |\n"
                     "|---|---|---|---|---|---|---|\n")
    for group in (diagrams, period_three, codimension_two, chain, cycles, basel, bodies):
        for row in group():
            sys.stdout.write(line(row) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
