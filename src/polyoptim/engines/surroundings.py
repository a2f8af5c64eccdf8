"""What may change the last bits of a run beside its arguments."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPUS = Path("/proc/cpuinfo")


def processor() -> str:
    """Return the kind of CPU, whose instructions decide the order in which sums are taken."""
    try:
        lines = CPUS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, "") or platform.processor() or platform.machine()


def cores() -> int:
    """Return how many cores this process may use; NumPy's linear algebra divides its sums among them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
