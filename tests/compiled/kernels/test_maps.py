"""Compiled maps: closed forms, the same orbits by arrays, and digits that depend on no other lane."""

import logging
import math

import numpy as np
import pytest
from sympy import Rational, Symbol

import dynamics as dy
from dynamics.analysis.lane_orbits import attractors_of
from dynamics.compiled.functions import functions_of
from dynamics.compiled.kernels import jit
from dynamics.compiled.kernels.maps import MapProblem, iterate_maps, map_width
from dynamics.compiled.lane_problems import LaneStatus
from dynamics.errors import DerivationError, MissingExtraError, SpecificationError
from dynamics.results import STATUS

HENON = dy.System(name="henon", time="discrete", states={"x": 0.1, "y": 0.1}, parameters={"a": 1.4, "b": 0.3},
                  equations={"x": "1 - a*x**2 + y", "y": "b*x"})
LOGISTIC = dy.System(name="logistic", time="discrete", states={"x": 0.3}, parameters={"r": 3.2},
                     equations={"x": "r*x*(1 - x)"})

LARGEST = 24


def problem_of(system):
    functions = functions_of(system)
    return MapProblem(tuple(Symbol(n) for n in functions.names), tuple(Symbol(n) for n in functions.parameter_names),
                      tuple(system.field[n] for n in functions.names))


def lanes_of(system, lanes, **axes):
    functions = functions_of(system)
    p = np.repeat(np.array(functions.parameters(system), dtype=float)[:, None], lanes, axis=1)
    for name, values in axes.items():
        p[functions.parameter_names.index(name)] = values
    return p, np.repeat(functions.initial_state(system)[:, None], lanes, axis=1)


def henon_lanes():
    a, b = (v.ravel() for v in np.meshgrid(np.linspace(0.2, 1.8, 13), np.linspace(-0.3, 0.4, 11)))
    return lanes_of(HENON, a.size, a=a, b=b)


def test_logistic_map_against_closed_forms():
    r = np.array([0.5, 2.5, 3.2, 2.0, 4.0])
    ends = iterate_maps(problem_of(LOGISTIC), [[0.3, 0.3, 0.3, 0.5, 0.3]], r[None], 20000, discard=2000)
    cycle = (4.2 + np.array([1, -1]) * math.sqrt(4.2 * 0.2)) / 6.4  # of period two, at 3.2
    expected = [math.log(0.5), math.log(0.5), np.log(np.abs(3.2 * (1 - 2 * cycle))).mean()]
    assert ends.lyapunov[:3] == pytest.approx(expected, rel=1e-9)
    assert ends.lyapunov[3] == -np.inf  # the critical point is the fixed point
    assert ends.lyapunov[4] == pytest.approx(math.log(2), abs=2e-3)
    assert ends.period.tolist() == [1, 1, 2, 1, 0]
    assert ends.final_state[0, 1] == pytest.approx(0.6, rel=1e-14)


def test_periods_of_the_windows_of_the_logistic_map():
    # superstable parameters of the doubling cascade and of the windows of period three and five
    r = [3.2360679775, 3.4985616994, 3.5546408628, 3.8318740553, 3.7389149130]
    assert iterate_maps(problem_of(LOGISTIC), [0.3], [r], 100, discard=20000).period.tolist() == [2, 4, 8, 3, 5]
    short = iterate_maps(problem_of(LOGISTIC), [0.3], [r], 100, discard=20000, longest_period=4)
    assert short.period.tolist() == [2, 4, 0, 3, 0]


def test_henon_attractor():
    ends = iterate_maps(problem_of(HENON), [0.1, 0.1], [[1.4, 0.2, 0.9], [0.3, 0.3, 0.3]], 200_000, discard=1000)
    assert ends.lyapunov[0] == pytest.approx(0.41922, abs=2e-3)  # Sprott, Chaos and Time-Series Analysis, table A.2
    fixed = (-0.7 + math.sqrt(0.49 + 0.8)) / 0.4
    slope = np.abs(np.linalg.eigvals([[-0.4 * fixed, 1], [0.3, 0]])).max()
    assert ends.lyapunov[1] == pytest.approx(math.log(slope), abs=1e-5)
    assert ends.final_state[:, 1] == pytest.approx([fixed, 0.3 * fixed], rel=1e-13)
    assert ends.period.tolist() == [0, 1, 2]


def test_leverage_map():
    system = dy.models.load("unimodal_leverage")
    p, start = lanes_of(system, 3, memory=[0.97, 0.7, 0.57])
    compiled, arrays = (attractors_of(system, p, start, 400, 4000, engine=e) for e in ("kernel", "numpy"))
    root = 1.64 * 100 * 0.0015
    for k, memory in enumerate([0.97, 0.7]):  # before the first period doubling at (1 - root)/(1 + root) = 0.605
        assert compiled.period[k] == 1
        assert compiled.final_state[0, k] == pytest.approx(101 / (1 + root), rel=1e-12)
        assert compiled.lyapunov[k] == pytest.approx(math.log(abs(memory - (1 - memory) / root)), rel=1e-6)
    assert compiled.period[2] == 2
    assert np.array_equal(compiled.period, arrays.period)
    assert compiled.lyapunov == pytest.approx(arrays.lyapunov, rel=1e-9)


def test_one_step_and_its_derivative_equal_those_by_arrays():
    p, start = henon_lanes()
    compiled, arrays = (attractors_of(HENON, p, start, 3, 0, 1, engine=e) for e in ("kernel", "numpy"))
    assert np.abs(compiled.final_state - arrays.final_state).max() < 1e-13
    assert compiled.lyapunov == pytest.approx(arrays.lyapunov, abs=1e-13)


def test_the_same_ends_as_by_arrays():
    p, start = henon_lanes()
    compiled, arrays = (attractors_of(HENON, p, start, 300, 1500, 16, engine=e) for e in ("kernel", "numpy"))
    assert np.array_equal(compiled.status, arrays.status)
    assert set(compiled.status) == {STATUS["completed"], STATUS["diverged"]}
    steady = arrays.period > 0
    assert steady.sum() > 40
    assert np.array_equal(compiled.period, arrays.period)
    assert np.allclose(compiled.lyapunov[steady], arrays.lyapunov[steady], atol=1e-9)
    assert np.allclose(compiled.final_state[:, steady], arrays.final_state[:, steady], atol=1e-9)
    assert np.array_equal(np.isnan(compiled.lyapunov), arrays.status != STATUS["completed"])
    without = attractors_of(HENON, p, start, 300, 1500, 16, lyapunov=False, engine="kernel")
    assert np.isnan(without.lyapunov).all()
    assert np.array_equal(without.period, compiled.period)


def test_digits_do_not_depend_on_width_number_order_or_threads():
    problem, (p, start) = problem_of(HENON), henon_lanes()
    p, start = np.tile(p, 9), np.tile(start, 9)
    reference = iterate_maps(problem, start, p, 200, discard=100)
    turned = np.random.default_rng(0).permutation(p.shape[1])
    runs = [(iterate_maps(problem, start, p, 200, discard=100, width=w), slice(None)) for w in (1, 2, 4, 16)]
    runs.append((iterate_maps(problem, start, p, 200, discard=100, threads=2), slice(None)))
    runs.append((iterate_maps(problem, start[:, turned], p[:, turned], 200, discard=100), turned))
    runs.append((iterate_maps(problem, start[:, 5:12], p[:, 5:12], 200, discard=100), slice(5, 12)))
    for run, lanes in runs:
        for name in ("status", "lyapunov", "period", "final_state"):
            assert np.array_equal(getattr(run, name), getattr(reference, name)[..., lanes], equal_nan=name != "status"), name


@pytest.mark.parametrize("engine", ["kernel", "numpy"])
def test_slopes_beyond_every_power_of_two(engine):
    system = dy.System(name="steep", time="discrete", states={"x": 1.0, "y": 0.0}, parameters={"slope": 1.0},
                       equations={"x": "x", "y": "slope*y"})
    slope = np.array([1e200, 1e-200, 0.0, 3.0, 1e300, 1e-300])
    p, start = lanes_of(system, slope.size, slope=slope)
    ends = attractors_of(system, p, start, 200, 5, engine=engine)
    # the other state keeps its distance, so that the exponent is that of the larger slope
    assert ends.lyapunov == pytest.approx(np.maximum(np.log(np.maximum(slope, 1.0)), 0.0), abs=5e-3)
    line = dy.System(name="line", time="discrete", states={"y": 0.0}, parameters={"slope": 1.0}, equations={"y": "slope*y"})
    p, start = lanes_of(line, slope.size, slope=slope)
    with np.errstate(divide="ignore"):
        assert attractors_of(line, p, start, 200, 5, engine=engine).lyapunov == pytest.approx(np.log(slope), rel=1e-12)


@pytest.mark.parametrize("engine", ["kernel", "numpy"])
def test_how_orbits_break(engine):
    root = dy.System(name="root", time="discrete", states={"x": 0.5}, parameters={"c": 1, "g": 1},
                     equations={"x": "g*sqrt(x - c)"})
    p, start = lanes_of(root, 4, c=[0.0, 1.0, 0.0, 0.0], g=[1.0, 1.0, 1e200, 1.0])
    start[0] = [0.5, 0.5, 1e200, np.nan]
    ends = attractors_of(root, p, start, 50, 20, engine=engine)
    assert ends.status.tolist() == [STATUS[n] for n in ("completed", "invalid_state", "diverged", "invalid_state")]
    assert ends.final_state[0, 1] == 0.5  # the last finite one
    assert np.isfinite(ends.final_state[0, 2])
    assert ends.period[1:].tolist() == [-1, -1, -1]
    assert np.isnan(ends.lyapunov[1:]).all()
    assert np.isfinite(ends.lyapunov[0])


@pytest.mark.parametrize("engine", ["kernel", "numpy"])
def test_an_orbit_that_was_back_is_not_broken_by_the_search_in_other_lanes(engine):
    # returns at once, and has no value from step 20 on
    system = dy.System(name="ending", time="discrete", states={"x": 0.0}, parameters={"turn": 0.0},
                       equations={"x": "turn*(1 + x) + 0*sqrt(20 - time)"})
    p, start = lanes_of(system, 2, turn=[0.0, 1.0])
    alone = attractors_of(system, p[:, :1], start[:, :1], 5, 5, engine=engine)
    both = attractors_of(system, p, start, 5, 5, engine=engine)
    assert alone.status[0] == both.status[0] == STATUS["completed"]
    assert alone.period[0] == both.period[0] == 1


def test_maps_that_depend_on_the_step_and_on_cases():
    system = dy.System(name="forced tent", time="discrete", states={"x": 0.25}, parameters={"c": 0.5},
                       equations={"x": "min(2*x, 2 - 2*x)*c + (0 if x > 1/2 else 1/8)*cos(time)**2"})
    p, start = lanes_of(system, 9, c=np.linspace(0.1, 0.45, 9))
    compiled, arrays = (attractors_of(system, p, start, 60, 10, engine=e) for e in ("kernel", "numpy"))
    assert np.allclose(compiled.final_state, arrays.final_state, rtol=0, atol=1e-13)
    assert np.allclose(compiled.lyapunov, arrays.lyapunov, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", dy.models.names())
def test_every_map_among_the_models(name):
    system = dy.models.load(name)
    if not isinstance(system, dy.System) or system.time != "discrete":
        pytest.skip("no map")
    system = system.expand() if system.indices else system
    if len(system.states) > LARGEST:
        pytest.skip("more states than are written out")
    generator = np.random.default_rng(1)
    p, start = lanes_of(system, 24)
    start = start * generator.uniform(0.95, 1.05, start.shape)
    compiled = attractors_of(system, p, start, 1, 0, 1, engine="kernel")
    arrays = attractors_of(system, p, start, 1, 0, 1, lyapunov=False, engine="numpy")
    assert np.array_equal(compiled.status, arrays.status)
    usable = arrays.status == STATUS["completed"]
    assert usable.sum() > 12
    assert np.allclose(compiled.final_state[:, usable], arrays.final_state[:, usable], rtol=1e-12, atol=1e-13)
    if problem_of(system).operations <= 100:  # the matrix of a larger one takes SymPy long
        exponents = attractors_of(system, p, start, 1, 0, 1, engine="numpy").lyapunov
    else:
        tangent = np.sqrt(np.arange(1.0, start.shape[0] + 1.0))[:, None]
        step, field, time = 1e-6 * np.abs(start).max(axis=0), functions_of(system).lane_field, np.zeros(24)
        change = (field(time, start + step * tangent, p) - field(time, start - step * tangent, p)) / (2 * step)
        exponents = np.log(np.abs(change).max(axis=0) / tangent.max())
    known = np.isfinite(exponents) & usable
    assert np.allclose(compiled.lyapunov[known], exponents[known], rtol=1e-5, atol=1e-6)


def test_arrays_where_no_code_can_be_made(monkeypatch, caplog):
    p, start = lanes_of(LOGISTIC, 3, r=[2.5, 3.2, 3.5])
    arrays = attractors_of(LOGISTIC, p, start, 50, 500, engine="numpy")
    with monkeypatch.context() as patch:
        patch.setattr(jit, "available", lambda: False)
        assert np.array_equal(attractors_of(LOGISTIC, p, start, 50, 500).lyapunov, arrays.lyapunov)
        with pytest.raises(MissingExtraError, match="llvmlite"):
            attractors_of(LOGISTIC, p, start, 50, 500, engine="kernel")

    def refuse(*_, **__):
        raise DerivationError("no vector instructions")

    monkeypatch.setattr("dynamics.compiled.kernels.maps.iterate_maps", refuse)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(attractors_of(LOGISTIC, p, start, 50, 500).lyapunov, arrays.lyapunov)
    assert "arrays are used" in caplog.text
    with pytest.raises(DerivationError):
        attractors_of(LOGISTIC, p, start, 50, 500, engine="kernel")


def test_faults_are_named():
    x, r = Symbol("x"), Symbol("r")
    with pytest.raises(SpecificationError, match="q: neither state nor parameter"):
        MapProblem((x,), (r,), (Symbol("q") * x,))
    with pytest.raises(SpecificationError, match="2 equations for 1 states"):
        MapProblem((x,), (r,), (x, x))
    halving = MapProblem((x,), (r,), (x * Rational(1, 2),))
    with pytest.raises(SpecificationError, match="discard = -1"):
        iterate_maps(halving, [1.0], [1.0], 5, discard=-1)
    with pytest.raises(SpecificationError, match="parameters has shape"):
        iterate_maps(halving, [1.0], [1.0, 2.0], 5)
    with pytest.raises(SpecificationError, match="3 lanes, parameters have 2"):
        iterate_maps(halving, [[1.0, 2.0, 3.0]], [[1.0, 2.0]], 5)
    with pytest.raises(SpecificationError, match="engine must be one of"):
        attractors_of(LOGISTIC, *lanes_of(LOGISTIC, 1), 5, 5, engine="fast")
    assert iterate_maps(halving, [1.0], [1.0], 0).final_state.tolist() == [[1.0]]
    assert iterate_maps(halving, [1.0], [1.0], 3).status.tolist() == [LaneStatus.COMPLETED]
    assert map_width(halving) == 2 * jit.native_target().width
