"""New trainings that begin with another model's weights."""

import pytest
import torch
from conftest import ROOT, tiny_model

import aocr_plugin  # noqa: F401
from aocr_plugin.cli.train import main, set_finetune
from aocr_plugin.engine.finetuning import begin_with, fit_weights, symbol_rows
from aocr_plugin.errors import CheckpointError, ConfigError

SPECIAL = ["<PAD>", "<GO>", "<EOS>"]


def build(charset, **changes):
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    return MODELS.build(tiny_model(charset, **changes))


def write(model, charset, path, **changes):
    """Writes a checkpoint that describes itself; returns its path."""
    described = dict(format=1, version="0", model=tiny_model(charset, **changes), test_pipeline=[])
    torch.save({"meta": {"aocr": described}, "state_dict": model.state_dict()}, path)
    return path


def test_rows_go_by_symbol_and_the_rest_by_name():
    theirs, ours = [*SPECIAL, "A", "b", "C"], [*SPECIAL, "C", "a", "x", "B"]
    weights = {"rows": torch.arange(6.0)[:, None].expand(6, 2), "same": torch.ones(3)}
    weights |= {"other": torch.ones(2, 3), "unused": torch.ones(1)}
    own = {"rows": torch.full((7, 2), -1.0), "same": torch.zeros(3)}
    own |= {"other": torch.zeros(3, 3), "added": torch.zeros(1)}
    found, fit = fit_weights(weights, own, ["rows"], theirs, ours)
    assert found["rows"][:, 0].tolist() == [0, 1, 2, 5, 3, -1, 4]
    assert own["rows"].eq(-1).all(), "the model's own tensors are left alone"
    assert found["same"].eq(1).all() and found["other"].eq(0).all() and sorted(found) == sorted(own)
    assert fit.kept == ["same"] and fit.by_symbol == ["rows"]
    assert fit.fresh == {
        "other": "2 x 3 in the checkpoint, 3 x 3 here",
        "added": "not in the checkpoint",
    }
    assert (fit.known, fit.other_case, fit.new) == ([*SPECIAL, "C"], ["a", "B"], ["x"])
    assert fit.dropped == ["A", "b"]
    assert fit.lines() == [
        "  1 of 4 tensors kept as they are",
        "  1 mapped by symbol (rows): 4 symbols known, 2 not needed",
        "  begin as their other case: aB",
        "  new characters: 'x' (U+0078 LATIN SMALL LETTER X)",
        "  begins anew: other (2 x 3 in the checkpoint, 3 x 3 here)",
        "  begins anew: added (not in the checkpoint)",
    ]
    _, fit = fit_weights(weights, own, ["rows"], None, ours)
    assert "does not say which row" in fit.fresh["rows"]


def test_the_same_picture_gives_the_same_logits_for_the_characters_that_are_left(seeded, tmp_path):
    """Also where both charsets are equally long, which MMEngine's load_from mixes up."""
    old = build("chars:ABCDEF").eval()
    path = str(write(old, "chars:ABCDEF", tmp_path / "a.pth"))
    images, start = torch.rand(2, 1, 32, 64), torch.tensor([[1, 4], [1, 6]])  # GO, then B or D
    for charset in ("chars:FDBxyz", "chars:BD"):
        new = build(charset).eval()
        state, fit = begin_with(new, path)
        new.load_state_dict(state)
        assert not fit.fresh and len(fit.by_symbol) == 3
        ours = new.decoder.dictionary.dict
        theirs = old.decoder.dictionary.dict
        mapped = torch.tensor([[1, ours.index("B")], [1, ours.index("D")]])
        with torch.no_grad():
            expected = old.decoder.teacher_forced(None, old.encoder(old.backbone(images)), start)
            found = new.decoder.teacher_forced(None, new.encoder(new.backbone(images)), mapped)
        for symbol in set(ours) & set(theirs):
            torch.testing.assert_close(
                found.logits[..., ours.index(symbol)], expected.logits[..., theirs.index(symbol)]
            )


def test_other_decoders_rows_are_found_by_their_sizes():
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    config = dict(
        type="CRNNDecoder",
        in_channels=32,
        rnn_flag=False,
        dictionary=dict(type="AOCRDictionary", charset="digits"),
        module_loss=dict(type="CTCModuleLoss"),
        postprocessor=dict(type="CTCPostProcessor"),
    )
    decoder = MODELS.build(config)
    rows = symbol_rows(decoder, 13)
    assert rows and all(decoder.state_dict()[name].size(0) == 13 for name in rows)
    assert symbol_rows(build("digits").decoder, 13) == [
        "step.embedding.weight",
        "output.weight",
        "output.bias",
    ]


def test_nothing_that_fits_is_an_error(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"state_dict": {"head.weight": torch.ones(2)}}, path)
    with pytest.raises(CheckpointError, match=r"a\.pth: none of its weights fits .* same backbone"):
        begin_with(build("digits"), str(path))
    from mmengine.config import Config

    cfg = Config(dict(load_from="b.pth"))
    with pytest.raises(ConfigError, match=r"--finetune a\.pth, .* load_from='b\.pth': give one"):
        set_finetune(cfg, "a.pth")
    with pytest.raises(CheckpointError, match="no such checkpoint file"):
        set_finetune(Config(dict()), str(tmp_path / "none.pth"))


CONFIG = """
_base_ = [{base!r}]
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                        dataset=dict(ann_file={words!r}))
val_dataloader = dict(dataset=dict(ann_file={words!r}))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=2, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=1))
optim_wrapper = dict(precision="fp32", optimizer=dict(lr={rate}))
dictionary = dict(type="AOCRDictionary", charset={charset!r}, letter_case="{case}")
model = dict(decoder=dict(dictionary=dictionary))
"""


@pytest.mark.slow
def test_the_tool_begins_with_them_and_resumes_its_own_run(words, tmp_path, capfd):
    """With a learning rate of 0 the first checkpoint is what the training began with."""

    def config(name, rate, charset, case="unchanged"):
        path = words.parent / f"{name}.py"
        base = str(ROOT / "configs" / "aocr_base.py")
        text = CONFIG.format(base=base, words=str(words), rate=rate, charset=charset, case=case)
        path.write_text(text)
        return str(path)

    def run(*words, code=0):
        assert main([str(word) for word in words]) == code
        return capfd.readouterr()

    first, second = tmp_path / "first", tmp_path / "second"
    run(config("upper", 1e-3, "labels"), "--work-dir", first)
    old = torch.load(first / "iter_2.pth", weights_only=True)
    lower = config("lower", 0.0, "chars:0123456789abcdefghijklmnopqrstuvwxyz", "lower")
    said = run(lower, "--work-dir", second, "--finetune", first / "iter_2.pth", "--resume")
    assert "a new run starts" in said.out
    log = "".join(path.read_text() for path in second.glob("*/*.log"))
    assert "3 mapped by symbol" in log and "new characters: '0' (U+0030 DIGIT ZERO)" in log
    assert "begin as their other case: acdeghorstx" in log
    new = torch.load(second / "iter_1.pth", weights_only=True)
    theirs = old["meta"]["aocr"]["model"]["decoder"]["dictionary"]["charset"].removeprefix("chars:")
    for state in ("state_dict", "ema_state_dict"):
        before = old["state_dict"]
        after = {name.removeprefix("module."): value for name, value in new[state].items()}
        matrices = [name for name, value in before.items() if value.ndim > 1]
        same = [name for name in matrices if torch.equal(after[name], before[name])]
        assert {*matrices} - {*same} <= {"decoder.output.weight", "decoder.step.embedding.weight"}
        rows, own = before["decoder.output.weight"], after["decoder.output.weight"]
        for index, symbol in enumerate("0123456789abcdefghijklmnopqrstuvwxyz"):
            if symbol.upper() in theirs:
                torch.testing.assert_close(own[3 + index], rows[3 + theirs.index(symbol.upper())])
    said = run(lower, "--work-dir", second, "--finetune", first / "iter_2.pth", "--resume")
    logs = sorted(second.glob("*/*.log"))
    assert "begins with" not in logs[-1].read_text() and len(logs) == 2
