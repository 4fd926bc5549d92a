"""Writes a checkpoint as one ONNX file, image files' bytes in and text out, after comparing it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from aocr_plugin.errors import ConfigError
from aocr_plugin.export import destination, network, onnx_file, onnx_graph, sample_images
from aocr_plugin.export.parity import Agreement
from aocr_plugin.runtime.bytes_model import BYTES, FORM

_HOW = (
    "import onnxruntime, onnxruntime_extensions; options = onnxruntime.SessionOptions(); "
    "options.register_custom_ops_library(onnxruntime_extensions.get_library_path()); "
    "session = onnxruntime.InferenceSession(FILE, options); texts, probabilities = "
    'session.run(["output", "probability"], {"input": [data.decode("latin-1")]})'
)
"""What the file says under ``aocr_how_to_open``; base64 is taken too."""


def export(
    checkpoint: str | Path,
    out: str | Path,
    *,
    max_length: int | None = None,
    images: Sequence[str] | None = None,
    force: bool = False,
    strict: bool = False,
    report: Callable[[str], None] = print,
) -> Agreement:
    """Writes a checkpoint as an ONNX file that takes PNG and JPEG files.

    Its input ``input`` is a vector of N strings: the files' bytes as Latin-1 text or in base64.
    Its outputs ``output`` and ``probability``, [N] each, are the texts, decoded greedily, and
    their scores. A file that cannot be decoded fails its whole call, as in TensorFlow Serving;
    which are turned down, ``jpeg_check.py`` says. EXIF orientation is not heeded. It is opened
    again and compared with PyTorch before it gets its name.

    Args:
        checkpoint: of a model with ``AttentionDecoder``.
        out: a ``.onnx`` file.
        max_length: characters of the longest text; see ``onnx_file.export``.
        images: files, folders, patterns or data sets to compare on beside images made on the
            spot.
        force: overwrite ``out``.
        strict: probability is the original's, the product over all steps; else the model's own
            score, up to the end symbol.
        report: told how it goes.

    Returns:
        How well it agrees.

    Raises:
        ConfigError: the model or its pipeline cannot be exported so, a package is missing, or
            ``out`` is there or cannot be written.
        CheckpointError: the checkpoint cannot be used.
        ImageError: one of ``images`` cannot be read.
        AnnotationError: a data set of ``images`` cannot be read.
        ExportError: the export does not read as PyTorch does.
    """
    if Path(out).suffix != ".onnx":
        raise ConfigError(f"{out}: the name of a file that takes bytes ends in .onnx")
    onnx = onnx_graph.import_onnx("bytes")
    from aocr_plugin.export import bytes_graph
    from aocr_plugin.export.bytes_parity import BytesComparison, gray_jpegs

    with destination.staged_file(Path(out), force) as file:
        engine = onnx_file.greedy_engine(checkpoint, report, max_length)
        compared, given = sample_images.compared_images(images)
        compared += gray_jpegs([image for image in compared if image[0] not in given])
        network.check(engine.model)
        if strict:
            engine.model.decoder.search.temperature = 1.0  # the original has none
        info = onnx_graph.model_info(engine, None, None)
        report("writing the graph")
        graph = onnx_graph.graph(engine, None, None, bytes_graph.OPSET)
        made, steps = bytes_graph.build(graph, info, strict)
        onnx_graph.describe(made, info)
        for key, value in ((FORM, BYTES), ("aocr_how_to_open", _HOW)):
            entry = made.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.save(made, file)
        report(f"comparing with PyTorch on {len(compared)} images")
        agreement, others = BytesComparison(engine, file, steps, strict, given).run(compared)
        report(str(agreement))
        others = [name for name in others if name in given]
    if others:
        report(
            "note: the file decodes JPEG to other pixels than OpenCV and does not turn by EXIF; "
            f"PyTorch reads {len(others)} of the {len(given)} images otherwise there, the first "
            f"{others[0]}"
        )
    return agreement
