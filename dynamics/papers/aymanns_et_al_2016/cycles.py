"""Cycles and noise: orbits of a large bank, their exponents, and where the basin of the fixed point ends."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics import models
from dynamics.analysis.lyapunov import lyapunov_exponents
from dynamics.analysis.orbit_ensembles import orbit_ensemble
from dynamics.papers import Computed, Context
from dynamics.papers.aymanns_et_al_2016.linear import cycle_map
from dynamics.systems import Parameter, State, System

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BASIN", "CYCLES", "CYCLING", "POLICIES", "SCATTER", "SPACINGS", "basin", "cycle_name", "exponents", "key",
           "large", "noisy_large_bank", "range_name", "scenarios",
           "shortfall"]

# risk factor: lowest and highest price, median leverage, smallest equity, Lyapunov exponent of our earlier run
CYCLES = {"0.01": (20.6, 28.5, 1.99, 1.61, 0.106), "0.02": (19.4, 30.3, 2.67, 1.16, 0.112),
          "0.05": (17.3, 34.2, 4.19, 0.010, 0.120), "0.075": (14.5, 36.8, 4.66, -1.31, 0.121)}
# how far such numbers of one chaotic orbit of 4500 steps lie from those of another
SCATTER = {"0.01": (0.15, 0.05, 0.05, 0.08), "0.02": (0.15, 0.1, 0.05, 0.1), "0.05": (0.2, 0.3, 0.1, 0.4),
           "0.075": (2.0, 0.8, 0.3, 0.8)}
# leverage at rest and perturbation of the price: range of the price in our earlier run, 0 at the fixed point
BASIN = {(1.5, 0.01): 0.0, (1.5, 1.0): 0.0, (2, 0.01): 2.34, (3, 0.001): 0.0, (3, 0.01): 3.62, (7, 0.001): 0.0,
         (7, 0.01): 8.05, (8, 0.001): 8.68}
# the same, where only a cycle was noted
CYCLING = ((2, 1.0), (3, 1.0), (7, 1.0), (8, 0.01), (8, 1.0))
# risk factor: shortest and longest mean distance of peaks, printed to a tenth: 15.5 to 17.5, 15.6 to 16.3 for the last
SPACINGS = {"0.01": (15.45, 17.55), "0.02": (15.45, 17.55), "0.05": (15.45, 17.55), "0.075": (15.55, 16.35)}
POLICIES = {"b_025_cycle": (-0.25, 6, 0.1), "b_01_rests": (-0.1, 6, 1.0), "b_01_cycle": (-0.1, 8, 1.0),
            "b_0_rests": (0.0, 8.5, 1.0), "b_plus_025_diverges": (0.25, 6, 0.1)}


def key(number: str) -> str:
    return number.removeprefix("0.").replace(".", "_") if number.startswith("0.") else number.replace(".", "_")


def range_name(leverage: float, off: float) -> str:
    """Name of the claim for the orbit that starts ``off`` the fixed point."""
    return f"price_range_leverage_{key(f'{leverage:g}')}_off_{key(f'{off:g}')}"


def cycle_name(leverage: float, off: float) -> str:
    """Name of the claim that the orbit from ``off`` the fixed point is a cycle."""
    return f"cycles_leverage_{leverage:g}_off_{key(f'{off:g}')}"


def large(risk_factor: float, noise: bool = False, equity: float = 2.26689, scale: str = "1"
          ) -> tuple[System, dict[str, float]]:
    """A large bank and its start: variance 0.01, and what leverage, share and debt are consistent with it."""
    system = models.load("basel_leverage_cycle").with_parameters(risk_factor=risk_factor, adjustment=9.5,
                                                                 target_equity=equity)
    if noise:
        weight = ("min(max(fund_weight + step*reversion*fund_weight*(fundamental - price)/price"
                  f" + fund_weight/price*sqrt({scale}*noise_variance)*innovation, 0.1), 0.9)")
        system = replace(
            system, name="basel_leverage_cycle with noise", parameters={
                **system.parameters, "innovation": Parameter(0), "noise_floor": Parameter("0.001", "USD**2"),
                "noise_response": Parameter("0.0158902"), "noise_memory": Parameter("0.874195")},
            states={**system.states, "noise_variance": State("noise_floor/(1 - noise_response - noise_memory)", "USD**2")},
            definitions={**system.definitions, "next_fund_weight": weight},
            equations={**system.equations,
                       "noise_variance": "noise_floor + (noise_response*innovation**2 + noise_memory)*noise_variance"})
    leverage = risk_factor/math.sqrt(0.01 + 1e-6)
    return system, {"variance": 0.01, "bank_share": 0.3*leverage*equity/25, "liabilities": (leverage - 1)*equity}


def _cash(orbits: xr.Dataset) -> Any:
    p, n, w, debt = (orbits[name].values for name in ("price", "bank_share", "fund_weight", "liabilities"))
    return 0.7/0.3*n*p + (1 - w)/w*(1 - n)*p - debt


def _spacing(price: Any) -> float:
    """Years between rises of the price from its lower to its upper three tenths."""
    values = np.log(price)
    low, high = np.quantile(values, (0.3, 0.7))
    outside = np.flatnonzero((values < low) | (values > high))
    rises = outside[1:][np.diff((values[outside] > high).astype(int)) == 1]
    return 0.1*float(np.diff(rises).mean())


def _peaks(price: Any) -> Any:
    """Years between peaks that stand out by a quarter of the range of the log price."""
    from scipy.signal import find_peaks

    values = np.log(price)
    return 0.1*np.diff(find_peaks(values, prominence=0.25*np.ptp(values))[0])


def _recurrence(price: Any) -> float:
    """Years to the largest autocorrelation beyond five years."""
    values = np.log(price) - np.log(price).mean()
    products = [float(values[lag:] @ values[:len(values) - lag])/(len(values) - lag) for lag in range(300)]
    return 0.1*(50 + int(np.argmax(products[50:])))


def scenarios(context: Context) -> dict[str, Any]:
    """Large banks without noise, several starts side by side; extremes of a chaotic orbit scatter."""
    found: dict[str, Any] = {}
    for name in CYCLES:
        system, start = large(float(name))
        orbits = orbit_ensemble(system, 4500, discard=500, trajectories=16, spread=1e-3, initial_state=start,
                                seed=context.seeds(name, 1)[0])
        p = orbits["price"].values
        equity = orbits["bank_share"].values*p/0.3 - orbits["liabilities"].values
        for quantity, values in (("lowest_price", p.min(axis=1)), ("highest_price", p.max(axis=1)),
                                 ("median_leverage", np.median(orbits["leverage"].values, axis=1)),
                                 ("smallest_equity", equity.min(axis=1))):
            found[f"{quantity}_{key(name)}"] = float(values.mean())
        found[f"peak_spacing_{key(name)}"] = float(np.mean([_peaks(one).mean() for one in p]))
        bounded = name == "0.02" and bool((orbits["status"] == 0).all() and (np.ptp(p, axis=1) > 5).all())
        found["three_regions"] = found.get("three_regions", False) or bounded
    found["equity_goes_negative"] = bool((equity.min(axis=1) < 0).all())
    found["cycle_length"] = Computed(float(np.mean([_spacing(one) for one in p])),
                                     second=float(np.mean([_recurrence(one) for one in p])), second_method="autocorrelation")
    ends = [orbit_ensemble(system, 1, discard=5000, initial_state=start) for system, start in (large(0.12), large(0.15))]
    noisy, start = large(0.075, noise=True)
    quiet, other = large(0.02)
    cash = [_cash(orbit_ensemble(noisy, 5000, innovations=["innovation"], initial_state=start)),
            _cash(orbit_ensemble(quiet, 5000, initial_state=other))]
    rest = orbit_ensemble(cycle_map(1.5, target_equity=2.26689), 1, discard=5000, initial_state={"price": 25.01})
    found["three_regions"] &= abs(float(rest["price"].isel(time=-1)[0]) - 25) < 1e-9 and int(ends[1]["status"][0]) == 4
    small = orbit_ensemble(cycle_map(75, target_equity=1e-5), 5000).isel(time=-1, trajectory=0)
    return {**found, "bounded_at_012": [int(one["status"][0]) for one in ends] == [0, 4],
            "cash_is_conserved": all(np.abs(one/one[..., :1] - 1).max() < 1e-10 for one in cash),
            "small_bank_rests": abs(float(small["price"]) - 25) < 1e-9 and abs(float(small["leverage"]) - 75) < 1e-6}


def exponents(context: Context) -> dict[str, Any]:
    """Largest exponent with exact derivatives; second, two copies in 50 digits."""
    found: dict[str, Any] = {}
    for name in CYCLES:
        system, start = large(float(name))
        run = lyapunov_exponents(system, 20_000, count=1, initial_state=start, trajectories=32, transient=2000)
        value, error = float(run["exponent"][0]), 2*float(run["standard_error"][0])
        # one orbit of some forty cycles, in each of which the logarithm swings by 46: good to 0.01
        found[f"exponent_{key(name)}"] = Computed(value, error, _two_copies(float(name)),
                                                  "two copies in 50 digits, one orbit of 6000 steps, good to 0.01")
        found["chaotic"] = found.get("chaotic", True) and value - error > 0
    return found


def _step(x: list[Any], alpha: Any, theta: Any, equity: Any, log: Any, root: Any) -> list[Any]:
    """The restated equations once more, in any arithmetic; without noise, b = -1/2."""
    variance, w, p, before, n, debt = x
    tenth, three = theta/theta/10, 3*theta/theta/10
    assets = n*p/three
    flow = tenth*theta*(alpha/root(variance + tenth**6)*(assets - debt) - assets)
    injected = equity - assets + debt
    fund = (1 - w)*(1 - n)*p/w - injected
    moved = w + w/p*tenth*tenth*(25 - p)
    price = (three*((1 - three)*assets + injected + flow) + moved*fund)/(1 - three*n - (1 - n)*moved)
    share = three*(n*price + (1 - three)*assets + injected + flow)/price
    return [(1 - tenth/2)*variance + tenth/2*log(p/before)**2, moved, price, p, share, debt + flow]


def _two_copies(risk_factor: float, steps: int = 6000, digits: int = 50) -> float:
    """Exponent by two copies whose separation of 1e-30 is restored at every step."""
    from mpmath import mp, mpf

    with mp.workdps(digits):
        alpha, theta, equity, apart = mpf(str(risk_factor)), mpf("9.5"), mpf("2.26689"), mpf(10)**-30
        leverage, total = alpha*10, mpf(0)
        x = [mpf("0.01"), mpf("0.5"), mpf(25), mpf(25), mpf("0.3")*leverage*equity/25, (leverage - 1)*equity]
        y = [value + apart for value in x]
        for step in range(2000 + steps):
            x, y = (_step(one, alpha, theta, equity, mp.log, mp.sqrt) for one in (x, y))
            distance = mp.sqrt(sum((a - b)**2 for a, b in zip(x, y, strict=True)))
            total += mp.log(distance/apart) if step >= 2000 else 0
            y = [a + (b - a)*apart/distance for a, b in zip(x, y, strict=True)]
        return float(total/steps)


def noisy_large_bank(context: Context) -> dict[str, Any]:
    """The large bank under weak GARCH noise, in the authors' convention: variance of the noise per step."""
    system, start = large(0.075, noise=True, equity=2.27)
    orbits = orbit_ensemble(system, context.size(6000, 3000), discard=500, trajectories=context.size(24, 6),
                            innovations=["innovation"], initial_state=start, seed=context.seeds("noise", 1)[0])
    p, n, debt = (orbits[name].values for name in ("price", "bank_share", "liabilities"))
    equity = n*p/0.3 - debt
    falls = [shortfall(one[100:], price[100:]) for one, price in zip(equity, p, strict=True)]
    means = {"mean_leverage": orbits["leverage"].values.mean(axis=1), "equity_shortfall": np.array(falls),
             "relative_size": orbits["relative_size"].values.mean(axis=1),
             "return_deviation": np.diff(np.log(p)).std(axis=1)}
    found: dict[str, Any] = {name: Computed(float(values.mean()), 2*float(values.std(ddof=1))/len(values)**0.5)
                             for name, values in means.items()}
    # a plain loop over the same restated definition, for the value that differs
    worst = []
    for one, price in zip(equity, p, strict=True):
        sizes = sorted(math.log(b/a) for a, b, c, d in zip(one[100:-1], one[101:], price[100:-1], price[101:], strict=True)
                       if d < c and min(a, b) > 0)
        worst.append(sum(sizes[:int(0.05*len(sizes))])/int(0.05*len(sizes)))
    found["equity_shortfall"] = replace(found["equity_shortfall"], second=float(np.mean(worst)),
                                        second_method="a plain loop")
    lengths = np.concatenate([_peaks(one) for one in p])
    # the range of the price was taken after 100 steps, of which the first cycles are still large
    early = orbit_ensemble(system, context.size(6000, 3000), discard=100, trajectories=context.size(24, 6),
                           innovations=["innovation"], initial_state=start,
                           seed=context.seeds("range", 1)[0])["price"].values
    other, start = large(0.075, noise=True, equity=2.27, scale="0.1")
    scaled = orbit_ensemble(other, context.size(6000, 3000), discard=500, trajectories=context.size(24, 6),
                            innovations=["innovation"], initial_state=start, seed=context.seeds("other noise", 1)[0])
    return {**found, "target_leverage_of_policies": found["mean_leverage"],
            "relative_size_of_policies": found["relative_size"],
            "irregular_cycle": bool(lengths.std() > 0.25*lengths.mean()),
            "noisy_lowest_price": _of_six(early.min(axis=1), min), "noisy_highest_price": _of_six(early.max(axis=1), max),
            "mean_leverage_other_noise": float(scaled["leverage"].mean()),
            "relative_size_other_noise": float(scaled["relative_size"].mean())}


def _of_six(values: Any, extreme: Any) -> Computed:
    """Mean extreme of six runs; of one set of six alone it is good to a unit."""
    sets = [float(extreme(six)) for six in values.reshape(-1, 6)]
    return Computed(float(np.mean(sets)), 2*float(np.std(sets, ddof=1))/len(sets)**0.5 if len(sets) > 1 else 1.0)


def shortfall(equity: Any, price: Any) -> float:
    """Mean of the worst five percent of log equity returns among steps with a falling price."""
    kept = (np.diff(price) < 0) & (equity[1:] > 0) & (equity[:-1] > 0)
    falls = np.sort(np.diff(np.log(np.where(equity > 0, equity, 1)))[kept])
    worst = falls[:int(0.05*len(falls))]
    return float(worst.mean()) if len(worst) else math.nan


def basin(context: Context) -> dict[str, Any]:
    """Where orbits end that start beside a stable fixed point."""
    found: dict[str, Any] = {}
    for leverage in dict.fromkeys(leverage for leverage, _ in BASIN):
        offs = [off for other, off in BASIN if other == leverage]
        ranges = _ranges(cycle_map(leverage, target_equity=2.26689), offs, context.size(40_000, 5000))
        found |= {range_name(leverage, off): value for off, value in zip(offs, ranges, strict=True)}
    for leverage in dict.fromkeys(leverage for leverage, _ in CYCLING):
        offs = [off for other, off in CYCLING if other == leverage]
        ranges = _ranges(cycle_map(leverage, target_equity=2.26689), offs, 2000)
        found |= {cycle_name(leverage, off): 1 < value < 30 for off, value in zip(offs, ranges, strict=True)}
    edge = range_name(7, 0.001)
    found[edge] = Computed(found[edge], second=_plain_range(0.007, 25.001), second_method="a plain loop over the equations")
    for name, (b, leverage, off) in POLICIES.items():
        (size,) = _ranges(cycle_map(leverage, cyclicality=b, target_equity=2.26689), [off], 1000)
        found[name] = {"rests": size < 1e-6, "cycle": 1 < size < 30, "diverges": math.isnan(size)}[name.rsplit("_", 1)[1]]
    return {**found, "fixed_point_always_reached": Computed(
        all(found[range_name(leverage, 0.01)] < 1e-6 for leverage in (2, 3, 7)),
        second=float(_plain_range(0.003, 25.01) < 1e-6), second_method="a plain loop over the equations")}


def _ranges(system: System, offs: list[float], steps: int) -> list[float]:
    """Mean range of the price over 1000 steps after a long time; nan where it diverges."""
    orbits = orbit_ensemble(system, steps, discard=5000, over={"price": [25 + off for off in offs]})["price"]
    parts = orbits.isel(trajectory=0).values.reshape(len(offs), -1, 1000)
    return [float(value) for value in np.ptp(parts, axis=2).mean(axis=1)]


def _plain_range(risk_factor: float, price: float) -> float:
    leverage = 1000*risk_factor
    x, seen = [0.0, 0.5, price, 25.0, 0.3*leverage*2.26689/25, (leverage - 1)*2.26689], []
    for step in range(8000):
        x = _step(x, risk_factor, 10.0, 2.26689, math.log, math.sqrt)
        seen += [x[2]] if step >= 7000 else []
    return max(seen) - min(seen)
