"""aocr_english on a GPU: from its weights, with images drawn while it trains.

    python tools/fetch_fonts.py
    python tools/train.py configs/aocr_english_gpu.py --finetune english

As in ``aocr_english_accurate.py`` no image is seen twice and the learning rate goes by the clock.
"""

_base_ = ["aocr_english.py"]

# ------------------------------------------------------------------ often changed
custom_hooks = [dict(type="TimedRateHook", minutes=8)]
train_cfg = dict(max_iters=1_000_000, val_interval=4000)  # steps; time ends it before
train_dataloader = dict(
    batch_size=512,
    num_workers=15,  # one less than the processor's cores
    prefetch_factor=4,
    batch_sampler=dict(pool=8),
    dataset=dict(
        _delete_=True,
        type="SyntheticDataset",
        style="scene",
        height=32,
        size=10_000_000,
        texts=_base_.texts,
        pipeline=_base_.train_pipeline,
    ),
)

# ------------------------------------------------------------------ rarely changed
optim_wrapper = dict(optimizer=dict(lr=2.5e-3))
param_scheduler = []
default_hooks = dict(checkpoint=dict(interval=4000))
model = dict(cuda_graphs=True)
