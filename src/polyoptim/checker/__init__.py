"""Re-checks a certificate; shares no code with what found it."""

from polyoptim.checker.verdict import Checked, check

__all__ = ["Checked", "check"]
