import numpy as np
import pytest
from conftest import draw_word

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import AnnotationError, ConfigError

PIPELINE = [
    dict(type="LoadImageFromFile", color_type="grayscale"),
    dict(type="LoadOCRAnnotations", with_text=True),
    dict(type="RescaleToHeight", height=32),
    dict(type="PackTextRecogInputs", meta_keys=("img_path", "img_shape", "valid_ratio")),
]


def build(ann_file, **options):
    from mmengine.registry import init_default_scope
    from mmocr.registry import DATASETS

    init_default_scope("mmocr")
    options.setdefault("pipeline", PIPELINE)
    return DATASETS.build(dict(type="AOCRDataset", ann_file=str(ann_file), **options))


def test_samples_go_through_mmocrs_transforms(words):
    dataset = build(words)
    sample = dataset[1]
    assert len(dataset) == 4
    assert sample["inputs"].shape[:2] == (1, 32)
    assert sample["data_samples"].gt_text.item == "DOG7"
    assert dataset.report.table().endswith("4 samples, 4 kept, 0 rejected")


def test_what_is_done_to_a_samples_dict_stays_with_it(words):
    dataset = build(words, lazy_init=True)
    info = dataset.get_data_info(-3)
    assert (info["sample_idx"], info["instances"]) == (1, [{"text": "DOG7"}])
    info["instances"][0]["text"] = "CAT"
    assert dataset.get_data_info(1)["instances"] == [{"text": "DOG7"}]
    part = build(words, indices=[1])
    assert part.get_data_info(0)["instances"] == [{"text": "DOG7"}]
    with pytest.raises(IndexError):
        part.get_data_info(1)


@pytest.fixture
def mixed(words):
    """The four words and one line for each thing that can be wrong."""
    import cv2

    folder = words.parent
    cv2.imwrite(str(folder / "wide.png"), draw_word("WIDE", width=400))
    whole = (folder / "images" / "CAT.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("not an image")
    with words.open("a", encoding="utf-8") as file:
        file.write("nolabel.png\nmissing.png X\ncut.png X\ntext.png X\nimages/OX.png für\n")
        file.write("images/OX.png TOOLONGLABEL\nwide.png WIDE\nimages/OX.png \n")
    return words


LIMITS = dict(dictionary=dict(type="AOCRDictionary"), max_label_length=8, max_width=300)
COUNTS = {
    "malformed_line": 1,
    "missing_image": 1,
    "broken_image": 2,
    "unknown_character": 1,
    "label_too_long": 1,
    "image_too_wide": 1,
    "empty_label": 1,
}


def test_every_reason_is_counted_and_the_table_names_the_first(mixed):
    dataset = build(mixed, max_rejected=1.0, **LIMITS)
    table = dataset.report.table()
    assert dataset.report.counts == COUNTS
    assert len(dataset) == 5 and dataset[4]["data_samples"].gt_text.item == ""
    assert "12 samples, 5 kept, 7 rejected" in table
    assert "line 9: label 'für' has 'f' (U+0066 LATIN SMALL LETTER F)" in table
    assert "wide.png is 400 pixels wide, limit 300" in table


@pytest.mark.parametrize("reason", list(COUNTS))
def test_policy_error_names_file_line_and_mend(mixed, reason):
    with pytest.raises(AnnotationError, match=rf"words.txt:\d+: .*problems=dict\({reason}='skip'"):
        build(mixed, max_rejected=1.0, problems={reason: "error"}, **LIMITS)


def test_test_sets_keep_what_the_model_cannot_spell(mixed):
    dataset = build(mixed, test_mode=True, max_rejected=1.0, **LIMITS)
    assert len(dataset) == 8


def test_too_many_rejected_is_an_error(mixed):
    with pytest.raises(AnnotationError, match=r"58% of the samples are rejected.*max_rejected=50%"):
        build(mixed, **LIMITS)


def test_no_sample_left_says_which_option_to_change(words):
    dictionary = dict(type="AOCRDictionary", charset="chars:xyz")
    with pytest.raises(
        AnnotationError, match=r"no sample is left(.|\n)*unknown character: set the"
    ):
        build(words, dictionary=dictionary)


def test_empty_file_is_an_error(tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(AnnotationError, match=r"empty.txt: no line 'PATH LABEL'"):
        build(tmp_path / "empty.txt")


@pytest.mark.parametrize(
    ("problems", "message"),
    [
        ({"mising_image": "skip"}, "unknown reason 'mising_image'"),
        ({"broken_image": "keep"}, "it must be 'skip' or 'error'$"),
        ({"label_too_long": "drop"}, "policy 'drop' for label_too_long"),
    ],
)
def test_bad_policies(words, problems, message):
    with pytest.raises(AnnotationError, match=message):
        build(words, problems=problems)


def test_bad_check_level(words):
    with pytest.raises(ConfigError, match="check_images is 'all'"):
        build(words, check_images="all")


def test_letter_case_of_the_dictionary_is_applied(words):
    text = words.read_text().replace(" CAT", " cat")
    words.write_text(text)
    upper = build(words, dictionary=dict(type="AOCRDictionary", letter_case="upper"))
    assert upper[0]["data_samples"].gt_text.item == "CAT" and len(upper) == 4
    assert len(build(words, dictionary=dict(type="AOCRDictionary"))) == 3


def test_mmocrs_own_dictionary_serves_too(words, tmp_path):
    path = tmp_path / "dict.txt"
    path.write_text("\n".join("CATDOG7HRSEX"[i] for i in range(12) if i not in (4,)))
    path.write_text("\n".join(dict.fromkeys("CATDOG7HRS")))
    dataset = build(words, dictionary=dict(type="Dictionary", dict_file=str(path)))
    assert [dataset.get_data_info(i)["instances"][0]["text"] for i in range(len(dataset))] == [
        "CAT",
        "DOG7",
    ]


def test_a_file_that_vanishes_is_never_replaced_by_another(words):
    dataset = build(words, serialize_data=False)
    (words.parent / "images" / "DOG7.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"DOG7\.png"):
        dataset[1]


def test_a_sample_lost_in_the_pipeline_is_an_error(words):
    dataset = build(words, pipeline=[lambda results: None])
    with pytest.raises(AnnotationError, match=r"words.txt:1: .*CAT.png was lost in the pipeline"):
        dataset[0]


def test_aspect_ratios_follow_indices(words):
    full, part = build(words), build(words, indices=[2, 0])
    np.testing.assert_array_equal(part.aspect_ratios(), full.aspect_ratios()[[2, 0]])
    np.testing.assert_array_equal(full.get_subset([2, 0]).aspect_ratios(), part.aspect_ratios())
    assert len(build(words, indices=100).aspect_ratios()) == 4
    with pytest.raises(ConfigError, match="check_images"):
        build(words, check_images="exists").aspect_ratios()


def test_annotation_file_below_data_root_or_not(words, monkeypatch):
    monkeypatch.chdir(words.parent.parent)
    assert len(build(words.name, data_root=str(words.parent))) == 4
    assert len(build(words, data_root=str(words.parent))) == 4
