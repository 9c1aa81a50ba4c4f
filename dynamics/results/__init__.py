"""Results: schema, provenance, files, and the structured records that analyses return."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dynamics.results.provenance import SCHEMA, SCHEMA_VERSION, STATUS, provenance, status_attributes

# Record -> module that has it. Lazy, so that an analysis loads its own records and no others.
_HOME = {
    "dynamics.results.certificates": ("Certificate", "CertifiedBox"),
    "dynamics.results.conditions": ("BifurcationCondition", "FeedbackLoop", "StabilityCondition"),
    "dynamics.results.conserved": ("ConservedQuantity",),
    "dynamics.results.normal_forms": ("Coefficient", "NormalForm"),
    "dynamics.results.records": ("BifurcationDiagram", "Branch", "FixedPoint", "FixedPoints", "Records", "SpecialPoint",
                                 "Threshold"),
    "dynamics.results.reproductions": ("EVIDENCE", "PUBLISHED", "Claim", "Finding", "Reproduction"),
    "dynamics.results.solutions": ("solution",),
    "dynamics.results.storage": ("open", "save"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

if TYPE_CHECKING:
    from dynamics.results.certificates import Certificate, CertifiedBox
    from dynamics.results.conditions import BifurcationCondition, FeedbackLoop, StabilityCondition
    from dynamics.results.conserved import ConservedQuantity
    from dynamics.results.normal_forms import Coefficient, NormalForm
    from dynamics.results.records import (
        BifurcationDiagram,
        Branch,
        FixedPoint,
        FixedPoints,
        Records,
        SpecialPoint,
        Threshold,
    )
    from dynamics.results.reproductions import EVIDENCE, PUBLISHED, Claim, Finding, Reproduction
    from dynamics.results.solutions import solution
    from dynamics.results.storage import open, save

__all__ = ["EVIDENCE", "PUBLISHED", "SCHEMA", "SCHEMA_VERSION", "STATUS", "BifurcationCondition", "BifurcationDiagram",
           "Branch", "Certificate", "CertifiedBox", "Claim", "Coefficient", "ConservedQuantity", "FeedbackLoop", "Finding",
           "FixedPoint", "FixedPoints", "NormalForm", "Records", "Reproduction", "SpecialPoint", "StabilityCondition",
           "Threshold", "open", "provenance", "save", "solution", "status_attributes"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'dynamics.results' has no attribute '{name}'")
    value = globals()[name] = getattr(importlib.import_module(_MODULE_OF[name]), name)
    return value
