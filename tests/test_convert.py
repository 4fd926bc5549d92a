"""The converter's command line: what it finds, what it refuses, what it writes."""

import numpy as np
import pytest
import torch
from tensorflow_side import run_tensorflow

import aocr_plugin  # noqa: F401
from aocr_plugin.cli.convert import main

_SAVE = """
variables = np.load(sys.argv[1])
tf.compat.v1.disable_eager_execution()
with tf.compat.v1.Session() as session:
    made = [tf.compat.v1.Variable(variables[n], name=n.replace("|", "/")) for n in variables.files]
    trained = [v for v in made if v.dtype.base_dtype == tf.float32]
    tf.compat.v1.train.AdadeltaOptimizer().apply_gradients([(v, v) for v in trained])
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.train.Saver().save(session, sys.argv[2] + "/model.ckpt", global_step=12)
"""


def variables(symbols=39, cell="lstm", layers=2, hidden=4, embed=5, channels=1, norm="BatchNorm"):
    """Returns random weights of a tiny network under the original's names."""
    rng = np.random.default_rng(0)
    units, depth = layers * hidden, [4, 6, 8, 8, 10, 10, 10]
    decoder = "embedding_attention_decoder/attention_decoder"
    made = {"Variable": np.array(12, np.int32)}

    def add(name, *shape):
        made[name] = rng.normal(scale=0.3, size=shape).astype(np.float32)

    for number, (before, after) in enumerate(zip([channels, *depth], depth, strict=False), 1):
        side = 2 if number == 7 else 3
        add(f"conv_conv{number}/W", side, side, before, after)
        if number in (3, 5, 7):
            for part in ("gamma", "beta", "moving_mean", "moving_variance"):
                add(f"conv_conv{number}/{norm}/{part}", after)
            made[f"conv_conv{number}/{norm}/moving_variance"] **= 2
    for side in ("fw", "bw"):
        add(f"bidirectional_rnn/{side}/basic_lstm_cell/kernel", depth[-1] + units, 4 * units)
        add(f"bidirectional_rnn/{side}/basic_lstm_cell/bias", 4 * units)
    add("embedding_attention_decoder/embedding", symbols, embed)
    parts = {"gru_cell/gates": 2, "gru_cell/candidate": 1}
    for part, gates in parts.items() if cell == "gru" else [("basic_lstm_cell", 4)]:
        add(f"{decoder}/multi_rnn_cell/cell_0/{part}/kernel", 2 * hidden, gates * hidden)
        add(f"{decoder}/multi_rnn_cell/cell_0/{part}/bias", gates * hidden)
    states = layers * hidden * (2 if cell == "lstm" else 1)
    for name, before, after in (
        ("", embed + 2 * units, hidden),
        ("/Attention_0", states, 2 * units),
        ("/AttnOutputProjection", hidden + 2 * units, symbols),
    ):
        add(f"{decoder}{name}/weights", before, after)
        add(f"{decoder}{name}/biases", after)
    add(f"{decoder}/AttnW_0", 1, 1, 2 * units, 2 * units)
    add(f"{decoder}/AttnV_0", 2 * units)
    return made


@pytest.fixture
def weights(tmp_path):
    """Writes weights as npz; returns how to convert them, which gives exit code and checkpoint."""

    def convert(*flags, **sizes):
        np.savez(
            tmp_path / "w.npz", **{n.replace("/", "|"): v for n, v in variables(**sizes).items()}
        )
        out = tmp_path / "out.pth"
        code = main([str(tmp_path / "w.npz"), str(out), *flags])
        return code, torch.load(out, weights_only=True) if code == 0 else None

    return convert


def test_everything_is_inferred(weights, capsys, tmp_path):
    code, made = weights(
        symbols=98, cell="gru", layers=3, hidden=6, embed=7, channels=3, norm="batch_normalization"
    )
    assert code == 0
    out = capsys.readouterr().out
    assert "3 GRU layers of 6 units, embedding of 7, colour images, 95 characters" in out
    assert "trained 12 steps under TensorFlow 2" in out
    assert made["meta"]["iter"] == 12
    model, pipeline = (made["meta"]["aocr"][key] for key in ("model", "test_pipeline"))
    assert model["decoder"]["dictionary"]["letter_case"] == "unchanged"
    assert model["data_preprocessor"]["bgr_to_rgb"] and model["decoder"]["max_seq_len"] == 10
    assert pipeline[0] == {"type": "LoadAOCRImage", "color_type": "color"}
    assert pipeline[2]["kernel"] == "tensorflow2"
    from aocr_plugin import Recognizer

    read = Recognizer(tmp_path / "out.pth")(np.full((40, 90, 3), 77, np.uint8))
    assert len(read.text) <= 10


def test_names_of_tensorflow_1_choose_its_resizing_unless_told(weights):
    _, made = weights("--max-width", "300")
    canvas = made["meta"]["aocr"]["test_pipeline"][2]
    assert (canvas["kernel"], canvas["max_width"]) == ("tensorflow1", 300)
    _, made = weights("--tensorflow", "2", "--force")
    assert made["meta"]["aocr"]["test_pipeline"][2]["kernel"] == "tensorflow2"


@pytest.mark.slow
def test_a_folder_of_tensorflows_saver_gives_the_same(weights, tmp_path, capsys):
    _, expected = weights(cell="gru")
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    run_tensorflow(_SAVE, tmp_path / "w.npz", folder)
    assert main([str(folder), str(tmp_path / "saved.pth"), "--use-gru"]) == 0
    assert "trained 12 steps under TensorFlow 1" in capsys.readouterr().out
    found = torch.load(tmp_path / "saved.pth", weights_only=True)
    assert found["meta"] == expected["meta"]
    assert found["state_dict"].keys() == expected["state_dict"].keys()
    for name, value in found["state_dict"].items():
        assert torch.equal(value, expected["state_dict"][name]), name


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--attn-num-hidden", "8"], "--attn-num-hidden 8 is given, the weights have 4"),
        (["--attn-num-layers", "3"], "--attn-num-layers 3 is given, the weights have 2"),
        (
            ["--target-embedding-size", "10"],
            "--target-embedding-size 10 is given, the weights have 5",
        ),
        (["--use-gru"], "--use-gru is given, the weights have an LSTM decoder"),
        (["--color"], "--color is given, the weights have 1 colour channel"),
        (["--full-ascii"], "--full-ascii is given, the weights have 39 symbols, not 98"),
        (["--charset", "digits"], "--charset has 10 characters, the weights have 36"),
        (["--charset", "klingon"], "unknown charset 'klingon'"),
    ],
)
def test_flags_that_disagree_with_the_weights(weights, capsys, flags, message):
    assert weights(*flags)[0] == 2
    assert message in capsys.readouterr().err


def test_flags_that_agree(weights):
    flags = "--attn-num-hidden 4 --attn-num-layers 2 --target-embedding-size 5 --use-gru --color"
    assert weights(*flags.split(), cell="gru", channels=3)[0] == 0


def test_another_vocabulary_needs_its_characters(weights, capsys):
    assert weights(symbols=8)[0] == 2
    assert "Give the 5 characters in their order with --charset" in capsys.readouterr().err
    _, made = weights("--charset", "chars:ÄÖ12-", symbols=8)
    dictionary = made["meta"]["aocr"]["model"]["decoder"]["dictionary"]
    assert (dictionary["charset"], dictionary["letter_case"]) == ("chars:ÄÖ12-", "upper")


def test_left_over_variables_are_all_listed(tmp_path, capsys):
    np.savez(tmp_path / "w.npz", **variables(), **{"extra|W": np.ones(1), "more": np.ones(1)})
    assert main([str(tmp_path / "w.npz"), str(tmp_path / "out.pth")]) == 2
    assert "2 TensorFlow variables have no place here: extra/W, more" in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


def test_weights_of_odd_shapes(tmp_path, capsys):
    odd = variables()
    query = "embedding_attention_decoder/attention_decoder/Attention_0/weights"
    np.savez(tmp_path / "w.npz", **odd | {query: np.ones((15, 16))})
    assert main([str(tmp_path / "w.npz"), str(tmp_path / "out.pth")]) == 2
    assert "a query of 15 inputs fits no number of LSTM layers of 4" in capsys.readouterr().err
    np.savez(tmp_path / "w.npz", **odd | {query: np.ones(16)})
    assert main([str(tmp_path / "w.npz"), str(tmp_path / "out.pth")]) == 2
    assert "are not of aocr's shapes" in capsys.readouterr().err


def test_files_are_not_overwritten_unless_forced(weights, capsys, tmp_path):
    assert weights()[0] == 0 and weights()[0] == 2
    assert "out.pth exists; give another name, or --force" in capsys.readouterr().err
    (tmp_path / "out.pth").unlink()
    assert weights()[0] == 2
    assert "out.py exists" in capsys.readouterr().err
    assert weights("--force")[0] == 0
    assert main([str(tmp_path / "w.npz"), str(tmp_path / "out.ckpt")]) == 2
    assert "a checkpoint's name ends in .pth" in capsys.readouterr().err
    (tmp_path / "text.npz").write_text("text")
    assert main([str(tmp_path / "text.npz"), str(tmp_path / "new.pth")]) == 2
    assert "cannot be read as npz" in capsys.readouterr().err


@pytest.mark.slow
def test_config_beside_the_checkpoint_trains_on(weights, words, tmp_path, monkeypatch):
    from aocr_plugin.cli.train import main as train

    monkeypatch.chdir(tmp_path)
    assert weights("--max-width", "100", "--max-height", "40")[0] == 0
    options = [f"{kind}_dataloader.dataset.ann_file={words}" for kind in ("train", "val")]
    options += ["train_dataloader.batch_size=2", "train_dataloader.num_workers=0"]
    options += ["train_dataloader.persistent_workers=False", "train_cfg.max_iters=2"]
    assert train(["out.py", "--work-dir", "run", "--cfg-options", *options]) == 0
    assert len(list((tmp_path / "run").glob("iter_2.pth"))) == 1


def test_help_names_the_command_it_was_called_by(capsys):
    with pytest.raises(SystemExit):
        main(["--help"], prog="aocr convert")
    assert "usage: aocr convert" in capsys.readouterr().out
