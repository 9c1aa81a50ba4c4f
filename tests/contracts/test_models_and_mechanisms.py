"""What every packaged model keeps, alone and with every mechanism that fits it; a new file is tested by being there."""

import ast
import functools
import importlib
import inspect

import mpmath
import numpy as np
import pytest
from sympy import Max, Min, Piecewise, Symbol, lambdify

import dynamics as dy
from dynamics.compiled.functions import functions_of
from dynamics.systems import System, check_units, toml_format

POINTS = 20
# the formulas of the primitives, written here once more
PRIMITIVES = {
    "hill": lambda x, k, n: x**n / (k**n + x**n), "softplus": lambda z, s=1: s * mpmath.log(1 + mpmath.exp(z / s)),
    "logistic": lambda z: 1 / (1 + mpmath.exp(-z)), "log1p": lambda x: mpmath.log(1 + x),
    "expm1": lambda x: mpmath.exp(x) - 1,
}


@functools.cache
def variants():
    """Every System of the package: models with each value of each option, then with each mechanism that fits."""
    found = {}
    for name in dy.models.names():
        make = importlib.import_module(f"dynamics.models.{name}").system
        for options in ({}, *({option: value} for option in inspect.signature(make).parameters
                              for value in documented_values(make, option))):
            system = dy.models.load(name, **options)
            if isinstance(system, System):
                found[system.name] = system
    for system in list(found.values()):
        for mechanism in dy.mechanisms.names():
            if set(dy.mechanisms.load(mechanism).requires) <= set(system.definitions):
                composed = dy.compose(system, mechanism)
                found[composed.name] = composed
    return found


def documented_values(make, option):
    """The values an option's docstring lists: ``option : {"a", "b"}``."""
    for line in inspect.getdoc(make).splitlines():
        head, _, kind = line.partition(" : ")
        if head.strip() == option and kind.startswith("{"):
            return sorted(ast.literal_eval(kind))
    return []


each_system = pytest.mark.parametrize("system", list(variants().values()), ids=list(variants()))
each_model = pytest.mark.parametrize("name", dy.models.names())
each_mechanism = pytest.mark.parametrize("name", dy.mechanisms.names())


# ---- random places inside the bounds --------------------------------------------------------------------------------

def inside(generator, part, center):
    """A number within the bounds of a part, near ``center`` where a side is open."""
    low, high = (None if bound is None else float(bound) for bound in part.bounds)
    size = max(abs(center), 0.1)
    if low is not None and high is not None:
        return generator.uniform(low + 0.02 * (high - low), high - 0.02 * (high - low))
    if low is not None:
        return low + (max(center - low, 0.1 * size)) * generator.uniform(0.2, 2)
    if high is not None:
        return high - (max(high - center, 0.1 * size)) * generator.uniform(0.2, 2)
    return center + size * generator.uniform(-1, 1)


def random_parameters(system, generator):
    return {name: inside(generator, part, system.parameter_values[name]) for name, part in system.parameters.items()}


def random_state(system, generator):
    start = system.initial_state()
    return np.array([inside(generator, part, start[name]) for name, part in system.states.items()])


@functools.cache
def switches(name):
    """Function of states and parameters: the differences whose zero is a kink of the field."""
    system = variants()[name]
    found = set()
    for expression in system.field.values():
        for node in expression.atoms(Max, Min):
            found |= {a - b for a in node.args for b in node.args if a != b}
        for node in expression.atoms(Piecewise):
            found |= {c.lhs - c.rhs for _, c in node.args if hasattr(c, "lhs")}
    return lambdify([Symbol(n) for n in (*system.states, *system.parameters)], list(found), modules=["math"])


def near_a_kink(system, state):
    return any(abs(value) < 1e-6 for value in switches(system.name)(*state, *system.parameter_values.values()))


def places(system, count, seed):
    generator = np.random.default_rng(seed)
    made = 0
    while made < count:
        changed = system.with_parameters(random_parameters(system, generator))
        state = random_state(system, generator)
        if not near_a_kink(changed, state):
            made += 1
            yield changed, state


# ---- what is declared -----------------------------------------------------------------------------------------------

@each_model
def test_the_model_file_is_documented(name):
    module = importlib.import_module(f"dynamics.models.{name}")
    assert ".. math::" in module.__doc__
    for option, parameter in inspect.signature(module.system).parameters.items():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty
        assert f"{option} : " in inspect.getdoc(module.system)
        values = documented_values(module.system, option)
        assert not values or parameter.default in values
    assert dy.models.load(name) == dy.models.load(name)


@each_mechanism
def test_the_mechanism_file_is_documented(name):
    module = dy.mechanisms.load(name)
    assert ".. math::" in module.__doc__
    assert module.requires
    assert module.provides
    assert set(module.requires) <= set(dy.mechanisms.PORTS)
    signature = inspect.signature(module.apply)
    assert next(iter(signature.parameters)) == "system"
    assert signature.parameters["prefix"].default == ""
    for option in signature.parameters:
        assert f"{option} : " in inspect.getdoc(module.apply)


@each_mechanism
def test_a_mechanism_fits_some_model_and_provides_what_it_says(name):
    module = dy.mechanisms.load(name)
    fitting = [s for s in map(dy.models.load, dy.models.names())
               if isinstance(s, System) and set(module.requires) <= set(s.definitions)]
    assert fitting
    for system in fitting:
        composed = dy.compose(system, name)
        assert set(module.provides) <= set(composed.symbols) - set(system.symbols)
        assert set(system.symbols) <= set(composed.symbols)
        prefixed = dy.compose(system, (name, {"prefix": "b_"}))
        assert {f"b_{new}" for new in module.provides} <= set(prefixed.symbols)
        assert set(dy.mechanisms.PORTS) & set(system.definitions) <= set(composed.definitions)


@each_system
def test_everything_has_a_unit_and_a_meaning(system):
    for part in (*system.states.values(), *system.parameters.values()):
        assert part.unit
        assert part.unit != "?"
        assert part.meaning
    for part in (*system.measures.values(), *system.events.values(), *system.shocks.values()):
        assert part.meaning
    check_units(system)


@each_system
def test_the_text_comes_back(system):
    again = System(**toml_format.read(system.to_toml(), system.name))
    assert again == system
    assert again.field == system.field


@each_system
def test_the_start_is_finite_and_inside_its_bounds(system):
    for name, value in system.initial_state().items():
        low, high = system.states[name].bounds
        assert np.isfinite(value)
        assert low is None or value >= low
        assert high is None or value <= high


# ---- what is computed -----------------------------------------------------------------------------------------------

@each_system
def test_the_field_is_finite_inside_the_bounds(system):
    functions = functions_of(system)
    for changed, state in places(system, 50, 1):
        assert np.all(np.isfinite(functions.field(0.0, state, functions.parameters(changed))))


@each_system
def test_the_jacobian_is_the_derivative(system):
    functions = functions_of(system)
    symbols = [Symbol(n) for n in (*system.states, *system.parameters)]
    raw = lambdify(symbols, [system.field[n] for n in system.states], modules=[PRIMITIVES, "mpmath"])
    for changed, state in places(system, POINTS, 2):
        exact = functions.jacobian(0.0, state, functions.parameters(changed))
        # central differences with 40 digits are exact to 24 of them
        with mpmath.workdps(40):
            step = mpmath.mpf(10) ** -12
            for column in range(len(state)):
                place = [mpmath.mpf(float(v)) for v in (*state, *changed.parameter_values.values())]
                up, down = list(place), list(place)
                up[column] += step
                down[column] -= step
                derivative = [float((a - b) / (2 * step)) for a, b in zip(raw(*up), raw(*down), strict=True)]
                np.testing.assert_allclose(exact[:, column], derivative, rtol=1e-9, atol=1e-11)


@each_system
def test_lanes_and_single_points_agree(system):
    functions = functions_of(system)
    sampled = list(places(system, 16, 3))
    states = np.array([state for _, state in sampled]).T
    values = np.array([functions.parameters(changed) for changed, _ in sampled]).T
    lanes = functions.lane_field(np.zeros(16), states, values)
    slopes = functions.lane_jacobian(np.zeros(16), states, values)
    for k, (changed, state) in enumerate(sampled):
        parameters = functions.parameters(changed)
        single = functions.field(0.0, state, parameters)
        scale = np.max(np.abs(single))
        np.testing.assert_allclose(lanes[:, k], single, rtol=1e-13, atol=1e-13 * scale)
        single = functions.jacobian(0.0, state, parameters)
        np.testing.assert_allclose(slopes[:, :, k], single, rtol=1e-12, atol=1e-12 * np.max(np.abs(single)))


@functools.cache
def fixed_points(name):
    return dy.fixed_points(variants()[name])


@each_system
def test_fixed_points_are_zeros_of_the_field(system):
    functions = functions_of(system)
    points = fixed_points(system.name)
    for point in points:
        state = np.array([point.values[n] for n in system.states])
        field = functions.field(0.0, state, functions.parameters(system))
        rest = field - state if system.time == "discrete" else field
        scale = 1 + np.max(np.abs(functions.jacobian(0.0, state, functions.parameters(system)) @ np.abs(state)))
        if point.admissible:
            assert np.max(np.abs(rest)) < 1e-12 * scale
        assert point.stability in ("stable", "unstable", "not determined")


@each_system
def test_the_symbolic_verdict_is_the_sign_of_the_eigenvalues(system):
    exact = [p for p in fixed_points(system.name) if p.exactness == "exact" and p.admissible]
    if not exact:
        pytest.skip("no exact fixed point")
    point = exact[0]
    at_zero = {Symbol(name): 0 for name in point.free}
    conditions = dy.stability_conditions(system, point)
    functions = functions_of(system)
    stable_where = lambdify([Symbol(n) for n in system.parameters],
                            [c.expression.subs(at_zero) for c in conditions], modules=["math"])
    checked = {True: 0, False: 0}
    generator = np.random.default_rng(5)
    for _ in range(400):
        changed = system.with_parameters(random_parameters(system, generator))
        values = changed.exact_parameters
        if point.valid_where.subs(values) != True:  # noqa: E712  (a SymPy truth value)
            continue
        state = np.array([float(point.state[n].subs(values).subs(at_zero)) for n in system.states])
        if near_a_kink(changed, state):
            continue
        eigenvalues = np.linalg.eigvals(functions.jacobian(0.0, state, functions.parameters(changed)))
        # a line of fixed points has zeros by structure, which decide nothing
        eigenvalues = sorted(eigenvalues, key=abs)[len(point.free):]
        margin = np.max(np.abs(eigenvalues)) - 1 if system.time == "discrete" else np.max(np.real(eigenvalues))
        if abs(margin) < 1e-8:
            continue
        verdict = all(value > 0 for value in stable_where(*changed.parameter_values.values()))
        assert verdict == (margin < 0), changed.parameter_values
        checked[verdict] += 1
        if sum(checked.values()) >= 50:
            break
    assert sum(checked.values()) >= 50
    assert min(checked.values()) > 0, "the sample should hold stable and unstable cases"
