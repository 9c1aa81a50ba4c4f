"""Families of rests: printed as such, counted apart, with a member that is one, whatever the declared initial values."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from sympy import Symbol

import dynamics as dy
from dynamics.analysis.families import BORDER, EDGE, nearest_member


def debt_rank(count: int = 4) -> dy.System:
    """Losses that pass along exposures (DebtRank): h(t+1) = min(1, h(t) + W (h(t) - h(t-1))); at rest h(t) = h(t-1)."""
    weights = [[0, 0.3, 0.2, 0.1], [0.25, 0, 0.15, 0.3], [0.1, 0.35, 0, 0.2], [0.2, 0.1, 0.3, 0]]
    banks = range(count)
    passed = {i: " + ".join(f"{weights[i][j]}*(h{j} - p{j})" for j in banks if j != i) for i in banks}
    return dy.System(
        name="debtrank", time="discrete",
        states={**{f"h{i}": dy.State(0.05 * (i + 1), bounds=(0, 1)) for i in banks},
                **{f"p{i}": dy.State(0, bounds=(0, 1)) for i in banks}},
        equations={**{f"h{i}": f"min(1, h{i} + {passed[i]})" for i in banks}, **{f"p{i}": f"h{i}" for i in banks}})


def inventory(start: float = 3, **more) -> dy.System:
    return dy.System(name="inventory", states={"q": start, "e": 1}, parameters={"k": 0.5, "c": 0.2},
                     equations={"q": "-k*max(q - 1, 0)", "e": "-c*max(q - 1, 0)"}, **more)


def account() -> dy.System:
    """An account that sells where its equity is short: at rest wherever it is not, whatever its holdings and debt."""
    return dy.System(
        name="account", states={"x": 0, "h": 1, "d": 0.9},
        parameters={"a": dy.Parameter(0.2, "1", (0, None)), "m": dy.Parameter(0.01, "1", (0, 1))},
        definitions={"sold": "200*min(1, max(0, 1 - (1 - d*exp(-x)/h)/m))*h"},
        equations={"x": "-x - a*sold", "h": "-sold", "d": "-exp(x)*sold"})


def at_rest(system: dy.System, values: dict[str, float]) -> bool:
    path = dy.integrate(system, 1.0, initial_state=values) if system.time == "continuous" else \
        dy.iterate(system, 3, initial_state=values)
    return all(abs(float(path[name][-1]) - value) < 1e-12 for name, value in values.items())


def test_sixteen_regimes_of_a_network_see_one_family_of_four_dimensions():
    system = debt_rank()
    points = dy.fixed_points(system)
    (family,) = points
    assert len(family.free) == 4
    assert family.admissible
    assert not [p for p in points if "node" in p.kind]
    assert family.kind.startswith("stable family")
    assert "4 banks" not in repr(points)
    assert repr(points).startswith("FixedPoints: 1 family of rests\n")
    generator = np.random.default_rng(5)
    for losses in [*generator.uniform(0, 1, (5, 4)), np.array([1.0, 0.2, 1.0, 0.0])]:
        free = {Symbol(name): value for name, value in zip(family.free, losses, strict=True)}
        member = {name: float(value.xreplace(free)) for name, value in family.state.items()}
        assert at_rest(system, member)


def test_a_member_is_one_whatever_the_declared_initial_values():
    for start in (3, 1.5, 1, 0.2, -4):
        family, *others = dy.fixed_points(inventory(start))
        assert not others
        assert family.free == ("q", "e")
        assert family.admissible
        assert family.values == {"q": min(start, 1), "e": 1}
        assert at_rest(inventory(start), dict(family.values))
        # q <= 1, and no condition on e
        for q, e in product((-3, 1, 1.001, 8), (-2, 0.5)):
            assert bool(family.valid_where.subs({"q": q, "e": e})) is (q <= 1)
    shown = repr(dy.fixed_points(inventory(3)))
    assert "not admissible" not in shown
    assert "q, e free where 1 - q >= 0" in shown
    assert "the declared initial values are not in the family" in shown
    assert "not in the family" not in repr(dy.fixed_points(inventory(0.5)))


def test_a_family_past_a_terminal_event_or_outside_its_bounds_has_no_admissible_member():
    ended = dy.fixed_points(inventory(3, events={"full": dy.Event("q - 5", "falling", terminal=True)}))
    assert not any(p.admissible for p in ended)
    ruined = dy.fixed_points(inventory(3, events={"ruin": dy.Event("e - 0.3", "falling", terminal=True)}))
    assert ruined[0].admissible
    beyond = dy.System(name="inventory", states={"q": dy.State(3, bounds=(2, None))}, equations={"q": "-max(q - 1, 0)"})
    assert not any(p.admissible for p in dy.fixed_points(beyond))
    # a box asks for members inside
    assert dy.fixed_points(inventory(3), box={"q": (0.2, 0.4)})[0].values["q"] == 0.4
    assert len(dy.fixed_points(inventory(3), box={"q": (2, 4)})) == 0


def test_the_nearest_member_on_a_circle():
    x, y = Symbol("x"), Symbol("y")
    for start, scale in (((3, 4), 1), ((30, 40), 1), ((-3, 4), 1), ((0.03, 0.04), 0.01)):
        member = nearest_member([scale**2 - x**2 - y**2], dict(zip((x, y), map(float, start), strict=True)))
        assert member is not None
        expected = np.array(start) / np.hypot(*start) * scale
        assert [float(member[x]), float(member[y])] == pytest.approx(expected.tolist(), abs=0.2 * scale)
        assert float(scale**2 - member[x] ** 2 - member[y] ** 2) >= -BORDER
    assert nearest_member([-1 - x**2 - y**2], {x: 0, y: 0}) is None


def test_a_border_is_part_of_the_family():
    x = Symbol("x")
    inside = nearest_member([x - 1 + BORDER / 2], {x: 1})
    assert inside == {x: 1}
    outside = nearest_member([x - 1 - 3 * BORDER], {x: 1})
    assert outside is not None
    assert outside[x] > 1
    assert BORDER < EDGE


def test_the_edge_of_a_family_is_no_second_one():
    system = account()
    (family,) = dy.fixed_points(system)
    assert set(family.free) == {"h", "d"}
    assert family.state["x"] == 0
    # margin call where h - d < m h
    for h, d, inside in ((1, 0.9, True), (1, 0.991, False), (3, 2.9, True), (0.5, 0.4, True), (2, 1.99, False)):
        assert bool(family.valid_where.subs({"h": h, "d": d, "m": 0.01})) is inside
        assert at_rest(system, {"x": 0, "h": h, "d": d}) is inside
    assert "unstable from the other side" in family.remark


def test_deadbands_and_fields_that_are_zero_everywhere():
    band = dy.System(name="band", states={"x": 3}, equations={"x": "-max(x - 1, 0) + max(-1 - x, 0)"})
    (family,) = dy.fixed_points(band)
    assert (family.free, family.values, family.stability) == (("x",), {"x": 1}, "stable")
    still = dy.System(name="still", states={"x": 2, "y": 1}, equations={"x": "x - x", "y": "1 - y"})
    (line,) = dy.fixed_points(still)
    assert (line.free, line.kind, line.values) == (("x",), "stable family (neutral along x)", {"x": 2, "y": 1})
    nothing = dy.System(name="nothing", states={"x": 2}, equations={"x": "x - x"})
    (all_of_it,) = dy.fixed_points(nothing)
    assert all_of_it.kind == "stable family (neutral along x)"


def test_two_lines_that_cross_stay_two_and_what_differs_along_them_is_said():
    cross = dy.System(name="cross", states={"x": 0.5, "y": 0.5}, equations={"x": "-x*y", "y": "-x*y"})
    points = dy.fixed_points(cross)
    assert sorted(p.free for p in points) == [("x",), ("y",)]
    # across x = 0 the eigenvalue is -y: stable where y > 0 alone
    for point in points:
        assert point.stability == "stable"
        assert point.kind == f"family (neutral along {point.free[0]}), stable at this member"
    assert repr(points).startswith("FixedPoints: 2 families of rests\n")


def test_isolated_points_and_families_are_counted_apart():
    system = dy.System(name="both", states={"x": 0.5, "y": 0.5},
                       equations={"x": "x*(y - 1)", "y": "y - y if x < 2 else 3 - x"})
    points = dy.fixed_points(system)
    assert repr(points).startswith("FixedPoints: 1 isolated, ")
    assert sorted(points.table["free"].values.tolist(), reverse=True)[-1] == ""
    shown = points._repr_html_()
    assert "family of rests" in shown
    assert "fixed point" in shown


def test_conditions_at_a_family_are_taken_at_the_member_shown():
    """Across the family the eigenvalue is q - 2: unstable at the declared q = 3, which is no member; stable at q = 1."""
    system = dy.System(name="inventory", states={"q": 3, "z": 0}, parameters={"k": 1},
                       equations={"q": "-k*max(q - 1, 0)", "z": "(q - 2)*z"})
    family = next(p for p in dy.fixed_points(system) if p.admissible)
    assert (family.values["q"], family.stability) == (1, "stable")
    assert "stable at this member" in family.kind


@pytest.mark.parametrize("suffix", [".json", ".nc", ".zarr"])
def test_files(suffix, tmp_path):
    points = dy.fixed_points(debt_rank(2))
    dy.save(points, tmp_path / f"points{suffix}")
    again = dy.open(tmp_path / f"points{suffix}")
    assert again == points
    assert repr(again) == repr(points)


def test_a_rest_that_divides_by_zero_is_none_and_no_diagram_stumbles_over_it():
    """Without holdings the account's equity ratio 1 - d/h has no value; the ordinary family is stable throughout."""
    system = dy.System(
        name="account", states={"x": 0, "h": 1, "d": 0.9}, parameters={"a": dy.Parameter(0.2, "1", (0, None)), "m": 0.01},
        definitions={"sold": "200*min(1, max(0, 1 - (1 - d*exp(-x)/h)/m))*h"},
        equations={"x": "-x - a*sold", "h": "-sold", "d": "-exp(x)*sold"},
        events={"half": dy.Event("h - 0.5", "falling", terminal=True)}, shocks={"price": dy.Shock({"x": "x - magnitude"})})
    diagram = dy.phase_diagram(system, ("a", [0.1, 0.2]), ("m", [0.01, 0.02]), shock="price", magnitude=0.05, event="half",
                               duration=5.0, initial_state=system.initial_state())
    # equity 1 - 0.9 exp(0.05) = 0.054 is above either margin, and the price returns
    assert (diagram.regime.values == diagram.regime.values[0, 0]).all()
    assert not any(point.values["h"] == 0 for point in dy.fixed_points(system))
