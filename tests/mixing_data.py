"""Data sets of MMOCR's kinds and ours, of drawn words, where ``aocr_mixed-data.py`` has them."""

import json

import cv2
import lmdb
from conftest import draw_word

OWN = ["CAT", "DOG7", "HORSE", "OX", "EEL", "BAT"]
LINES = ["LION", "ANT", "GNU", "BEE"]
CROPS = ["YAK", "EMU", "HEN"]
SYNTHETIC = ["OWL", "RAM", "APE", "ELK", "FOX"]
CUTE80 = ["COD", "EWE", "PUG"]
IIIT5K = ["DOE", "JAY"]


def _write_images(folder, words) -> None:
    folder.mkdir(parents=True)
    for word in words:
        cv2.imwrite(str(folder / f"{word}.png"), draw_word(word))


def prepared(folder, words, name) -> None:
    """Writes a set as MMOCR's ``tools/dataset_converters/prepare_dataset.py`` leaves it."""
    _write_images(folder / "imgs", words)
    entries = [dict(img_path=f"imgs/{w}.png", instances=[dict(text=w)]) for w in words]
    meta = dict(dataset_type="TextRecogDataset", task_name="textrecog")
    (folder / name).write_text(json.dumps(dict(metainfo=meta, data_list=entries)))


def make(root) -> None:
    """Writes all six sets below a folder."""
    _write_images(root / "images", OWN)
    for kind in ("training", "validation"):
        lines = "".join(f"images/{word}.png {word}\n" for word in OWN)
        (root / f"annotations-{kind}.txt").write_text(lines)
    _write_images(root / "data" / "lines", LINES)
    lines = [json.dumps(dict(filename=f"{word}.png", text=word)) + "\n" for word in LINES]
    (root / "data" / "lines" / "train.jsonl").write_text("".join(lines))
    with lmdb.open(str(root / "data" / "crops.lmdb"), map_size=1 << 20).begin(write=True) as txn:
        txn.put(b"num-samples", str(len(CROPS)).encode())
        for number, word in enumerate(CROPS, 1):
            data = cv2.imencode(".png", draw_word(word))[1].tobytes()
            txn.put(f"image-{number:09d}".encode(), data)
            txn.put(f"label-{number:09d}".encode(), word.encode())
    prepared(root / "data" / "mjsynth", SYNTHETIC, "textrecog_train.json")
    prepared(root / "data" / "cute80", CUTE80, "textrecog_test.json")
    prepared(root / "data" / "iiit5k", IIIT5K, "textrecog_test.json")
