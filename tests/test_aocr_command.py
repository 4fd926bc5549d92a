"""The command ``aocr``: flags, defaults, what they set, and the commands that need no PyTorch."""

import json
import os
import subprocess
import sys

import cv2
import pytest
from conftest import ROOT, WORDS, draw_word

from aocr_plugin.cli.aocr import settings
from aocr_plugin.cli.aocr.main import main, parse_args

MODEL_DEFAULTS = dict(
    max_width=160,
    max_height=60,
    max_prediction=8,
    full_ascii=False,
    color=False,
    use_distance=True,
    gpu_id=0,
    use_gru=False,
    attn_num_layers=2,
    attn_num_hidden=128,
    initial_learning_rate=1.0,
    model_dir="./checkpoints",
    target_embedding_size=10,
    output_dir="./results",
    max_gradient_norm=5.0,
    clip_gradients=True,
    log_path="aocr.log",
)


@pytest.mark.parametrize(
    ("command", "own"),
    [
        ("train", dict(steps_per_checkpoint=100, batch_size=65, num_epoch=1000, resume=True)),
        ("test", dict(visualize=False)),
        ("export", dict(format="savedmodel")),
        ("predict", {}),
    ],
)
def test_defaults_are_the_originals(command, own):
    found = vars(parse_args([command]))
    wanted = MODEL_DEFAULTS | own
    assert {name: found[name] for name in wanted} == wanted


def test_dataset_defaults():
    found = vars(parse_args(["dataset", "a.txt"]))
    wanted = dict(log_step=500, force_uppercase=True, save_filename=False, log_path="aocr.log")
    assert {name: found[name] for name in wanted} == wanted


def test_job_dir_is_model_dir_and_flags_may_stand_before_the_command():
    assert parse_args(["train", "x", "--job-dir=gs://b/j"]).model_dir == "gs://b/j"
    args = parse_args(["--log-path", "l.log", "--use-gru", "train", "x.tfrecords"])
    assert (args.command, args.log_path, args.use_gru) == ("train", "l.log", True)


def resolved(words):
    """Returns aocr_original.py with a command line's network settings merged into it."""
    from mmengine.config import Config

    cfg = Config.fromfile(ROOT / "configs" / "aocr_original.py")
    cfg.merge_from_dict(settings.network_options(parse_args(["train", *words])))
    return cfg


def test_no_flag_changes_nothing_in_the_network():
    assert settings.network_options(parse_args(["train"])) == {}


def test_flags_reach_every_pipeline_and_the_model():
    cfg = resolved(
        "--max-width 200 --max-height 50 --max-prediction 5 --full-ascii --color --use-gru "
        "--attn-num-layers 3 --attn-num-hidden 64 --target-embedding-size 12".split()
    )
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        pipeline = cfg[loader].dataset.pipeline
        assert (pipeline[2].max_width, pipeline[2].max_height) == (200, 50)
        assert pipeline[0].color_type == "color"
    assert cfg.model.backbone.in_channels == 3
    assert cfg.model.data_preprocessor.mean == [128] * 3
    assert cfg.model.encoder.hidden_size == 192
    decoder = cfg.model.decoder
    assert (decoder.in_channels, decoder.hidden_size, decoder.num_layers) == (384, 64, 3)
    assert (decoder.cell, decoder.embed_dims, decoder.max_seq_len) == ("gru", 12, 7)
    assert decoder.dictionary.charset == "ascii"


def test_what_a_checkpoint_says_is_read_back_as_flags():
    words = ["--max-width", "200", "--max-prediction", "5", "--use-gru"]
    cfg = resolved(words)
    cfg.model.decoder.dictionary.charset = "chars:0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    described = {
        "model": cfg.model.to_dict(),
        "test_pipeline": cfg.val_dataloader.dataset.pipeline,
    }
    args = parse_args(["test", *words])
    assert settings.disagreements(args, described, given_only=False) == []
    other = parse_args(["test", "--max-width", "300"])
    assert settings.disagreements(other, described, given_only=True) == ["--max-width 200"]
    plain = parse_args(["train"])
    assert settings.disagreements(plain, described, given_only=False) == [
        "--max-width 200",
        "--max-prediction 5",
        "--use-gru",
    ]


@pytest.mark.parametrize(
    "line",
    [
        ["--help"],
        ["train", "--help"],
        ["stats", "WORDS"],
        ["check", "WORDS"],
        ["dataset", "WORDS", "out.tfrecords"],
    ],
)
def test_light_commands_start_without_torch(line, words, tmp_path):
    code = (
        "import sys; from aocr_plugin.cli.aocr.main import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as e: code = e.code\n"
        "heavy = {'torch', 'mmengine', 'mmocr', 'mmcv', 'tensorflow', 'matplotlib', 'scipy'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    line = [str(words) if word == "WORDS" else word for word in line]
    done = subprocess.run(
        [sys.executable, "-c", code, *line],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stderr


def test_stats_names_what_is_rejected_and_what_keeps_everything(words, capsys, monkeypatch):
    monkeypatch.chdir(words.parent)
    cv2.imwrite("images/long.png", draw_word("x" * 12))
    with words.open("a") as file:
        file.write("images/long.png Abc-xyz_1234\nimages/none.png A\n")
    assert main(["stats", str(words), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["images"], facts["kept"], facts["canvas"]) == (5, 4, [32, 86])
    assert facts["rejected"] == {"missing_image": 1, "unknown_character": 1, "label_too_long": 1}
    assert facts["label_lengths"] == {"2": 1, "3": 1, "4": 1, "5": 1, "12": 1}
    assert facts["squeezed"] == 2  # 110 and 250 pixels wide at height 40
    suggested = facts["suggested"]
    flags = ["--full-ascii"]
    for name in ("max_width", "max_height", "max_prediction"):
        flags += [f"--{name.replace('_', '-')}", str(suggested[name])]
    assert suggested["full_ascii"] and suggested["outside"] == ""
    assert main(["stats", str(words), "--json", *flags]) == 0
    after = json.loads(capsys.readouterr().out)
    assert (after["kept"], after["squeezed"]) == (5, 0)
    assert main(["stats", str(words)]) == 0
    text = capsys.readouterr().out
    assert "settings that keep everything" in text and "--max-prediction 12" in text


def test_stats_says_that_flags_cannot_keep_letters_beyond_ascii(words, capsys):
    words.write_text(f"images/{WORDS[0]}.png Café\n", encoding="utf-8")
    assert main(["stats", str(words)]) == 0
    out = capsys.readouterr().out
    assert "characters beyond ASCII: 1 characters 'é'" in out and "new_config.py" in out


def test_check_lists_every_bad_image(words, capsys):
    folder = words.parent
    whole = (folder / "images" / "CAT.png").read_bytes()
    (folder / "images" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "images" / "text.png").write_text("no image")
    with words.open("a") as file:
        file.write("images/cut.png A\nimages/text.png B\nimages/gone.png C\n")
    assert main(["check", str(words)]) == 1
    out = capsys.readouterr().out
    assert "3 bad lines" in out
    rows = (folder / "words.txt.quarantine.txt").read_text().splitlines()
    assert [row.split("\t")[:2] for row in rows] == [
        ["5", "broken_image"],
        ["6", "broken_image"],
        ["7", "missing_image"],
    ]


def test_check_of_a_whole_set(words, capsys):
    assert main(["check", str(words)]) == 0
    assert "all images are whole" in capsys.readouterr().out


def test_check_and_stats_of_an_empty_file(tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("")
    for command in ("check", "stats"):
        assert main([command, str(tmp_path / "empty.txt")]) == 2
        assert "is it the right file?" in capsys.readouterr().err


def test_dataset_writes_over_tfrecords_and_over_nothing_else(words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = words.read_bytes()
    assert main(["dataset", str(words), str(words)]) == 2
    assert "exists and is no TFRecord file" in capsys.readouterr().err
    assert words.read_bytes() == before
    assert main(["dataset", str(words), str(tmp_path)]) == 2
    for _ in range(2):
        assert main(["dataset", str(words), "new/out.tfrecords"]) == 0


def test_strict_stats_suggest_what_strict_keeps(words, capsys):
    assert main(["stats", "--strict", "--max-width", "60", str(words), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["kept"] < 4
    flags = [f"--max-width={facts['suggested']['max_width']}"]
    flags.append(f"--max-height={facts['suggested']['max_height']}")
    assert main(["stats", "--strict", str(words), "--json", *flags]) == 0
    after = json.loads(capsys.readouterr().out)
    assert (after["kept"], after["squeezed"]) == (4, 0)


@pytest.mark.parametrize(
    "name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "log", "log.link", "/proc/{}/fd/{}"]
)
def test_check_writes_into_a_stream_that_is_a_file(name, tmp_path):
    (tmp_path / "a.txt").write_text("none.png A\n")
    (tmp_path / "log").symlink_to("/dev/stdout")
    (tmp_path / "log.link").symlink_to("log")
    command = [
        sys.executable,
        "-m",
        "aocr_plugin.cli.aocr.main",
        "check",
        "a.txt",
        "--quarantine",
        name,
    ]
    with open(tmp_path / "out.txt", "a") as out:
        command[-1] = name = name.format(os.getpid(), out.fileno())
        out.write("before\n")
        out.flush()
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        subprocess.run(command, cwd=tmp_path, stdout=out, env=environment, check=False)
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert lines[0] == "before" and lines[1].startswith("a.txt: 1 samples")
    assert lines[3].startswith("1\tmissing_image\t")
    assert lines[-1].endswith(f"all in {name} (line, reason, detail)")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "log", "log.link", "out.txt"}
    assert (tmp_path / "log.link").readlink().name == "log"


def test_check_writes_to_urls(tmp_path):
    from aocr_plugin import storage

    (tmp_path / "a.txt").write_text("none.png A\n")
    assert main(["check", str(tmp_path / "a.txt"), "--quarantine", "memory://q/list"]) == 1
    assert storage.read_bytes("memory://q/list").startswith(b"1\tmissing_image\t")


def test_logs_keep_text_and_objects_apart(tmp_path):
    from aocr_plugin.event_log import EventLog

    log = EventLog(tmp_path / "a.jsonl", echo=False)
    log.write("a line", "event", value=float("nan"))
    log.close()
    assert "a line" in (tmp_path / "a.jsonl").read_text()
    entry = json.loads((tmp_path / "a.jsonl.jsonl").read_text())
    assert (entry["event"], entry["value"]) == ("event", None)


def test_one_gpu_of_those_that_are_shown(monkeypatch):
    import os

    from aocr_plugin.cli.aocr.native import choose_gpu
    from aocr_plugin.errors import ConfigError

    for shown, number, wanted in (("2,3", 1, "3"), ("", 1, "1"), ("2", -1, "-1")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
        choose_gpu(number)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == wanted
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    with pytest.raises(ConfigError, match="shows 1 GPUs"):
        choose_gpu(1)


def test_unknown_dataset_is_one_clear_line(tmp_path, capsys):
    assert main(["train", str(tmp_path / "none.tfrecords")]) == 2
    assert "none.tfrecords" in capsys.readouterr().err
