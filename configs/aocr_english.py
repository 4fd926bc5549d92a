"""The recogniser that comes with the package: English words, numbers and codes on signs.

Learnt from drawn images alone, so nobody's licence holds for its weights. docs/WEIGHTS.md has the
whole recipe. The images are drawn beforehand, because only of stored ones the exact widths are
known: batches of drawn ones by widths guessed from their texts are half padding.

    python tools/fetch_fonts.py
    python tools/synthesize.py drawn/english-0.tfrecords --count 100000 --charset ascii \\
        --words common english rare --max-length 25 --height 32 --gray \\
        --kinds word=0.70 random=0.10 number=0.06 code=0.04 mixture=0.03 phrase=0.03 price=0.02 \\
        date=0.01 time=0.01
    python tools/train.py configs/aocr_english.py      # with --resume as often as wanted
    python tools/train.py configs/aocr_english_end.py --finetune work_dirs/aocr_english/best.pth
    python tools/train.py configs/mine.py --finetune english    # your data, from these weights

As the time at hand decides how long it trains, the learning rate stays high until one says stop;
``aocr_english_end.py`` then lets it fall to nothing.
"""

_base_ = ["aocr_synthetic.py", "_base_/english_texts.py"]

# ------------------------------------------------------------------ often changed
train_cfg = dict(max_iters=1_000_000, val_interval=500)  # steps; stop it when time is up
train_pipeline = [  # drawn images are distorted already; these differ in every epoch
    dict(step, affine=0.3, blur=0.05, noise=0.1) if step["type"] == "LineJitter" else step
    for step in _base_.train_pipeline
]
train_dataloader = dict(
    batch_size=32,  # of one process; 16 where two share the work
    batch_sampler=dict(pool=64),
    dataset=dict(
        _delete_=True,
        type="AOCRRecordDataset",
        data_root="drawn",
        ann_file="english-*.tfrecords",
        check_images="header",
        pipeline=train_pipeline,
    ),
)

# ------------------------------------------------------------------ rarely changed
val_dataloader = dict(dataset=dict(texts=_base_.texts))
model = dict(  # no dropout, as the last piece was trained; docs/WEIGHTS.md compares
    backbone=dict(dropout=0.0),
    decoder=dict(dropout=0.0, dictionary=dict(charset="ascii")),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=300),
]
