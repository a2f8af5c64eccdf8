"""What is raised on purpose.

PolyoptimError
├── ArgumentError (ValueError)      a wrong argument; each sentence names the value and the way out
│   ├── UnknownNameError            a name nobody registered; suggests the nearest
│   └── ExpressionError             a target text; points at the place with a caret
├── DataError (ValueError)          the samples: a bad cell, a missing column, a value that is not finite
│   ├── CellTypeError (TypeError)   a cell that is an object of another kind than a number
│   └── RankError                   samples that do not determine the coefficients
├── ResultFileError (ValueError)    a saved result that is damaged, changed or not ours
├── CheckpointError (RuntimeError)  a checkpoint that cannot be written or read, or is that of another run
├── ExportError (ValueError)        what a file of this kind cannot hold
├── ClusterError (RuntimeError)     a cluster that cannot be reached, or cannot do what it is asked
├── MissingDependencyError (ImportError)
└── StatusError (RuntimeError)      under strict=True: a run that did not converge; holds the result

RankWarning (UserWarning)           the same as RankError, where the polynomial with the least coefficients was taken
"""

from __future__ import annotations

from typing import Any


class PolyoptimError(Exception):
    """Base of all errors this package raises on purpose."""


class ArgumentError(PolyoptimError, ValueError):
    """One or more arguments are wrong; the message has one sentence for each."""


class UnknownNameError(ArgumentError):
    """A name that is not in a registry."""


class ExpressionError(ArgumentError):
    """The text of an expression is wrong.

    Parameters
    ----------
    reason : what is wrong and what to do, one sentence.
    text : the whole expression.
    position : index into `text` of the place, or None where there is none.
    """

    def __init__(self, reason: str, text: str = "", position: int | None = None) -> None:
        self.reason = reason
        self.text = text
        self.position = position
        super().__init__(self._message())

    def _message(self) -> str:
        if self.position is None:
            return self.reason
        # A long text is cut to a window, so that text and caret stay on one line of a terminal.
        start = max(0, self.position - 40)
        shown = "".join(letter if letter.isprintable() else " " for letter in self.text[start : self.position + 40])
        lead = "…" if start else ""
        tail = "…" if self.position + 40 < len(self.text) else ""
        caret = " " * (len(lead) + self.position - start) + "^"
        return f"{self.reason}\n  {lead}{shown}{tail}\n  {caret}"


class DataError(PolyoptimError, ValueError):
    """The samples cannot be used as they are."""


class CellTypeError(DataError, TypeError):
    """A cell is an object that cannot be a number."""


class RankError(DataError):
    """The samples do not determine the coefficients."""


class RankWarning(UserWarning):
    """The samples do not determine the coefficients, and the least ones that fit them best were taken."""


class ResultFileError(PolyoptimError, ValueError):
    """A saved result is damaged, was changed, or is not one of ours."""


class CheckpointError(PolyoptimError, RuntimeError):
    """A checkpoint cannot be written or read, or it is that of another run."""


class ExportError(PolyoptimError, ValueError):
    """A result that the asked-for file cannot hold."""


class ClusterError(PolyoptimError, RuntimeError):
    """A scheduler that cannot be reached, or workers that cannot do what they are asked."""


class MissingDependencyError(PolyoptimError, ImportError):
    """A package of an optional extra is not installed."""


class StatusError(PolyoptimError, RuntimeError):
    """Raised under ``strict=True`` where a run ended other than converged; `result` holds what there is."""

    def __init__(self, message: str, result: Any) -> None:
        self.result = result
        super().__init__(message)
