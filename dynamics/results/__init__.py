"""Results: schema, provenance, files, and the structured records that analyses return."""

from dynamics.results.certificates import Certificate, CertifiedBox
from dynamics.results.conditions import BifurcationCondition, FeedbackLoop, StabilityCondition
from dynamics.results.conserved import ConservedQuantity
from dynamics.results.normal_forms import Coefficient, NormalForm
from dynamics.results.provenance import SCHEMA, SCHEMA_VERSION, STATUS, provenance, status_attributes
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
