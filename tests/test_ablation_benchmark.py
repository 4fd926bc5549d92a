import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))


@pytest.mark.slow
def test_variants_train_alike_but_for_what_they_name(tmp_path, monkeypatch):
    out, work = tmp_path / "ablation.json", tmp_path / "work"
    words = [str(ROOT / "benchmarks" / "ablation.py"), f"--out={out}", f"--work-dir={work}"]
    variants = ("the recipe", "label smoothing 0.1", "no LineJitter")
    done = subprocess.run(
        [sys.executable, *words, "--steps=2", "--tested=40", "--seeds=3", "--variants", *variants],
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr[-2000:]
    report = json.loads(out.read_text())
    assert list(report["runs"]) == list(variants) and report["settings"]["seeds"] == [3]
    losses = [run["loss"] for (run,) in report["runs"].values()]
    assert len(set(losses)) == 3 and all(2 < loss < 6 for loss in losses)
    assert len(done.stdout.splitlines()) == 3 + 5  # a line a run, a table


def test_every_variant_changes_what_it_says(tmp_path):
    from ablation import VARIANTS, write_config

    from aocr_plugin.cli.common import load_config

    configs = {}
    for variant in VARIANTS:
        write_config(tmp_path / "run.py", variant, tmp_path, 8, 0)
        configs[variant] = load_config(str(tmp_path / "run.py"))
    recipe = configs.pop("the recipe")
    changed = {
        variant: {key for key in recipe if config[key] != recipe[key]}
        for variant, config in configs.items()
    }
    assert changed == {
        "constant learning rate": {"param_scheduler"},
        "no averages of the weights": {"custom_hooks"},
        "dropout 0.2 and 0.1, as aocr_base": {"model"},
        "label smoothing 0.1": {"model"},
        "LineJitter as in aocr_base": {"train_dataloader"},
        "no LineJitter": {"train_dataloader"},
    }
    steps = recipe.train_dataloader.dataset.pipeline
    assert sum(step["type"] == "LineJitter" for step in steps) == 1
    assert recipe.train_cfg.max_iters == 8 and recipe.param_scheduler[1]["end_factor"] == 0.001
