from pathlib import Path

import numpy as np
import pytest
import yaml
from sympy import S, Symbol

import dynamics as dy
from dynamics.results.nonsmooth_records import Sliding

REFERENCE = yaml.safe_load((Path(__file__).parents[1] / "reference" / "nonsmooth.yaml").read_text())
FRICTION = REFERENCE["dry_friction"]
POSITIVE = (0, None)
x, y, force, belt, gain, slope, a = (Symbol(name) for name in ("x", "y", "F", "vb", "k", "c", "a"))


def parameters(**values):
    return {name: dy.Parameter(value, bounds=POSITIVE) for name, value in values.items()}


@pytest.fixture(scope="module")
def friction():
    return dy.System(name="dry friction", states={"x": 0, "v": 0}, parameters=parameters(**FRICTION["parameters"]),
                     equations={"x": "v", "v": "-x + F*sign(vb - v)"})


def test_stick_of_a_mass_on_a_belt(friction):
    (stick,) = dy.sliding(friction)
    assert isinstance(stick, Sliding)
    assert stick.border == {"v": belt}
    assert stick.attracting == (x < force) & (x > -force)
    assert stick.repelling == S.false
    assert stick.sliding_field == {"x": belt, "v": 0}
    assert stick.pseudo_equilibria == ()
    (leaving,) = [t for t in stick.tangencies if t.kind == "visible"]
    at = {name: float(e.xreplace(friction.exact_parameters)) for name, e in leaving.state.items()}
    assert at == FRICTION["leaving_point"]
    (edge,) = [t for t in stick.tangencies if t.kind == "invisible"]
    assert edge.state["x"] == -force
    (slip,) = [p for r in dy.nonsmooth_regimes(friction) for p in r.fixed_points if p.admissible]
    assert dict(slip.values) == FRICTION["slip_equilibrium"]


def test_scalar_relay():
    relay = dy.System(name="relay", states={"x": 1}, parameters={"a": 0.5}, equations={"x": "a - sign(x)"})
    (region,) = dy.sliding(relay)
    assert region.attracting == (a < 1) & (a > -1)
    (point,) = region.pseudo_equilibria
    assert (point.weight, point.stability, point.admissible) == ((1 + a) / 2, "stable", True)
    (beyond,) = dy.sliding(relay, parameters={"a": 1.5})
    assert not beyond.pseudo_equilibria[0].admissible
    (away,) = dy.sliding(dy.System(name="away", states={"x": 1}, parameters=parameters(b=1), equations={"x": "b*sign(x)"}))
    assert (away.attracting, away.repelling) == (S.false, S.true)
    assert away.pseudo_equilibria[0].stability == "unstable"


@pytest.fixture(scope="module")
def double_integrator():
    return dy.System(name="relay control", states={"x": 1, "y": 0}, parameters=parameters(k=1, c=2),
                     equations={"x": "y", "y": "-k*sign(y + c*x)"})


def test_relay_control(double_integrator):
    (region,) = dy.sliding(double_integrator)
    assert region.border == {"y": -slope * x}
    assert region.sliding_field == {"x": -slope * x, "y": slope**2 * x}
    # |c y| < k on the border: |x| < k/c**2
    assert region.attracting == (x < gain / slope**2) & (x > -gain / slope**2)
    (origin,) = region.pseudo_equilibria
    assert (origin.values, origin.stability, origin.admissible) == ({"x": 0.0, "y": 0.0}, "stable", True)
    assert origin.eigenvalues == pytest.approx((-2,))


def test_sliding_field_is_the_limit_of_a_smooth_switch(double_integrator):
    """A steep tanh in place of the sign follows the sliding field."""
    from scipy.integrate import solve_ivp

    steep = 1e4
    run = solve_ivp(lambda _, z: [z[1], -np.tanh(steep * (z[1] + 2 * z[0]))], (0, 1), [0.2, -0.4], method="LSODA", rtol=1e-8,
                    atol=1e-10)
    (region,) = dy.sliding(double_integrator)
    rate = float(region.sliding_field["x"].xreplace({x: 1, slope: 2}))
    assert run.y[0, -1] == pytest.approx(0.2 * np.exp(rate), rel=2e-3)


def test_nonlinear_border_and_pseudo_saddle():
    # both fields point to the parabola y = x**2; along it sliding moves by x' = x: unstable
    system = dy.System(name="parabola", states={"x": 1, "y": 0}, parameters={}, equations={"x": "x", "y": "-sign(y - x**2)"})
    (region,) = dy.sliding(system)
    assert region.border == {"y": x**2}
    (origin,) = [p for p in region.pseudo_equilibria if p.admissible]
    assert (origin.values, origin.stability) == ({"x": 0.0, "y": 0.0}, "unstable")
    assert origin.eigenvalues == pytest.approx((1,))
    assert region.attracting.xreplace({x: S(1) / 2, y: S(1) / 4}) == S.true
    assert region.attracting.xreplace({x: S(1), y: S(1)}) == S.false


def test_continuous_fields_do_not_slide():
    assert len(dy.sliding(dy.models.load("deleveraging"))) == 0


def test_refusals():
    discrete = dy.System(name="map", time="discrete", states={"x": 1}, parameters={}, equations={"x": "-sign(x)"})
    with pytest.raises(dy.DerivationError, match="maps do not slide"):
        dy.sliding(discrete)
    forced = dy.System(name="forced", states={"x": 1}, parameters={}, equations={"x": "sin(time) - sign(x)"})
    with pytest.raises(dy.DerivationError, match="depends on time"):
        dy.sliding(forced)


@pytest.mark.parametrize("suffix", ["json", "nc"])
def test_saved_and_opened(tmp_path, friction, suffix):
    found = dy.sliding(friction)
    assert dy.open(dy.save(found, tmp_path / f"sliding.{suffix}")) == found
