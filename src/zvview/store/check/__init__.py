"""Checking a store: everything that contradicts the specification or itself, as a list of findings."""

from zvview.store.check.checking import Progress, check
from zvview.store.check.findings import Finding, Findings, Severity

__all__ = ["Finding", "Findings", "Progress", "Severity", "check"]
