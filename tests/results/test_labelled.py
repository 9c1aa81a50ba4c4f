"""Datasets made quickly are those made in the usual way, and load nothing that only xarray would want."""

import subprocess
import sys

import numpy as np
import xarray as xr

from dynamics.results.labelled import labelled

VARIABLES = {"price": (("time",), np.arange(3.0), {"units": "1"}), "name": (("event",), np.array(["a", "bc"]), {}),
             "regime": (("gap", "time"), np.zeros((2, 3), dtype=np.int8), {"flag_values": [0]})}
COORDINATES = {"time": (np.array([0.0, 0.5, 1.0]), {"units": "day"}), "gap": (np.array([1.0, 2.0]), {})}


def test_the_same_as_from_the_constructor():
    usual = xr.Dataset(VARIABLES, coords={n: (n, *v) for n, v in COORDINATES.items()}, attrs={"analysis": "trajectory"})
    quick = labelled(VARIABLES, COORDINATES, {"analysis": "trajectory"})
    assert quick.identical(usual)
    assert quick.sel(time=0.5, gap=2.0)["regime"].dtype == np.int8
    assert quick.to_dict() == usual.to_dict()


def test_neither_dask_nor_pint_is_loaded():
    program = ("import sys, numpy as np; from dynamics.results.labelled import labelled; "
               "d = labelled({'a': (('x', 'y'), np.zeros((2, 2)), {})}, {'x': (np.arange(2.0), {})}, {}); "
               "d = d.assign_attrs(done=1); d['a'].values; print(*{'dask', 'pint', 'scipy'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
