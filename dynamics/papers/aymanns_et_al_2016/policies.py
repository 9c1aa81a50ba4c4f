"""Policies: the cyclicality b of least shortfall, at one mean leverage and one relative size of the bank.

For each b the risk factor and the target equity are calibrated until mean leverage and mean relative size are those wanted.
All policies see the same noise, so that differences of a hundredth of a percent mean something.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamics.analysis.orbit_ensembles import orbit_ensemble
from dynamics.papers import Computed, Context
from dynamics.papers.aymanns_et_al_2016.cycles import large, shortfall

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["FRONTIERS", "LEVERAGE", "SCENARIOS", "best_policies", "calibrated", "frontier", "lowest", "policies",
           "policies_elsewhere"]

LEVERAGE = 5.8
# relative size of the bank, noise, best b as reported
SCENARIOS = {"small": (1e-5, "strong", -0.5), "middling": (0.1, "weak", -0.2), "large": (0.27, "weak", 0.0)}
NOISE = {"weak": (0.0158902, 0.874195), "strong": (0.04, 0.95)}  # response and memory of the variance
FRONTIERS = (-0.5, -0.25, 0.0)


def _orbits(b: NDArray[np.float64], factor: NDArray[np.float64], equity: NDArray[np.float64], noise: str, steps: int,
            trajectories: int, seed: int) -> xr.Dataset:
    system, _ = large(0.075, noise=True)
    response, memory = NOISE[noise]
    leverage = factor*(0.01 + 1e-6)**b  # the start of the authors: variance 0.01, and what is consistent with it
    return orbit_ensemble(
        system.with_parameters(noise_response=response, noise_memory=memory), steps, discard=500, trajectories=trajectories,
        innovations=["innovation"], seed=seed, initial_state={"variance": 0.01},
        cases={name: values.tolist() for name, values in (
            ("cyclicality", b), ("risk_factor", factor), ("target_equity", equity),
            ("bank_share", 0.3*leverage*equity/25), ("liabilities", (leverage - 1)*equity))})


def calibrated(b: Any, leverage: Any, size: float, noise: str, *, steps: int, trajectories: int, seed: int
               ) -> tuple[NDArray[np.float64], NDArray[np.float64], xr.Dataset]:
    """Risk factors and target equities that give mean leverages and a mean relative size, and the orbits."""
    b, leverage = np.broadcast_arrays(np.asarray(b, dtype=float), np.asarray(leverage, dtype=float))
    share = 0.6*size/(1 + 0.6*size)  # of the asset, for a fund that holds half of its wealth in it
    factor, equity = leverage*1e-3**-b, share*25/(0.3*leverage)
    for turn in range(12):
        length = steps if turn > 8 else min(steps, 2000)
        orbits = _orbits(b, factor, equity, noise, length, trajectories, seed)
        if turn < 11:
            factor, equity = (
                old*np.where(np.isfinite(mean), np.clip(wanted/np.nan_to_num(mean, nan=1.0), 0.25, 4), 0.7)**0.75
                for old, wanted, mean in ((factor, leverage, orbits["leverage"].mean(("trajectory", "time"), skipna=False)),
                                          (equity, size, orbits["relative_size"].mean(("trajectory", "time"),
                                                                                      skipna=False))))
    return factor, equity, orbits


def _shortfalls(orbits: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Realised shortfall of equity of each case and trajectory, by two measures.

    The authors' program: log returns at steps with a falling price. Notes on the paper: all steps, gains and losses of the
    price on what the bank holds, before equity is redistributed.
    """
    p, n, debt = (orbits[name].values for name in ("price", "bank_share", "liabilities"))
    equity = n*p/0.3 - debt
    falling = np.array([[-shortfall(*pair) for pair in zip(*rows, strict=True)] for rows in zip(equity, p, strict=True)])
    with np.errstate(divide="ignore"):  # a loss of all equity is infinite
        gains = np.log(np.maximum(1 + n[..., 1:]*np.diff(p)/equity[..., :-1], 0))
    return falling, -np.sort(gains)[..., :int(0.05*(p.shape[-1] - 1))].mean(axis=-1)


@functools.cache
def policies(size: float, noise: str, leverage: float, steps: int, trajectories: int, seed: int) -> xr.Dataset:
    """Shortfalls over b; a policy under which orbits leave the finite numbers has none."""
    import xarray as xr

    b = np.linspace(-0.7, 0.1, 17)
    factor, equity, orbits = calibrated(b, leverage, size, noise, steps=steps, trajectories=trajectories, seed=seed)
    falling, gains = _shortfalls(orbits)
    dims = ("cyclicality", "trajectory")
    return xr.Dataset(
        {"shortfall": (dims, falling), "shortfall_before_redistribution": (dims, gains),
         "risk_factor": ("cyclicality", factor), "target_equity": ("cyclicality", equity),
         "leverage": ("cyclicality", orbits["leverage"].mean(("trajectory", "time"), skipna=False).values),
         "relative_size": ("cyclicality", orbits["relative_size"].mean(("trajectory", "time"), skipna=False).values)},
        coords={"cyclicality": b}, attrs=orbits.attrs)


def lowest(b: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Where a parabola through the five points around the least value is lowest."""
    b, values = b[np.isfinite(values)], values[np.isfinite(values)]
    middle = min(max(int(np.argmin(values)), 2), len(b) - 3)
    around = slice(middle - 2, middle + 3)
    bend, slope, _ = np.polyfit(b[around], values[around], 2)
    return float(-slope/(2*bend))


def _best(found: xr.Dataset, name: str = "shortfall") -> float:
    """The b of least mean shortfall."""
    return lowest(found["cyclicality"].values, found[name].values.mean(axis=1))


def _uncertainty(found: xr.Dataset) -> float:
    """Twice the jackknife's error of the best b, over trajectories."""
    b, values = found["cyclicality"].values, found["shortfall"].values
    left_out = [lowest(b, np.delete(values, k, axis=1).mean(axis=1)) for k in range(values.shape[1])]
    return 2*float(np.std(left_out))*(len(left_out) - 1)**0.5


def _sizes(context: Context) -> tuple[int, int, int]:
    return context.size(10_000, 3000), context.size(24, 8), context.seeds("policies", 1)[0]


def best_policies(context: Context) -> dict[str, Any]:
    """The reported experiment: mean leverage 5.8, three sizes of the bank with the noise that goes with each."""
    found: dict[str, Any] = {}
    best = []
    for name, (size, noise, _) in SCENARIOS.items():
        result = policies(size, noise, LEVERAGE, *_sizes(context))
        best.append(_best(result))
        found[f"best_policy_{name}"] = Computed(best[-1], _uncertainty(result),
                                                _best(result, "shortfall_before_redistribution"),
                                                "all steps, gains on holdings before equity is redistributed")
    return {**found, "nearer_to_constant_for_larger_banks": abs(best[0] + 0.5) < 0.05 and best[0] < best[1] < best[2]}


def policies_elsewhere(context: Context) -> dict[str, Any]:
    """The same at other noise and leverage, for what the abstract says of them."""
    steps, trajectories, seed = _sizes(context)

    def best(size: float, noise: str, leverage: float = LEVERAGE) -> float:
        return _best(policies(size, noise, leverage, steps//2, trajectories, seed))

    strong, weak = ([best(size, noise) for size in (1e-5, 0.1, 0.27)] for noise in ("strong", "weak"))
    low, middle, high = (best(0.1, "strong", leverage) for leverage in (3.0, LEVERAGE, 9.0))
    return {"nearer_to_constant_for_weaker_noise": all(a < b for a, b in zip(strong, weak, strict=True)),
            "nearer_to_constant_for_more_leverage": low < middle < high}


def frontier(context: Context) -> xr.Dataset:
    """Shortfall over b at one leverage, and over leverage for three policies."""
    import xarray as xr

    steps, trajectories, seed = _sizes(context)
    over_b = xr.concat([policies(size, noise, LEVERAGE, steps, trajectories, seed)["shortfall"].mean("trajectory")
                        for size, noise, _ in SCENARIOS.values()], xr.Variable("scenario", list(SCENARIOS)))
    levels = np.linspace(2, 8, context.size(9, 3))
    over_leverage = []
    for size, noise, _ in SCENARIOS.values():
        b, leverage = (grid.ravel() for grid in np.meshgrid(FRONTIERS, levels, indexing="ij"))
        _, _, orbits = calibrated(b, leverage, size, noise, steps=steps//2, trajectories=trajectories, seed=seed)
        over_leverage.append(_shortfalls(orbits)[0].mean(axis=1).reshape(len(FRONTIERS), -1))
    return xr.Dataset({"shortfall": over_b, "frontier": (("scenario", "policy", "mean_leverage"), np.array(over_leverage))},
                      coords={"policy": list(FRONTIERS), "mean_leverage": levels}, attrs=orbits.attrs)
