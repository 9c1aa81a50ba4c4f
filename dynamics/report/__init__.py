"""The report: closed forms, critical shocks, a phase diagram, market data and two cascades on one offline page."""

from __future__ import annotations

from dynamics.report.page import write

__all__ = ["write"]
