"""Causal-loop diagrams: the right words, arrows and signs, and nothing on top of anything else."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import dynamics as dy
from dynamics.figures import plot_feedback_loops
from dynamics.figures.causal_layout import arcs, circular_order, free_place, positions

POSITIVE = (0, None)


def texts(ax, kind: str) -> list[str]:
    return [text.get_text().replace("\n", " ") for text in ax.texts if text.get_gid() == kind]


@pytest.fixture(scope="module")
def core() -> dy.System:
    return dy.models.load("deleveraging")


def test_words_signs_and_loops_of_the_core_model(core: dy.System) -> None:
    ax = plot_feedback_loops(core)
    assert set(texts(ax, "node")) == {"Price gap $x$", "Equity ratio $u$", "Liquidation flow $q$", "Voluntary flow",
                                      "Net flow", "Margin call rate", "Price change"}  # forced_sales only renames
    signs = texts(ax, "sign")
    # + : change > gap, change > equity, flow > change, equity > voluntary, voluntary > flow, margin call > liquidation
    assert {sign: signs.count(sign) for sign in signs} == {"+": 6, "\N{MINUS SIGN}": 5, "\N{PLUS-MINUS SIGN}": 1}
    assert sorted(texts(ax, "loop")) == ["B1", "B2", "B3", "R1", "R2"]


def test_what_is_inactive_is_grey_and_its_loops_are_not_named(core: dy.System) -> None:
    ax = plot_feedback_loops(core, dy.fixed_points(core)[0])
    assert sorted(texts(ax, "loop")) == ["B1", "B2", "R1"]
    assert [t.get_text() for t in ax.get_legend().get_texts()][-1] == "inactive here"


@pytest.mark.parametrize(("mechanisms", "width"), [((), None), ((), 3.4), (("depletion",), None), (("depletion",), 6.8)])
def test_nothing_covers_anything(core: dy.System, mechanisms: tuple[str, ...], width: float | None) -> None:
    import matplotlib.pyplot as plt

    given = None if width is None else plt.subplots(figsize=(width, 0.85 * width))[1]
    ax = plot_feedback_loops(dy.compose(core, *mechanisms), ax=given)
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert not [(a, b) for a, b in combinations(boxes, 2) if a.padded(-1).overlaps(b.padded(-1))]
    frame = ax.figure.bbox
    assert all(frame.x0 <= b.x0 and b.x1 <= frame.x1 and frame.y0 <= b.y0 and b.y1 <= frame.y1 for b in boxes)
    words = [text.get_window_extent() for text in ax.texts if text.get_gid() == "node"]
    for patch in ax.patches:
        (curve,) = patch.get_path().to_polygons(closed_only=False)[:1]
        points = ax.transData.transform(curve)[2:-2]
        hit = [b for b in words if np.any((points > [b.x0, b.y0]).all(axis=1) & (points < [b.x1, b.y1]).all(axis=1))]
        assert not hit


def test_the_same_diagram_every_time(core: dy.System) -> None:
    first, second = plot_feedback_loops(core), plot_feedback_loops(core)
    assert [t.get_position() for t in first.texts] == [t.get_position() for t in second.texts]


def test_predator_and_prey() -> None:
    system = dy.System(name="lotka", states={n: dy.State(1, bounds=POSITIVE) for n in ("prey", "predator")},
                       parameters={n: dy.Parameter(1, bounds=POSITIVE) for n in "abcd"},
                       definitions={"births": "a*prey", "kills": "b*prey*predator", "deaths": "d*predator"},
                       equations={"prey": "births - kills", "predator": "c*kills - deaths"})
    ax = plot_feedback_loops(system)
    # through kills: fewer prey (B), more predators (R); births (R), deaths (B)
    assert sorted(texts(ax, "loop")) == ["B1", "B2", "R1", "R2"]
    assert set(texts(ax, "node")) == {"Prey", "Predator", "Births", "Kills", "Deaths"}


def test_a_system_without_loops_is_told() -> None:
    with pytest.raises(dy.DerivationError, match="no feedback loop"):
        plot_feedback_loops(dy.System(name="drift", states={"x": 0}, parameters={"a": 1}, equations={"x": "a"}))
    with pytest.raises(dy.SpecificationError, match="Axes"):
        plot_feedback_loops(dy.models.load("deleveraging"), ax="axes")


def test_order_without_crossings_is_found() -> None:
    names = [f"n{k}" for k in range(10)]
    shuffled = [names[k] for k in (3, 7, 0, 5, 9, 1, 8, 2, 6, 4)]
    edges = [(a, b) for a, b in zip(names, [*names[1:], names[0]], strict=True)]
    found = circular_order(shuffled, edges)
    start = found.index("n0")
    turned = [*found[start:], *found[:start]]
    assert turned in (names, [names[0], *reversed(names[1:])])


def test_places_fill_the_frame_and_arcs_avoid_words() -> None:
    extents = dict.fromkeys("abcde", (20.0, 20.0, 8.0, 8.0))
    placed = positions("abcde", extents, 240, 160)
    xs, ys = np.array(list(placed.values())).T
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == pytest.approx((20, 220, 8, 152))
    line = {"a": np.array([20.0, 50.0]), "b": np.array([100.0, 50.0]), "c": np.array([180.0, 50.0])}
    (arc,) = arcs([("a", "c")], line, dict.fromkeys("abc", (40.0, 16.0)), (200, 100)).values()
    assert not np.any((np.abs(arc.points - line["b"]) < [20, 8]).all(axis=1))
    taken = [(np.array([50.0, 50.0]), (20.0, 20.0))]
    name = free_place(np.array([50.0, 50.0]), (10, 10), arc.points, taken, 30.0, (200, 100))
    assert np.any(np.abs(name - 50) >= 15)
