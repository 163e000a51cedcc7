"""A predictor as one ONNX file: the graph, and in its metadata fields and target."""

import os
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np

from helpers import models
from helpers.serve import INPUT, METADATA, sealed


def write(predictor, path: Path) -> None:
    """Write the ONNX file of a Predictor, whole or not at all.

    Inputs are named INPUT and a number, in the order of the fields, so that a column
    can have any name. The output is the raw one of each model: (n, models)

    Raises ValueError for a path that does not end in .onnx, ImportError where tf2onnx
    or onnx are not installed, and RuntimeError on another backend than TensorFlow, the
    only one that they read.
    """
    if path.suffix != ".onnx":
        raise ValueError(f"{path}: the name of an ONNX file ends in .onnx.")
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "ONNX is written on TensorFlow. Save the predictor, and export it in a "
            "process of its own with KERAS_BACKEND=tensorflow: "
            "Predictor.load(folder).export(path)."
        )
    try:
        import onnx
        import tf2onnx  # noqa: F401  (what Keras' export calls)
    except ImportError as error:
        raise ImportError(
            f"Writing ONNX needs {error.name}: pip install tf2onnx onnx onnxruntime."
        ) from error

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{path.name}-", dir=path.parent
    ) as folder:
        draft = Path(folder) / "model.onnx"
        model = together(predictor)
        specs = predictor.encoder.specs
        model([np.zeros((1, s.length or 1), s.dtype) for s in specs])  # export wants it
        with warnings.catch_warnings():
            # of NumPy, about a name that Keras looks up for tf2onnx
            warnings.filterwarnings("ignore", "In the future `np.object`")
            model.export(draft, format="onnx", verbose=False)
        graph = onnx.load(draft)
        sums_as_products(graph)
        entry = graph.metadata_props.add()
        entry.key, entry.value = METADATA, sealed(predictor.content())
        onnx.checker.check_model(graph)
        onnx.save(graph, draft)
        os.replace(draft, path)


def sums_as_products(model) -> None:
    """Sums over fields and over factors as matrix products, in place.

    model: onnx.ModelProto. The sum over the p rows of (batch, p, k) is the product of
    (batch, p k) with p identities of size k, one upon the other; that over (batch, k)
    the product with k ones. onnxruntime takes twice as long for a sum of few numbers.
    Sums over a length that differs from batch to batch stay. Constants that nothing
    reads any more are left out: onnxruntime warns of them whenever it opens the file.
    """
    from onnx import helper, numpy_helper, shape_inference

    def add(name: str, array: np.ndarray) -> str:
        model.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    known = shape_inference.infer_shapes(model).graph.value_info
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in known
    }
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    nodes, unread = [], set()
    for i, node in enumerate(model.graph.node):
        _, *size = shapes.get(node.input[0] if node.input else "", [0])
        keeps = {a.name: a.i for a in node.attribute}.get("keepdims", 1)
        is_sum = (
            node.op_type == "ReduceSum"
            and all(size)
            and (len(size), keeps)
            in (
                (1, 1),  # (batch, k) to (batch, 1)
                (2, 0),  # (batch, p, k) to (batch, k)
            )
        )
        if not is_sum or [*constants.get(node.input[1], [])] != [1]:
            nodes.append(node)
            continue
        unread.add(node.input[1])
        flat, k = node.input[0], size[1] if len(size) == 2 else 1
        if len(size) == 2:
            shape = add(f"flat_shape_{i}", np.array([-1, size[0] * k]))
            nodes.append(helper.make_node("Reshape", [flat, shape], [f"flat_{i}"]))
            flat = f"flat_{i}"
        ones = add(f"ones_{i}", np.tile(np.eye(k, dtype="float32"), (size[0], 1)))
        nodes.append(helper.make_node("MatMul", [flat, ones], [*node.output]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    unread -= {name for node in nodes for name in node.input}
    kept = [c for c in model.graph.initializer if c.name not in unread]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def together(predictor) -> keras.Model:
    """All models of a predictor as one: numbered inputs to (batch, models)."""
    inputs = [
        keras.Input((s.length,), dtype=s.dtype, name=INPUT.format(i))
        for i, s in enumerate(predictor.encoder.specs)
    ]
    names = [models.input_name(s.name) for s in predictor.encoder.specs]
    x = dict(zip(names, inputs, strict=True))
    outputs = []
    for i, model in enumerate(predictor.models):  # they may have one name
        member = keras.Model(model.input, model.output, name=f"member_{i}")
        outputs.append(member(x))
    if len(outputs) > 1:
        output = keras.layers.Concatenate(name="raw")(outputs)
    else:
        output = outputs[0]
    return keras.Model(inputs, output)
