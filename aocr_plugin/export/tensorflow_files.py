"""The two files that a graph is written as, and reading them back. Imports TensorFlow lazily."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aocr_plugin.errors import ConfigError
from aocr_plugin.export.tensorflow_graph import INPUT, PROBABILITY, TEXT, Graph

FORMATS = {"savedmodel": "saved_model.pb", "frozengraph": "frozen_graph.pb"}
"""Formats and the file that each is known by."""

Run = Callable[[Any], tuple[Any, Any]]


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
            "this export is written by TensorFlow, which cannot be imported: "
            f"pip install 'aocr-plugin[tensorflow]' ({error})"
        ) from error
    return tensorflow


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps TensorFlow from warning of its first release's interface, which is used on purpose."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _session(tf: Any, graph: Any = None) -> Any:
    config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})  # it would take all memory
    return tf.compat.v1.Session(graph=graph, config=config)


def write(tf: Any, graph: Graph, fmt: str, folder: Path) -> None:
    """Builds a graph and writes it to a folder that does not exist yet."""
    v1 = tf.compat.v1
    with _quiet(), tf.Graph().as_default(), _session(tf) as session:
        encoded, texts, probabilities = graph.build()
        if fmt == "frozengraph":
            folder.mkdir()
            data = session.graph.as_graph_def().SerializeToString()
            (folder / FORMATS[fmt]).write_bytes(data)
            return
        info = v1.saved_model.utils.build_tensor_info
        signature = v1.saved_model.signature_def_utils.build_signature_def(
            inputs={"input": info(encoded)},
            outputs={"output": info(texts), "probability": info(probabilities)},
            method_name=v1.saved_model.signature_constants.PREDICT_METHOD_NAME,
        )
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder))
        builder.add_meta_graph_and_variables(
            session, [tf.saved_model.SERVING], {"serving_default": signature}
        )
        builder.save()


@contextlib.contextmanager
def loaded(tf: Any, folder: Path, fmt: str) -> Iterator[Run]:
    """Loads an export from disk; yields a function from bytes to texts and probabilities."""
    v1, graph = tf.compat.v1, tf.Graph()
    with _session(tf, graph) as session:
        with _quiet(), graph.as_default():
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

        yield run
