import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))


@pytest.mark.slow
def test_variants_train_alike_but_for_what_they_name(tmp_path):
    out, work = tmp_path / "ablation.json", tmp_path / "work"
    words = [str(ROOT / "benchmarks" / "ablation.py"), f"--out={out}", f"--work-dir={work}"]
    variants = ("the recipe", "label smoothing 0.1")
    done = subprocess.run(
        [sys.executable, *words, "--steps=2", "--tested=40", "--seeds=3", "--variants", *variants],
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr[-2000:]
    report = json.loads(out.read_text())
    assert list(report["runs"]) == list(variants) and report["settings"]["seeds"] == [3]
    losses = [run["loss"] for (run,) in report["runs"].values()]
    assert len(set(losses)) == 2 and all(2 < loss < 6 for loss in losses)
    assert len(done.stdout.splitlines()) == 2 + 4  # a line a run, a table


def test_every_variant_changes_what_it_says(tmp_path):
    from ablation import VARIANTS, write_config

    from aocr_plugin.cli.common import load_config

    configs = {}
    for variant in VARIANTS:
        write_config(tmp_path / "run.py", variant, tmp_path, 8, 0)
        configs[variant] = load_config(str(tmp_path / "run.py"))
    recipe = configs.pop("the recipe").to_dict()
    assert recipe["train_cfg"]["max_iters"] == 8
    warm_up, fall = recipe["param_scheduler"]
    load, label, rescale, jitter, pack = recipe["train_dataloader"]["dataset"]["pipeline"]
    assert jitter == dict(type="LineJitter", affine=0.3, blur=0.05, noise=0.1)

    def changed(*keys, to):
        other = copy.deepcopy(recipe)
        place = other
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to
        return other

    pipeline = ("train_dataloader", "dataset", "pipeline")
    heavier = dict(jitter, affine=0.5, blur=0.2, noise=0.2)
    dropped = changed("model", "backbone", "dropout", to=0.2)
    dropped["model"]["decoder"]["dropout"] = 0.1
    loss = recipe["model"]["decoder"]["module_loss"]
    smoothed = dict(loss, label_smoothing=0.1)
    assert {variant: config.to_dict() for variant, config in configs.items()} == {
        "constant learning rate": changed("param_scheduler", to=[warm_up]),
        "no averages of the weights": changed("custom_hooks", to=[]),
        "dropout 0.2 and 0.1, as aocr_base": dropped,
        "label smoothing 0.1": changed("model", "decoder", "module_loss", to=smoothed),
        "LineJitter as in aocr_base": changed(*pipeline, to=[load, label, rescale, heavier, pack]),
        "no LineJitter": changed(*pipeline, to=[load, label, rescale, pack]),
    }
    assert fall["end_factor"] == 0.001
