"""Writes a checkpoint as the original's SavedModel or frozen graph, after comparing it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aocr_plugin.engine import checkpoint_file
from aocr_plugin.errors import ConfigError
from aocr_plugin.export import comparison, destination
from aocr_plugin.export.sample_images import given_images, word_images
from aocr_plugin.export.tensorflow_files import FORMATS, import_tensorflow, loaded, write
from aocr_plugin.export.tensorflow_graph import Graph
from aocr_plugin.inference.recognizer import Recognizer


def _recognizer(checkpoint: str | Path, report: Callable[[str], None]) -> Recognizer:
    """Returns what the export is compared with: greedy, and all steps of it."""
    recognizer = Recognizer(checkpoint, device="cpu", runtime="pytorch", views=1)
    search: Any = getattr(recognizer.model.decoder, "search", None)
    if search is not None and search.width and not search.settings.constrained:
        report(f"the checkpoint reads by a beam of {search.width}; the export decodes greedily")
        search.set(beam_width=0, nbest=1)
    recognizer.model.decoder.early_stop = False  # the product over all steps needs all steps
    return recognizer


def export(
    checkpoint: str | Path,
    out_dir: str | Path,
    *,
    fmt: str = "savedmodel",
    strict: bool = False,
    images: Sequence[str] | None = None,
    force: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Writes a checkpoint as a SavedModel or frozen graph.

    The graph takes image files' bytes, as the original's did: a scalar string or a vector of
    them, and gives texts and probabilities of the same shape. It decodes greedily. An image that
    TensorFlow cannot decode fails its whole call. The export is loaded from disk again and
    compared with PyTorch before it gets its place.

    Args:
        checkpoint: of a model of ``configs/aocr_original.py``'s kind.
        out_dir: folder to write to; made where it does not exist.
        fmt: "savedmodel" or "frozengraph".
        strict: probability is the original's, the product over all steps; else the model's own
            score, up to the end symbol.
        images: files, folders, patterns or data sets to compare on beside images made on the
            spot.
        force: write though ``out_dir`` holds files; an export in it is overwritten.
        report: told how it goes.

    Raises:
        ConfigError: TensorFlow is missing, the model cannot be exported, or ``out_dir`` holds
            files or cannot be written to.
        CheckpointError: the checkpoint cannot be used.
        ImageError: one of ``images`` cannot be read.
        AnnotationError: a data set of ``images`` cannot be read.
        ExportError: the export does not read as PyTorch does.
    """
    if fmt not in FORMATS:
        raise ConfigError(f"format is '{fmt}'; it is one of {', '.join(FORMATS)}")
    out = destination.check(out_dir, fmt, force)
    recognizer = _recognizer(checkpoint, report)
    described = checkpoint_file.description(checkpoint_file.load(checkpoint), checkpoint)
    given = given_images(images or [])
    tf = import_tensorflow()
    graph = Graph(tf, recognizer.model, described["test_pipeline"], strict)
    compared = [*word_images(), *given]
    wanted = comparison.expected(recognizer, compared)
    with destination.staged(out) as folder:
        report("building the graph")
        write(tf, graph, fmt, folder)
        report(f"comparing with PyTorch on {len(compared)} images")
        with loaded(tf, folder, fmt) as run:
            worst = comparison.compare(tf, run, compared, wanted, strict)
        report(f"all texts are equal, probabilities differ by at most {worst:.1e}")
    others = comparison.other_pixels(recognizer, given, wanted[len(compared) - len(given) :])
    if others:
        report(
            f"note: TensorFlow decodes JPEG and colour to other pixels than OpenCV; PyTorch reads "
            f"{len(others)} of the {len(given)} images otherwise there, the first {others[0]}"
        )
