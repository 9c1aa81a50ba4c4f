"""The skew tent map, the one-dimensional normal form of a border collision: its attractor for every pair of slopes."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr

__all__ = ["SkewTentAttractor", "cycle_window", "skew_tent_attractor"]

_PERIODS = 200
_DEGENERATE = 1e-12


@dataclass(frozen=True)
class SkewTentAttractor:
    """What orbits of the skew tent map tend to.

    Attributes
    ----------
    kind : {"fixed point", "cycle", "chaos", "none", "not determined"}
        "none": almost all orbits diverge; "not determined": on a boundary between two of the others.
    period : int
        Of the cycle; the number of intervals ("bands") of a chaotic attractor; 0 without attractor.
    word : str
        Branches that the cycle visits, ``"LLR"``.
    """

    kind: str
    period: int = 0
    word: str = ""

    @property
    def text(self) -> str:
        """In words."""
        if self.kind == "fixed point":
            return f"stable fixed point ({self.word})"
        if self.kind == "cycle":
            return f"stable cycle of period {self.period} ({self.word})"
        if self.kind == "chaos":
            return f"chaos in {self.period} interval{'s' if self.period > 1 else ''}"
        return {"none": "divergence"}.get(self.kind, self.kind)


def cycle_window(left: Expr, period: int) -> tuple[Expr, Expr]:
    """Return where the cycle L...LR of the skew tent map exists and is stable.

    Parameters
    ----------
    left : Expr
        Slope of the left branch, between 0 and 1.
    period : int
        2 or more.

    Returns
    -------
    (exists_below, stable_above) : tuple of Expr
        For offset 1 the cycle exists where the right slope is below the first, and is stable where it is above the second.

    References
    ----------
    V. Avrutin, L. Gardini, I. Sushko, F. Tramontana, Continuous and Discontinuous Piecewise-Smooth One-Dimensional Maps
    (World Scientific 2019), doi:10.1142/8285.

    Examples
    --------
    >>> from sympy import Rational
    >>> cycle_window(Rational(2, 5), 3)
    (-7/2, -25/4)
    """
    # sum of left**k, k = 0 .. period - 2, rather than the quotient, so that left = 1 needs no limit
    total = sum((left**power for power in range(period - 1)), start=0 * left)
    return -total / left ** (period - 2), -1 / left ** (period - 1)


def skew_tent_attractor(left: float, right: float) -> SkewTentAttractor:
    """Return the attractor of x -> left*x + 1 (x <= 0), right*x + 1 (x > 0).

    Parameters
    ----------
    left, right : float
        Slopes. For offset -1 reflect: exchange the slopes, and the letters L and R of the word.

    Returns
    -------
    SkewTentAttractor
        There is never more than one.

    Notes
    -----
    The plane of slopes is partitioned by closed-form curves: right = -1 and 1; the windows of `cycle_window`; the crisis
    right = -left/(left - 1), left > 1, beyond which orbits diverge; left*right = 1 for negative slopes. In the chaotic part
    the map's n-th iterate near the border is again a skew tent map, with slopes left**(n-2)*right**2 and
    left**(n-1)*right: where that one has an attractor, the chaos of the whole has n times as many intervals.

    References
    ----------
    H. E. Nusse, J. A. Yorke, Border-collision bifurcations for piecewise smooth one-dimensional maps, Int. J. Bifurcation
    Chaos 5 (1995) 189-207, doi:10.1142/S0218127495000156.
    I. Sushko, V. Avrutin, L. Gardini, Bifurcation structure in the skew tent map and its application as a border collision
    normal form, J. Difference Equ. Appl. 22 (2016) 1040-1087, doi:10.1080/10236198.2015.1113273.

    Examples
    --------
    >>> skew_tent_attractor(0.4, -12.0).text
    'stable cycle of period 4 (LLLR)'
    >>> skew_tent_attractor(1.4, -1.5).text
    'chaos in 1 interval'
    """
    if _near(abs(right), 1.0):
        return SkewTentAttractor("not determined")
    if right > 1:
        return SkewTentAttractor("none")
    if right > -1:
        return SkewTentAttractor("fixed point", 1, "R")
    if left <= 0:
        if _near(left * right, 1.0):
            return SkewTentAttractor("not determined")
        return SkewTentAttractor("cycle", 2, "LR") if left * right < 1 else SkewTentAttractor("none")
    if left > 1:
        crisis = -left / (left - 1)
        if right < crisis and not _near(right, crisis):
            return SkewTentAttractor("none")
        return SkewTentAttractor("chaos", _bands(left, right))
    for period in range(2, _PERIODS):
        exists, stable = _window(left, period)
        if (_near(right, exists) and period > 2) or _near(right, stable):
            return SkewTentAttractor("not determined")
        if stable < right < exists:
            return SkewTentAttractor("cycle", period, "L" * (period - 1) + "R")
        if right >= exists:
            break
    return SkewTentAttractor("chaos", _bands(left, right))


def _window(left: float, period: int) -> tuple[float, float]:
    # -total/left**(period-2), summed from the largest term; 1/left**n overflows to inf where the window is out of reach
    inverse = 1 / left
    exists, stable = 1.0, inverse
    for _ in range(period - 2):
        exists, stable = exists * inverse + 1, stable * inverse
    return -exists, -stable


def _bands(left: float, right: float) -> int:
    """Number of intervals of the chaotic attractor."""
    for period in range(2, _PERIODS):
        exists, _ = _window(left, period)
        if right >= exists:
            break
        first, second = left ** (period - 2) * right**2, left ** (period - 1) * right
        if first > 1 and -first / (first - 1) <= second < -1:
            return period * _bands(first, second)
    return 1


def _near(value: float, target: float) -> bool:
    return abs(value - target) <= _DEGENERATE * (1 + abs(target))
