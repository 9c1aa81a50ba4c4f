"""Sweeps: any axes, the same numbers as single runs, a status for every cell, resumable files."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import dynamics as dy
from dynamics.errors import DataError, SpecificationError
from dynamics.results import STATUS


@pytest.fixture(scope="module")
def core() -> dy.System:
    return dy.models.load("deleveraging")


def decay(**more) -> dy.System:
    return dy.System(name="decay", time="continuous", states={"x": "a"}, parameters={"a": 1, "b": 1},
                     equations={"x": "-b*x"}, measures={"end": dy.Measure("x", "final"), "area": dy.Measure("x", "integral"),
                                                        "top": dy.Measure("x", "max"), "fall": dy.Measure("x", "drawdown")},
                     shocks={"cut": dy.Shock({"x": "x - magnitude"})}, **more)


# ---- values -----------------------------------------------------------------------------------------------------------

def test_closed_form_on_three_axes() -> None:
    a, b, s = np.array([1.0, 2.0]), np.array([0.5, 1.0, 2.0]), np.array([0.0, 0.25])
    found = dy.sweep(decay(), {"a": a, "b": b, "shock:cut": s}, ["end", "area", "top"], duration=2, relative_tolerance=1e-9,
                     absolute_tolerance=1e-12)
    start = a[:, None, None] - s[None, None, :]
    shape = np.exp(-2 * b)[None, :, None]
    assert found["end"].dims == ("a", "b", "shock:cut")
    assert np.allclose(found["end"], start * shape, rtol=1e-7)
    assert np.allclose(found["area"], start * (1 - shape) / b[None, :, None], rtol=1e-7)
    assert np.allclose(found["top"], np.broadcast_to(start, (2, 3, 2)), rtol=1e-12)
    assert set(found["status"].values.reshape(-1)) == {STATUS["completed"]}
    assert np.all(found["end_time"] == 2)
    assert found.attrs["trajectories"] == 12


def test_an_axis_may_be_an_initial_state_and_drawdowns_are_those_of_single_runs() -> None:
    found = dy.sweep(decay(), {"x": [1.0, 3.0]}, duration=1, measure=["fall", "end"])
    assert found["fall"].values == pytest.approx(np.array([1, 3]) * (1 - math.exp(-1)), rel=3e-6)
    start = dy.sweep(decay(), {"b": [1.0]}, "end", duration=1, initial_state={"x": 5})
    assert start["end"].values == pytest.approx([5 * math.exp(-1)], rel=1e-5)


def test_sweep_equals_integrate(core: dy.System) -> None:
    impacts, sizes = [0.1, 0.5], [0.05, 0.15, 0.2]
    names = ["max_leverage", "lowest_price_gap", "forced_volume", "net_sold", "bad_debt"]
    found = dy.sweep(core, {"price_impact": impacts, "shock:price": sizes}, names, duration=50, relative_tolerance=1e-9,
                     absolute_tolerance=1e-12)
    for i, impact in enumerate(impacts):
        for j, size in enumerate(sizes):
            system = core.with_parameters(price_impact=impact)
            run = dy.integrate(system, 50, dy.apply_shock(system, {}, "price", size))
            cell = found.isel({"price_impact": i, "shock:price": j})
            assert int(cell["status"]) == STATUS[run.attrs["status"]]
            assert float(cell["end_time"]) == pytest.approx(float(run["time"][-1]), rel=1e-5)
            for name in names:
                single = run.attrs["measures"][name]
                if single is None or single > 1e6:
                    continue   # leverage where equity is gone
                assert float(cell[name]) == pytest.approx(single, rel=1e-5, abs=1e-7), (name, impact, size)


def test_maps() -> None:
    system = dy.System(name="m", time="discrete", states={"x": 1}, parameters={"r": 2.0, "c": 0.0},
                       equations={"x": "r*x + c"}, measures={"top": dy.Measure("x", "max")})
    found = dy.sweep(system, {"r": [0.5, 2.0], "x": [1.0, 3.0]}, ["x", "top"], duration=10)
    assert found["final_x"].values.tolist() == [[0.5**10, 3 * 0.5**10], [1024, 3072]]
    assert found["top"].values.tolist() == [[1, 3], [1024, 3072]]
    assert found["x"].values.tolist() == [1, 3]
    cascade = dy.sweep(dy.models.load("liquidation_cascade"), {"initial_fall": [0.02, 0.05]}, duration=2000)
    for fall, end in zip([0.02, 0.05], cascade["fall"].values, strict=True):
        stable = [p.values["fall"] for p in dy.fixed_points(dy.models.load("liquidation_cascade"),
                                                             parameters={"initial_fall": fall}) if p.stability == "stable"]
        assert end == pytest.approx(min(stable), rel=1e-9)


# ---- statuses ---------------------------------------------------------------------------------------------------------

def test_cells_that_break_have_a_status_and_do_not_raise() -> None:
    system = dy.System(name="s", time="continuous", states={"x": 1.0}, parameters={"a": 1.0, "c": 1.0},
                       equations={"x": "a*x**2 - sqrt(c)"}, measures={"end": dy.Measure("x", "final"),
                                                                      "fall": dy.Measure("x", "drawdown")})
    for measure in ("end", "fall"):   # many at once, and one after the other
        found = dy.sweep(system, {"a": [0.5, 4.0], "c": [1.0, -1.0]}, measure, duration=3)
        status = found["status"].values
        assert status[0, 0] == STATUS["completed"]
        assert status[1, 0] in (STATUS["diverged"], STATUS["step_underflow"], STATUS["invalid_state"])
        assert status[0, 1] in (STATUS["invalid_state"], STATUS["not_run"])
        assert np.isfinite(found[measure].values[0, 0])
        assert "3 of 4 cells did not complete" in found.attrs["message"]


def test_events_end_cells(core: dy.System) -> None:
    found = dy.sweep(core, {"shock:price": [0.1, 0.18]}, "max_leverage", duration=50, event="margin_call_start")
    assert found["status"].values.tolist() == [STATUS["completed"], STATUS["event"]]
    plain = dy.sweep(core, {"shock:price": [0.1, 0.18]}, "max_leverage", duration=50)
    assert plain["status"].values.tolist() == [STATUS["completed"], STATUS["event"]]
    assert float(plain["end_time"][1]) > float(found["end_time"][1]) == 0


# ---- executors and files ------------------------------------------------------------------------------------------------

def test_an_executor_changes_nothing(core: dy.System, monkeypatch: pytest.MonkeyPatch) -> None:
    from dynamics.analysis import sweep_grid

    monkeypatch.setattr(sweep_grid, "CELLS", (4, 4))
    over = {"price_impact": np.linspace(0.05, 0.6, 5), "shock:price": [0.1, 0.175]}
    serial = dy.sweep(core, over, "max_leverage", duration=30)
    with ThreadPoolExecutor(2) as pool:
        threaded = dy.sweep(core, over, "max_leverage", duration=30, executor=pool)
    monkeypatch.setattr(sweep_grid, "CELLS", (100, 100))
    whole = dy.sweep(core, over, "max_leverage", duration=30)
    for other in (threaded, whole):
        assert other.drop_attrs().identical(serial.drop_attrs())


@pytest.mark.slow
def test_processes_change_nothing(core: dy.System, monkeypatch: pytest.MonkeyPatch) -> None:
    from dynamics.analysis import sweep_grid

    monkeypatch.setattr(sweep_grid, "CELLS", (4, 4))
    over = {"price_impact": np.linspace(0.05, 0.6, 5), "shock:price": [0.1, 0.175]}
    serial = dy.sweep(core, over, "max_leverage", duration=30)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        spread = dy.sweep(core, over, "max_leverage", duration=30, executor=pool)
    assert spread.drop_attrs().identical(serial.drop_attrs())


@pytest.mark.parametrize("suffix", [".json", ".nc", ".zarr"])
def test_store_is_reused_for_the_same_call_and_refused_for_another(tmp_path, monkeypatch, suffix: str) -> None:
    from dynamics.analysis import sweep_grid

    store = tmp_path / f"sweep{suffix}"
    first = dy.sweep(decay(), {"b": [1.0, 2.0]}, "end", duration=1, store=store)

    def fail(job, progress=None):
        raise AssertionError("computed again")

    with monkeypatch.context() as patched:
        patched.setattr(sweep_grid, "compute", fail)
        again = dy.sweep(decay(), {"b": [1.0, 2.0]}, "end", duration=1, store=store)
    assert np.array_equal(again["end"], first["end"])
    with pytest.raises(DataError, match=r"duration: 1\.0 there, 2\.0 here"):
        dy.sweep(decay(), {"b": [1.0, 2.0]}, "end", duration=2, store=store)
    with pytest.raises(DataError, match=r"axes\.b: 2 values from 1 to 2.* there, 2 values from 1 to 3.* here"):
        dy.sweep(decay(), {"b": [1.0, 3.0]}, "end", duration=1, store=store)
    with pytest.raises(DataError, match=r"parameter a: 1\.0 there, 2\.0 here"):
        dy.sweep(decay().with_parameters(a=2), {"b": [1.0, 2.0]}, "end", duration=1, store=store)
    points = tmp_path / f"points{suffix}"
    dy.save(dy.integrate(decay(), 1), points)
    with pytest.raises(DataError, match=r"holds no sweep|that can be continued"):
        dy.sweep(decay(), {"b": [1.0]}, "end", store=points)


# ---- refusals ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("over", "options", "message"), [
    ({}, {}, "at least one axis"), ({"price_impakt": [0.1]}, {}, "Did you mean 'price_impact'"),
    ({"price_impact": []}, {}, "list of finite numbers"), ({"price_impact": [0.1, math.nan]}, {}, "list of finite numbers"),
    ({"price_impact": [-1.0]}, {}, "price_impact"), ({"shock:prices": [0.1]}, {}, "Did you mean 'shock:price'"),
    ({"price_impact": [0.1]}, {"measure": "max_leverages"}, "Did you mean 'max_leverage'"),
    ({"price_impact": [0.1]}, {"event": "insolvent"}, "Did you mean 'insolvency'"),
    ({"price_impact": [0.1]}, {"shock": "prices"}, "Did you mean 'price'"),
    ({"price_impact": [0.1]}, {"initial_state": {"equity": 1}}, "Did you mean 'equity_ratio'"),
])
def test_arguments_are_checked_before_anything_is_computed(core: dy.System, over: dict, options: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        dy.sweep(core, over, **{"duration": 1, **options})


def test_shocks_outside_their_bounds_and_processes_are_refused() -> None:
    with pytest.raises(SpecificationError, match="outside the bounds of the shock 'cut'"):
        dy.sweep(decay(), {"shock:cut": [-0.5, 0.5]}, "end", duration=1)
    with pytest.raises(SpecificationError, match="outside the bounds of the shock 'cut'"):
        dy.sweep(decay(), {"b": [1.0]}, "end", duration=1, shock="cut", magnitude=-1)
    system = dy.System(name="two", time="continuous", states={"x": 1}, parameters={"a": 1}, equations={"x": "-a*x"},
                       shocks={k: dy.Shock({"x": "x - magnitude"}) for k in ("p", "q")},
                       measures={"end": dy.Measure("x", "final")})
    with pytest.raises(SpecificationError, match="only one axis can be a shock"):
        dy.sweep(system, {"shock:p": [0.1], "shock:q": [0.1]}, duration=1)
    with pytest.raises(SpecificationError, match="duration must be a positive number, not 0"):
        dy.sweep(system, {"a": [1.0]}, "end", duration=0)
    with pytest.raises(SpecificationError, match="sweep needs a System or a Process"):
        dy.sweep(object(), {"a": [1.0]})


def test_stores_that_could_not_be_written_are_refused_at_once(tmp_path) -> None:
    with pytest.raises(SpecificationError, match=r"suffix of .* must be one of \.zarr, \.json, \.nc"):
        dy.sweep(decay(), {"b": [1.0]}, "end", duration=1, store=tmp_path / "sweep.csv")
    for suffix in (".zarr", ".json"):
        with pytest.raises(DataError, match="does not exist; make it first"):
            dy.sweep(decay(), {"b": [1.0]}, "end", duration=1, store=tmp_path / "nowhere" / f"sweep{suffix}")


# ---- regimes and settled states in any number of dimensions --------------------------------------------------------------

def test_regimes_are_those_of_phase_diagrams(core: dy.System) -> None:
    impact, leverage = np.linspace(0.05, 1.0, 7), np.linspace(2.0, 14.0, 6)
    found = dy.sweep(core, {"target_leverage": leverage, "shock:price": [0.0, 0.1], "price_impact": impact},
                     ["regime", "growth_rate", "max_leverage"], event="insolvency")
    diagram = dy.phase_diagram(core, ("price_impact", impact), ("target_leverage", leverage), measures=["max_leverage"])
    for name in ("regime", "growth_rate", "max_leverage", "status", "end_time"):
        assert np.array_equal(found[name].values[:, 1], diagram[name].values, equal_nan=True)
    assert found["regime"].attrs["flag_meanings"] == diagram["regime"].attrs["flag_meanings"]


def test_settled_states_are_fixed_points_and_the_others_are_nan(core: dy.System) -> None:
    found = dy.sweep(core, {"target_leverage": [3.0, 4.0], "shock:price": [0.05, 0.5]}, "settled_state")
    assert found["settled_equity_ratio"].values[:, 0] == pytest.approx([1 / 3, 1 / 4], abs=1e-2)
    assert found["settled_price_gap"].values[:, 0] == pytest.approx([0, 0], abs=1e-2)
    assert np.isnan(found["settled_equity_ratio"].values[:, 1]).all()
    assert found["status"].values.tolist() == [[STATUS["settled"], STATUS["event"]]] * 2


def test_drawdowns_beside_measures_of_lanes(core: dy.System) -> None:
    both = dy.sweep(core, {"shock:price": [0.1, 0.18, 0.4]}, ["drawdown", "max_leverage", "regime"], duration=40,
                    event="insolvency")
    for k, size in enumerate([0.1, 0.18]):
        run = dy.integrate(core, 40, dy.apply_shock(core, {}, "price", size))
        assert float(both["drawdown"][k]) == pytest.approx(run.attrs["measures"]["drawdown"], rel=1e-4, abs=1e-6)
    assert np.isnan(both["drawdown"].values[2])   # the shock itself is the event: there is no path


# ---- processes ----------------------------------------------------------------------------------------------------------

class Walk:
    """A random walk with a drift, or the end of it when solved."""

    name, references = "walk", ()

    def __init__(self, drift: float = 0.0, limit: float = 1e3) -> None:
        self.parameters = {"drift": dy.Parameter(drift, unit="1/day"), "limit": dy.Parameter(limit)}

    def with_parameters(self, values=None, /, **more) -> Walk:
        return type(self)(**{**{n: p.value for n, p in self.parameters.items()}, **(values or {}), **more})

    def step(self, state, parameters, generator):
        if state["x"] > parameters["limit"]:
            raise RuntimeError("beyond the limit")
        return {"x": state["x"] + parameters["drift"] + generator.standard_normal()}


class Solved(Walk):
    step = None

    def solve(self, parameters):
        import xarray as xr

        return xr.Dataset({"double": 2 * parameters["drift"]})


def test_processes_are_swept_with_a_stream_for_each_cell() -> None:
    options = {"duration": 50, "initial_state": {"x": 1.0}, "seed": 7}
    over = {"drift": [0.0, 0.1, 0.2], "x": [0.0, 1.0]}
    found = dy.sweep(Walk(), over, "x", **options)
    for number, (drift, start) in enumerate([(d, x) for d in over["drift"] for x in over["x"]]):
        generator = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(number,)))
        assert found["final_x"].values.reshape(-1)[number] == pytest.approx(
            start + 50 * drift + generator.standard_normal(50).sum(), rel=1e-12)
    with ThreadPoolExecutor(2) as pool:
        assert dy.sweep(Walk(), over, "x", executor=pool, **options).drop_attrs().identical(found.drop_attrs())
    assert not np.array_equal(dy.sweep(Walk(), over, "x", **{**options, "seed": 8})["final_x"], found["final_x"])
    assert found.attrs["seed"] == 7
    broken = dy.sweep(Walk(), {"limit": [-5.0, 100.0]}, "x", **options)
    assert broken["status"].values.tolist() == [STATUS["error"], STATUS["completed"]]


def test_processes_that_are_solved(tmp_path) -> None:
    found = dy.sweep(Solved(), {"drift": [1.0, 2.0]}, "double")
    assert found["double"].values.tolist() == [2, 4]
    assert dy.sweep(Solved(), {"drift": [1.0]}, "triple")["status"].values.tolist() == [STATUS["error"]]
    with pytest.raises(SpecificationError, match="Did you mean 'drift'"):
        dy.sweep(Solved(), {"drfit": [1.0]}, "double")
    store = tmp_path / "solved.zarr"
    assert dy.sweep(Solved(limit=1), {"drift": [1.0]}, "double", store=store)["double"].values.tolist() == [2]
    for process, message in ((Solved(limit=2), r"process\.limit: 1 there, 2 here"),
                             (Walk(limit=1), r"process\.type: .*Solved")):
        with pytest.raises(DataError, match=message):
            dy.sweep(process, {"drift": [1.0]}, "double", store=store)
    with pytest.raises(SpecificationError, match="name the states"):
        dy.sweep(Solved(), {"drift": [1.0]})


# ---- progress -----------------------------------------------------------------------------------------------------------

def test_a_bar_with_rate_and_remaining_time(core: dy.System, capsys: pytest.CaptureFixture[str]) -> None:
    dy.sweep(core, {"shock:price": np.linspace(0, 0.1, 50)}, "max_leverage", duration=20, progress=True)
    assert "cell/s" in (shown := capsys.readouterr().err)
    assert "50" in shown
    axes = (("price_impact", [0.1, 0.2]), ("target_leverage", [3.0, 4.0]))
    dy.phase_diagram(core, *axes, progress=True)
    assert "cell/s" in capsys.readouterr().err
    dy.phase_diagram(core, *axes)
    assert not capsys.readouterr().err
