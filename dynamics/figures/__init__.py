"""Figures: one file is one kind of figure, its file name is its name; a result or a System in, the Axes out.

A figure never calls ``show`` and never changes global settings. matplotlib is imported when a figure is drawn, not
before. Own figures look the same under ``with dy.figures.styled():``.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from dynamics.errors import did_you_mean

if TYPE_CHECKING:
    from dynamics.figures.bifurcation_diagram import plot_bifurcation_diagram
    from dynamics.figures.cobweb import plot_cobweb
    from dynamics.figures.critical_shock import plot_critical_shock
    from dynamics.figures.cusp import plot_cusp
    from dynamics.figures.cycles import plot_cycles, plot_floquet_multipliers
    from dynamics.figures.early_warnings import plot_early_warnings
    from dynamics.figures.exposure import plot_exposure
    from dynamics.figures.feedback_loops import plot_feedback_loops
    from dynamics.figures.hysteresis import plot_hysteresis
    from dynamics.figures.liquidity_shock import plot_liquidity_shock
    from dynamics.figures.phase_diagram import plot_phase_diagram
    from dynamics.figures.phase_portrait import plot_phase_portrait
    from dynamics.figures.style import styled
    from dynamics.figures.sweep import plot_sweep
    from dynamics.figures.trajectory import plot_trajectory
    from dynamics.figures.two_parameter_diagram import plot_two_parameter_diagram
    from dynamics.figures.volatility_skew import plot_volatility_skew

__all__ = ["names", "plot_bifurcation_diagram", "plot_cobweb", "plot_critical_shock", "plot_cusp", "plot_cycles",
           "plot_early_warnings", "plot_exposure", "plot_feedback_loops", "plot_floquet_multipliers", "plot_hysteresis",
           "plot_liquidity_shock", "plot_phase_diagram", "plot_phase_portrait", "plot_sweep", "plot_trajectory",
           "plot_two_parameter_diagram", "plot_volatility_skew", "styled"]



def names() -> tuple[str, ...]:
    """Return the kinds of figure in the package: the files here that have a function ``plot_...``.

    Examples
    --------
    >>> import dynamics as dy
    >>> "phase_portrait" in dy.figures.names()
    True
    """
    return tuple(name for name in _modules() if any(n.startswith("plot_") for n in importlib.import_module(
        f"{__name__}.{name}").__all__))


def _modules() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def __getattr__(name: str) -> Any:
    if name.startswith("plot_"):
        # the file that has the figure's name first, so that one figure does not load all of them
        for module in sorted(_modules(), key=lambda m: m != name.removeprefix("plot_")):
            if name in (found := importlib.import_module(f"{__name__}.{module}")).__all__:
                return getattr(found, name)
    if name == "styled":
        return importlib.import_module(f"{__name__}.style").styled
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'.{did_you_mean(name, __all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
