"""Processes: declared like a System, stepped or solved, with the same results, files and refusals."""

import copy
import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import ConvergenceError, DataError, DerivationError, IntegrationError, SpecificationError
from dynamics.results import STATUS, solution


class Walk(dy.DeclaredProcess):
    """Walkers with drift on an axis; the sum of their steps is normal."""

    def step(self, state, parameters, generator):
        steps = parameters["drift"]*parameters["weight"] + generator.normal(size=2)
        return {"x": state["x"] + steps, "age": state["age"] + 1}

    def statistics_of(self, orbit):
        return {"spread": float(np.std(np.diff(orbit["x"].values, axis=1)))}


class Root(dy.DeclaredProcess):
    """The positive root of x**2 = a; none for a < 0."""

    def solve(self, parameters=None):
        here = self.with_parameters(parameters) if parameters else self
        a = here.parameter_values["a"]
        if a < 0:
            raise ConvergenceError(f"x**2 = {a:g} has no real root")
        return solution(here, {"x": a**0.5, "regime": float(a > 1)}, {"y": ("t", np.arange(3.0), {"units": "1"})},
                        {"t": ("t", np.arange(3.0))}, method="closed form", exactness="exact")


def walk(**more):
    return Walk(name="walk", indices={"walker": 2}, time_unit="day",
                states={"x": dy.State((0, 1), "km", meaning="position", over=("walker",)), "age": dy.State("start", "day")},
                parameters={"drift": dy.Parameter(0.5, "km", (0, 2), "mu", "drift"), "start": dy.Parameter(3, "day"),
                            "weight": dy.Parameter((1, 2), over=("walker",))},
                observables={"middle": "total(x, walker)/2"},
                measures={"far": dy.Measure("total(x, walker)", "max", "km", "far")},
                statistics={"spread": ("km", "standard deviation of the steps")},
                references=(dy.Reference("A", 1905),), **more)


def root():
    return Root(name="root", states={"x": dy.State(1, "USD", meaning="root"), "regime": 0}, parameters={"a": 4, "b": 1},
                regimes=("small", "large"))


# ---- the declaration -----------------------------------------------------------------------------------------------------

def test_a_declaration_is_checked_like_a_system():
    with pytest.raises(SpecificationError, match=r"parameters\.drift: the value 3 is outside its bounds \[0, 2\]"):
        walk().with_parameters(drift=3)
    with pytest.raises(SpecificationError, match=r"'drifft' is not a parameter of 'walk'\. Did you mean 'drift'"):
        walk().with_parameters(drifft=1)
    with pytest.raises(SpecificationError, match="has 3 faults"):
        Walk(name="walk", states={"2x": 0}, parameters={"drift": "much"})
    with pytest.raises(SpecificationError, match="has neither step"):
        dy.DeclaredProcess(name="nothing", states={"x": 0})
    with pytest.raises(SpecificationError, match=r"statistics\.x: the name is already used"):
        Walk(name="walk", states={"x": 0}, statistics={"x": ("1", "twice")})
    with pytest.raises(AttributeError, match="with_parameters"):
        walk().drift = 1
    with pytest.raises(SpecificationError, match="Did you mean 'age'"):
        dy.iterate(walk(), 3, {"ages": 1})


def test_new_parameters_leave_the_old_process_alone_and_identity_follows_the_text():
    old = walk()
    new = old.with_parameters({"drift": 1}, start=9)
    assert (old.parameter_values["drift"], new.parameter_values["drift"], new.initial_state()["age"]) == (0.5, 1.0, 9.0)
    assert old == walk() != new
    assert new.with_parameters(drift=0.5, start=3) == old
    assert len({old, walk(), new, walk(options={"kind": "other"})}) == 3
    assert old.sha256 != new.sha256
    for twin in (pickle.loads(pickle.dumps(new)), copy.deepcopy(new)):
        assert twin == new
        assert twin.to_text() == new.to_text()
    assert isinstance(old, dy.Process)
    assert "stepped" in repr(old)
    assert old.to_text().startswith("# process ")
    assert "solved" in repr(root())


# ---- orbits --------------------------------------------------------------------------------------------------------------

def test_the_orbit_is_that_of_the_steps():
    run = dy.iterate(walk(), 40, seed=5)
    generator = np.random.default_rng(np.random.SeedSequence(5))
    steps = 0.5*np.array([[1], [2]]) + np.array([generator.normal(size=2) for _ in range(40)]).T
    expected = np.array([[0], [1]]) + np.concatenate([np.zeros((2, 1)), np.cumsum(steps, axis=1)], axis=1)
    assert run["x"].dims == ("walker", "time")
    assert run["x"].attrs == {"units": "km", "long_name": "position"}
    np.testing.assert_allclose(run["x"], expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(run["middle"], expected.mean(axis=0), rtol=1e-13, atol=1e-13)
    assert run["age"].values[[0, -1]].tolist() == [3, 43]
    assert run.attrs["measures"]["far"] == pytest.approx(expected.sum(axis=0).max(), rel=1e-13)
    assert run.attrs["measures"]["spread"] == pytest.approx(np.std(np.diff(expected, axis=1)), rel=1e-12)
    assert {"schema", "system_sha256", "parameters", "initial_state", "seed", "source", "wall_time_s"} <= set(run.attrs)
    system_run = dy.iterate(dy.models.load("vulnerable_banks"), 2)
    assert set(system_run.attrs) - set(run.attrs) == set()
    assert set(system_run.dims) - {"bank"} == set(run.dims) - {"walker"}
    assert dy.iterate(walk(), 40, {"x": [5, 5]}, {"drift": 0}, seed=5)["x"].values[:, 0].tolist() == [5, 5]


class Breaking(dy.DeclaredProcess):
    def step(self, state, parameters, generator):
        if parameters["how"] == 2:
            return {"x": state["x"] - 1, "y": 1.0}
        return {"x": float("nan") if state["x"] == 1 and parameters["how"] else 1/(state["x"] - 1) if state["x"] == 1
                else state["x"] - 1}


def test_a_step_that_breaks_raises_with_the_orbit_before():
    for how, said in ((0, "step 3 failed: float division by zero"), (1, "no longer finite after step 2")):
        broken = Breaking(name="breaking", states={"x": 3}, parameters={"how": how})
        with pytest.raises(IntegrationError, match=said) as caught:
            dy.iterate(broken, 9)
        assert caught.value.partial["x"].values.tolist() == [3, 2, 1]
        assert caught.value.partial.attrs["status"] == "invalid_state"
        swept = dy.sweep(broken, {"x": [3.0, -1.0]}, "x", duration=5)
        assert swept["status"].values.tolist() == [STATUS["invalid_state"], STATUS["completed"]]
        assert swept["end_time"].values.tolist() == [2, 5]
    with pytest.raises(SpecificationError, match="must return the states it got, x; y is only on one side"):
        dy.iterate(Breaking(name="breaking", states={"x": 3}, parameters={"how": 2}), 2)


# ---- sweeps and phase diagrams -------------------------------------------------------------------------------------------

def test_every_cell_has_the_stream_of_its_number():
    over = {"drift": [0.0, 1.0], "path": range(3)}
    found = dy.sweep(walk(), over, ["far", "spread", "age", "middle"], duration=20, seed=4)
    assert found["far"].dims == ("drift", "path")
    assert found["spread"].attrs == {"units": "km", "long_name": "standard deviation of the steps"}
    assert found["far"].attrs["units"] == "km"
    for number, (i, j) in enumerate(np.ndindex(2, 3)):
        generator = np.random.default_rng(np.random.SeedSequence(4, spawn_key=(number,)))
        x = np.array([[0.0, 1.0]]) + np.concatenate(
            [np.zeros((1, 2)), np.cumsum([over["drift"][i]*np.array([1, 2]) + generator.normal(size=2) for _ in range(20)],
                                         axis=0)])
        assert float(found["far"][i, j]) == pytest.approx(x.sum(axis=1).max(), rel=1e-13)
        assert float(found["middle"][i, j]) == pytest.approx(x[-1].mean(), rel=1e-13)
    assert np.all(found["age"] == 23)


def test_results_depend_neither_on_workers_nor_on_chunks(monkeypatch, tmp_path):
    from dynamics.analysis import sweep_grid

    over = {"drift": np.linspace(0, 1, 5), "path": range(4)}
    whole = dy.sweep(walk(), over, duration=10, seed=1)
    assert list(whole.data_vars) == ["far", "spread", "status", "end_time"]
    monkeypatch.setattr(sweep_grid, "FEW_CELLS", (3, 3))
    with ThreadPoolExecutor(3) as pool:
        spread = dy.sweep(walk(), over, duration=10, seed=1, executor=pool)
    stored = dy.sweep(walk(), over, duration=10, seed=1, store=tmp_path / "w.zarr")
    for other in (spread, stored.load()):
        assert other.drop_attrs().identical(whole.drop_attrs())
    with pytest.raises(DataError, match=r"parameter start: 3.* there, 4"):
        dy.sweep(walk().with_parameters(start=4), over, duration=10, seed=1, store=tmp_path / "w.zarr")
    with pytest.raises(DataError, match=r"options|another kind|text of the system"):
        dy.sweep(walk(options={"kind": "b"}), over, duration=10, seed=1, store=tmp_path / "w.zarr")


def test_a_solved_process_is_swept_and_drawn_over_a_plane():
    found = dy.sweep(root(), {"a": [4.0, 9.0, -1.0]})
    assert found["x"].values[:2].tolist() == [2, 3]
    assert found["x"].attrs == {"units": "USD", "long_name": "root"}
    assert found["status"].values.tolist() == [STATUS["completed"]]*2 + [STATUS["error"]]
    diagram = dy.phase_diagram(root(), ("a", [0.25, 4.0]), ("b", [1.0, 2.0, 3.0]), measures=["x"])
    assert diagram.attrs["analysis"] == "phase_diagram"
    assert diagram["regime"].dims == ("b", "a")
    assert diagram["x"].values.tolist() == [[0.5, 2.0]]*3
    assert diagram["regime"].values.tolist() == [[0, 1]]*3
    assert diagram["regime"].attrs["flag_meanings"] == "small large not_run"
    legend = [text.get_text() for text in dy.plot_phase_diagram(diagram).get_legend().get_texts()]
    assert legend == ["Small", "Large"]
    with pytest.raises(SpecificationError, match="every cell is computed"):
        dy.phase_diagram(root(), ("a", [0.25, 4.0]), ("b", [1.0, 2.0]), refine=True)
    with pytest.raises(SpecificationError, match="two different quantities"):
        dy.phase_diagram(root(), ("a", [0.25, 4.0]), ("a", [1.0, 2.0]))


@pytest.mark.parametrize(("process", "over", "options", "said"), [
    (walk, {"drifft": [1]}, {}, "Did you mean 'drift'"), (walk, {"x": [1]}, {}, "this one is indexed"),
    (walk, {"weight": [1]}, {}, "this one is indexed"), (walk, {"drift": [3.0]}, {}, "outside its bounds"),
    (walk, {"drift": [1.0]}, {"measure": "fat"}, "Did you mean 'far'"), (root, {"path": [1, 2]}, {}, "no parameter"),
    (root, {"x": [1.0]}, {}, "no parameter"),
])
def test_sweeps_refuse_what_is_not_there(process, over, options, said):
    with pytest.raises(SpecificationError, match=said):
        dy.sweep(process(), over, duration=2, **options)


@pytest.mark.parametrize("suffix", [".json", ".nc", ".zarr"])
def test_results_come_back_from_files(tmp_path, suffix):
    for number, result in enumerate((dy.iterate(walk(), 3), root().solve(), dy.sweep(root(), {"a": [1.0, 2.0]}))):
        path = dy.save(result, tmp_path / f"{number}{suffix}")
        assert dy.open(path).identical(result)


# ---- refusals ------------------------------------------------------------------------------------------------------------

SYMBOLIC = ("fixed_points", "certified_fixed_points", "jacobian", "characteristic_polynomial", "stability_conditions",
            "region", "bifurcation_conditions", "first_lyapunov_coefficient", "normal_form", "feedback_loops",
            "loop_dominance", "conserved_quantities", "sliding", "nonsmooth_regimes", "border_collisions", "cascade_number",
            "competing_paths", "path_ratio", "continue_fixed_points", "continue_cycles", "continue_curve",
            "bifurcation_diagram", "edge_state", "lyapunov_exponents", "cascade_threshold", "critical_shocks")
ARGUMENTS = {"at": {}, "parameter": "a", "bounds": (0, 1)}


@pytest.mark.parametrize("make", [walk, root])
@pytest.mark.parametrize("name", SYMBOLIC)
def test_what_needs_equations_says_what_works_instead(name, make):
    function = getattr(dy, name)
    needed = {p.name: ARGUMENTS.get(p.name) for p in list(inspect.signature(function).parameters.values())[1:]
              if p.default is inspect.Parameter.empty}
    works = "iterate, sweep and phase_diagram" if make is walk else "its own solve, sweep and phase_diagram"
    with pytest.raises(DerivationError, match=works):
        function(make(), **needed)


def test_what_needs_trajectories_in_time_says_so():
    for function, more in ((dy.integrate, (1,)), (dy.simulate, (1, 0.1, 1, 0))):
        with pytest.raises(SpecificationError, match="a Process is"):
            function(walk(), *more)
    with pytest.raises(SpecificationError, match="A Process with solve"):
        dy.iterate(root(), 3)
