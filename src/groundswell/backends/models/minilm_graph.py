"""all-MiniLM-L6-v2 as an ONNX graph, made from its weights: six BERT layers, mean pooling, unit length."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WIDTH, HEADS, LAYERS = 384, 12, 6
EPSILON = 1e-12
MASKED = -1e4  # what is added to the attention of padding


class _Graph:
    """Nodes and constants as they are put together."""

    def __init__(self, weights: Mapping[str, Any]) -> None:
        self.numpy: Any = importlib.import_module("numpy")
        self.onnx: Any = importlib.import_module("onnx")
        self.weights, self.nodes, self.constants = weights, list[Any](), list[Any]()

    def constant(self, name: str, value: Any, kind: str = "") -> str:
        array = self.numpy.ascontiguousarray(self.numpy.array(value, kind) if kind else value)
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], **attributes))
        return output

    def linear(self, x: str, prefix: str, output: str) -> str:
        weight = self.constant(f"{prefix}.wt", self.weights[f"{prefix}.weight"].T.astype("float32"))
        bias = self.constant(f"{prefix}.b", self.weights[f"{prefix}.bias"].astype("float32"))
        return self.node("Add", [self.node("MatMul", [x, weight], f"{output}_product"), bias], output)

    def norm(self, x: str, prefix: str, output: str) -> str:
        scale = self.constant(f"{prefix}.g", self.weights[f"{prefix}.weight"])
        bias = self.constant(f"{prefix}.b", self.weights[f"{prefix}.bias"])
        return self.node("LayerNormalization", [x, scale, bias], output, axis=-1, epsilon=EPSILON)


def save(weights: Mapping[str, Any], file: Path) -> None:
    """Write the graph, in 32-bit floats: inputs `ids` and `mask`, output `vectors`."""
    graph = _Graph(weights)
    x = _embed(graph)
    graph.constant("heads", [0, 0, HEADS, WIDTH // HEADS], "int64")
    graph.constant("whole", [0, 0, WIDTH], "int64")
    graph.constant("scale", (WIDTH // HEADS) ** -0.5, "float32")
    for number in range(LAYERS):
        x = _layer(graph, x, number)
    _pool(graph, x)
    helper, kinds = graph.onnx.helper, graph.onnx.TensorProto
    inputs = [helper.make_tensor_value_info(name, kinds.INT64, ["texts", "tokens"]) for name in ("ids", "mask")]
    outputs = [helper.make_tensor_value_info("vectors", kinds.FLOAT, ["texts", WIDTH])]
    made = helper.make_graph(graph.nodes, "minilm", inputs, outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    graph.onnx.checker.check_model(model)
    graph.onnx.save(model, str(file))


def _embed(graph: _Graph) -> str:
    """Words, places and the one token type; also the mask as what is added to attention."""
    graph.constant("words", graph.weights["embeddings.word_embeddings.weight"])
    graph.constant("places", graph.weights["embeddings.position_embeddings.weight"])
    graph.constant("type", graph.weights["embeddings.token_type_embeddings.weight"][0])
    graph.constant("zero", [0], "int64")
    graph.constant("axes_heads", [1, 2], "int64")
    graph.constant("one", 1, "float32")
    graph.constant("masked", MASKED, "float32")
    word = graph.node("Gather", ["words", "ids"], "word")
    length = graph.node("Shape", ["ids"], "length", start=1, end=2)
    place = graph.node("Slice", ["places", "zero", length, "zero"], "place")
    placed = graph.node("Add", [word, place], "placed")
    present = graph.node("Cast", ["mask"], "present", to=graph.onnx.TensorProto.FLOAT)
    broad = graph.node("Unsqueeze", [present, "axes_heads"], "broad")
    graph.node("Mul", [graph.node("Sub", ["one", broad], "absent"), "masked"], "bias")
    return graph.norm(graph.node("Add", [placed, "type"], "typed"), "embeddings.LayerNorm", "x0")


def _layer(graph: _Graph, x: str, number: int) -> str:
    prefix = f"encoder.layer.{number}."
    turned: dict[str, str] = {}
    for part in ("query", "key", "value"):
        flat = graph.linear(x, f"{prefix}attention.self.{part}", f"{part}{number}")
        split = graph.node("Reshape", [flat, "heads"], f"{part}_heads{number}")
        order = [0, 2, 3, 1] if part == "key" else [0, 2, 1, 3]
        turned[part] = graph.node("Transpose", [split], f"{part}_turned{number}", perm=order)
    scores = graph.node("MatMul", [turned["query"], turned["key"]], f"scores{number}")
    scaled = graph.node("Mul", [scores, "scale"], f"scaled{number}")
    biased = graph.node("Add", [scaled, "bias"], f"biased{number}")
    shares = graph.node("Softmax", [biased], f"shares{number}", axis=-1)
    mixed = graph.node("MatMul", [shares, turned["value"]], f"mixed{number}")
    back = graph.node("Transpose", [mixed], f"back{number}", perm=[0, 2, 1, 3])
    joined = graph.node("Reshape", [back, "whole"], f"joined{number}")
    out = graph.linear(joined, f"{prefix}attention.output.dense", f"out{number}")
    attended = graph.norm(
        graph.node("Add", [out, x], f"residual{number}"), f"{prefix}attention.output.LayerNorm", f"attended{number}"
    )
    wide = graph.node("Gelu", [graph.linear(attended, f"{prefix}intermediate.dense", f"wide{number}")], f"gelu{number}")
    narrow = graph.linear(wide, f"{prefix}output.dense", f"narrow{number}")
    return graph.norm(
        graph.node("Add", [narrow, attended], f"sum{number}"), f"{prefix}output.LayerNorm", f"x{number + 1}"
    )


def _pool(graph: _Graph, x: str) -> None:
    """The mean over real tokens, at length one."""
    graph.constant("axis_width", [2], "int64")
    graph.constant("axis_tokens", [1], "int64")
    weights = graph.node("Unsqueeze", ["present", "axis_width"], "weights")
    total = graph.node("ReduceSum", [graph.node("Mul", [x, weights], "kept"), "axis_tokens"], "total", keepdims=0)
    count = graph.node("ReduceSum", [weights, "axis_tokens"], "count", keepdims=0)
    mean = graph.node("Div", [total, count], "mean")
    graph.node("Div", [mean, graph.node("ReduceL2", [mean, "axis_tokens"], "norm", keepdims=1)], "vectors")
