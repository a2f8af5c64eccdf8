"""An ONNX model: the polynomial as a graph of elementary operations in float64."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from polyoptim import __version__
from polyoptim.domain import Domain
from polyoptim.result import Result

# Old enough for every runtime of the last years; none of the operations has changed since.
OPSET, IR_VERSION = 17, 8


def model(result: Result) -> bytes:
    """Return the bytes of a model with input "x", shape (N,) or (N, p) for p columns, and output "y", shape (N,).

    With one column the operations are those of the result in their order, Clenshaw's recurrence, so that the values are
    its floats. With several the products are, and their sum is a product of matrices, whose order is the runtime's.
    The same result gives the same bytes.
    """
    graph = _Graph()
    if result.terms is not None:
        _products(graph, result)
    else:
        _clenshaw(graph, result)
    shape: list[str | int | None] = ["N"] if result.domains is None else ["N", len(result.domains)]
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "polynomial",
            [helper.make_tensor_value_info("x", TensorProto.DOUBLE, shape)],
            [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["N"])],
            graph.constants,
        ),
        producer_name="polyoptim",
        producer_version=__version__,
        doc_string=result.formula,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(made, _about(result))
    checker.check_model(made, full_check=True)
    return _bytes(made)


def _bytes(made: ModelProto) -> bytes:
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def _about(result: Result) -> dict[str, str]:
    """Return what the model says of itself: texts, those of lists as JSON."""
    ends = [result.domain] if result.domains is None else result.domains
    return {
        "formula": result.formula,
        "formula_note": result.formula_note,
        "verb": result.verb,
        "basis": result.basis,
        "domain": json.dumps([list(pair) for pair in ends]),
        "window": json.dumps(None if result.window is None else list(result.window)),
        "version": result.versions["polyoptim"],
    }


class _Graph:
    """Nodes and constants as they are made; each number is one constant, whoever uses it."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._known: dict[str, str] = {}

    def number(self, value: float) -> str:
        """Return the name of a float64, shape ()."""
        return self._constant(float(value).hex(), np.array(float(value)))

    def numbers(self, values: Any) -> str:
        """Return the name of an array of float64 or of whole numbers."""
        array = np.asarray(values)
        return self._constant(f"{array.dtype}{array.tolist()!r}", array)

    def apply(self, operation: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = output or f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], **attributes))
        return name

    def _constant(self, key: str, array: Any) -> str:
        if key not in self._known:
            self._known[key] = f"constant_{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]


def _mapped(graph: _Graph, x: str, domain: Domain) -> str:
    """Return u of x, in the order of ``Domain.map``."""
    if domain.window is None:
        return x
    u = graph.apply("Mul", graph.apply("Sub", x, graph.number(domain.center)), graph.number(domain.scale))
    return graph.apply("Add", u, graph.number(domain.offset))


def _factor(graph: _Graph, u: str, a: float, b: float) -> str:
    """Return a u + b; where a is 1 or b is 0 nothing is rounded, and there is no node."""
    found = u if a == 1 else graph.apply("Mul", graph.number(a), u)
    return found if b == 0 else graph.apply("Add", found, graph.number(b))


def _clenshaw(graph: _Graph, result: Result) -> None:
    """Add the nodes of ``Family.evaluate``."""
    u = _mapped(graph, "x", result.map)
    last = before = graph.apply("Sub", u, u)  # zeros of its shape
    coef: Sequence[float] = result.coef.tolist()
    for k in reversed(range(len(coef))):
        a, b, _ = result.family.recurrence(k)
        c = result.family.recurrence(k + 1)[2]
        term = graph.apply("Mul", _factor(graph, u, a, b), last)
        end = "y" if k == 0 else ""
        if c:
            found = graph.apply("Add", graph.number(coef[k]), term)
            found = graph.apply("Sub", found, graph.apply("Mul", graph.number(c), before), output=end)
        else:
            found = graph.apply("Add", graph.number(coef[k]), term, output=end)
        last, before = found, last


def _products(graph: _Graph, result: Result) -> None:
    """Add the nodes of ``products.columns`` and the sum: one matrix of factors for each column of x."""
    terms = np.array(result.terms, dtype=np.int64)
    found = ""
    for place, ends in enumerate(result.domains or ()):
        x = graph.apply("Gather", "x", graph.numbers(np.array([place])), axis=1)
        u = _mapped(graph, x, Domain(*ends, result.window))
        polynomials = _recurrence(graph, result, u, int(terms[:, place].max()))
        table = graph.apply("Concat", *polynomials, axis=1)
        factors = graph.apply("Gather", table, graph.numbers(terms[:, place]), axis=1)
        found = factors if place == 0 else graph.apply("Mul", found, factors)
    graph.apply("MatMul", found, graph.numbers(result.coef), output="y")


def _recurrence(graph: _Graph, result: Result, u: str, degree: int) -> list[str]:
    """Return P_0(u), …, P_degree(u), in the order of ``Family.columns``."""
    before = graph.apply("Sub", u, u)
    last = graph.apply("Add", before, graph.number(1.0))
    found = [last]
    for k in range(degree):
        a, b, c = result.family.recurrence(k)
        following = graph.apply("Mul", _factor(graph, u, a, b), last)
        if c:
            following = graph.apply("Sub", following, graph.apply("Mul", graph.number(c), before))
        before, last = last, following
        found.append(last)
    return found
