r"""Fire sales with square-root impact as a fixed point of price discounts, after Breuer, Summer and Urosevic.

Bank :math:`i` holds :math:`S_{ik}` of marketable class :math:`k`, other assets :math:`L_i` and equity :math:`e_i`. At the
discounts :math:`\delta` it has lost :math:`\sum_k S_{ik}\delta_k`, and sells the share :math:`\theta_i` of its book that
brings assets over equity back to :math:`\bar\lambda`; what all banks sell sets the discounts, with daily volatility
:math:`\sigma_k` and volume :math:`V_k`:

.. math::

    \theta_i(\delta) &= \min\Big(1, \Big(1 - \frac{\bar\lambda\,(e_i - \sum_k S_{ik}\delta_k) - L_i}
        {\sum_k S_{ik}(1 - \delta_k)}\Big)^{+}\Big), \\
    \delta_k' &= \Phi_k(\delta) = \kappa\,\sigma_k \sqrt{\frac{\sum_i S_{ik}\theta_i(\delta)}{V_k}}.

One step of the map is one round of :math:`\Phi`; an equilibrium is a fixed point. A bank without equity sells everything.

Known results: :math:`\Phi` is monotone, so there are a least and a greatest equilibrium (Tarski), which
`extremal_fixed_points` finds by iteration from :math:`\delta = 0` and from :math:`\delta^{max}_k = \kappa\sigma_k
\sqrt{\sum_i S_{ik}/V_k}` (observable ``largest_discount``; it must stay below one). They may differ: in the default, the
example with three banks and one class of the authors' package, no bank need sell and all may have to, for the same
:math:`\bar\lambda`; an unstable third lies between them. The slope of the square root is infinite at zero: an equilibrium
without sales that a bank at its limit borders on is lost at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamics.errors import SpecificationError
from dynamics.systems import Parameter, Reference, State, System

__all__ = ["system"]


def system(*, holdings: Sequence[Sequence[float]] = ((145,), (435,), (300,)),
           other_assets: Sequence[float] = (1170, 1245, 1190), equity: Sequence[float] = (28, 80, 65),
           volatility: Sequence[float] = (1,), volume: Sequence[float | str] = ("500000/11",)) -> System:
    """Make the model for given balance sheets.

    Parameters
    ----------
    holdings : (banks, classes) nested sequence
        Marketable assets after the stress, EUR.
    other_assets : (banks,) sequence
        Assets that cannot be sold, EUR.
    equity : (banks,) sequence
        EUR.
    volatility : (classes,) sequence
        Standard deviation of daily log returns.
    volume : (classes,) sequence
        Volume traded in a day, EUR. The default example has an impact of sqrt(2.2e-5 times the amount sold).

    Returns
    -------
    System
        With the indices ``bank`` and ``asset``.

    Raises
    ------
    SpecificationError
        If the lengths do not agree.

    Examples
    --------
    >>> import dynamics as dy
    >>> banks = dy.models.load("fire_sale_equilibrium")
    >>> both = dy.extremal_fixed_points(banks, {"discount": 0}, {"discount": 1})
    >>> both["discount"].isel(asset=0).values.round(6).tolist()
    [0.05648, 0.13914]
    """
    banks, classes = len(equity), len(volatility)
    if (len(holdings) != banks or any(len(row) != classes for row in holdings) or len(other_assets) != banks
            or len(volume) != classes):
        raise SpecificationError(f"holdings must be {banks} rows (one for each entry of equity) of {classes} numbers (one"
                                 f" for each entry of volatility); other_assets must have {banks} entries, volume {classes}")
    return System(
        name="fire_sale_equilibrium",
        time="discrete",
        time_unit="1",
        indices={"bank": banks, "asset": classes},
        states={"discount": State((0,)*classes, "1", (0, 1), "delta", "loss of the price, as a share", over=("asset",))},
        parameters={
            "holding": Parameter(tuple(tuple(row) for row in holdings), "EUR", (0, None), "S", "marketable assets",
                                 over=("bank", "asset")),
            "other_assets": Parameter(tuple(other_assets), "EUR", (0, None), "L", "assets that cannot be sold",
                                      over=("bank",)),
            "equity": Parameter(tuple(equity), "EUR", (0, None), "e", "equity before the fire sale", over=("bank",)),
            "leverage_limit": Parameter(44, "1", (1, None), "lambda_bar", "assets over equity that a bank may not exceed",
                                        "Breuer, Summer, Urosevic 2023"),
            "impact": Parameter(1, "1", (0, None), "kappa", "of order one", "Breuer, Summer, Urosevic 2023"),
            "volatility": Parameter(tuple(volatility), "1", (0, None), "sigma", "daily volatility", over=("asset",)),
            "volume": Parameter(tuple(volume), "EUR", (0, None), "V", "volume of a day", over=("asset",)),
            "smallest_book": Parameter("1/1000000000000", "EUR", (0, None), "b_0", "books of this size count as empty",
                                       "our choice; keeps the sold share finite"),
        },
        definitions={
            "lost": "product(holding, discount)",
            "book": "product(holding, 1 - discount)",
            "sold_share": "max(0, min(1, 1 - (leverage_limit*(equity - lost) - other_assets)/(book + smallest_book)))",
        },
        equations={"discount": "impact*volatility*sqrt(product(holding, sold_share)/volume)"},
        observables={
            "sold": "sold_share",
            "leverage": "(book + other_assets)/(equity - lost)",
            "loss": "total(lost, bank)",
            "largest_discount": "impact*volatility*sqrt(total(holding, bank)/volume)",
        },
        references=(
            Reference("T. Breuer, M. Summer, B. Urosevic", 2023, "Bank solvency stress tests with fire sales",
                      "Journal of Financial Stability 67", "10.1016/j.jfs.2023.101161"),
        ),
    )
