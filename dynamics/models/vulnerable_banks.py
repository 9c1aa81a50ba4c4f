r"""Vulnerable banks: deleveraging rounds of Greenwood, Landier and Thesmar.

Bank :math:`n` has assets :math:`a_n` and debt/equity :math:`b_n`, and holds the share :math:`m_{nk}` of its assets in asset
class :math:`k`. After a return :math:`r_n` it sells :math:`a_n b_n r_n` of assets in proportion to its holdings to come back
to its leverage; selling one unit of class :math:`k` moves its price by :math:`\ell_k`. Returns of successive rounds obey

.. math:: r' = J r, \qquad J = M L M^\top A B .

Known results: the sum of all rounds is finite iff the spectral radius of :math:`J` is below one; for one bank and one
asset it is :math:`\ell a b`, the cascade number. The loss of the first round relative to equity is the aggregate
vulnerability.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamics.errors import SpecificationError
from dynamics.systems import Parameter, Reference, Shock, State, System

__all__ = ["system"]


def system(*, weights: Sequence[Sequence[float]] = ((0.5, 0.5), (0.2, 0.8)), assets: Sequence[float] = (5e11, 5e11),
           debt_to_equity: Sequence[float] = (12, 9), impact: Sequence[float] = (1e-13, 1e-13)) -> System:
    """Make the model for given balance sheets.

    Parameters
    ----------
    weights : (banks, classes) nested sequence
        Shares of each bank's assets; each row adds up to at most one (the rest is not sold).
    assets : (banks,) sequence
        Assets, EUR.
    debt_to_equity : (banks,) sequence
        Debt over equity, which each bank restores.
    impact : (classes,) sequence
        Return per EUR sold.

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
    >>> banks = dy.models.load("vulnerable_banks", weights=[[1]], assets=[1e12], debt_to_equity=[20], impact=[1e-13])
    >>> rounds = dy.iterate(banks, 2, {"bank_return": [-0.01]})
    >>> rounds["bank_return"].isel(bank=0).values.round(6)
    array([-0.01, -0.02, -0.04])
    """
    banks, classes = len(assets), len(impact)
    if len(debt_to_equity) != banks or len(weights) != banks or any(len(row) != classes for row in weights):
        raise SpecificationError(f"weights must be {banks} rows (one for each entry of assets) of {classes} numbers (one for"
                                 f" each entry of impact), and debt_to_equity must have {banks} entries")
    return System(
        name="vulnerable_banks",
        time="discrete",
        time_unit="1",
        indices={"bank": banks, "asset": classes},
        states={"bank_return": State((0,)*banks, "1", (-1, None), "r", "return on assets in this round", over=("bank",))},
        parameters={
            "weight": Parameter(tuple(tuple(row) for row in weights), "1", (0, 1), "m", "share of the bank's assets",
                                over=("bank", "asset")),
            "assets": Parameter(tuple(assets), "EUR", (0, None), "a", "assets of the bank", over=("bank",)),
            "debt_to_equity": Parameter(tuple(debt_to_equity), "1", (0, None), "b", "debt over equity", over=("bank",)),
            "impact": Parameter(tuple(impact), "1/EUR", (0, None), "ell", "return per EUR sold", over=("asset",)),
        },
        definitions={
            "sales": "-assets*debt_to_equity*bank_return",
            "price_return": "-impact*product(weight, sales)",
        },
        equations={"bank_return": "product(weight, price_return)"},
        observables={
            "loss_to_equity": "-(1 + debt_to_equity)*bank_return",
            "system_loss": "-total(assets*bank_return, bank)/total(assets/(1 + debt_to_equity), bank)",
        },
        shocks={"assets": Shock({"bank_return": "bank_return - magnitude"}, (0, 1), "1",
                                "the same loss on the assets of every bank")},
        references=(
            Reference("R. Greenwood, A. Landier, D. Thesmar", 2015, "Vulnerable banks",
                      "Journal of Financial Economics 115", "10.1016/j.jfineco.2014.11.006"),
        ),
    )
