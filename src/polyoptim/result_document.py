"""A result as a document for JSON, and back, with every field checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from polyoptim.arguments import LARGEST_DEGREE
from polyoptim.bases import FAMILIES
from polyoptim.errors import ResultFileError
from polyoptim.solution import Row, Status, Trace
from polyoptim.targets.samples import Samples

FORMAT = "polyoptim result"
LATER = (
    "stats",
    "terms",
    "domains",
    "sup_error_bound",
    "total_error_bound",
    "lower_bound",
    "coef_hex",
    "certificate",
    "max_ulp",
    "flips",
    "max_ulp_kind",
    "worst_inputs",
    "ulp_histogram",
    "input_count",
)  # fields that older files lack
VERSION = 1
VERBS = ("train", "fit", "approximate")

Check = Callable[[Any], Any]


def to_document(result: Any) -> dict[str, Any]:
    """Return the fields of a result as JSON knows them: coefficients as hex floats, null for what is not finite."""
    plain = {name: getattr(result, name) for name in FIELDS}
    samples = result.samples
    return {
        **plain,
        "format": FORMAT,
        "version": VERSION,
        "coef": [value.hex() for value in result.coef.tolist()],
        "optimum_coef": None
        if result.optimum_coef is None
        else [value.hex() for value in result.optimum_coef.tolist()],
        "domain": list(result.domain),
        "window": None if result.window is None else list(result.window),
        "powers": list(result.powers),
        "loss": _finite(result.loss),
        "excess": _finite(result.excess),
        "gap": _finite(result.gap),
        "sup_error": _finite(result.sup_error),
        "status": str(result.status),
        "trace": [{name: _finite(value) for name, value in row.items()} for row in result.trace],
        "samples": None
        if samples is None
        else {
            "x": samples.x.tolist(),
            "y": samples.y.tolist(),
            "weight": None if samples.weight is None else samples.weight.tolist(),
        },
        "arguments": dict(result.arguments),
        "method": dict(result.method),
        "versions": dict(result.versions),
        "target": dict(result.target),
        "notes": list(result.notes),
        "stats": None if result.stats is None else _finite_all(result.stats),
        "terms": None if result.terms is None else [list(term) for term in result.terms],
        "coef_hex": None if result.coef_hex is None else list(result.coef_hex),
        "certificate": None if result.certificate is None else dict(result.certificate),
        "max_ulp": _finite(result.max_ulp),
        "worst_inputs": None if result.worst_inputs is None else list(result.worst_inputs),
        "ulp_histogram": None if result.ulp_histogram is None else [list(one) for one in result.ulp_histogram],
        "domains": None if result.domains is None else [list(ends) for ends in result.domains],
    }


def from_document(document: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the fields of a result.

    Raises
    ------
    ResultFileError
        Names the first field that is missing, of the wrong type, or at odds with another.
    """
    if document.get("format") != FORMAT:
        raise ResultFileError(f"{where} is not a saved result: its format is {document.get('format')!r}.")
    if document.get("version") != VERSION:
        raise ResultFileError(
            f"{where} has version {document.get('version')!r}, this polyoptim reads version {VERSION}. "
            "Update polyoptim."
        )
    document = {**dict.fromkeys(LATER), **document}
    names = set(document) - {"format", "version", "sha256"}
    if names != set(FIELDS):
        wrong = sorted(names ^ set(FIELDS))
        raise ResultFileError(f"{where} is not a saved result: {', '.join(wrong)} missing or unknown.")
    found = {}
    for name, check in FIELDS.items():
        try:
            found[name] = check(document[name])
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise ResultFileError(f"{where} is not a saved result: {name}: {error}") from None
    _agree(found, where)
    return found


def _agree(found: Mapping[str, Any], where: str) -> None:
    if found["verb"] == "train":
        for name, check in (("arguments", _members(_ARGUMENTS)), ("method", _members(_METHOD)), ("seed", _whole)):
            try:
                check(found[name])
            except (ValueError, TypeError, KeyError, OverflowError) as error:
                raise ResultFileError(f"{where} is not a saved result: {name}: {error}") from None
    size = max(found["powers"]) + 1 if found["terms"] is None else len(found["terms"])
    coefs = [found["coef"], *(row["coef"] for row in found["trace"])]
    if found["optimum_coef"] is not None:
        coefs.append(found["optimum_coef"])
    if any(len(coef) != size for coef in coefs):
        raise ResultFileError(f"{where} is not a saved result: the coefficients do not fit the powers.")
    drawn = found["target"]["kind"] == "expression" or found["terms"] is not None
    if found["samples"] is None and not drawn and found["verb"] == "train":
        raise ResultFileError(f"{where} is not a saved result: the samples are missing.")


def _finite_all(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite_all(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite_all(part) for part in value]
    return _finite(value)


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"expected {what}.")


def _text(value: Any) -> str:
    _need(isinstance(value, str), "text")
    return str(value)


def _number(value: Any) -> float:
    _need(isinstance(value, (int, float)) and not isinstance(value, bool), "a number")
    return float(value)


def _size(value: Any) -> float:
    _need(_number(value) >= 0, "a number >= 0")
    return float(value)


def _integer(value: Any) -> int:
    _need(isinstance(value, int) and not isinstance(value, bool) and value >= 0, "an integer >= 0")
    return int(value)


def _whole(value: Any) -> int:
    _need(isinstance(value, int) and not isinstance(value, bool), "an integer")
    return int(value)


def _power(value: Any) -> int:
    _need(_integer(value) <= LARGEST_DEGREE, f"a power of at most {LARGEST_DEGREE}")
    return int(value)


def _hex(value: Any) -> float:
    _need(isinstance(value, str) and len(value) < 40, "a float in hex")
    number = float.fromhex(value)
    _need(math.isfinite(number) and number.hex() == value, "a finite float in hex")
    return number


def _or_none(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _or_nan(value: Any) -> float:
    return math.nan if value is None else _number(value)


def _list(check: Check) -> Check:
    def whole(value: Any) -> list[Any]:
        _need(isinstance(value, list), "a list")
        return [check(item) for item in value]

    return whole


def _array(check: Check) -> Check:
    return lambda value: np.array(_list(check)(value), dtype=np.float64)


def _mapping(check: Check) -> Check:
    def whole(value: Any) -> dict[str, Any]:
        _need(isinstance(value, dict), "a mapping")
        return {key: check(item) for key, item in value.items()}

    return whole


def _interval(value: Any) -> tuple[float, float]:
    ends = _list(_number)(value)
    _need(len(ends) == 2 and ends[0] < ends[1] and math.isfinite(ends[1] - ends[0]), "two numbers a < b")
    return ends[0], ends[1]


def _powers(value: Any) -> tuple[int, ...]:
    powers = tuple(_list(_power)(value))
    _need(bool(powers) and sorted(set(powers)) == list(powers), "ascending powers")
    return powers


def _basis(value: Any) -> str:
    _need(value in list(FAMILIES), "a basis")
    return str(value)


def _row(value: Any) -> Row:
    _need(isinstance(value, dict) and set(value) == set(_ROW), "a row of the trace")
    return {name: check(value[name]) for name, check in _ROW.items()}  # type: ignore[return-value]


def _samples(value: Any) -> Samples:
    _need(isinstance(value, dict) and set(value) == {"x", "y", "weight"}, "x, y and weight")
    samples = Samples(*(_or_none(_array(_number))(value[name]) for name in ("x", "y", "weight")))
    _need(samples.x is not None and samples.y is not None and len(samples.x) == len(samples.y) > 0, "x and y")
    _need(samples.weight is None or len(samples.weight) == len(samples.x), "a weight for each sample")
    return samples


def _target(value: Any) -> dict[str, Any]:
    target: dict[str, Any] = _mapping(_either(_text, _integer, _list(_text), _list(_list(_text)), _mapping(_text)))(
        value
    )
    _need(all(isinstance(target.get(name, ""), str) for name in ("kind", "text", "y")), "names as text")
    _need(target.get("kind") in ("expression", "callable", "arrays", "table"), "a kind of target")
    _need("text" in target, "the text of the target")
    return target


def _bin(value: list[Any]) -> tuple[float, float | None, int]:
    _need(len(value) == 3 and value[0] is not None, "a bin: from, to, inputs")
    return value[0], value[1], _integer(int(value[2]))


def _verb(value: Any) -> str:
    _need(value in VERBS, f"one of {', '.join(VERBS)}")
    return str(value)


def _anything(value: Any) -> Any:
    return value


def _either(*checks: Check) -> Check:
    def whole(value: Any) -> Any:
        for check in checks:
            try:
                return check(value)
            except (ValueError, TypeError, KeyError, OverflowError):
                continue
        raise ValueError("expected something else.")

    return whole


def _object(value: Any) -> dict[str, str]:
    """Take the name of an object that JSON does not know."""
    _need(isinstance(value, dict) and set(value) == {"object"}, "the name of an object")
    return {"object": _text(value["object"])}


def _truth(value: Any) -> bool:
    _need(isinstance(value, bool), "true or false")
    return bool(value)


def _positive(value: Any) -> int:
    _need(_integer(value) > 0, "an integer > 0")
    return int(value)


def _schedule_options(value: Any) -> dict[str, Any]:
    options: dict[str, Any] = _mapping(_anything)(value)
    for pair in options.get("schedulers") or ():
        _need(isinstance(pair, list) and len(pair) == 2, "pairs (name, options)")
        _either(_text, _object)(pair[0])
        _schedule_options(pair[1])
    return options


def _members(checks: Mapping[str, Check]) -> Check:
    """Return a check that a mapping has members that fit; those without a check are anything."""

    def whole(value: Any) -> dict[str, Any]:
        found: dict[str, Any] = _mapping(_anything)(value)
        for name, check in checks.items():
            _need(name in found, f"a member {name!r}")
            check(found[name])
        return found

    return whole


# What exporters and reports read of the provenance.
_ARGUMENTS: dict[str, Check] = {
    "domain": _either(_list(_anything), _text),
    "loss": _either(_text, _object),
    "loss_options": _mapping(_anything),
    "reduction": _text,
    "optimizer": _either(_text, _object),
    "lr": _or_none(_number),
    "optimizer_options": _mapping(_anything),
    "schedule": _or_none(_either(_text, _object)),
    "steps": _integer,
    "batch_size": _or_none(_positive),
    "every": _positive,
    "dtype": _text,
    "device": _text,
}
_METHOD: dict[str, Check] = {
    "optimizer": _either(_text, _object),
    "closure": _truth,
    "schedule": _or_none(_either(_text, _object)),
    "schedule_options": _schedule_options,
    "schedule_loss": _truth,
}

_ROW: dict[str, Check] = {
    "step": _integer,
    "loss": _or_nan,
    "excess": _or_none(_number),
    "gap": _or_none(_number),
    "lr": _or_nan,
    "gradient_norm": _or_nan,
    "coef": _list(_or_nan),
}

FIELDS: dict[str, Check] = {
    "verb": _verb,
    "coef": _array(_hex),
    "basis": _basis,
    "domain": _interval,
    "window": _or_none(_interval),
    "powers": _powers,
    "target": _target,
    "loss": _or_nan,
    "optimum": _or_none(_size),
    "optimum_kind": _or_none(_text),
    "optimum_coef": _or_none(_array(_hex)),
    "excess": _or_none(_number),
    "gap": _or_none(_number),
    "sup_error": _or_nan,
    "sup_error_kind": _text,
    "trace": lambda value: Trace(_list(_row)(value)),
    "status": Status,
    "message": _text,
    "steps": _integer,
    "seconds": _number,
    "engine": _text,
    "seed": _or_none(_whole),
    "count": _integer,
    "samples": _or_none(_samples),
    "arguments": _mapping(_anything),
    "method": _mapping(_anything),
    "versions": _members({"polyoptim": _text}),
    "notes": lambda value: tuple(_list(_text)(value)),
    "stats": _or_none(_mapping(_anything)),
    "sup_error_bound": _or_none(_number),
    "total_error_bound": _or_none(_number),
    "lower_bound": _or_none(_number),
    "coef_hex": _or_none(lambda value: tuple(_list(_text)(value))),
    "certificate": _or_none(_mapping(_anything)),
    "max_ulp": _or_none(_number),
    "flips": _or_none(_number),
    "max_ulp_kind": _or_none(_text),
    "worst_inputs": _or_none(lambda value: tuple(_list(_number)(value))),
    "ulp_histogram": _or_none(lambda value: tuple(map(_bin, _list(_list(_or_none(_number)))(value)))),
    "input_count": _or_none(_integer),
    "terms": _or_none(lambda value: tuple(tuple(term) for term in _list(_list(_integer))(value))),
    "domains": _or_none(lambda value: tuple(_list(_interval)(value))),
}
