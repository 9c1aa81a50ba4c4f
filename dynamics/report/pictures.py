"""The figures of the report, as PNG at twice the size they are shown in."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynamics.figures import plot_critical_shock, plot_feedback_loops, plot_phase_diagram, plot_trajectory
from dynamics.figures.observed_falls import plot_observed_falls
from dynamics.figures.style import BLACK, CYCLE, TEXT_WIDTH, styled
from dynamics.report.cascades import Cascades
from dynamics.report.diagram import Diagram
from dynamics.report.market import Market
from dynamics.report.shocks import CURVES, Shocks
from dynamics.report.theory import Theory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "cascades", "critical_shocks", "feedback_loops", "observed_falls", "phase_diagram"]

DOTS = 200
# Below it thresholds are so large that the others could not be told apart on one axis.
SMALLEST = 2
FLOWS = ("equity_ratio", "price", "voluntary_flow", "forced_sales")


@dataclass(frozen=True)
class Picture:
    """A PNG with a name and a description for readers who cannot see it."""

    name: str
    png: bytes
    description: str

    @property
    def source(self) -> str:
        """A data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@contextmanager
def _drawn(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> Iterator[tuple[Figure, Any]]:
    """A figure without a window, whatever the backend of the user is."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(rows, columns, squeeze=False, **options)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    # the date and the version of the library would make equal figures differ
    figure.savefig(stream, dpi=DOTS, format="png", metadata={"Software": None})
    return stream.getvalue()


def feedback_loops(theory: Theory) -> Picture:
    """The causal loops of the core model."""
    with _drawn(5.0, 3.6) as (figure, axes):
        plot_feedback_loops(theory.core, ax=axes[0, 0])
        return Picture("feedback_loops", _png(figure), "Causal loop diagram: reinforcing and balancing loops")


def critical_shocks(shocks: Shocks) -> Picture:
    """Thresholds against leverage, and as a share of the shock that is critical without feedback."""
    with _drawn(TEXT_WIDTH, 3.0, 1, 2) as (figure, axes):
        left, right = axes[0]
        chosen = {
            short: shocks.curves[f"depletion_{key}"].sel(target_leverage=slice(SMALLEST, None))
            for key, short in (("instantaneous", "at once"), ("ramp", "over a day"))
        }
        plot_critical_shock(chosen, ax=left)
        left.set(ylabel="Critical fall of the log price", title="With depletion")
        for number, (key, title) in enumerate(CURVES.items()):
            curve = shocks.curves[key]
            right.plot(
                curve["target_leverage"],
                curve["threshold"] / curve["at_once"],
                color=CYCLE[number % 2],
                linestyle="-" if key.startswith("depletion") else "--",
                linewidth=1.3,
                label=title,
            )
        first = shocks.curves["depletion_instantaneous"]
        right.plot(
            first["target_leverage"],
            first["first_margin_call"] / first["at_once"],
            color=BLACK,
            linestyle=":",
            linewidth=0.9,
            label="first margin call",
        )
        right.axhline(1.0, color="0.55", linewidth=0.8)
        right.set(
            xlabel=left.get_xlabel(),
            ylabel="Critical fall relative to no feedback",
            xlim=(float(first["target_leverage"][0]), float(first["target_leverage"][-1])),
        )
        right.set_title("All four curves")
        right.legend(loc="best")
        return Picture("critical_shocks", _png(figure), "Critical fall of the log price against target leverage")


def phase_diagram(diagram: Diagram) -> Picture:
    """Simulated regimes with the boundaries of theory."""
    with _drawn(5.2, 4.2) as (figure, axes):
        ax = plot_phase_diagram(diagram.dataset, ax=axes[0, 0])
        for leverage, text in (
            (diagram.at_once_leverage, "insolvent by the shock alone"),
            (diagram.margin_call_leverage, "margin call by the shock"),
        ):
            ax.axhline(leverage, color="white", linewidth=0.9, linestyle=(0, (4, 2)), zorder=2)
            ax.annotate(
                text,
                (0.985, leverage),
                xycoords=ax.get_yaxis_transform(),
                xytext=(0, 2),
                textcoords="offset points",
                ha="right",
                va="bottom",
                color="white",
                fontsize=7,
            )
        return Picture("phase_diagram", _png(figure), "Regimes over price impact and target leverage")


def observed_falls(market: Market) -> Picture:
    """Daily falls with the thresholds of three leverages."""
    with _drawn(TEXT_WIDTH, 2.9) as (figure, axes):
        plot_observed_falls(market.returns, market.comparison, ax=axes[0, 0])
        return Picture("observed_falls", _png(figure), "Daily falls over time with critical falls at a few leverages")


def cascades(found: Cascades) -> Picture:
    """The survivor and the ruined holder, with their flows."""
    with _drawn(TEXT_WIDTH, 4.6, len(FLOWS), 2, sharex="col") as (figure, axes):
        for column, (leverage, run, fate) in enumerate(
            ((found.low, found.survivor, "survives"), (found.high, found.ruined, "insolvent"))
        ):
            plot_trajectory(run, list(FLOWS), axes=axes[:, column])
            legend = axes[0, column].get_legend()
            if legend is not None:
                legend.remove()
            axes[0, column].set_title(f"Leverage {leverage:g}: {fate}", loc="left")
        for row, name in zip(axes, FLOWS, strict=True):
            row[1].set_ylabel("")
            row[1].locator_params(axis="x", nbins=5)
            if name in ("voluntary_flow", "forced_sales"):
                # flows of the two holders are compared, so they share an axis
                ends = [end for ax in row for end in ax.get_ylim()]
                low, high = (0.0, max(ends)) if name == "forced_sales" else (1.1 * min(ends), max(ends))
                for ax in row:
                    ax.set_ylim(low, high)
        figure.align_ylabels(axes[:, 0])
        return Picture("cascades", _png(figure), "Equity ratio, price and flows after the same shock at two leverages")
