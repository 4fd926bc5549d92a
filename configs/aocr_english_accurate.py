"""aocr_accuracy for English words, learnt from drawn images as aocr_english is: for a GPU.

Not trained yet: docs/WEIGHTS.md says what has been tried. Images are in colour and higher than
those of aocr_english:

    python tools/synthesize.py drawn/colour-0.tfrecords --count 2000000 --words common english \\
        --kinds word=0.70 random=0.10 number=0.06 code=0.04 mixture=0.03 phrase=0.03 price=0.02 \\
        date=0.01 time=0.01 --charset ascii --max-length 25 --height 48 --encoding jpg
    python tools/train.py configs/aocr_english_accurate.py      # with --resume as often as wanted
"""

_base_ = ["aocr_accuracy.py"]

# ------------------------------------------------------------------ often changed
train_cfg = dict(max_iters=60_000, val_interval=2000)  # steps
train_dataloader = dict(
    batch_size=256,
    num_workers=8,
    dataset=dict(
        type="AOCRRecordDataset",
        data_root="drawn",
        ann_file="colour-*.tfrecords",
        check_images="header",
    ),
)

# ------------------------------------------------------------------ rarely changed
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="SyntheticDataset",
        style="scene",
        height=48,
        part="validation",
        size=1000,
        texts=dict(max_length=25, charset="ascii"),
        pipeline=_base_.test_pipeline,
        test_mode=True,
    ),
)
model = dict(decoder=dict(dictionary=dict(charset="ascii")))
