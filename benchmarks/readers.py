"""Other recognisers behind one function: names of image files in, their texts out.

Each opener takes no argument and raises ``ImportError`` or ``FileNotFoundError`` where its package
or program is not installed. None of them is a dependency of this project. Readers are told that an
image is one word or line, so that no detector stands in between.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import cv2

Reader = Callable[[Sequence[str]], list[str]]


def _coloured(name: str):
    image = cv2.imread(name, cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"{name}: no image")
    return image


def tesseract() -> Reader:
    """Debian's Tesseract with English, one text line an image (``--psm 7``)."""
    program = shutil.which("tesseract")
    if program is None:
        raise FileNotFoundError("the program tesseract is not installed")

    def read(names: Sequence[str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder) / "names.txt"
            listed.write_text("\n".join(str(Path(name).resolve()) for name in names))
            line = [program, str(listed), "-", "--psm", "7"]
            said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
        pages = said.split("\f")[: len(names)]  # one behind each image, also an empty one
        if len(pages) != len(names):
            raise SystemExit(f"Tesseract gave {len(pages)} texts for {len(names)} images")
        return [page.strip() for page in pages]

    return read


def rapidocr_v4() -> Reader:
    """The recogniser of rapidocr-onnxruntime 1.4.4: PP-OCR v4, its weights in the wheel."""
    from rapidocr_onnxruntime import RapidOCR

    engine = RapidOCR()

    def text(name: str) -> str:
        found, _ = engine(_coloured(name), use_det=False, use_cls=False, use_rec=True)
        return "".join(one[0] for one in found or [])

    return lambda names: [text(name) for name in names]


def rapidocr_v6() -> Reader:
    """The recogniser of rapidocr 3.10: PP-OCR v6 small, its weights in the wheel."""
    from rapidocr import RapidOCR

    engine = RapidOCR()

    def text(name: str) -> str:
        found = engine(_coloured(name), use_det=False, use_cls=False, use_rec=True)
        return "".join(found.txts or [])

    return lambda names: [text(name) for name in names]


def ddddocr() -> Reader:
    """The classifier of ddddocr for CAPTCHAs, its weights in the wheel."""
    from ddddocr import DdddOcr

    engine = DdddOcr(show_ad=False)
    return lambda names: [engine.classification(Path(name).read_bytes()) for name in names]


READERS: dict[str, Callable[[], Reader]] = {
    "tesseract": tesseract,
    "ddddocr": ddddocr,
    "rapidocr_v4": rapidocr_v4,
    "rapidocr_v6": rapidocr_v6,
}
FILES = {
    "ddddocr": ("ddddocr", "common_old.onnx"),
    "rapidocr_v4": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx"),
    "rapidocr_v6": ("rapidocr", "models/PP-OCRv6_rec_small.onnx"),
}
"""The file of a recogniser's weights in its package."""


def model_size(name: str) -> int:
    """Returns the bytes of the weights that one of :data:`READERS` reads with.

    Raises:
        FileNotFoundError: they are not where the tried version has them.
    """
    if name == "tesseract":
        line = [shutil.which("tesseract") or name, "--list-langs"]
        listed = subprocess.run(line, capture_output=True, text=True)
        place = re.search(r'"(.*)"', listed.stdout + listed.stderr)
        return (Path(place[1] if place else "") / "eng.traineddata").stat().st_size
    package, file = FILES[name]
    found = find_spec(package)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"the package {package} is not installed")
    return (Path(found.origin).parent / file).stat().st_size
