"""Causal-loop diagram: what acts on what, in which direction, and the loops that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dynamics.analysis.feedback_loops import influences_of
from dynamics.errors import DerivationError
from dynamics.figures import labels
from dynamics.figures.style import BLACK, BLUE, COLUMN, GREY, VERMILION, drawing_on, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from dynamics.figures.causal_layout import Arc
    from dynamics.systems import System

__all__ = ["plot_feedback_loops"]

COLOURS = {"reinforcing": BLUE, "balancing": VERMILION, "depends": BLACK, "inactive": "0.72"}
SIGNS = {"reinforcing": "+", "balancing": "\N{MINUS SIGN}", "depends": "\N{PLUS-MINUS SIGN}", "inactive": ""}
MEANINGS = {"reinforcing": "+  same direction", "balancing": "\N{MINUS SIGN}  opposite direction",
            "depends": "\N{PLUS-MINUS SIGN}  depends on state", "inactive": "inactive here"}
MOST_NAMED = 6
MOST_NODES = 24
LOOSE = 22.0  # points, height of the arrow of a quantity that acts on itself


def plot_feedback_loops(system: System, at: Any = None, ax: Axes | None = None) -> Axes:
    """plot_feedback_loops(system, at): a causal-loop diagram.

    Parameters
    ----------
    system : System
    at : FixedPoint or mapping of str to number, text or expression, optional
        Signs there, in the regime of the point, influences that vanish in grey; None: signs that hold everywhere.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        States in frames, flows without; blue + acts in the same direction, vermilion - in the opposite one. The shortest
        loops are named R (reinforcing) or B (balancing), and turn as their arrows do.

    Raises
    ------
    DerivationError
        If the system has no loop to draw, too many, or more than 24 quantities in loops.

    Notes
    -----
    Definitions that only rename another quantity are left out, and so is everything that is in no loop.

    Examples
    --------
    >>> import dynamics as dy
    >>> system = dy.models.load("deleveraging")
    >>> ax = dy.plot_feedback_loops(system)
    >>> sorted(text.get_text() for text in ax.texts if text.get_gid() == "loop")
    ['B1', 'B2', 'B3', 'R1', 'R2']
    """
    influences = influences_of(system, at)
    nodes, edges, loops = influences.nodes, influences.links, influences.loops
    if not nodes:
        raise DerivationError(f"'{system.name}' has no feedback loop to draw")
    if len(nodes) > MOST_NODES:
        raise DerivationError(f"{len(nodes)} quantities take part in loops of '{system.name}'; at most {MOST_NODES} can be "
                              "drawn. feedback_loops(system) lists them")
    width = COLUMN if len(nodes) <= 5 else 1.4 * COLUMN
    with drawing_on(ax, width, 0.72 * width) as ax:
        _draw(ax, system, nodes, edges, loops)
        labels.of_equations(ax, system, "plot_feedback_loops")
    return ax


def _draw(ax: Axes, system: System, nodes: Sequence[str], edges: Mapping[tuple[str, str], str],
          loops: Sequence[tuple[tuple[str, ...], str]]) -> None:
    import numpy as np

    from dynamics.figures.causal_layout import arcs, circular_order, positions

    ax.set_axis_off()
    _key(ax, edges)
    figure = ax.get_figure(root=True)
    if figure is None:
        raise DerivationError("plot_feedback_loops: the axes belong to no figure")
    figure.draw_without_rendering()  # the layout decides how large the axes are
    scale = 72 / figure.dpi
    frame = ax.get_window_extent()
    width, height = frame.width * scale, frame.height * scale
    ax.set(xlim=(0, width), ylim=(0, height))
    words, sizes = {}, {}
    fontsize = 8 if len(nodes) <= 5 or width > 280 else 7
    for name in nodes:
        frame_colour = "0.3" if name in system.states else "none"
        words[name] = ax.text(0, 0, labels.label(system, name, unit="1", width=11), ha="center", va="center", zorder=4,
                              gid="node", linespacing=1.1, fontsize=fontsize, bbox={
                                  "boxstyle": "round,pad=0.25", "facecolor": "white", "linewidth": 0.6,
                                  "edgecolor": frame_colour})
        box = words[name].get_window_extent()
        sizes[name] = (box.width * scale + 5, box.height * scale + 5)
    order = circular_order(nodes, list(edges))
    loose = [a for a, b in edges if a == b]
    upper = {name for k, name in enumerate(order) if np.cos(2 * np.pi * k / len(order)) > -1e-9}
    # the arcs between two words bulge outwards, and all arcs do where words are few
    room = 12.0 if len(nodes) <= 5 or (
        width > 280 and any((b, a) in edges for a, b in edges if a != b)) else 3.0
    centres = positions(order, {name: (
        w / 2 + room, w / 2 + room, h / 2 + room + LOOSE * (name in loose and name not in upper),
        h / 2 + room + LOOSE * (name in loose and name in upper)) for name, (w, h) in sizes.items()}, width, height)
    for name, text in words.items():
        text.set_position(tuple(centres[name]))
    drawn = arcs(list(edges), centres, sizes, (width, height))
    boxes = [(centres[name], sizes[name]) for name in nodes]
    curves = [arc.points for arc in drawn.values()]
    for edge, arc in drawn.items():
        _arrow(ax, arc.controls, edges[edge])
    for name in loose:
        curves.append(_loop_on_itself(ax, centres[name], sizes[name], edges[name, name],
                                      upwards=name in upper))
        boxes.append((curves[-1].mean(axis=0), tuple(np.ptp(curves[-1], axis=0) + 4)))
    obstacles = np.concatenate(curves)
    for edge, arc in drawn.items():
        boxes.append(_sign(ax, arc.points, edges[edge], obstacles, boxes, (width, height)))
    _name_loops(ax, loops, drawn, obstacles, boxes, (width, height))


def _key(ax: Axes, edges: Mapping[tuple[str, str], str]) -> None:
    from matplotlib.lines import Line2D

    kinds = [kind for kind in MEANINGS if kind in edges.values()]
    legend_above(ax, [Line2D([], [], color=COLOURS[kind], linewidth=1.2, label=MEANINGS[kind]) for kind in kinds],
                 columns=len(kinds))


def _arrow(ax: Axes, controls: NDArray[Any], kind: str) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    codes = [Path.MOVETO, *([Path.CURVE3] * 2 if len(controls) == 3 else [Path.CURVE4] * 3)]
    ax.add_patch(FancyArrowPatch(path=Path(controls, codes), arrowstyle="-|>,head_length=0.45,head_width=0.2",
                                 mutation_scale=9, color=COLOURS[kind], linewidth=0.8 if kind == "inactive" else 1.1,
                                 shrinkA=0, shrinkB=0, zorder=2, capstyle="butt", joinstyle="miter"))


def _loop_on_itself(ax: Axes, centre: NDArray[Any], size: tuple[float, float], kind: str, *, upwards: bool) -> NDArray[Any]:
    import numpy as np

    side = 1.0 if upwards else -1.0
    base = centre[1] + side * (size[1] / 2 + 2)
    top = base + side * (LOOSE + 3)
    controls = np.array([[centre[0] - 7, base], [centre[0] - 17, top], [centre[0] + 17, top], [centre[0] + 7, base]])
    _arrow(ax, controls, kind)
    t = np.linspace(0, 1, 30)[:, None]
    points = ((1 - t) ** 3 * controls[0] + 3 * t * (1 - t) ** 2 * controls[1] + 3 * t**2 * (1 - t) * controls[2]
              + t**3 * controls[3])
    ax.text(centre[0] + 16, base + side * 7, SIGNS[kind], color=COLOURS[kind], ha="center", va="center", fontweight="bold",
            zorder=5, gid="sign")
    return points


def _sign(ax: Axes, points: NDArray[Any], kind: str, obstacles: NDArray[Any], boxes: Sequence[Any],
          frame: tuple[float, float]) -> Any:
    import numpy as np

    from dynamics.figures.causal_layout import free_place

    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    head = points[int(np.searchsorted(length, max(length[-1] - 11, 0.35 * length[-1])))]
    place = free_place(head, (7, 7), obstacles, boxes, 13.0, frame)
    ax.text(place[0], place[1], SIGNS[kind], color=COLOURS[kind], ha="center", va="center", fontweight="bold", zorder=5,
            gid="sign")
    return place, (8.0, 8.0)


def _name_loops(ax: Axes, loops: Sequence[tuple[tuple[str, ...], str]], drawn: Mapping[tuple[str, str], Arc],
                obstacles: NDArray[Any], boxes: list[Any], frame: tuple[float, float]) -> None:
    """R or B in the middle of the shortest loops, inside an arrow that turns as the loop does."""
    import numpy as np

    from dynamics.figures.causal_layout import free_place

    counts = {"reinforcing": 0, "balancing": 0}
    rings = [np.concatenate([drawn[edge].points for edge in pairwise((*path, path[0]))]) for path, _ in loops[:MOST_NAMED]]
    for k, (_, kind) in enumerate(loops[:MOST_NAMED]):
        counts[kind] += 1
        x, y = rings[k].T
        turn = float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
        place = free_place(rings[k].mean(axis=0), (17, 17), obstacles, boxes, 45.0, frame, inside=rings[k],
                           outside=[*rings[:k], *rings[k + 1:]])
        boxes.append((place, (20.0, 20.0)))
        ax.text(place[0], place[1], f"{'R' if kind == 'reinforcing' else 'B'}{counts[kind]}", color=COLOURS[kind],
                ha="center", va="center", fontweight="bold", fontsize=7, zorder=5, gid="loop")
        angles = np.linspace(np.pi * 0.75, np.pi * 0.75 + np.sign(turn) * np.pi * 1.6, 30)
        circle = place + 8.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        ax.plot(*circle[:-2].T, color=GREY, linewidth=0.6, zorder=3)
        ax.annotate("", circle[-1], circle[-4], zorder=3, arrowprops={
            "arrowstyle": "-|>,head_length=0.3,head_width=0.15", "color": GREY, "linewidth": 0.6, "shrinkA": 0,
            "shrinkB": 0, "mutation_scale": 8})
