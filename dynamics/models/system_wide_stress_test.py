r"""Fire sales of banks with a leverage buffer and default, as in the public toy model of system-wide stress testing.

Bank :math:`i` has cash :math:`c_i`, the fraction :math:`h_i` of its first bonds :math:`\Pi_{ik}`, other assets, a loan of
which it has repaid :math:`r_i` and owes :math:`\ell_i`, and other liabilities. In each round what was offered, the fraction
:math:`o_i`, is sold at the mean of the prices before and after, and then the bank looks at its leverage ratio
:math:`\lambda_i = E_i/A_i` (equity over assets here):

.. math::

    p_k' &= p_k \exp\Big(-\beta\, \frac{\sum_i o_i \Pi_{ik}}{\sum_i \Pi_{ik}}\Big), \qquad \beta = -\frac{\ln(1 -
    \pi)}{0.05}, \qquad c_i^+ = c_i + o_i \sum_k \Pi_{ik} \frac{p_k + p_k'}{2}, \\ n_i &= \mathbf 1_{\lambda_i <
    \lambda_{buffer}} (A_i - E_i/\lambda_{target})^+, \qquad r_i' = r_i + \min(n_i, c_i^+, \ell_i), \qquad o_i' = h_i'
    \min\Big(1, \frac{(n_i - c_i^+)^+}{h_i' \sum_k \Pi_{ik} p_k'}\Big).

It repays :math:`n_i` from cash and offers bonds pro rata for the rest. Below :math:`\lambda_{min}` it has failed, offers all
it has, and does nothing more. The impact :math:`\pi` is the fall of a price when 5 % of the bonds are sold. With the buffer
at one every bank returns to its target at any time (leverage targeting); with the default buffer only a bank below it acts
(threshold).

Known results: banks that start below the buffer sell without any shock; the share of failed banks is not monotone in the
shock; and six rounds, the number the program makes, do not always exhaust the sales. Source: the program
``firesale_stresstest`` of the Oxford INET resilience group, after Cont and Schaanning; the default balance sheets are made
up.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamics.errors import SpecificationError
from dynamics.systems import Measure, Parameter, Reference, State, System

__all__ = ["system"]


def system(*, holdings: Sequence[Sequence[float]] = ((50, 50), (80, 100), (100, 100), (60, 120), (40, 60), (90, 70)),
           cash: Sequence[float] = (50,)*6, other_assets: Sequence[float] = (850, 770, 750, 770, 850, 790),
           equity: Sequence[float] = (38, 45, 60, 52, 48, 41), exposed: Sequence[float] = (0, 1)) -> System:
    """Make the model for given balance sheets; half of the liabilities are the loan that can be repaid.

    Parameters
    ----------
    holdings : (banks, classes) nested sequence
        Bonds at the first price, EUR.
    cash : (banks,) sequence
        EUR.
    other_assets : (banks,) sequence
        Assets that cannot be sold, EUR.
    equity : (banks,) sequence
        EUR.
    exposed : (classes,) sequence
        Share of the initial shock that hits a class.

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
    >>> banks = dy.models.load("system_wide_stress_test").with_parameters(shock=0.05, impact=0.02)
    >>> dy.iterate(banks, 6)["failed_share"].values.round(3).tolist()
    [0.0, 0.0, 0.333, 0.667, 0.667, 0.667, 0.667]
    """
    banks, classes = len(equity), len(exposed)
    if len(cash) != banks or len(other_assets) != banks or len(holdings) != banks \
            or any(len(row) != classes for row in holdings):
        raise SpecificationError(f"holdings must be {banks} rows (one for each entry of equity) of {classes} numbers (one"
                                 f" for each entry of exposed); cash and other_assets must have {banks} entries")
    return System(
        name="system_wide_stress_test",
        time="discrete",
        time_unit="1",
        indices={"bank": banks, "asset": classes},
        states={
            "kept": State((1,)*banks, "1", (0, 1), "h", "fraction of the first bonds still held", over=("bank",)),
            "offered": State((0,)*banks, "1", (0, 1), "o", "fraction of the first bonds offered", over=("bank",)),
            "alive": State((1,)*banks, "1", (0, 1), "a", "one until the bank fails", over=("bank",)),
            "money": State("cash", "EUR", (0, None), "c", "cash", over=("bank",)),
            "repaid": State((0,)*banks, "EUR", (0, None), "r", "liabilities repaid so far", over=("bank",)),
            "price": State("1 - shock*exposed", "1", (0, 1), "p", "price relative to the first", over=("asset",)),
        },
        parameters={
            "holding": Parameter(tuple(tuple(row) for row in holdings), "EUR", (0, None), "Pi", "bonds at the first price",
                                 over=("bank", "asset")),
            "cash": Parameter(tuple(cash), "EUR", (0, None), "c_0", "first cash", over=("bank",)),
            "other_assets": Parameter(tuple(other_assets), "EUR", (0, None), "O", "assets that cannot be sold",
                                      over=("bank",)),
            "equity": Parameter(tuple(equity), "EUR", (0, None), "E_0", "equity before the shock", over=("bank",)),
            "exposed": Parameter(tuple(exposed), "1", (0, 1), "theta", "share of the shock that hits a class",
                                 over=("asset",)),
            "shock": Parameter("0.2", "1", (0, 1), "epsilon", "first fall of the exposed prices", "the public program"),
            "impact": Parameter("0.05", "1", (0, "0.999"), "pi", "fall of a price when 5 % of the bonds are sold",
                                "the public program"),
            "least_ratio": Parameter("0.03", "1", (0, 1), "lambda_min", "equity over assets below which a bank fails",
                                     "the public program"),
            "buffer": Parameter("0.04", "1", (0, 1), "lambda_buffer", "equity over assets below which a bank acts",
                                "the public program; one is leverage targeting"),
            "target": Parameter("0.05", "1", ("0.001", 1), "lambda_target", "equity over assets it returns to",
                                "the public program"),
            "smallest_book": Parameter("1/1000000000", "EUR", (0, None), "b_0", "books below this count as empty",
                                       "the public program's tolerance"),
        },
        definitions={
            "next_price": "price*exp(20*log(1 - impact)*product(holding, offered)/max(total(holding, bank), smallest_book))",
            "proceeds": "offered*product(holding, (price + next_price)/2)",
            "cash_now": "money + proceeds",
            "left": "max(0, kept - offered)",
            "book": "left*product(holding, next_price)",
            "assets_now": "cash_now + book + other_assets",
            "loan": "(total(holding, asset) + cash + other_assets - equity)/2",
            "equity_now": "assets_now - (2*loan - repaid)",
            "solvent": "alive if equity_now - least_ratio*assets_now >= 0 else 0",
            "needed": "solvent*(max(0, assets_now - equity_now/target) if equity_now - buffer*assets_now < 0 else 0)",
            "repayment": "min(needed, cash_now, loan - repaid)",
            "offer": "min(1, max(0, needed - cash_now)/max(book, smallest_book))",
        },
        equations={
            "kept": "left",
            "offered": "left*(alive - solvent + solvent*offer)",
            "alive": "solvent",
            "money": "cash_now - repayment",
            "repaid": "repaid + repayment",
            "price": "next_price",
        },
        observables={
            "failed_share": f"1 - total(alive, bank)/{banks}",
            "sold_share": "1 - total(kept*total(holding, asset), bank)/total(total(holding, asset), bank)",
        },
        measures={
            "failures": Measure("failed_share", "final", "1", "share of the banks that failed"),
            "sales": Measure("sold_share", "final", "1", "share of the bonds that was sold"),
        },
        references=(
            Reference("D. Farmer, A. Kleinnijenhuis, P. Nahai-Williamson, T. Wetzer", 2020,
                      "Foundations of system-wide financial stress testing with heterogeneous institutions",
                      "Bank of England Staff Working Paper 861"),
            Reference("R. Cont, E. Schaanning", 2017, "Fire sales, indirect contagion and systemic stress testing",
                      "Norges Bank Working Paper 2/2017", "10.2139/ssrn.2541114"),
        ),
    )
