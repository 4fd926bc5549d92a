"""Writes a checkpoint as the original's SavedModel or frozen graph, after comparing it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aocr_plugin.atomic import PARTIAL
from aocr_plugin.engine import checkpoint_file
from aocr_plugin.errors import ConfigError, ExportError
from aocr_plugin.export.tensorflow_graph import INPUT, PROBABILITY, TEXT, Graph
from aocr_plugin.inference.recognizer import Recognizer

FORMATS = {"savedmodel": "saved_model.pb", "frozengraph": "frozen_graph.pb"}
"""Formats and the file that each is known by."""

TOLERANCE = 1e-3
"""Largest difference of a probability from PyTorch's."""

_BATCHES = (1, 2, 7)  # sizes that are compared


def import_tensorflow() -> Any:
    """Returns the module tensorflow.

    Raises:
        ConfigError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow
    except ImportError as error:
        raise ConfigError(
            "this export is written by TensorFlow, which is not installed: "
            "pip install 'aocr-plugin[tensorflow]'"
        ) from error
    return tensorflow


def _write(tf: Any, graph: Graph, fmt: str, folder: Path) -> None:
    """Builds the graph and writes it to a folder."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        encoded, texts, probabilities = graph.build()
        if fmt == "frozengraph":
            data = session.graph.as_graph_def().SerializeToString()
            (folder / FORMATS[fmt]).write_bytes(data)
            return
        info = v1.saved_model.utils.build_tensor_info
        signature = v1.saved_model.signature_def_utils.build_signature_def(
            inputs={"input": info(encoded)},
            outputs={"output": info(texts), "probability": info(probabilities)},
            method_name=v1.saved_model.signature_constants.PREDICT_METHOD_NAME,
        )
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder / "model"))
        builder.add_meta_graph_and_variables(
            session, [tf.saved_model.SERVING], {"serving_default": signature}
        )
        builder.save()
    for path in (folder / "model").iterdir():
        path.rename(folder / path.name)
    (folder / "model").rmdir()


def load(tf: Any, folder: Path, fmt: str) -> Callable[[Any], tuple[Any, Any]]:
    """Loads an export from disk; returns a function from bytes to texts and probabilities."""
    v1 = tf.compat.v1
    graph = tf.Graph()
    session = v1.Session(graph=graph)
    with graph.as_default():
        if fmt == "savedmodel":
            meta = v1.saved_model.loader.load(session, [tf.saved_model.SERVING], str(folder))
            signature = meta.signature_def["serving_default"]
            names = [signature.inputs["input"].name]
            names += [signature.outputs[key].name for key in ("output", "probability")]
        else:
            definition = v1.GraphDef()
            definition.ParseFromString((folder / FORMATS[fmt]).read_bytes())
            tf.import_graph_def(definition, name="")
            names = [f"{name}:0" for name in (INPUT, TEXT, PROBABILITY)]

    def run(encoded: Any) -> tuple[Any, Any]:
        texts, probabilities = session.run(names[1:], {names[0]: encoded})
        return texts, probabilities

    return run


def compare(
    run: Callable[[Any], tuple[Any, Any]],
    recognizer: Recognizer,
    images: Sequence[tuple[str, bytes]],
    strict: bool,
) -> float:
    """Compares an export with PyTorch, one by one and in batches.

    Args:
        run: of :func:`load`.
        recognizer: with the same checkpoint.
        images: names and encoded files.
        strict: compare the product over all steps instead of the score.

    Returns:
        The largest difference of a probability.

    Raises:
        ExportError: a text or probability differs; the first such image is named.
    """
    wanted = recognizer([data for _, data in images])
    worst = 0.0

    def check(index: int, text: bytes, probability: float, how: str) -> None:
        nonlocal worst
        right = wanted[index]
        score = right.aocr_probability if strict else right.score
        gap = abs(float(probability) - float(score or 0.0))
        worst = max(worst, gap)
        if text.decode() != right.text or gap > TOLERANCE:
            raise ExportError(
                f"{images[index][0]} ({how}): the export reads '{text.decode()}' with probability "
                f"{probability:.6f}, PyTorch '{right.text}' with {score:.6f}; nothing is written"
            )

    for size in _BATCHES:
        for start in range(0, len(images), size):
            batch = [data for _, data in images[start : start + size]]
            texts, probabilities = run(np.array(batch, dtype=object))
            for place, (text, value) in enumerate(zip(texts, probabilities, strict=True)):
                check(start + place, text, value, f"in a batch of {len(batch)}")
    for index, (_, data) in enumerate(images):
        text, value = run(data)
        check(index, text, value, "alone")
    return worst


def export(
    checkpoint: str | Path,
    out_dir: str | Path,
    *,
    fmt: str = "savedmodel",
    strict: bool = False,
    images: Sequence[tuple[str, bytes]] = (),
    force: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Writes a checkpoint as a SavedModel or frozen graph.

    The graph takes image files' bytes, as the original's did: a scalar string or a vector of
    them, and gives texts and probabilities of the same shape. It is loaded from disk again and
    compared with PyTorch before it gets its place.

    Args:
        checkpoint: of a model of ``configs/aocr_original.py``'s kind.
        out_dir: folder to write to; made where it does not exist.
        fmt: "savedmodel" or "frozengraph".
        strict: probability is the original's, the product over all steps.
        images: names and encoded files to compare on.
        force: overwrite an export of the same format.
        report: told how it goes.

    Raises:
        ConfigError: TensorFlow is missing, the model cannot be exported, or ``out_dir`` has such
            an export already.
        CheckpointError: the checkpoint cannot be used.
        ExportError: the export does not read as PyTorch does.
    """
    out = Path(out_dir)
    known = out / FORMATS[fmt]
    if known.exists() and not force:
        raise ConfigError(f"{known} exists; give another folder, or --force to overwrite it")
    recognizer = Recognizer(checkpoint, device="cpu", beam=0)
    described = checkpoint_file.description(checkpoint_file.load(checkpoint), checkpoint)
    tf = import_tensorflow()
    graph = Graph(tf, recognizer.model, described["test_pipeline"], strict)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=out.parent) as partial:
        report("building the graph")
        _write(tf, graph, fmt, Path(partial))
        report(f"comparing with PyTorch on {len(images)} images")
        worst = compare(load(tf, Path(partial), fmt), recognizer, images, strict)
        report(f"all texts are equal, probabilities differ by at most {worst:.1e}")
        for path in Path(partial).iterdir():
            target = out / path.name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(path, target)
