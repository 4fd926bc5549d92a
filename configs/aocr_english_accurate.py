"""aocr_accuracy for English words, learnt from drawn images as aocr_english is: for a GPU.

    python tools/fetch_fonts.py
    python tools/train.py configs/aocr_english_accurate.py

Images are drawn in the data workers while it trains, so none is seen twice and nothing has to be
made beforehand; all have one size, so it does not matter that their widths are not known. The
learning rate goes by the clock: set the minutes that the GPU is there for
(``--cfg-options custom_hooks.0.minutes=15``). docs/WEIGHTS.md says
what came of it.
"""

_base_ = ["aocr_accuracy.py", "_base_/english_texts.py"]

# ------------------------------------------------------------------ often changed
custom_hooks = [dict(type="TimedRateHook", minutes=15)]
train_cfg = dict(max_iters=1_000_000, val_interval=5000)  # steps; time ends it before
train_pipeline = [  # drawn images are distorted already
    step for step in _base_.train_pipeline if step["type"] != "LineJitter"
]
train_dataloader = dict(
    batch_size=512,
    num_workers=15,  # one less than the processor's cores
    prefetch_factor=4,
    dataset=dict(
        _delete_=True,
        type="SyntheticDataset",
        style="scene",
        height=48,
        size=10_000_000,
        texts=_base_.texts,
        pipeline=train_pipeline,
    ),
)

# ------------------------------------------------------------------ rarely changed
val_dataloader = dict(
    batch_size=256,
    dataset=dict(
        _delete_=True,
        type="SyntheticDataset",
        style="scene",
        height=48,
        part="validation",
        size=1000,
        texts=_base_.texts,
        pipeline=_base_.test_pipeline,
        test_mode=True,
    ),
)
optim_wrapper = dict(optimizer=dict(lr=1.5e-3))
param_scheduler = []
default_hooks = dict(checkpoint=dict(interval=5000))
model = dict(
    cuda_graphs=True,  # all images are of one size
    decoder=dict(max_seq_len=27, dictionary=dict(charset="ascii")),
)
