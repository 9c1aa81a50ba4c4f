r"""A macroeconomy with a financial sector, of Brunnermeier and Sannikov: prices, leverage and risk against experts' wealth.

Experts make more of capital than households, hold it on credit, and bear its risk. A loss cuts their share :math:`\eta` of
wealth; they sell capital to those who make less of it, the price :math:`q` falls, and the fall is another loss. With
:math:`\psi` the share of capital that experts hold, leverage is :math:`\psi/\eta`, and

.. math::

    \sigma^\eta \eta = \frac{(\psi - \eta)\sigma}{1 - (\psi - \eta) q'/q}, \qquad
    \sigma^q = \sigma^\eta \eta \frac{q'}{q}, \qquad
    \Phi(\iota) = \frac{q - 1}{\kappa}, \quad \iota = \Phi + \tfrac{\kappa}{2} \Phi^2 .

``preferences="risk_neutral"``: experts' wealth has the marginal value :math:`\theta(\eta)`, and
:math:`(a - \underline a)/q + \underline\delta - \delta = -\sigma^\theta(\sigma + \sigma^q)` unless :math:`\psi = 1`, with

.. math::

    \mu^q = r - \frac{a - \iota}{q} - \Phi + \delta - \sigma\sigma^q - \sigma^\theta(\sigma + \sigma^q), \qquad
    q'' = 2\frac{\mu^q q - q' \mu^\eta\eta}{(\sigma^\eta\eta)^2}, \qquad
    \theta'' = 2\frac{(\rho - r)\theta - \theta' \mu^\eta\eta}{(\sigma^\eta\eta)^2},

.. math::

    \mu^\eta\eta = -(\psi - \eta)(\sigma + \sigma^q)(\sigma + \sigma^q + \sigma^\theta) + \eta\frac{a - \iota}{q}
    + \eta(1 - \psi)(\underline\delta - \delta) .

Experts consume only at :math:`\eta^*`, where :math:`q' = \theta' = 0`; households alone value capital at :math:`q(0)`, and
:math:`\theta(0) = \infty`. The point 0 is singular; there :math:`q - q(0) \sim C \eta^\beta` and
:math:`\theta \sim \eta^{-\gamma}`, with :math:`\beta, \gamma > 0` the roots of two quadratics. In :math:`\log \eta` the
unknowns :math:`q`, :math:`\eta q'` and :math:`-\eta\theta'/\theta` are regular, every deviation from these powers dies out,
and :math:`C` alone is shot for.

``preferences="log"``: :math:`(r(1 - \eta) + \rho\eta) q = \psi a + (1 - \psi)\underline a - \iota` and
:math:`(\sigma + \sigma^q)^2 (\psi/\eta - (1 - \psi)/(1 - \eta)) = (a - \underline a)/q` unless :math:`\psi = 1`.

Known results: risk is endogenous, :math:`\sigma^q` is largest where experts begin to sell (:math:`\psi` just below 1), and
leverage rises as their wealth falls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.errors import ConvergenceError, SpecificationError, did_you_mean
from dynamics.results import solution
from dynamics.systems import DeclaredProcess, Parameter, Reference, State

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["system"]

PREFERENCES = ("risk_neutral", "log")
START, TOLERANCE = 1e-6, 1e-11
PROFILES = {"price": ("1", "price of capital"), "expert_share": ("1", "capital held by experts / all capital"),
            "leverage": ("1", "experts' assets / wealth"),
            "wealth_volatility": ("1/year**0.5", "volatility of eta (eta sigma^eta)"),
            "wealth_drift": ("1/year", "drift of eta (eta mu^eta)"),
            "price_volatility": ("1/year**0.5", "volatility of the price (sigma^q)")}
_SOURCE = "the program of the second author"


def _profiles(process: DeclaredProcess, eta: Any, rows: Any, numbers: Mapping[str, float], method: str,
              evaluations: int, more: Mapping[str, Any] | None = None) -> xr.Dataset:
    profiles = {name: ("eta", column, {"units": unit, "long_name": meaning})
                for (name, (unit, meaning)), column in zip(PROFILES.items(), np.array(rows).T, strict=True)}
    coordinate = {"eta": ("eta", eta, {"units": "1", "long_name": "experts' share of wealth"})}
    return solution(process, numbers, {**profiles, **(more or {})}, coordinate, method=method, evaluations=evaluations,
                    relative_tolerance=TOLERANCE)


@dataclass(frozen=True)
class _Economy:
    """The risk-neutral economy in x = log eta, with the unknowns q, eta q' and -eta theta'/theta."""

    productivity: float
    household_productivity: float
    expert_discount: float
    household_discount: float
    volatility: float
    depreciation: float
    household_depreciation: float
    adjustment_cost: float

    def at_zero(self) -> tuple[float, float, float]:
        """Price without experts, and the powers beta and gamma."""
        r, sigma, kappa = self.household_discount, self.volatility, self.adjustment_cost
        half = kappa*(r + self.household_depreciation) + 1
        inside = half**2 - 2*kappa*self.household_productivity - 1
        advantage = self._advantage
        if advantage(1.0) <= 0:
            raise ConvergenceError("experts make no more of capital than households; raise productivity")
        if min(inside, (kappa*(r + self.depreciation) + 1)**2 - 2*kappa*self.productivity - 1) <= 0:
            raise ConvergenceError("capital grows faster than it is discounted, so that it has no finite price; raise "
                                   "household_discount or lower productivity")
        price = half - math.sqrt(inside)
        gain, kept = advantage(price), (self.productivity - _investment(price, kappa))/price
        kept += self.household_depreciation - self.depreciation
        risk = gain/sigma
        b = self.expert_discount - r - gain + risk**2/2
        gamma = (-b + math.sqrt(b*b + 2*kept*risk**2))/(2*kept)
        v = risk/gamma
        drift = -v*(sigma - risk) + kept
        b, c = drift - v*v/2 + sigma*v, -(self.household_productivity - _investment(price, kappa))/price
        return price, (-b + math.sqrt(b*b - 2*v*v*c))/(v*v), gamma

    def _advantage(self, price: float) -> float:
        return ((self.productivity - self.household_productivity)/price + self.household_depreciation
                - self.depreciation)

    def wish(self, x: float, y: Any) -> float:
        """The share psi of capital at which experts are indifferent: the smaller root of a quadratic; may exceed 1."""
        elasticity, gain = y[1]/y[0], self._advantage(y[0])
        b = 2*gain*elasticity + y[2]*self.volatility**2
        return math.exp(x)*(1 + 2*gain/(b + math.sqrt(max(b*b - 4*(gain*elasticity)**2, 0.0))))

    def terms(self, x: float, y: Any) -> tuple[float, ...]:
        """psi, sigma^eta, sigma^q, mu^q and mu^eta."""
        eta, price, sigma = math.exp(x), float(y[0]), self.volatility
        share = min(self.wish(x, y), 1.0)
        lent, elasticity = share/eta - 1, float(y[1])/price
        eta_risk = lent*sigma/(1 - lent*elasticity)
        price_risk = eta_risk*elasticity
        total, premium = sigma + price_risk, float(y[2])*eta_risk*(sigma + price_risk)
        kept = (self.productivity - _investment(price, self.adjustment_cost))/price
        price_drift = (self.household_discount - kept - (price - 1)/self.adjustment_cost + self.depreciation
                       - sigma*price_risk + premium)
        eta_drift = (-lent*total*(total - y[2]*eta_risk) + kept
                     + (1 - share)*(self.household_depreciation - self.depreciation))
        return share, eta_risk, price_risk, price_drift, eta_drift

    def slopes(self, x: float, y: Any) -> list[float]:
        """Derivatives of the unknowns."""
        _, risk, _, price_drift, drift = self.terms(x, y)
        variance = risk*risk
        impatience = self.expert_discount - self.household_discount
        return [y[1], y[1] + 2*(price_drift*y[0] - y[1]*drift)/variance,
                y[2]*y[2] + y[2] - 2*(impatience + y[2]*drift)/variance]

    def profile(self, x: float, y: Any) -> tuple[float, ...]:
        """The columns of ``PROFILES``."""
        eta = math.exp(x)
        share, risk, price_risk, _, drift = self.terms(x, y)
        return float(y[0]), share, share/eta, risk*eta, drift*eta, price_risk

    def shot(self, size: float, zero: tuple[float, float, float]) -> Any:
        """The solution that leaves 0 as price + size eta**beta, until price or marginal value are flat, or it explodes."""
        from scipy.integrate import solve_ivp

        price, beta, gamma = zero
        power = size*START**beta

        def flat(x: float, y: Any) -> float:
            return float(y[1])

        def worthless(x: float, y: Any) -> float:
            return float(y[2])

        def explodes(x: float, y: Any) -> float:
            return float((min(self.wish(x, y), 1.0)/math.exp(x) - 1)*y[1]/y[0] - 0.999)

        for event in (flat, worthless, explodes):
            event.terminal, event.direction = True, 1.0 if event is explodes else -1.0     # type: ignore[attr-defined]
        return solve_ivp(self.slopes, (math.log(START), math.log(0.9999)), [price + power, beta*power, gamma],
                         method="DOP853", rtol=TOLERANCE, atol=1e-14, events=[flat, worthless, explodes],
                         dense_output=True)


def _investment(price: float, cost: float) -> float:
    return (price*price - 1)/(2*cost)


class _RiskNeutral(DeclaredProcess):
    def solve(self, parameters: Mapping[str, Any] | None = None) -> xr.Dataset:
        """Return profiles over eta up to the payout point, by shooting from the power laws at 0."""
        from scipy.optimize import brentq

        here = self.with_parameters(parameters) if parameters else self
        economy = _Economy(**here.parameter_values)
        zero, evaluations = economy.at_zero(), 0

        def mismatch(size: float) -> float:
            """Negative where the price is flat first, positive where wealth stops being worth more, or prices explode."""
            nonlocal evaluations
            found = economy.shot(size, zero)
            evaluations += found.nfev
            ended = found.status == 1 and not len(found.t_events[2])
            return float(found.y[1, -1] - found.y[2, -1]) if ended else 1.0

        low = high = zero[0]/8
        for _ in range(60):
            if mismatch(low) < 0:
                break
            low, high = low/1.5, low
        else:
            raise ConvergenceError(f"'{here.name}': no solution with a payout point was found")
        for _ in range(60):
            if mismatch(high) >= 0:
                break
            low, high = high, high*1.5
        else:
            raise ConvergenceError(f"'{here.name}': experts never pay out at these parameters")
        end = economy.shot(brentq(mismatch, low, high, xtol=1e-15, rtol=1e-14), zero)
        last = float(end.t[-1])
        payout = math.exp(last)
        eta = np.append(np.arange(1, int(payout*1000) + 1)/1000, payout)
        rows = [economy.profile(x, end.sol(x)) for x in np.log(eta)]
        # theta from the elasticity that was integrated, 1 at the payout point
        knots, weights = np.polynomial.legendre.leggauss(16)
        widths = np.diff(np.log(eta))
        nodes = np.log(eta[:-1, None]) + widths[:, None]*(knots + 1)/2
        pieces = (end.sol(nodes.reshape(-1))[2].reshape(nodes.shape)*weights).sum(axis=1)*widths/2
        theta = np.exp(np.append(np.cumsum(pieces[::-1])[::-1], 0.0))
        more = {"marginal_value": ("eta", theta, {"units": "1", "long_name": "marginal value of experts' wealth (theta)"})}
        if economy.wish(last, end.y[:, -1]) < 1:
            raise ConvergenceError(f"'{here.name}': experts pay out before they hold all capital at these parameters")
        full = brentq(lambda x: economy.wish(x, end.sol(x)) - 1, math.log(START), last, xtol=1e-14)
        kink = economy.profile(full, end.sol(full))
        most = max([(kink[5], math.exp(full)), *((row[5], float(e)) for row, e in zip(rows, eta, strict=True))])
        numbers = {"price_without_experts": zero[0], "full_share_point": math.exp(full), "full_share_price": kink[0],
                   "largest_price_volatility": most[0], "most_volatile_point": most[1], "steady_state": payout,
                   "steady_state_price": float(end.y[0, -1]),
                   "largest_wealth_volatility": max(kink[3], *(row[3] for row in rows))}
        return _profiles(here, eta, rows, numbers, "shooting in log eta (DOP853)", evaluations, more)


class _Log(DeclaredProcess):
    def solve(self, parameters: Mapping[str, Any] | None = None) -> xr.Dataset:
        """Return profiles over eta: psi/eta is integrated up to psi = 1, the rest is in closed form."""
        from scipy.integrate import solve_ivp
        from scipy.optimize import brentq

        here = self.with_parameters(parameters) if parameters else self
        p = here.parameter_values
        sigma, kappa, gain = p["volatility"], p["adjustment_cost"], p["productivity"] - p["household_productivity"]
        rho, r = p["expert_discount"], p["household_discount"]
        if gain <= 0:
            raise ConvergenceError(f"'{here.name}': experts make no more of capital than households; raise productivity")

        def price(eta: float, share: float) -> float:
            saved = kappa*((1 - eta)*r + eta*rho)
            return -saved + math.sqrt(saved**2 + 2*kappa*(p["household_productivity"] + share*gain) + 1)

        def slope(x: float, y: Any) -> list[float]:
            eta, leverage = math.exp(x), float(y[0])
            q = price(eta, eta*leverage)
            total = math.sqrt(gain/q*(1 - eta)/(leverage - 1))
            spent = (1 - eta)*r + eta*rho + q/kappa       # derivative of the goods demanded by q
            rise = (1 - sigma/total)*q/(leverage - 1)
            return [(rise*spent + eta*(rho - r)*q)/(gain*eta) - leverage]

        def whole(x: float, y: Any) -> float:
            return float(y[0]*math.exp(x) - 1)

        whole.terminal = True   # type: ignore[attr-defined]
        first = 1 + gain/(price(0.0, 0.0)*sigma**2)
        found = solve_ivp(slope, (math.log(START), math.log(0.9999)), [first], method="Radau", rtol=TOLERANCE, atol=1e-12,
                          events=[whole], dense_output=True)
        if found.status != 1:
            raise ConvergenceError(f"'{here.name}': experts never hold all capital at these parameters")
        full = math.exp(found.t[-1])

        def profile(eta: float) -> tuple[float, ...]:
            share = eta*float(found.sol(math.log(eta))[0]) if eta < full else 1.0
            q = price(eta, share)
            if share < 1:
                total = math.sqrt(gain/q*eta*(1 - eta)/(share - eta))
            else:
                elasticity = -q*(rho - r)/(((1 - eta)*r + eta*rho + q/kappa)*q)
                total = sigma/(1 - (1 - eta)*elasticity)
            risk = (share/eta - 1)*total
            drift = risk**2 + (p["productivity"] - _investment(q, kappa))/q - rho
            return q, share, share/eta, risk*eta, drift*eta, total - sigma

        eta = np.append(np.arange(1, 1000)/1000, full)
        eta.sort()
        rows = [profile(float(e)) for e in eta]
        best = max(range(len(eta)), key=lambda k: rows[k][5])
        # drift is positive near 0 and negative near 1; where it jumps over zero at the kink, the kink is the place
        cross = max((k for k in range(len(eta) - 1) if rows[k][4] > 0 >= rows[k + 1][4]), default=-1)
        if cross < 0:
            raise ConvergenceError(f"'{here.name}': experts' share of wealth drifts to 1; expert_discount must exceed "
                                   "household_discount")
        steady = brentq(lambda e: profile(e)[4], float(eta[cross]), float(eta[cross + 1]))
        numbers = {"price_without_experts": price(0.0, 0.0), "full_share_point": full, "full_share_price": price(full, 1.0),
                   "largest_price_volatility": rows[best][5], "most_volatile_point": float(eta[best]),
                   "steady_state": steady, "steady_state_price": profile(steady)[0],
                   "largest_wealth_volatility": max(row[3] for row in rows)}
        return _profiles(here, eta, rows, numbers, "Radau in log eta", int(found.nfev))


def system(*, preferences: str = "risk_neutral") -> DeclaredProcess:
    """Make the model.

    Parameters
    ----------
    preferences : {"risk_neutral", "log"}
        Of experts and households; ``"log"`` is for equal depreciation, which then has no effect.

    Returns
    -------
    DeclaredProcess
        ``solve()`` returns profiles over ``eta`` and the numbers of the solution.

    Raises
    ------
    SpecificationError
        For other preferences.

    Examples
    --------
    >>> import dynamics as dy
    >>> solved = dy.models.load("financial_sector", preferences="log").solve()
    >>> round(float(solved["full_share_point"]), 4)
    0.4217
    """
    if preferences not in PREFERENCES:
        raise SpecificationError(f"preferences must be one of {', '.join(PREFERENCES)}, not {preferences!r}."
                                 + did_you_mean(str(preferences), PREFERENCES))
    rest = "pay out" if preferences == "risk_neutral" else "have the share that stays in expectation"
    positive = (0, None)
    parameters = {
        "productivity": Parameter("0.11", "1/year", positive, "a", "output of capital in experts' hands", _SOURCE),
        "household_productivity": Parameter("0.07", "1/year", positive, "a_l", "output in households' hands", _SOURCE),
        "expert_discount": Parameter("0.06", "1/year", positive, "rho", "discount rate of experts", _SOURCE),
        "household_discount": Parameter("0.05", "1/year", positive, "r", "discount rate of households", _SOURCE),
        "volatility": Parameter("0.1", "1/year**0.5", ("0.001", None), "sigma", "exogenous volatility of capital", _SOURCE),
        "adjustment_cost": Parameter(10, "year", ("0.01", None), "kappa", "curvature of investment costs", _SOURCE),
    }
    if preferences == "risk_neutral":
        depreciation = {"depreciation": ("delta", "experts'"), "household_depreciation": ("delta_l", "households'")}
        parameters |= {name: Parameter("0.05", "1/year", positive, symbol, f"depreciation in {whose} hands", _SOURCE)
                       for name, (symbol, whose) in depreciation.items()}
    return (_RiskNeutral if preferences == "risk_neutral" else _Log)(
        name="financial_sector",
        states={
            "price_without_experts": State(1, "1", positive, "q_0", "price of capital where experts have no wealth"),
            "full_share_point": State(0, "1", (0, 1), "eta_psi", "share of wealth above which experts hold all capital"),
            "full_share_price": State(1, "1", positive, None, "price of capital there"),
            "largest_price_volatility": State(0, "1/year**0.5", (None, None), None, "largest sigma^q"),
            "most_volatile_point": State(0, "1", (0, 1), None, "experts' share of wealth at the largest sigma^q"),
            "largest_wealth_volatility": State(0, "1/year**0.5", positive, None, "largest eta sigma^eta"),
            "steady_state": State(0, "1", (0, 1), "eta_star", f"experts' share of wealth at which they {rest}"),
            "steady_state_price": State(1, "1", positive, None, "price of capital there"),
        },
        parameters=parameters, options={"preferences": preferences}, time_unit="year",
        references=(Reference("M. K. Brunnermeier, Y. Sannikov", 2014, "A macroeconomic model with a financial sector",
                              "American Economic Review 104, 379-421", "10.1257/aer.104.2.379"),),
    )
