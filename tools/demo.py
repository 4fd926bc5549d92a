"""``make demo``: makes CAPTCHAs, trains on them, tests, and draws what came of it."""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aocr_plugin.visualization.contact_sheet import draw_contact_sheet  # noqa: E402
from aocr_plugin.visualization.curves import draw_learning_curve  # noqa: E402

CHARACTERS = "2345678ACDEFGHJKLMNPQRTUVWXY"  # no pair that looks alike, as CAPTCHAs choose them
LENGTH = 4
SPLITS = {"training": 3000, "validation": 300, "testing": 500}


def make_captchas(folder: Path, seed: int) -> None:
    """Writes CAPTCHAs and an annotation file a split; no text occurs twice."""
    from captcha.image import ImageCaptcha

    random.seed(seed)  # of the texts; the captcha package draws shapes from the system
    maker = ImageCaptcha(width=160, height=60)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    for split, count in SPLITS.items():
        lines = []
        while len(lines) < count:
            text = "".join(random.choices(CHARACTERS, k=LENGTH))
            if text in seen:
                continue
            seen.add(text)
            maker.write(text, str(folder / "images" / f"{text}.png"))
            lines.append(f"images/{text}.png {text}\n")
        (folder / f"annotations-{split}.txt").write_text("".join(lines))


def tool(name: str, *arguments: str) -> None:
    """Runs one of the project's tools and shows its line."""
    print(f"\n$ python tools/{name}.py {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, str(ROOT / "tools" / f"{name}.py"), *arguments], check=True)


def main() -> None:
    """Makes the data, trains, tests, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", default="demo", help="where everything goes")
    parser.add_argument("--steps", type=int, help="training steps instead of the config's")
    args = parser.parse_args()
    start = time.time()
    folder, config = Path(args.dir), str(ROOT / "configs" / "aocr_demo.py")
    work_dir, data = folder / "run", folder / "captchas"
    shutil.rmtree(work_dir, ignore_errors=True)  # of an earlier demo
    print(f"making {sum(SPLITS.values())} CAPTCHAs in {data} ...", flush=True)
    make_captchas(data, seed=0)
    roots = [f"{part}_dataloader.dataset.data_root={data}" for part in ("train", "val", "test")]
    steps = [f"train_cfg.max_iters={args.steps}"] if args.steps else []
    tool("train", config, "--work-dir", str(work_dir), "--cfg-options", *roots, *steps)
    best = str(work_dir / "best.pth")
    tool("test", config, best, "--cfg-options", *roots)
    lines = (work_dir / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    predictions = [json.loads(line) for line in lines]
    metrics = json.loads((work_dir / "metrics.json").read_text())
    print("\nten predictions (image, label, text, score of the word, scores of the characters):")
    for line in predictions[:10]:
        scores = " ".join(f"{score:.2f}" for score in line["char_scores"])
        name = Path(line["file"]).name
        print(f"  {name:<12} {line['label']:<6} {line['text']:<6} {line['score']:.3f}  {scores}")
    accuracy, count = metrics["recog/word_acc"], int(metrics["recog/samples"])
    title = f"word accuracy {accuracy:.4f} on {count} unseen CAPTCHAs"
    draw_learning_curve({"demo": work_dir}, folder / "learning_curve.png", title)
    wrong = [line for line in predictions if not line["correct"]]
    right = [line for line in predictions if line["correct"]]
    draw_contact_sheet((wrong[:20] + right)[:40], folder / "predictions.png", title=title)
    print(f"\n{title}, {time.time() - start:.0f} s for all of it")
    print(f"pictures: {folder}/learning_curve.png, {folder}/predictions.png")
    print(f"read your own: python tools/predict.py {best} IMAGE ...")


if __name__ == "__main__":
    main()
