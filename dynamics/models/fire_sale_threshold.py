r"""Fire sales of many banks under a leverage limit, after Cont and Schaanning.

Bank :math:`i` holds :math:`\Pi^{i\mu}` of security :math:`\mu` and illiquid assets :math:`I^i`. When losses lift its
leverage above :math:`\lambda_{max}` it sells the fraction :math:`\Gamma^i` of all securities that brings leverage back to
:math:`\lambda_{target}`; sales lower prices, which hits every holder. Since a bank sells the same fraction of everything,
holdings stay :math:`h_i \Pi^{i\mu}_0 S_\mu` and the state is the kept fraction :math:`h`, the price :math:`S` and the equity
:math:`C`:

.. math::

    \Gamma^i &= \mathbf 1_{\lambda^i > \lambda_{max}} \min\Big(1, \frac{V_i + I^i - \lambda_{target} C^i}{V_i}\Big), \quad
    V_i = h_i \sum_\mu \Pi^{i\mu}_0 S_\mu, \quad q^\mu = S_\mu \sum_i \Gamma^i h_i \Pi^{i\mu}_0, \\
    \Psi_\mu &= (1 - B/S_\mu)(1 - e^{-q^\mu/\delta_\mu}), \qquad
    S' = S(1 - \Psi), \quad h' = h(1 - \Gamma), \quad
    C' = \Big(C - (1 - (1 - \alpha)\Gamma)\, h \sum_\mu \Pi_0 S \Psi\Big)^{+}.

:math:`\alpha = 1` books sales at the price after impact, 0 at the price before. With ``targeting=True`` banks return to the
target from above and below without a limit (leverage targeting).

Known results: in the linear regime losses are :math:`\Omega \Gamma` with the liquidity-weighted overlap
:math:`\Omega^{ij} = \sum_\mu \Pi^{i\mu}\Pi^{j\mu}/D_\mu`. The default is the two-bank example of Schaanning's thesis; its
implementation shortfall and leverage limit are the choice of its re-implementers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynamics.errors import SpecificationError
from dynamics.systems import Parameter, Reference, State, System

__all__ = ["system"]


def system(*, holdings: Any = ((90,), (70,)), illiquid: Sequence[float] = (10, 20), exposed: Sequence[float] = (1, 0),
           equity: Sequence[float] = (4, 4.5), depth: Sequence[float] = (4472.13595499958,),
           targeting: bool = False) -> System:
    """Make the model for given balance sheets.

    Parameters
    ----------
    holdings : (banks, assets) nested sequence or SciPy sparse matrix
        Securities at the first price, EUR.
    illiquid : (banks,) sequence
        Assets that cannot be sold, EUR.
    exposed : (banks,) sequence
        Share of the illiquid assets that loses the fraction ``shock`` before the first round.
    equity : (banks,) sequence
        EUR.
    depth : (assets,) sequence
        Market depth :math:`D_\\mu = c\\, ADV_\\mu \\sqrt{\\tau}/\\sigma_\\mu`, EUR.
    targeting : bool
        Leverage targeting instead of a limit.

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
    >>> banks = dy.models.load("fire_sale_threshold").with_parameters(shock=0.15)
    >>> rounds = dy.iterate(banks, 8)
    >>> round(float(rounds["price"].isel(asset=0, time=-1)), 6)
    0.991517
    """
    banks, assets = len(equity), len(depth)
    sparse = hasattr(holdings, "tocoo")
    fits = sparse or (len(holdings) == banks and all(len(row) == assets for row in holdings))
    if len(illiquid) != banks or len(exposed) != banks or not fits:
        raise SpecificationError(f"holdings must be {banks} rows (one for each entry of equity) of {assets} numbers (one for"
                                 f" each entry of depth); illiquid and exposed must have {banks} entries")
    excess = "securities + illiquid_left - target_leverage*equity"
    share = f"({excess})/max(securities, smallest_book)"
    sold = (f"min(1, {share})" if targeting else
            f"(max(0, min(1, {share})) if leverage_excess > 0 else 0)")
    return System(
        name="fire_sale_threshold (targeting)" if targeting else "fire_sale_threshold",
        time="discrete",
        time_unit="1",
        indices={"bank": banks, "asset": assets},
        states={
            "kept": State((1,)*banks, "1", (0, None), "h", "fraction of the first holdings still held", over=("bank",)),
            "price": State((1,)*assets, "1", (0, 1), "S", "price relative to the first", over=("asset",)),
            "equity": State("max(0, first_equity - shock*exposed*illiquid_assets)", "EUR", (0, None), "C", "equity",
                            over=("bank",)),
        },
        parameters={
            "holding": Parameter(holdings if sparse else tuple(tuple(row) for row in holdings), "EUR", (0, None), "Pi",
                                 "securities at the first price", over=("bank", "asset"), sparse=sparse),
            "illiquid_assets": Parameter(tuple(illiquid), "EUR", (0, None), "I", "assets that cannot be sold",
                                         over=("bank",)),
            "exposed": Parameter(tuple(exposed), "1", (0, 1), "theta", "share of the illiquid assets hit by the shock",
                                 over=("bank",)),
            "shock": Parameter(0, "1", (0, 1), "epsilon", "fraction of the exposed illiquid assets lost"),
            "first_equity": Parameter(tuple(equity), "EUR", (0, None), "C_0", "equity before the shock", over=("bank",)),
            "depth": Parameter(tuple(depth), "EUR", (0, None), "D", "market depth", over=("asset",)),
            "price_floor": Parameter("0.5", "1", (0, 1), "B", "price at which other buyers absorb everything",
                                     "Schaanning 2017"),
            "leverage_limit": Parameter(33, "1", (1, None), "lambda_max", "leverage above which a bank must sell",
                                        "choice of the re-implementers"),
            "target_leverage": Parameter("31.35", "1", (1, None), "lambda_target", "leverage a seller returns to",
                                         "Schaanning 2017"),
            "shortfall": Parameter(1, "1", (0, 1), "alpha", "1: sales at the price after impact; 0: before",
                                   "choice of the re-implementers"),
            "smallest_book": Parameter("1/1000000", "EUR", (0, None), "b_0", "books below this count as empty",
                                       "our choice; keeps the sold fraction finite"),
        },
        definitions={
            "illiquid_left": "illiquid_assets*(1 - shock*exposed)",
            "securities": "kept*product(holding, price)",
            "leverage_excess": "securities + illiquid_left - leverage_limit*equity",
            "sold_fraction": sold,
            "sold": "price*product(holding, sold_fraction*kept)",
            "fall": "(1 - price_floor/price)*(1 - exp(-sold/((1 - price_floor)*depth)))",
            "loss": "(1 - (1 - shortfall)*sold_fraction)*kept*product(holding, price*fall)",
        },
        equations={
            "kept": "kept*(1 - sold_fraction)",
            "price": "price*(1 - fall)",
            "equity": "max(0, equity - loss)",
        },
        observables={"solvent_banks": "total(min(1, equity/smallest_book), bank)"},
        references=(
            Reference("R. Cont, E. Schaanning", 2017, "Fire sales, indirect contagion and systemic stress testing",
                      "Norges Bank Working Paper 2/2017", "10.2139/ssrn.2541114"),
        ),
    )
