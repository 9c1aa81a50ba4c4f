from pathlib import Path

import mpmath
import pytest
import yaml
from sympy import Rational, Symbol

import dynamics as dy
from dynamics.results.nonsmooth_records import BorderCollision, BorderSide

REFERENCE = yaml.safe_load((Path(__file__).parents[1] / "reference" / "nonsmooth.yaml").read_text())
CORE = REFERENCE["core_model"]


def skew_tent(**values):
    return dy.System(name="skew tent", time="discrete", states={"x": 0.1}, equations={"x": "(a*x if x <= 0 else b*x) + mu"},
                     parameters={"a": 0.4, "b": -12, "mu": 1, **values})


@pytest.fixture(scope="module")
def core():
    return dy.models.load("deleveraging")


@pytest.fixture(scope="module")
def collision(core):
    (found,) = dy.border_collisions(core, "target_leverage")
    return found


def test_core_border_in_closed_form(collision):
    assert isinstance(collision, BorderCollision)
    assert isinstance(collision.off, BorderSide)
    assert collision.solutions == (1 / Symbol("maintenance_margin"),)
    assert collision.values == (CORE["collision_target_leverage"],)
    assert collision.state["equity_ratio"] == Symbol("maintenance_margin")
    assert collision.valid_where == True  # noqa: E712 - a SymPy truth
    assert (collision.classification, collision.kind, collision.dimension) == ("persistence", "border_collision", 3)
    assert (collision.off.exists, collision.on.exists) == ("below", "above")
    # no bounds of the parameters make the determinants differ in sign
    for side in (collision.off, collision.on):
        assert float(side.determinant.xreplace(dict.fromkeys(side.determinant.free_symbols, Rational(1, 3)))) > 0


def limits_in_price_impact(system, condition):
    """Positive zeros of the conditions, other parameters at their values."""
    impact = Symbol("price_impact")
    numbers = {s: v for s, v in system.exact_parameters.items() if s != impact}
    found = []
    for relation in condition.args if condition.is_Boolean and not condition.is_Relational else [condition]:
        polynomial = (relation.lhs - relation.rhs).xreplace(numbers).as_poly(impact)
        roots = mpmath.polyroots([mpmath.mpf(c.p) / c.q for c in polynomial.all_coeffs()], extraprec=100)
        found += [float(mpmath.re(r)) for r in roots if abs(mpmath.im(r)) < 1e-20 and mpmath.re(r) > 0]
    return sorted(found)


def test_core_stability_on_either_side(core, collision):
    three, nineteen = CORE["ordinary_stable_below_price_impact"]
    assert limits_in_price_impact(core, collision.off.stable_where)[0] == pytest.approx(three / nineteen, rel=1e-14)
    limit = CORE["margin_call_stable_below_price_impact"]
    assert limits_in_price_impact(core, collision.on.stable_where)[0] == pytest.approx(limit, abs=1e-10)


@pytest.mark.parametrize(("impact", "stable"), [(0.05, (True, True)), (0.0541923, (True, True)), (0.0541924, (True, False)),
                                                (0.15, (True, False)), (0.2, (False, False))])
def test_core_sides_agree_with_the_fixed_points_next_to_the_border(core, impact, stable):
    (found,) = dy.border_collisions(core, "target_leverage", parameters={"price_impact": impact})
    assert (found.off.stability == "stable", found.on.stability == "stable") == stable
    for leverage, expected in ((19.99999, stable[0]), (20.00001, stable[1])):
        values = {"price_impact": impact, "target_leverage": leverage}
        (point,) = [p for p in dy.fixed_points(core, parameters=values) if p.admissible]
        assert (point.stability == "stable") is expected
    assert found.attractors["below"] == (("stable focus (off)",) if stable[0] else ())


def test_core_regimes(core):
    off, on = sorted(dy.nonsmooth_regimes(core), key=lambda regime: sum(regime.switches.values()))
    assert [p.admissible for p in off.fixed_points] == [True, False]
    assert off.equations["liquidation_flow"] == -Symbol("liquidation_flow") / Symbol("liquidation_latency")
    # below the border the margin-call equilibrium is virtual, beyond it the ordinary point is
    beyond = dy.nonsmooth_regimes(core, parameters={"target_leverage": 25})
    admissible = {tuple(r.switches.values()): [p.admissible for p in r.fixed_points] for r in beyond}
    assert admissible[True,][0] is True
    assert not any(admissible[False,])
    assert not any(p.admissible for p in on.fixed_points)


def test_default_parameter_is_the_shortest_solution(core):
    (found,) = dy.border_collisions(core)
    assert found.parameter == "target_leverage"
    assert not dy.border_collisions(core, "price_impact")


@pytest.mark.parametrize("entry", REFERENCE["skew_tent"])
def test_skew_tent_windows(entry):
    (found,) = dy.border_collisions(skew_tent(a=entry["a"], b=entry["b"]), "mu")
    assert (found.classification, found.values) == ("persistence", (0.0,))
    (text,) = found.attractors["above"]
    assert f"period {entry['period']} " in text
    # below, orbits tend to the fixed point of the branch x <= 0, where the switch "0 - x >= 0" is on
    (below,) = found.attractors["below"]
    assert below.startswith("stable fixed point")
    assert ("like a flip" in found.remark) is (entry["period"] == 2)
    assert not found.multiple_attractors


def test_skew_tent_fold_and_reflection():
    (fold,) = dy.border_collisions(skew_tent(a=0.5, b=1.5), "mu")
    assert fold.classification == "nonsmooth_fold"
    assert fold.attractors["above"] == ()
    assert len(fold.attractors["below"]) == len(fold.unstable["below"]) == 1
    # x -> -x exchanges the branches and the sides
    (turned,) = dy.border_collisions(skew_tent(a=-12, b=0.4), "mu")
    assert "period 4" in turned.attractors["below"][0]
    assert turned.attractors["above"][0].startswith("stable fixed point")


def test_collision_of_a_nonlinear_map_is_its_linear_part():
    # border at x = c: slopes r/2 and -6 at the border, the fixed point there at m = c
    system = dy.System(name="kinked", time="discrete", states={"x": 1}, parameters={"r": 0.8, "c": 1, "m": 2},
                       equations={"x": "m + (r/2*(x - c) + (x - c)**2 if x < c else -6*(x - c))"})
    (found,) = [c for c in dy.border_collisions(system, "m") if c.values == (1.0,)]
    assert found.solutions == (Symbol("c"),)
    assert "period 3" in found.attractors["above"][0]  # -6 lies in the window (-6.25, -3.5) of slope 0.4
    assert found.classification == "persistence"


def test_numbers_where_there_is_no_closed_form():
    system = dy.System(name="quintic", states={"x": 1}, parameters={"a": 1, "k": 2},
                       equations={"x": "a - x**5 - x + k*max(0, x - 2)"})
    (found,) = dy.border_collisions(system, "a")
    assert (found.exactness, found.values) == ("numeric", (34.0,))
    assert found.classification == "persistence"


def test_jumps_and_lines_of_fixed_points():
    jump = dy.System(name="jump", states={"x": 1}, parameters={"p": 1, "k": dy.Parameter(1)},
                     equations={"x": "p - x if x > 0 else k"})
    (found,) = dy.border_collisions(jump, "p")
    assert not found.continuous
    assert (found.classification, found.on.exists) == ("persistence", "above")
    (fold,) = dy.border_collisions(jump, "p", parameters={"k": -1})
    assert fold.classification == "nonsmooth_fold"
    line = dy.compose(dy.models.load("deleveraging"), "depletion")
    assert {c.classification for c in dy.border_collisions(line, "target_leverage")} <= {"not determined"}


def test_smooth_systems_have_no_borders():
    smooth = dy.System(name="smooth", states={"x": 1}, parameters={"a": 1}, equations={"x": "a - x"})
    assert len(dy.border_collisions(smooth)) == 0
    (regime,) = dy.nonsmooth_regimes(smooth)
    assert regime.switches == {}


def test_refusals():
    with pytest.raises(dy.SpecificationError, match=r"mean .*mu"):
        dy.border_collisions(skew_tent(), "mue")
    forced = dy.System(name="forced", states={"x": 1}, parameters={"a": 1}, equations={"x": "a*max(0, x) - time"})
    with pytest.raises(dy.DerivationError, match="depends on time"):
        dy.border_collisions(forced)


@pytest.mark.parametrize("suffix", ["json", "nc"])
def test_saved_and_opened(tmp_path, collision, suffix):
    for number, result in enumerate((collision, dy.border_collisions(skew_tent(), "mu"), dy.nonsmooth_regimes(skew_tent()))):
        assert dy.open(dy.save(result, tmp_path / f"{number}.{suffix}")) == result
    assert collision.latex == r"\lambda^{*} = \frac{1}{u_{m}}"
