"""Rules of trading venues and lending protocols as functions: what the presets in ``venues/`` are numbers for.

Prices and amounts are in the currency of the contract, rates are shares, times are in the unit that the name says.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["RULES", "auction_price", "auction_time", "auto_deleveraging_rank", "close_factor", "cumulative_offset",
           "funding", "growing_bonus", "liquidation_price", "maintenance_from_leverage", "mark_price", "service_rate",
           "toxic_loan_to_value"]


def cumulative_offset(*, floor: float, rate: float, lower_rate: float, lower_offset: float) -> float:
    """Offset of a tier that makes the maintenance margin continuous at its floor."""
    return floor * (rate - lower_rate) + lower_offset


def funding(*, premium: float, interest: float, clamp: float) -> float:
    """Funding rate of an interval: the premium and a clamped interest component."""
    return premium + min(clamp, max(-clamp, interest - premium))


def mark_price(*, index: float, funding_rate: float, hours_to_funding: float, average_basis: float, last: float,
               interval_hours: float) -> float:
    """Median of the index with the funding still due, the index with its average basis, and the last trade."""
    return sorted((index * (1 + funding_rate * hours_to_funding / interval_hours), index + average_basis, last))[1]


def auto_deleveraging_rank(*, side: str, entry: float, mark: float, bankruptcy: float) -> float:
    """Place in the queue: profit times effective leverage, divided where there is no profit."""
    profit = (mark - entry) / abs(entry) * (1 if side == "long" else -1)
    leverage = abs(mark) / abs(mark - bankruptcy)
    return profit * leverage if profit > 0 else profit / leverage


def maintenance_from_leverage(*, largest_leverage: float) -> float:
    """Half of the initial margin at the largest leverage."""
    return 0.5 / largest_leverage


def liquidation_price(*, side: str, price: float, available_margin: float, size: float, maintenance_rate: float) -> float:
    """Price at which a position is closed; the margin available is beyond maintenance at the current price."""
    sign = 1 if side == "long" else -1
    return price - sign * available_margin / size / (1 - sign * maintenance_rate)


def service_rate(*, contracts: float, contract_value: float, steps_per_second: float) -> float:
    """Value closed per second by incremental liquidation."""
    return contracts * contract_value * steps_per_second


def close_factor(*, health_factor: float, debt: float, collateral: float, limit: float, small: float,
                 partial: float) -> float:
    """Share of the debt that a liquidator may repay at once."""
    if health_factor >= 1:
        return 0.0
    return partial if health_factor > limit and min(debt, collateral) >= small else 1.0


def growing_bonus(*, health_factor: float, collateral_ratio: float, base: float, slope: float, smallest: float,
                  largest: float) -> float:
    """Liquidation bonus that grows as health falls and never takes more than there is."""
    return min(base + slope * (1 - health_factor), max(min(collateral_ratio - 1, largest), smallest))


def toxic_loan_to_value(*, bonus: float) -> float:
    """Loan-to-value above which a liquidation at a constant price raises the loan-to-value."""
    return 1 / (1 + bonus)


def auction_price(*, seconds: float, start_factor: float, cut: float, step_seconds: float) -> float:
    """Price of a falling-price auction over the oracle price at its start."""
    return start_factor * cut ** math.floor(seconds / step_seconds)


def auction_time(*, factor: float, start_factor: float, cut: float, step_seconds: float) -> float:
    """Seconds until the auction's price is below a factor of the oracle price."""
    return step_seconds * math.ceil(math.log(factor / start_factor) / math.log(cut))


RULES: dict[str, Callable[..., float]] = {rule.__name__: rule for rule in (
    auction_price, auction_time, auto_deleveraging_rank, close_factor, cumulative_offset, funding, growing_bonus,
    liquidation_price, maintenance_from_leverage, mark_price, service_rate, toxic_loan_to_value)}
