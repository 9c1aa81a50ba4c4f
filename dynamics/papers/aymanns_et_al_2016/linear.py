"""Linear theory: multipliers at rest, critical leverage, and the limit of continuous time."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from dynamics import models
from dynamics.analysis.trajectories import integrate
from dynamics.compiled.functions import functions_of
from dynamics.papers import Computed, Context
from dynamics.systems import System

__all__ = ["STEPS", "continuous_time", "critical", "critical_leverage", "cycle_map", "flow_cycle", "spectrum"]

# target equity and speed of adjustment
BANKS = {"large_theta_10": (2.26689, 10), "large_theta_95": (2.26689, 9.5), "large_theta_5": (2.26689, 5),
         "large_theta_1": (2.26689, 1), "equity_1": (1.0, 10), "equity_05": (0.5, 10), "small": (1e-5, 10)}

# power of ten of a step in the variance: rate that a forward difference gives, half a unit of its last digit
STEPS = {-10: (1.50, 0.005), -12: (-0.480, 5e-4), -13: (-0.498, 5e-4)}


def cycle_map(leverage: float, **values: float) -> System:
    """The map at a leverage at rest; b and the rest as given."""
    cyclicality = values.get("cyclicality", -0.5)
    return _loaded("basel_leverage_cycle").with_parameters({**values, "risk_factor": leverage/1e-6**cyclicality})


@functools.cache
def _loaded(name: str) -> System:
    return models.load(name)


def _multipliers(system: System) -> Any:
    """Spectrum at rest, from exact derivatives."""
    functions = functions_of(system)
    p = np.array(functions.parameters(system), dtype=float)[:, None]
    return np.linalg.eigvals(functions.lane_jacobian(np.zeros(1), functions.initial_state(system)[:, None], p)[:, :, 0])


def _pair(system: System) -> complex:
    return complex(max(_multipliers(system), key=lambda z: z.imag))


def critical(**values: float) -> float:
    """Leverage at which the complex pair crosses the unit circle; nan where the bank would hold more than there is."""
    from scipy.optimize import brentq

    def beyond(leverage: float) -> float:
        return abs(_pair(cycle_map(leverage, **values))) - 1

    all_of_it = values.get("fundamental", 25)/(0.3*values["target_equity"])  # leverage at which the bank holds everything
    low = high = 1.01
    while beyond(high) <= 0:
        if high > all_of_it:
            return math.nan
        low, high = high, 1.1*high
    return brentq(beyond, low, high, xtol=1e-12)


def critical_leverage(context: Context) -> dict[str, Any]:
    """Where the pair of multipliers leaves the unit circle, for sizes and speeds."""
    found: dict[str, Any] = {}
    for name, (equity, speed) in BANKS.items():
        leverage = critical(target_equity=equity, adjustment=speed)
        found |= {f"critical_leverage_{name}": leverage, f"critical_share_{name}": 0.3*leverage*equity/25}
    by_policy = [critical(target_equity=2.26689, cyclicality=b) for b in (-0.25, 0.0, 0.25)]
    order = [found[f"critical_leverage_large_theta_{speed}"] for speed in ("10", "95", "5", "1")]
    return {**found, "critical_leverage_slow_reversion": critical(target_equity=2.26689, reversion=1e-9),
            "critical_leverage_no_reversion": critical(target_equity=2.26689, reversion=0),
            "slow_adjustment_helps": order == sorted(order), "independent_of_policy": bool(np.allclose(by_policy, order[0]))}


def spectrum(context: Context) -> dict[str, Any]:
    """Multipliers on both sides, and the size at which a leverage is critical."""
    from scipy.optimize import brentq

    at_ten = cycle_map(10, target_equity=2.26689, adjustment=9.5)
    pair, at_limit = _pair(at_ten), _pair(cycle_map(critical(target_equity=2.26689), target_equity=2.26689))
    real = sorted(z.real for z in _multipliers(at_ten) if abs(z.imag) < 1e-9)

    def size(speed: float) -> float:
        return brentq(lambda equity: abs(_pair(cycle_map(5.8, target_equity=equity, adjustment=speed))) - 1, 1, 12)

    def relative(equity: float) -> float:
        share = 0.3*5.8*equity/25
        return share/0.3*0.5/(1 - share)

    banks = [(leverage, equity, speed) for leverage in (2, 5, 8) for equity in (0.5, 2.26689) for speed in (1, 9.5)]
    sizes = {speed: size(speed) for speed in (10, 9.5)}
    second = max(_cubic(critical(target_equity=2.26689), 2.26689, 10), key=lambda z: z.imag).real
    return {"unstable_modulus": abs(pair), "memory_multiplier": real[-3], "neutral_multiplier": real[-1],
            "price_before_multiplier": real[0], "cubic_spectrum": all(_is_the_cubic(*bank) for bank in banks),
            "share_at_75": cycle_map(75, target_equity=2.27).initial_state()["bank_share"],
            "critical_size_theta_10": relative(sizes[10]), "critical_size_theta_95": relative(sizes[9.5]),
            "unstable_pair_real": pair.real, "unstable_pair_imaginary": pair.imag, "slow_multiplier": real[-2],
            "share_at_ten": at_ten.initial_state()["bank_share"], "critical_pair_real": Computed(
                at_limit.real, second=second, second_method="roots of the cubic"),
            "critical_pair_imaginary": at_limit.imag,
            "linear_period": 0.1*2*math.pi/math.atan2(at_limit.imag, at_limit.real),
            "critical_equity_theta_10": sizes[10], "critical_equity_theta_95": sizes[9.5]}


def _cubic(leverage: float, equity: float, speed: float) -> Any:
    """Multipliers 1 + tau s from the closed form, with the other parameters written out."""
    share = 0.3*leverage*equity/25
    held, flow = 0.1*(1 - share), 10*0.5
    coefficients = [1 - 0.3*share - 0.5*(1 - share), held + flow + speed*(1 - 0.5*(1 - share) - leverage*0.3*share),
                    held*(10 + speed) + flow*speed, held*10*speed]
    return 1 + 0.1*np.roots(coefficients)


def _is_the_cubic(leverage: float, equity: float, speed: float) -> bool:
    found = _multipliers(cycle_map(leverage, target_equity=equity, adjustment=speed))
    wanted = np.concatenate([_cubic(leverage, equity, speed), [0, 1, 0.95]])
    return all(np.abs(found - z).min() < 1e-8 for z in wanted)


def continuous_time(context: Context) -> dict[str, Any]:
    """Hopf point and a cycle of the flow."""
    from scipy.optimize import brentq

    flow = _loaded("basel_leverage_cycle_ode")

    def real(leverage: float) -> float:
        return _pair(flow.with_parameters(risk_factor=leverage/1000)).real

    def imaginary(leverage: float) -> float:
        return _pair(flow.with_parameters(risk_factor=leverage/1000)).imag

    eight = flow.with_parameters(risk_factor=0.008)
    return {"hopf_leverage": brentq(real, 11, 13, xtol=1e-12),
            "pair_at_119_real": real(11.9), "pair_at_1196_real": real(11.96), "pair_at_119_imaginary": imaginary(11.9),
            "pair_at_1196_imaginary": imaginary(11.96), "memory_rate": _nearest(_multipliers(eight), -0.5),
            **{f"memory_rate_step_{-power}": _nearest(_by_difference(eight, 10.0**power), value)
               for power, (value, _) in STEPS.items()}}


def _nearest(eigenvalues: Any, wanted: float) -> float:
    return float(min(eigenvalues, key=lambda z: abs(z - wanted)).real)


def _by_difference(system: System, step: float) -> Any:
    """Spectrum at rest with a forward difference in the variance, which bends on the scale of 1e-6."""
    functions, column = functions_of(system), list(system.states).index("variance")
    p, rest = functions.parameters(system), functions.initial_state(system)
    matrix = np.array(functions.lane_jacobian(np.zeros(1), rest[:, None], np.array(p, dtype=float)[:, None])[:, :, 0])
    moved = np.array(rest, dtype=float)
    moved[column] += step
    matrix[:, column] = (functions.field(0.0, moved, p) - functions.field(0.0, rest, p))/step
    return np.linalg.eigvals(matrix)


def flow_cycle(context: Context) -> dict[str, Any]:
    """A cycle of the flow, by two methods."""
    flow, times = _loaded("basel_leverage_cycle_ode").with_parameters(risk_factor=0.0125), np.linspace(0, 200, 40_001)
    ranges = []
    for method in ("LSODA", "Radau"):
        run = integrate(flow, 200, {"price": 25.5}, times=times.tolist(), relative_tolerance=1e-9, method=method)
        p, a, debt, w = (run[name].values for name in ("price", "assets", "liabilities", "fund_weight"))
        cash = 0.7*a + (1 - w)/w*(1 - 0.3*a/p)*p - debt
        late = (a/(a - debt))[8000:]
        ranges.append((float(p[8000:].min()), float(p[8000:].max()), float(late.min()), float(late.max()),
                       float(np.abs(cash/cash[0] - 1).max())))
    first, second = ranges
    names = ("flow_lowest_price", "flow_highest_price", "flow_lowest_leverage", "flow_highest_leverage")
    return {name: Computed(first[k], second=second[k], second_method="Radau's method") for k, name in enumerate(names)} | {
        "flow_conserves_cash": max(first[-1], second[-1]) < 1e-6}
