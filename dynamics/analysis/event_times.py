"""When a quantity along a path changes its sign, or reaches zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["lowest", "reached", "zero_between"]

MOST_HALVINGS = 1000  # a quantity that jumps takes many more than a smooth one
ROUNDING = 1e-12  # of its size: a quantity that stays at zero is not on the other side of it
PLACES = 33  # of a step in which a quantity that ends at zero is looked for on the other side of it


def lowest(value: Callable[[float], float], side: float, low: float, high: float) -> list[float]:
    """Return where inside an interval a quantity is farthest on the other side of zero, if it is there at all."""
    places = np.linspace(low, high, PLACES + 2)[1:-1].tolist()
    levels = [side * value(place) for place in places]
    least = int(np.argmin(levels))
    return [places[least]] if levels[least] < -ROUNDING * max(map(abs, levels)) else []


def zero_between(value: Callable[[float], float], low: float, high: float) -> float:
    """Return where a quantity changes its sign; that may be where it has no value, as at a pole."""
    from scipy.optimize import brentq

    def defined(time: float) -> float:
        level = value(time)
        return 0.0 if np.isnan(level) else level

    return float(brentq(defined, low, high, xtol=1e-15 * max(1.0, abs(high)), rtol=8.9e-16, maxiter=MOST_HALVINGS,
                        disp=False))


def reached(value: Callable[[float], float], low: float, zero: float) -> float:
    """Return where a quantity reaches zero, given a zero: it may stay there."""
    begun, width = low, 4.0 * float(np.spacing(max(abs(low), abs(zero))))
    while zero - low > width and value(zero) == 0:
        # first just before the zero: where that is none, as nearly always, nothing else has to be looked at
        middle = max(zero - width, low) if low == begun else 0.5 * (low + zero)
        low, zero = (low, middle) if value(middle) == 0 else (middle, zero)
        begun = -np.inf
    return zero
