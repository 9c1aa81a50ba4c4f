"""Phase diagrams: regimes and boundary lines against eigenvalues and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import dynamics as dy
from dynamics.analysis.regimes import REGIMES
from dynamics.errors import SpecificationError
from dynamics.results import STATUS

X, Y = np.linspace(0.01, 1.0, 24), np.linspace(1.5, 30.0, 22)


@pytest.fixture(scope="module")
def core() -> dy.System:
    return dy.models.load("deleveraging")


@pytest.fixture(scope="module")
def diagram(core: dy.System):
    return dy.phase_diagram(core, x=("price_impact", X), y=("target_leverage", Y), magnitude=0.1)


def growth(impact: float, leverage: float) -> float:
    """Largest real part of the eigenvalues at defaults, from a Jacobian written by hand."""
    u_star = 1 / leverage
    calling = u_star < 0.05
    scale = 20 * u_star + 0.025
    u = 0.05 * u_star * 20.5 / scale if calling else u_star
    q = 10 * (0.05 - u_star) / scale if calling else 0.0
    phi = 0.5 * (leverage * u - 1) - q
    change = impact * phi
    matrix = [[-1, impact * 0.5 * leverage, -impact],
              [-(1 - u), -change + (1 - u) * impact * 0.5 * leverage - phi - u * 0.5 * leverage, -(1 - u) * impact + u],
              [0, (-400 if calling else 0) / 0.02, -50]]
    return float(np.linalg.eigvals(matrix).real.max())


def points(lines, kind: str, regime: str | None = None) -> np.ndarray:
    found = [np.array([line["x"], line["y"]], dtype=float) for line in lines
             if line["kind"] == kind and (regime is None or regime in line["regime"])]
    joined = np.concatenate(found, axis=1) if found else np.empty((2, 0))
    return joined[:, np.isfinite(joined).all(axis=0)]


def test_growth_rate_and_regimes_agree_with_eigenvalues(diagram) -> None:
    expected = np.array([[growth(x, y) for x in X] for y in Y])
    away = np.abs(1 / Y - 0.05) > 1e-6
    assert np.allclose(diagram["growth_rate"].values[away], expected[away], rtol=1e-7, atol=1e-9)
    regime = diagram["regime"].values
    assert np.array_equal((regime == REGIMES["unstable"])[away], (expected > 0)[away])
    at_once = (np.exp(-0.1) <= 1 - 1 / Y)[:, None] & (expected < 0)
    assert np.array_equal((regime == REGIMES["insolvent_at_once"])[away], at_once[away])
    assert diagram["regime"].dims == ("target_leverage", "price_impact")
    assert {"stable", "unstable"} <= set(diagram["regime"].attrs["flag_meanings"].split())


def test_survival_agrees_with_single_runs(core: dy.System, diagram) -> None:
    g = np.random.default_rng(2)
    regime, checked = diagram["regime"].values, set()
    for _ in range(60):
        row, column = g.integers(Y.size), g.integers(X.size)
        flag = int(regime[row, column])
        if flag not in (REGIMES["stable"], REGIMES["cascades_after_shock"]) or growth(X[column], Y[row]) > -0.02:
            continue
        system = core.with_parameters(price_impact=X[column], target_leverage=Y[row])
        run = dy.integrate(system, 300, dy.apply_shock(system, {}, "price", 0.1))
        assert (run.attrs["status"] == "event") == (flag == REGIMES["cascades_after_shock"])
        checked.add(flag)
    assert len(checked) == 2


def test_hopf_line_is_the_closed_form(diagram) -> None:
    lines = diagram.attrs["boundaries"]
    x, y = points(lines, "hopf", "False")
    assert x.size > 50
    assert np.max(np.abs(y / (1 + 3 / x) - 1)) < 1e-3
    assert y.max() <= 20 * (1 + 1e-3)   # the closed form is no bifurcation beyond the border


def test_growth_changes_sign_across_each_hopf_line(diagram) -> None:
    x, y = points(diagram.attrs["boundaries"], "hopf")
    inside = (np.abs(y - 20) > 0.5) & (x > X[0] * 1.02)
    assert inside.sum() > 50
    for a, b in zip(x[inside], y[inside], strict=True):
        signs = {growth(a * f, b) > 0 for f in (0.98, 1.02)} | {growth(a, b * f) > 0 for f in (0.98, 1.02)}
        assert signs == {False, True}


def test_border_collision_line(core: dy.System, diagram) -> None:
    x, y = points(diagram.attrs["boundaries"], "border_collision")
    assert x.size > 20
    assert y == pytest.approx(20, rel=1e-3)
    half = dy.phase_diagram(core, x=("price_impact", X[:4]), y=("target_leverage", Y[::5]),
                            parameters={"maintenance_margin": 0.1})
    assert points(half.attrs["boundaries"], "border_collision")[1] == pytest.approx(10, rel=5e-3)


def test_branch_of_the_margin_call_equilibrium_starts_at_its_own_place(core: dy.System) -> None:
    near = dy.phase_diagram(core, x=("price_impact", np.linspace(0.045, 0.065, 3)),
                            y=("target_leverage", np.linspace(15, 60, 3)))
    x, y = points(near.attrs["boundaries"], "hopf", "True")
    assert x.size > 20
    assert x.max() == pytest.approx(0.0541923551, abs=2 * 0.02 / 399)
    assert x[np.argmin(y)] == pytest.approx(x.max(), abs=1e-6)
    assert y.min() == pytest.approx(20, abs=2 * 45 / 399)


def test_axes_may_be_states_and_shocks(core: dy.System) -> None:
    sizes = np.array([0.05, 0.17, 0.18, 0.23])
    found = dy.phase_diagram(core, x=("shock:price", sizes), y=("price_impact", np.array([0.0, 0.3])))
    names = {code: name for name, code in REGIMES.items()}
    assert [[names[int(c)] for c in row] for row in found["regime"].values] == [
        ["stable", "stable", "stable", "insolvent_at_once"],
        ["stable", "stable", "cascades_after_shock", "insolvent_at_once"]]
    assert found.attrs["boundaries"] == []  # Hopf at 0.75
    wide = dy.phase_diagram(core, x=("shock:price", sizes), y=("price_impact", np.array([0.1, 1.0])))
    (line,) = wide.attrs["boundaries"]
    assert (line["kind"], line["x"][0], line["x"][-1]) == ("hopf", 0.05, 0.23)
    assert line["y"] == pytest.approx([0.75] * len(line["y"]), rel=1e-12)  # no shock moves it
    start = dy.phase_diagram(core, x=("equity_ratio", np.array([0.02, 0.2])), y=("price_gap", np.array([-0.1, 0.0])),
                             magnitude=0.0)
    assert names[int(start["regime"][1, 1])] == "stable"
    assert names[int(start["regime"][0, 0])] == "cascades_after_shock"


def test_measures_are_stored_and_unsettled_cells_are_counted(core: dy.System) -> None:
    short = dy.phase_diagram(core, x=("price_impact", [0.1, 0.3]), y=("target_leverage", [4.0, 5.0]), duration=0.5,
                             measures=["max_leverage"])
    assert short.attrs["message"] == "4 of 4 cells had not settled"
    assert set(short["regime"].values.reshape(-1)) == {REGIMES["not_settled"]}
    long = dy.phase_diagram(core, x=("price_impact", [0.1, 0.3]), y=("target_leverage", [4.0, 5.0]),
                            measures=["max_leverage"], relative_tolerance=1e-8)
    system = core.with_parameters(price_impact=0.3, target_leverage=5)
    single = dy.integrate(system, 300, dy.apply_shock(system, {}, "price", 0.1)).attrs["measures"]["max_leverage"]
    assert float(long["max_leverage"][1, 1]) == pytest.approx(single, rel=1e-6)
    assert long.attrs["message"] == "every cell was decided"


@pytest.mark.parametrize(("options", "message"), [
    ({"x": ("price_impakt", [0.1, 0.2])}, "Did you mean 'price_impact'"),
    ({"x": ("target_leverage", [1.0, 2.0])}, "both axes"),
    ({"x": ("price_impact", [0.2, 0.1])}, "increasing"), ({"x": ("price_impact", [0.2])}, "at least two"),
    ({"x": ("shock:prices", [0.1, 0.2])}, "Did you mean 'price'"), ({"shock": "fall"}, "'fall' is not a shock"),
    ({"event": "insolvent"}, "Did you mean 'insolvency'"), ({"x": ("price_impact", [-0.2, 0.1])}, "price_impact")])
def test_arguments_are_checked(core: dy.System, options: dict, message: str) -> None:
    given = {"x": ("price_impact", [0.1, 0.2]), "y": ("target_leverage", [2.0, 3.0]), **options}
    with pytest.raises(SpecificationError, match=message):
        dy.phase_diagram(core, **given)


def test_a_short_queue_is_no_margin_call() -> None:
    queued = dy.System(name="queue", states={"equity_ratio": 0.3, "waiting": 0.0}, parameters={"rest": 0.3, "margin": 0.1},
                       definitions={"margin_call_rate": "max(0, margin - equity_ratio)"},
                       equations={"equity_ratio": "rest - equity_ratio", "waiting": "margin_call_rate - min(1, waiting)"},
                       events={"insolvency": dy.Event("equity_ratio", terminal=True)},
                       shocks={"price": dy.Shock({"equity_ratio": "equity_ratio - magnitude"})})
    found = dy.phase_diagram(queued, x=("margin", np.array([0.1, 0.11])), y=("rest", np.array([0.05, 0.3])), magnitude=0.01)
    names = {code: name for name, code in REGIMES.items()}
    assert [names[int(c)] for c in found["regime"][:, 0]] == ["target_above_venue_limit", "stable"]


def test_a_fixed_point_that_is_nowhere_real_draws_no_boundary():
    # among the solutions of a saturated queue are some whose backlog is 99/200 + sqrt(6199)*i/200 all over this plane
    queued = dy.compose(dy.models.load("deleveraging"), "order_backlog")
    diagram = dy.phase_diagram(queued, x=("price_impact", np.linspace(0.05, 1, 8)),
                               y=("target_leverage", np.linspace(2, 10, 8)), duration=50.0)
    assert {line["kind"] for line in diagram.attrs["boundaries"]} <= {"hopf", "border_collision", "fold", "transcritical"}
    stable = (diagram["regime"] == REGIMES["stable"]).values
    assert stable.any()
    assert not stable.all()


@pytest.mark.parametrize(("mechanism", "critical"), [("sentiment", 10.9537), ("margin_tiers", 11.0)])
def test_the_declared_rest_is_enough_where_algebra_finds_no_other_point(mechanism, critical) -> None:
    # the critical target leverages are those of the symbolic stability conditions at the default parameters
    system = dy.compose(dy.models.load("deleveraging"), mechanism)
    diagram = dy.phase_diagram(system, x=("price_impact", [0.2, 0.3]),
                               y=("target_leverage", [4.0, critical - 0.01, critical + 0.01]))
    assert diagram.attrs["fixed_points"] == "those in closed form"
    growth = diagram["growth_rate"].sel(price_impact=0.3).values
    assert growth[1] < 0 < growth[2]
    assert diagram["regime"].sel(price_impact=0.3).values[2] == REGIMES["unstable"]
    assert "hopf" in {line["kind"] for line in diagram.attrs["boundaries"]}
    assert dy.phase_diagram(dy.models.load("deleveraging"), x=("price_impact", [0.2, 0.3]),
                            y=("target_leverage", [4.0, 5.0])).attrs["fixed_points"] == "all"


def test_a_model_without_shock_or_event() -> None:
    fold = dy.System(name="fold", states={"u": 0.1}, parameters={"mu": 1.0, "c": 1.0}, equations={"u": "mu - c*u**2"})
    diagram = dy.phase_diagram(fold, x=("mu", [-1.0, 1.0]), y=("c", [0.5, 2.0]))
    expected = [[REGIMES["no_fixed_point"], REGIMES["stable"]]] * 2
    assert diagram["regime"].values.tolist() == expected
    np.testing.assert_allclose(diagram["growth_rate"].sel(mu=1.0), [-2 * 0.5**0.5, -2 * 2**0.5])
    assert "shock" not in diagram.attrs
    away = dy.phase_diagram(fold, x=("mu", [0.5, 1.0]), y=("c", [0.5, 2.0]), initial_state={"u": -3.0})
    assert (away["regime"] == REGIMES["invalid"]).all()
    assert away.attrs["message"] == "4 of 4 cells diverged"


def runs_away(insolvency: str = "x + 5") -> dy.System:
    """Stable at -1; beyond 1 the solution reaches infinity in finite time, far from the event."""
    return dy.System(name="away", states={"x": -1.0}, parameters={"a": 1.0, "b": 1.0}, equations={"x": "b*(x**2 - a)"},
                     events={"insolvency": dy.Event(insolvency, "falling", terminal=True)},
                     shocks={"price": dy.Shock({"x": "x + magnitude"}, bounds=(None, None))})


@pytest.mark.parametrize("engine", ["kernel", "numpy"])
def test_a_run_to_infinity_without_the_event_is_no_cascade(engine) -> None:
    found = dy.phase_diagram(runs_away(), ("shock:price", [0.5, 1.0, 3.0]), ("b", [1.0, 2.0]), engine=engine)
    assert found["regime"].values.tolist() == [[REGIMES["stable"], REGIMES["stable"], REGIMES["invalid"]]] * 2
    assert found["status"].values[:, 2].tolist() == [STATUS["diverged"]] * 2
    assert found["first_event"].values.tolist() == [[-1] * 3] * 2
    assert found.attrs["message"] == "2 of 6 cells diverged"


def test_a_run_to_infinity_through_the_event_is_a_cascade() -> None:
    # the same flow mirrored: from above -1 the fall is stopped, from below it blows up to -infinity and crosses -5
    system = dy.System(name="through", states={"x": 1.0}, parameters={"a": 1.0, "b": 1.0}, equations={"x": "b*(a - x**2)"},
                       events={"insolvency": dy.Event("x + 5", "falling", terminal=True)},
                       shocks={"price": dy.Shock({"x": "x - magnitude"}, bounds=(None, None))})
    found = dy.phase_diagram(system, ("shock:price", [0.5, 1.0, 3.0]), ("b", [1.0, 2.0]))
    wanted = [REGIMES["stable"], REGIMES["stable"], REGIMES["cascades_after_shock"]]
    assert found["regime"].values.tolist() == [wanted] * 2
    assert found.attrs["message"] == "every cell was decided"


def test_near_borders_a_run_to_infinity_is_no_cascade_either() -> None:
    found = dy.phase_diagram(runs_away(), ("shock:price", np.linspace(0.2, 3.4, 17)), ("b", np.linspace(1.0, 2.0, 17)),
                             refine=True)
    beyond = found["regime"].values[:, found["shock:price"].values > 2.0]
    assert (beyond == REGIMES["invalid"]).all()
    assert "every cell" not in found.attrs["message"]


def test_rests_that_differ_by_more_than_rounding_are_two() -> None:
    from dynamics.analysis import regime_flags
    from dynamics.analysis.ensembles import Ensemble

    system = dy.System(name="one", states={"x": 1.0}, equations={"x": "1 - x"})
    ensemble = Ensemble(system, {}, 3)
    edge = regime_flags.SAME * (1 + regime_flags.SIZE)
    rest = 1 + edge * np.array([[0.99, -0.99, 1.01]])
    assert regime_flags._at_own_rest(ensemble, ensemble.points, rest).tolist() == [True, True, False]
