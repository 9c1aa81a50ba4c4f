"""How every figure looks: colours, line styles, sizes, and axes made or reused without touching global settings."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamics.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

__all__ = ["BLACK", "BLUE", "COLUMN", "CYCLE", "GREEN", "GREY", "ORANGE", "PURPLE", "SKY", "TEXT_WIDTH", "VERMILION",
           "YELLOW", "check_axes", "drawing_on", "legend_above", "styled"]

# Okabe and Ito (2008), https://jfly.uni-koeln.de/color/
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "0.55"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
COLUMN, TEXT_WIDTH = 3.4, 6.8  # inches
LEGEND_LINE = 22  # characters


@contextmanager
def styled() -> Iterator[None]:
    """styled(): draw own figures with the package's style sheet; the settings from before come back afterwards.

    Artists keep the style in which they were made, so figures look the same when they are shown or saved later.

    Examples
    --------
    >>> import matplotlib
    >>> before = dict(matplotlib.rcParams)
    >>> with styled():
    ...     matplotlib.rcParams["font.size"]
    8.0
    >>> dict(matplotlib.rcParams) == before
    True
    """
    import matplotlib.style

    _load_backend()
    with matplotlib.style.context(Path(__file__).with_name("dynamics.mplstyle")):
        yield


def check_axes(ax: Any) -> None:
    """Raise SpecificationError unless ``ax`` is None or a matplotlib Axes."""
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, Axes):
        raise SpecificationError(f"ax must be a matplotlib Axes (as from plt.subplots()), not {type(ax).__name__}")


@functools.cache
def _load_backend() -> None:
    """Load the backend before any style is set: a notebook's backend makes settings when it loads, and leaving the style
    would undo them, so that only the first figure of a notebook would be shown."""
    import matplotlib
    import matplotlib.pyplot as plt

    if not plt.get_fignums():
        plt.switch_backend(matplotlib.get_backend())


@contextmanager
def drawing_on(ax: Axes | None, width: float = COLUMN, height: float = 2.6) -> Iterator[Axes]:
    """Yield ``ax``, or new axes of ``width`` x ``height`` inches, inside the package's style.

    Raises
    ------
    SpecificationError
        If ``ax`` is not a matplotlib Axes.
    """
    import matplotlib.pyplot as plt

    check_axes(ax)
    with styled():
        yield plt.subplots(figsize=(width, height))[1] if ax is None else ax


def legend_above(ax: Axes, handles: Sequence[Any] | None = None, columns: int = 2) -> Legend | None:
    """Put the legend over the axes, outside the data, in as many columns as fit; None when it would be empty."""
    if handles is None:
        handles, labels = ax.get_legend_handles_labels()
    else:
        labels = [str(handle.get_label()) for handle in handles]
    if not handles:
        return None
    labels = [textwrap.fill(label, LEGEND_LINE) if "$" not in label else label for label in labels]
    figure = ax.get_figure(root=True)
    for count in range(min(columns, len(handles)), 0, -1):
        legend = ax.legend(handles, labels, loc="lower left", bbox_to_anchor=(0.0, 1.01), borderaxespad=0.0,
                           ncols=count)
        # the layout shrinks axes whose legend is wider than they are
        if figure is None or legend.get_window_extent().width <= 1.15 * ax.get_window_extent().width:
            break
    return legend
