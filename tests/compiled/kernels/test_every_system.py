"""Every flow among the models and mechanisms compiles, and each of its steps is that of arrays to 1e-12."""

import numpy as np
import pytest
from sympy import Symbol

import dynamics as dy
from dynamics.compiled.functions import functions_of
from dynamics.compiled.kernels.flows import FlowProblem, integrate_flows
from dynamics.compiled.kernels.runge_kutta import DENSE, ERROR, NODES, A
from dynamics.compiled.kernels.single_steps import take_steps
from dynamics.compiled.rosenbrock import rosenbrock_step
from dynamics.errors import SpecificationError

LANES, LARGEST = 32, 24


def composed(name):
    core = dy.models.load("deleveraging")
    try:
        return dy.compose(core, name)
    except SpecificationError as error:
        pytest.skip(f"does not attach to the core model alone: {error}")


def flow(system):
    if not isinstance(system, dy.System) or system.time != "continuous":
        pytest.skip("no flow")
    if system.indices:
        system = system.expand()
        if len(system.states) > LARGEST:
            pytest.skip("more states than are written out")
    return system


def problem_of(system):
    functions = functions_of(system)
    return FlowProblem(tuple(Symbol(n) for n in functions.names), tuple(Symbol(n) for n in functions.parameter_names),
                       tuple(system.field[n] for n in functions.names))


def points(system):
    """Random states and parameters near the declared ones, inside their bounds."""
    g, functions = np.random.default_rng(1), functions_of(system)
    state = functions.initial_state(system)[:, None] * g.uniform(0.8, 1.2, (functions.dimension, LANES))
    state += g.uniform(0.0, 0.02, state.shape)
    values = np.array(functions.parameters(system), dtype=float)[:, None]
    values = values * g.uniform(0.95, 1.05, (len(functions.parameter_names), LANES))
    return g.uniform(0.0, 2.0, LANES), state, values, g.uniform(1e-4, 1e-2, LANES)


def by_arrays(system, problem, method, t, y, p, h):
    functions = functions_of(system)
    f = functions.lane_field
    if method == "rodas5p":
        slope = None
        if problem.timed:
            slope = functions.lane_function([system.field[n].diff(Symbol("time")) for n in functions.names])(t, y, p)
        step, error = rosenbrock_step(f, f(t, y, p), functions.lane_jacobian(t, y, p), slope, t, y, p, h)
        return step.after, error, step.state(0.3)
    slopes = [f(t, y, p)]
    for node, weights in zip(NODES[1:], A[1:], strict=True):
        after = y + h * sum(w * k for w, k in zip(weights, slopes, strict=True))
        slopes.append(f(t + node * h, after, p))
    error = h * sum(w * k for w, k in zip(ERROR, slopes, strict=True))
    between = y + h * sum(sum(c * 0.3 ** (n + 1) for n, c in enumerate(w)) * k for w, k in zip(DENSE, slopes, strict=True))
    return after, error, between


def check(system, method):
    system = flow(system)
    problem = problem_of(system)
    t, y, p, h = points(system)
    with np.errstate(all="ignore"):
        expected = by_arrays(system, problem, method, t, y, p, h)
    got = take_steps(problem, method, t, y, p, h, fraction=0.3)
    scale = np.abs(expected[0]).max(axis=1, keepdims=True) + 1e-3
    usable = np.isfinite(expected[0]).all(axis=0)
    assert usable.sum() > LANES / 2
    for mine, other in zip(got, expected, strict=True):
        assert np.abs((mine - other) / scale)[:, usable].max() < 1e-12
    run = integrate_flows(problem, y, p, 0.01)
    assert np.isin(run.status, range(7)).all()


@pytest.mark.parametrize("method", ["tsit5", "rodas5p"])
@pytest.mark.parametrize("name", dy.models.names())
def test_models(name, method):
    system = dy.models.load(name)
    if not isinstance(system, dy.System):
        pytest.skip("no equations")
    check(system, method)


@pytest.mark.parametrize("method", ["tsit5", "rodas5p"])
@pytest.mark.parametrize("name", dy.mechanisms.names())
def test_mechanisms(name, method):
    check(composed(name), method)


def chain(dimension):
    """A ring of saturating, leaky integrators: the same kind of equation in any dimension."""
    names = [f"x{k}" for k in range(dimension)]
    return dy.System(name=f"ring {dimension}", time="continuous", states=dict.fromkeys(names, 0.1),
                     parameters={"a": 1.5, "b": 0.5},
                     equations={n: f"a*tanh({names[k - 1]}) - b*{n}*(1 + {names[k - 2]}**2)" for k, n in enumerate(names)})


@pytest.mark.parametrize("dimension", [3, 6, 12, 24])
@pytest.mark.parametrize("method", ["tsit5", "rodas5p"])
def test_dimensions(dimension, method):
    check(chain(dimension), method)
