"""A builder for ONNX graphs, and the trees of any library as a node."""

from __future__ import annotations  # for Python 3.8

import importlib
from typing import Any, NamedTuple, Sequence

import numpy as np

ML = "ai.onnx.ml"
OPSETS = {"": 15, ML: 3}  # every onnxruntime since 1.10 reads them; trees in float64 came with ai.onnx.ml 3
RECORDS = "records"  # the input of a model that takes records as one array
OUTPUTS = ("answer.predictions", "answer.probabilities")  # no column has such a name
FLOAT, STRING, BOOL, DOUBLE = 1, 8, 9, 11  # ONNX's codes of its types


class Graph:
    """A graph under construction. Each call adds a node and returns the name of its output."""

    def __init__(self, prefix: str = "made") -> None:
        self.prefix = prefix
        self.count = 0
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def name(self) -> str:
        """Return a new unique name."""
        self.count += 1
        return f"{self.prefix}.{self.count}"

    def constant(self, values: Any) -> str:
        """Add an array of strings or numbers."""
        values = np.asarray(values)
        values = values.astype(object) if values.dtype.kind == "U" else values
        name = self.name()
        self.constants.append(importlib.import_module("onnx.numpy_helper").from_array(values, name))
        return name

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node."""
        name = self.name()
        node = importlib.import_module("onnx.helper").make_node(op, list(inputs), [name], domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def embed(self, proto: Any, value: str) -> list[str]:
        """Add a whole model with one input. Returns the names of its outputs."""
        prefix = self.name()
        names = {proto.graph.input[0].name: value, "": ""}

        def rename(name: str) -> str:
            return names.get(name, f"{prefix}.{name}")

        for node in proto.graph.node:
            node.input[:] = map(rename, node.input)
            node.output[:] = map(rename, node.output)
            node.name = ""
        for constant in proto.graph.initializer:
            constant.name = rename(constant.name)
        self.nodes.extend(proto.graph.node)
        self.constants.extend(proto.graph.initializer)
        return [rename(output.name) for output in proto.graph.output]

    def rename(self, names: dict[str, str]) -> None:
        """Rename outputs of nodes."""
        for node in self.nodes:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]

    def wrap(self, inputs: Sequence[tuple[str, int, int]], outputs: Sequence[str]) -> Any:
        """Return the graph as a model. Inputs have a name, a type and a width; the types of outputs are inferred."""
        onnx = importlib.import_module("onnx")
        graph_inputs = [onnx.helper.make_tensor_value_info(name, kind, [None, width]) for name, kind, width in inputs]
        graph_outputs = [onnx.ValueInfoProto(name=name) for name in outputs]
        graph = onnx.helper.make_graph(self.nodes, "model", graph_inputs, graph_outputs, self.constants)
        opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
        proto = onnx.shape_inference.infer_shapes(proto)
        onnx.checker.check_model(proto)
        return proto

    def cast(self, value: str, kind: int) -> str:
        """Cast a value to another type."""
        return self.add("Cast", value, to=kind)

    def pick(self, classes: Any, scores: str) -> str:
        """Select the class with the highest score for each record; the first one on a tie."""
        return self.add("Gather", self.constant(classes), self.add("ArgMax", scores, axis=1, keepdims=0), axis=0)


def to_onnx_type(classes: Any) -> Any:
    """Return classes in a type that ONNX has."""
    classes = np.asarray(classes)
    if classes.dtype.kind in "iuf":
        return classes
    return classes.astype(np.int64 if classes.dtype.kind == "b" else str)


class Tree(NamedTuple):
    """The nodes of a tree as arrays of equal length. A record takes the branch `yes` if the comparison is true."""

    mode: Any  # BRANCH_LEQ, BRANCH_LT, BRANCH_GT, BRANCH_EQ, or LEAF
    feature: Any
    threshold: Any
    yes: Any
    no: Any
    missing: Any  # whether a missing value takes `yes`
    weights: Any  # what each leaf adds, of shape (nodes, targets of this tree)
    target: int = 0  # the first of them


class Trees:
    """The trees of a model. `single`: its library compares and adds in float32, not in float64."""

    def __init__(self, targets: int, single: bool = False) -> None:
        self.targets = targets
        self.type: Any = np.float32 if single else np.float64
        self.trees: list[Tree] = []

    def add_constant(self, values: Sequence[float]) -> None:
        """Add a constant to the sums, as a tree that is a single leaf."""
        zero = np.zeros(1, dtype=np.int64)
        weights = np.array([values], dtype=self.type)
        self.trees.append(Tree(np.array(["LEAF"]), zero, np.zeros(1), zero, zero, zero, weights))

    def to_attribute(self, values: Any) -> Any:
        """Return numbers in the precision of the library."""
        if self.type is np.float32:
            return values.tolist()
        return importlib.import_module("onnx.numpy_helper").from_array(np.asarray(values, np.float64))

    def add_to(self, graph: Graph, records: str) -> str:
        """Add the sums of the leaves, of shape (records, targets). They are float32, the only type of ONNX's node."""
        sizes = [len(tree.mode) for tree in self.trees]
        leaves = [np.flatnonzero(tree.mode == "LEAF") for tree in self.trees]
        widths = [tree.weights.shape[1] for tree in self.trees]
        weights = [tree.weights[at].ravel() for tree, at in zip(self.trees, leaves)]
        targets = [
            np.tile(np.arange(tree.target, tree.target + width), len(at))
            for tree, at, width in zip(self.trees, leaves, widths)
        ]

        def concatenate(name: str) -> Any:
            return np.concatenate([getattr(tree, name) for tree in self.trees])

        values = {"nodes_values": concatenate("threshold"), "target_weights": np.concatenate(weights)}
        integers = {
            "nodes_treeids": np.repeat(np.arange(len(sizes)), sizes),
            "nodes_nodeids": np.concatenate([np.arange(size) for size in sizes]),
            "nodes_featureids": concatenate("feature"),
            "nodes_truenodeids": concatenate("yes"),
            "nodes_falsenodeids": concatenate("no"),
            "nodes_missing_value_tracks_true": concatenate("missing"),
            "target_treeids": np.repeat(np.arange(len(sizes)), [len(at) * n for at, n in zip(leaves, widths)]),
            "target_nodeids": np.concatenate([np.repeat(at, n) for at, n in zip(leaves, widths)]),
            "target_ids": np.concatenate(targets),
        }
        double = self.type is np.float64
        return graph.add(
            "TreeEnsembleRegressor",
            graph.cast(records, DOUBLE if double else FLOAT),
            domain=ML,
            n_targets=self.targets,
            nodes_modes=concatenate("mode").tolist(),
            **{name: np.asarray(each, dtype=np.int64).tolist() for name, each in integers.items()},
            **{f"{name}_as_tensor" if double else name: self.to_attribute(each) for name, each in values.items()},
        )
