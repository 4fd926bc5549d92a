"""The flags of the original command, with its names and defaults. Needs no PyTorch."""

import argparse

from aocr_plugin.cli.common import add_traceback_flag, whole_from

LOG_PATH = "aocr.log"
NEW_DATASET_PATH = "training.tfrecords"
DATA_PATH = "data.tfrecords"
EXPORT_PATH = "exported"
MODEL_DIR = "./checkpoints"
OUTPUT_DIR = "./results"


def _above_zero(text: str) -> float:
    """Parses a number above 0; argparse prints its error."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")
    return number


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Adds what every command takes."""
    parser.add_argument("--log-path", default=LOG_PATH, help=f"log file ({LOG_PATH})")
    add_traceback_flag(parser)


def add_image_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say what images and labels are taken."""
    group = parser.add_argument_group("images and labels")
    group.add_argument(
        "--max-width", type=whole_from(1), default=160, help="with --max-height the canvas (160)"
    )
    group.add_argument("--max-height", type=whole_from(1), default=60, help="likewise (60)")
    group.add_argument(
        "--max-prediction", type=whole_from(1), default=8, help="longest text in characters (8)"
    )
    group.add_argument(
        "--full-ascii", action="store_true", help="characters 32 to 126 instead of 0-9A-Z"
    )
    group.add_argument("--color", action="store_true", help="colour instead of gray images")
    group.add_argument(
        "--strict",
        action="store_true",
        help="exactly as the original, quirks included; see docs/MIGRATION.md",
    )


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that train, test, export and predict share."""
    add_image_flags(parser)
    group = parser.add_argument_group("model")
    group.add_argument(
        "--no-distance",
        dest="use_distance",
        action="store_false",
        help="accuracy of an image is 1 or 0 instead of 1 - edit distance / label length",
    )
    group.add_argument(
        "--gpu-id", type=whole_from(-1), default=0, help="GPU to use, -1 for the CPU (0)"
    )
    group.add_argument("--use-gru", action="store_true", help="GRU instead of LSTM in the decoder")
    group.add_argument(
        "--attn-num-layers", type=whole_from(1), default=2, help="layers of the decoder (2)"
    )
    group.add_argument(
        "--attn-num-hidden", type=whole_from(1), default=128, help="units of a decoder layer (128)"
    )
    group.add_argument(
        "--initial-learning-rate", type=_above_zero, default=1.0, help="of Adadelta (1.0)"
    )
    group.add_argument(
        "--model-dir",
        "--job-dir",
        default=MODEL_DIR,
        help=f"checkpoints; may be a bucket, s3://… ({MODEL_DIR})",
    )
    group.add_argument(
        "--target-embedding-size", type=whole_from(1), default=10, help="of a symbol (10)"
    )
    group.add_argument(
        "--output-dir", default=OUTPUT_DIR, help=f"what test writes goes here ({OUTPUT_DIR})"
    )
    group.add_argument(
        "--max-gradient-norm", type=_above_zero, default=5.0, help="gradients are clipped to (5)"
    )
    group.add_argument(
        "--no-gradient-clipping",
        dest="clip_gradients",
        action="store_false",
        help="gradients are not clipped",
    )


def add_train_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``aocr train``."""
    parser.add_argument(
        "dataset_path",
        nargs="?",
        default=DATA_PATH,
        help=f"TFRecords, or an annotation file ({DATA_PATH})",
    )
    add_model_flags(parser)
    group = parser.add_argument_group("training")
    group.add_argument(
        "--steps-per-checkpoint", type=whole_from(1), default=100, help="and per log summary (100)"
    )
    group.add_argument("--batch-size", type=whole_from(1), default=65, help="images a step (65)")
    group.add_argument("--num-epoch", type=whole_from(1), default=1000, help="(1000)")
    group.add_argument(
        "--no-resume", dest="resume", action="store_false", help="start anew, from nothing"
    )
    group = parser.add_argument_group("not in the original")
    group.add_argument(
        "--validation",
        metavar="DATASET",
        help="choose the best checkpoint by this set; default every 20th training image, which "
        "is then not learnt from",
    )
    group.add_argument(
        "--no-validation",
        action="store_true",
        help="learn from every image, as the original; no best checkpoint",
    )
    group.add_argument("--tensorboard", action="store_true", help="write TensorBoard's events too")
    add_shared(parser)


def add_checkpoint_flag(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that names a checkpoint outright."""
    parser.add_argument(
        "--checkpoint",
        help="use this one; default is the best, or else the latest, of --model-dir",
    )


def add_test_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``aocr test``."""
    parser.add_argument(
        "dataset_path",
        nargs="?",
        default=DATA_PATH,
        help=f"TFRecords, or an annotation file ({DATA_PATH})",
    )
    add_model_flags(parser)
    parser.add_argument(
        "--visualize", action="store_true", help="draw where the network looked, to --output-dir"
    )
    parser.add_argument("--report", metavar="HTML", help="write a report of the run, one file")
    add_checkpoint_flag(parser)
    add_shared(parser)


def add_export_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``aocr export``."""
    parser.add_argument(
        "export_path", nargs="?", default=EXPORT_PATH, help=f"folder to write ({EXPORT_PATH})"
    )
    parser.add_argument(
        "--format", choices=["savedmodel", "frozengraph"], default="savedmodel", help="(savedmodel)"
    )
    add_model_flags(parser)
    parser.add_argument("--force", action="store_true", help="overwrite what is in the folder")
    add_checkpoint_flag(parser)
    add_shared(parser)


def add_predict_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``aocr predict``."""
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="images, folders or patterns; default file names on standard input, one a line",
    )
    add_model_flags(parser)
    add_checkpoint_flag(parser)
    add_shared(parser)


def add_dataset_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``aocr dataset``."""
    parser.add_argument("annotations_path", help="annotation file: a line 'PATH LABEL' an image")
    parser.add_argument(
        "output_path",
        nargs="?",
        default=NEW_DATASET_PATH,
        help=f"TFRecords to write ({NEW_DATASET_PATH})",
    )
    parser.add_argument(
        "--log-step", type=whole_from(1), default=500, help="a log line every so many images (500)"
    )
    parser.add_argument(
        "--no-force-uppercase",
        dest="force_uppercase",
        action="store_false",
        help="leave the labels' case as it is",
    )
    parser.add_argument(
        "--save-filename", action="store_true", help="keep the image's path as its comment"
    )
    add_shared(parser)


def add_stats_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``aocr stats``."""
    parser.add_argument("dataset_path", help="annotation file or TFRecords")
    add_image_flags(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_shared(parser)


def add_check_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``aocr check``."""
    parser.add_argument("dataset_path", help="annotation file or TFRecords")
    parser.add_argument(
        "--quarantine",
        metavar="FILE",
        help="write the bad ones here, a line each: number, reason, detail between tabs; default "
        "DATASET.quarantine.txt",
    )
    add_shared(parser)


def add_convert_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``aocr convert``: those of ``tools/convert.py`` are passed on."""
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="see tools/convert.py --help")
