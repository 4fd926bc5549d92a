"""aocr_base on four data sets at once, ours and MMOCR's, each with a weight.

Validation tells each set's figures under its own prefix; the best checkpoint is chosen by our own.
MMOCR's data sets do not look at their labels and images beforehand: the charset is spelt out here,
and a label that does not fit is an error when it is drawn.
"""

_base_ = [
    "../aocr_base.py",
    "mmocr::textrecog/_base_/datasets/mjsynth.py",
    "mmocr::textrecog/_base_/datasets/cute80.py",
    "mmocr::textrecog/_base_/datasets/iiit5k.py",
]

# ------------------------------------------------------------------ often changed
dictionary = dict(charset="ascii")
own = dict(
    type="AOCRDataset",
    ann_file="annotations-training.txt",
    pipeline=_base_.train_pipeline,
)
lines = dict(
    type="RecogTextDataset",
    data_root="data/lines",
    ann_file="train.jsonl",  # {"filename": "1.png", "text": "AB12"}
    pipeline=_base_.train_pipeline,
)
crops = dict(
    type="RecogLMDBDataset",
    ann_file="data/crops.lmdb",
    img_color_type="grayscale",
    pipeline=[dict(type="LoadImageFromNDArray"), *_base_.train_pipeline[1:]],
)
synthetic = dict(_base_.mjsynth_textrecog_train, pipeline=_base_.train_pipeline)
weights = [4, 2, 1, 1]  # of own, lines, crops and synthetic in what is trained on

# ------------------------------------------------------------------ rarely changed
train_dataloader = dict(
    sampler=dict(_delete_=True, type="SourceSampler", weights=weights),
    batch_sampler=dict(pool=1),  # MMOCR's data sets do not know their images' widths
    dataset=dict(
        _delete_=True,
        type="ConcatDataset",
        datasets=[own, lines, crops, synthetic],
        verify_meta=False,  # prepared benchmarks say more of themselves than ours
    ),
)
benchmarks = [
    dict(part, pipeline=_base_.test_pipeline)
    for part in (_base_.cute80_textrecog_test, _base_.iiit5k_textrecog_test)
]
own_test = dict(own, ann_file="annotations-validation.txt", pipeline=_base_.test_pipeline)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="ConcatDataset",
        datasets=[dict(own_test, test_mode=True), *benchmarks],
        verify_meta=False,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    _delete_=True,
    type="MultiDatasetsEvaluator",
    metrics=dict(type="RecognitionMetric"),
    dataset_prefixes=["own", "CUTE80", "IIIT5K"],
)
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best="own/recog/word_acc"))
log_processor = dict(mean_pattern=r"^(?!.*recog/).*(loss|time|data_time|grad_norm).*")
model = dict(decoder=dict(dictionary=dictionary))
