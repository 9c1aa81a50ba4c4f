"""The report: closed forms, critical shocks, a phase diagram, market data and two cascades on one offline page."""

from __future__ import annotations

from dynamics.report.page import Findings, compute, publish, write

__all__ = ["Findings", "compute", "publish", "write"]
