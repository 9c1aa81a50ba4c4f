"""Leverage and deleveraging dynamics: closed-form stability, cascade thresholds, phase diagrams.

>>> import dynamics as dy
>>> system = dy.models.load("deleveraging")
>>> dy.fixed_points(system)[0].state["equity_ratio"]
1/target_leverage
"""

from __future__ import annotations

import gc
import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> module that has it. Lazy, so that `import dynamics` costs milliseconds and needs nothing.
_HOME = {
    "dynamics.errors": ("ConvergenceError", "DataError", "DerivationError", "DynamicsError", "ExpressionError",
                        "IntegrationError", "MissingExtraError", "SpecificationError", "UnitsError"),
    "dynamics.systems": ("DeclaredProcess", "Event", "Jump", "Measure", "Parameter", "Process", "Reference", "Shock",
                         "State", "System", "load"),
    "dynamics.results": ("open", "save"),
    "dynamics.mechanisms": ("compose",),
    "dynamics.analysis.competing_paths": ("cascade_number", "competing_paths", "path_ratio"),
    "dynamics.analysis.bifurcation_diagrams": ("bifurcation_diagram",),
    "dynamics.analysis.certification": ("certified_fixed_points",),
    "dynamics.analysis.equilibria": ("fixed_points",),
    "dynamics.analysis.feedback_loops": ("feedback_loops", "loop_dominance"),
    "dynamics.analysis.fixed_point_continuation": ("continue_fixed_points",),
    "dynamics.analysis.curve_continuation": ("continue_curve",),
    "dynamics.analysis.conserved_quantities": ("conserved_quantities",),
    "dynamics.analysis.linearization": ("characteristic_polynomial", "jacobian"),
    "dynamics.analysis.normal_forms": ("first_lyapunov_coefficient", "normal_form"),
    "dynamics.analysis.stability": ("bifurcation_conditions", "region", "stability_conditions"),
    "dynamics.analysis.trajectories": ("apply_shock", "integrate"),
    "dynamics.analysis.cycle_continuation": ("continue_cycles",),
    "dynamics.analysis.lyapunov": ("lyapunov_exponents",),
    "dynamics.analysis.edge_tracking": ("edge_state",),
    "dynamics.analysis.orbits": ("iterate",),
    "dynamics.analysis.monotone_maps": ("extremal_fixed_points",),
    "dynamics.analysis.orbit_ensembles": ("orbit_ensemble",),
    "dynamics.analysis.box_counting": ("box_counting_dimension",),
    "dynamics.analysis.nonsmooth": ("border_collisions", "nonsmooth_regimes"),
    "dynamics.analysis.simulations": ("simulate",),
    "dynamics.analysis.sliding_motion": ("sliding",),
    "dynamics.analysis.thresholds": ("cascade_threshold",),
    "dynamics.analysis.threshold_curves": ("critical_shocks",),
    "dynamics.analysis.sweeps": ("sweep",),
    "dynamics.analysis.regimes": ("phase_diagram",),
    "dynamics.analysis.tail_risk": ("exceedance", "tail_index"),
    "dynamics.analysis.liquidity_shocks": ("liquidity_shock",),
    "dynamics.analysis.exposures": ("exposure",),
    "dynamics.analysis.early_warnings": ("early_warning_signals",),
    "dynamics.analysis.warning_scores": ("score_warnings",),
    "dynamics.analysis.volatility_skew": ("implied_volatility_skew",),
    "dynamics.analysis.observed_falls": ("compare_falls", "worst_days"),
    "dynamics.figures": ("plot_bifurcation_diagram", "plot_cobweb", "plot_critical_shock", "plot_cusp", "plot_cycles",
                         "plot_early_warnings", "plot_exposure", "plot_feedback_loops", "plot_floquet_multipliers",
                         "plot_hysteresis", "plot_liquidity_shock", "plot_observed_falls", "plot_phase_diagram",
                         "plot_phase_portrait", "plot_sweep", "plot_trajectory", "plot_two_parameter_diagram",
                         "plot_volatility_skew"),
}
_SUBMODULES = ("data", "figures", "mechanisms", "models", "papers")
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted([*_MODULE_OF, *_SUBMODULES, "__version__"])

if TYPE_CHECKING:
    from dynamics import data, figures, mechanisms, models, papers
    from dynamics.analysis.bifurcation_diagrams import bifurcation_diagram
    from dynamics.analysis.box_counting import box_counting_dimension
    from dynamics.analysis.certification import certified_fixed_points
    from dynamics.analysis.competing_paths import cascade_number, competing_paths, path_ratio
    from dynamics.analysis.conserved_quantities import conserved_quantities
    from dynamics.analysis.curve_continuation import continue_curve
    from dynamics.analysis.cycle_continuation import continue_cycles
    from dynamics.analysis.early_warnings import early_warning_signals
    from dynamics.analysis.edge_tracking import edge_state
    from dynamics.analysis.equilibria import fixed_points
    from dynamics.analysis.exposures import exposure
    from dynamics.analysis.feedback_loops import feedback_loops, loop_dominance
    from dynamics.analysis.fixed_point_continuation import continue_fixed_points
    from dynamics.analysis.linearization import characteristic_polynomial, jacobian
    from dynamics.analysis.liquidity_shocks import liquidity_shock
    from dynamics.analysis.lyapunov import lyapunov_exponents
    from dynamics.analysis.monotone_maps import extremal_fixed_points
    from dynamics.analysis.nonsmooth import border_collisions, nonsmooth_regimes
    from dynamics.analysis.normal_forms import first_lyapunov_coefficient, normal_form
    from dynamics.analysis.observed_falls import compare_falls, worst_days
    from dynamics.analysis.orbit_ensembles import orbit_ensemble
    from dynamics.analysis.orbits import iterate
    from dynamics.analysis.regimes import phase_diagram
    from dynamics.analysis.simulations import simulate
    from dynamics.analysis.sliding_motion import sliding
    from dynamics.analysis.stability import bifurcation_conditions, region, stability_conditions
    from dynamics.analysis.sweeps import sweep
    from dynamics.analysis.tail_risk import exceedance, tail_index
    from dynamics.analysis.threshold_curves import critical_shocks
    from dynamics.analysis.thresholds import cascade_threshold
    from dynamics.analysis.trajectories import apply_shock, integrate
    from dynamics.analysis.volatility_skew import implied_volatility_skew
    from dynamics.analysis.warning_scores import score_warnings
    from dynamics.errors import (
        ConvergenceError,
        DataError,
        DerivationError,
        DynamicsError,
        ExpressionError,
        IntegrationError,
        MissingExtraError,
        SpecificationError,
        UnitsError,
    )
    from dynamics.figures import (
        plot_bifurcation_diagram,
        plot_cobweb,
        plot_critical_shock,
        plot_cusp,
        plot_cycles,
        plot_early_warnings,
        plot_exposure,
        plot_feedback_loops,
        plot_floquet_multipliers,
        plot_hysteresis,
        plot_liquidity_shock,
        plot_observed_falls,
        plot_phase_diagram,
        plot_phase_portrait,
        plot_sweep,
        plot_trajectory,
        plot_two_parameter_diagram,
        plot_volatility_skew,
    )
    from dynamics.mechanisms import compose
    from dynamics.results import open, save
    from dynamics.systems import (
        DeclaredProcess,
        Event,
        Jump,
        Measure,
        Parameter,
        Process,
        Reference,
        Shock,
        State,
        System,
        load,
    )


def _imported(module: str) -> Any:
    # Modules and classes are no garbage: looking for some while SymPy loads, and among its objects soon after, costs a tenth
    # of the time. Frozen for a moment, they count as old.
    collects = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        if collects and not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        if collects:
            gc.enable()


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(_imported(_MODULE_OF[name]), name)
    elif name in _SUBMODULES:
        value = _imported(f"dynamics.{name}")
    else:
        from dynamics.errors import did_you_mean

        raise AttributeError(f"module 'dynamics' has no attribute '{name}'.{did_you_mean(name, __all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
