"""aocr_english on a GPU: from its weights, with images drawn while it trains.

    python tools/fetch_fonts.py
    python tools/train.py configs/aocr_english_gpu.py --finetune english

As in ``aocr_english_accurate.py`` no image is seen twice and the learning rate goes by the clock.
"""

_base_ = ["aocr_english.py"]

# ------------------------------------------------------------------ often changed
minutes = 8
train_cfg = dict(max_iters=1_000_000, val_interval=4000)  # steps; time ends it before
train_pipeline = [step for step in _base_.train_pipeline if step["type"] != "LineJitter"]
texts = dict(
    words=("common", "english"),
    kinds=dict(
        word=0.70,
        random=0.10,
        number=0.06,
        code=0.04,
        mixture=0.03,
        phrase=0.03,
        price=0.02,
        date=0.01,
        time=0.01,
    ),
)
train_dataloader = dict(
    batch_size=512,
    num_workers=15,
    prefetch_factor=4,
    batch_sampler=dict(pool=8),
    dataset=dict(
        _delete_=True,
        type="SyntheticDataset",
        style="scene",
        height=32,
        size=10_000_000,
        texts=dict(_base_.texts, **texts),
        pipeline=train_pipeline,
    ),
)

# ------------------------------------------------------------------ rarely changed
optim_wrapper = dict(optimizer=dict(lr=2.5e-3))
param_scheduler = []
custom_hooks = [dict(type="TimedRateHook", minutes=minutes)]
default_hooks = dict(checkpoint=dict(interval=4000))
