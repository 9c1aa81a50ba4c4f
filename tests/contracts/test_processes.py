"""What every packaged Process keeps; a new file is tested by being there."""

import ast
import copy
import functools
import importlib
import inspect
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.process_orbits import process_start, process_values
from dynamics.systems import check_units

STEPS = 12


def choices(make):
    """The default, then each value that the docstring lists for an option: ``option : {"a", "b"}`` or ``option : bool``."""
    yield {}
    for option, part in inspect.signature(make).parameters.items():
        kind = re.search(rf"^{option} : (.*)$", inspect.getdoc(make), re.MULTILINE).group(1)
        values = sorted(ast.literal_eval(kind)) if kind.startswith("{") else [False, True] if kind == "bool" else []
        yield from ({option: value} for value in values if value != part.default)


@functools.cache
def processes():
    """Label to process: every model that is no System, with each value of each option."""
    found = {}
    for name in dy.models.names():
        for options in choices(importlib.import_module(f"dynamics.models.{name}").system):
            process = dy.models.load(name, **options)
            if not isinstance(process, dy.System):
                found[f"{name}({', '.join(map(str, options.values()))})" if options else name] = process
    return found


def stepped(process):
    return callable(getattr(process, "step", None))


@functools.cache
def solutions(name):
    return processes()[name].solve()


each_process = pytest.mark.parametrize("name", processes())
each_stepped = pytest.mark.parametrize("name", [n for n, p in processes().items() if stepped(p)])
each_solved = pytest.mark.parametrize("name", [n for n, p in processes().items() if not stepped(p)])


@each_process
def test_everything_has_a_unit_and_a_meaning(name):
    process = processes()[name]
    assert isinstance(process, dy.Process)
    assert process.references
    for part in (*process.states.values(), *process.parameters.values(), *process.measures.values()):
        assert part.unit
        assert part.meaning
    for unit, meaning in process.statistics.values():
        assert unit
        assert meaning
    check_units(process.declaration)
    assert inspect.getdoc(type(process).step if stepped(process) else type(process).solve)


@each_process
def test_identity_is_the_text(name):
    process = processes()[name]
    for twin in (pickle.loads(pickle.dumps(process)), copy.deepcopy(process)):
        assert twin == process
        assert hash(twin) == hash(process)
    assert len({p.sha256 for p in processes().values()}) == len(processes())


@each_process
def test_new_parameters_are_pure_and_checked(name):
    process = processes()[name]
    before = process.to_text()
    for parameter, part in process.parameters.items():
        with pytest.raises(dy.SpecificationError, match=f"'{parameter}x' is not a parameter"):
            process.with_parameters({parameter + "x": 1})
        if part.over:
            continue
        value = process.parameter_values[parameter]
        low, high = part.bounds
        other = (value + float(high))/2 if high is not None and value < high else value*1.01 + (0.01 if value == 0 else 0)
        assert process.with_parameters({parameter: other}).parameter_values[parameter] == pytest.approx(other)
        assert process.with_parameters({parameter: other}) != process
        for bound, beyond in ((low, -1), (high, 1)):
            if bound is not None:
                with pytest.raises(dy.SpecificationError, match="outside its bounds"):
                    process.with_parameters({parameter: float(bound) + beyond*max(1.0, abs(float(bound)))})
        with pytest.raises(dy.SpecificationError, match=r"finite|not a number"):
            process.with_parameters({parameter: float("nan")})
    assert process.to_text() == before


@each_stepped
def test_orbits_are_reproducible_and_inside_their_bounds(name):
    process = processes()[name]
    first, again = (dy.iterate(process, STEPS, seed=3) for _ in range(2))
    assert first.drop_attrs().identical(again.drop_attrs())
    assert first.attrs["system_sha256"] == process.sha256
    for state, part in process.states.items():
        low, high = (None if bound is None else float(bound) for bound in part.bounds)
        assert np.all(np.isfinite(first[state]))
        assert low is None or float(first[state].min()) >= low - 1e-9
        assert high is None or float(first[state].max()) <= high + 1e-9
        assert first[state].sizes["time"] == STEPS + 1
    assert set(first.attrs["measures"]) == {*process.measures, *process.statistics}


@each_stepped
def test_a_step_leaves_its_arguments_alone(name):
    process = processes()[name]
    state, values = process_start(process, None), process_values(process)
    kept = copy.deepcopy(state), {n: v for n, v in copy.deepcopy(values).items() if not hasattr(v, "nnz")}
    process.step(state, values, np.random.default_rng(1))
    for now, before in ((state, kept[0]), (values, kept[1])):
        for entry, value in before.items():
            np.testing.assert_array_equal(now[entry], value)


@each_stepped
def test_a_sweep_of_paths_is_the_runs_with_their_own_streams(name):
    process = processes()[name]
    scalars = [n for n, part in process.states.items() if not part.over][:2]
    found = dy.sweep(process, {"path": range(3)}, scalars or None, duration=STEPS, seed=2)
    assert (found["status"] == 0).all()
    assert set(found.data_vars) >= set(scalars)


@pytest.mark.slow
def test_worker_processes_change_nothing(monkeypatch):
    from dynamics.analysis import sweep_grid

    process, over = dy.models.load("leveraged_value_funds"), {"leverage_limit": [1, 10], "path": range(2)}
    here = dy.sweep(process, over, ["price", "leverage"], duration=200, seed=5)
    monkeypatch.setattr(sweep_grid, "FEW_CELLS", (2, 2))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        there = dy.sweep(process, over, ["price", "leverage"], duration=200, seed=5, executor=pool)
    assert there.drop_attrs().identical(here.drop_attrs())


@each_solved
def test_solutions_are_complete_reproducible_and_inside_their_bounds(name):
    process, first = processes()[name], solutions(name)
    again = process.solve({})
    assert first.drop_attrs().identical(again.drop_attrs())
    assert first.attrs["system_sha256"] == process.sha256
    assert first.attrs["method"]
    for state, part in process.states.items():
        low, high = (None if bound is None else float(bound) for bound in part.bounds)
        assert np.all(np.isfinite(first[state]))
        assert low is None or float(first[state].min()) >= low - 1e-9
        assert high is None or float(first[state].max()) <= high + 1e-9
        assert first[state].attrs["units"] == part.unit
    for variable in (*first.data_vars.values(), *first.coords.values()):
        assert variable.attrs["units"]
        assert variable.attrs["long_name"]


@each_process
def test_results_come_back_from_a_file(name, tmp_path):
    process = processes()[name]
    result = dy.iterate(process, 3) if stepped(process) else solutions(name)
    assert dy.open(dy.save(result, tmp_path / "result.json")).identical(result)


@each_process
def test_what_needs_equations_says_what_works(name):
    for function in (dy.fixed_points, dy.jacobian):
        with pytest.raises(dy.DerivationError, match="sweep and phase_diagram work"):
            function(processes()[name])
