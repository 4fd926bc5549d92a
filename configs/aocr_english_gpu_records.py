"""aocr_english on a GPU: from its weights, with images that were drawn beforehand.

    python tools/fetch_fonts.py
    python tools/synthesize.py drawn/english-0.tfrecords --count 1000000 --encoding bmp \\
        --charset ascii --words common english rare --max-length 25 --height 32 --gray \\
        --kinds word=0.70 random=0.10 number=0.06 code=0.04 mixture=0.03 phrase=0.03 price=0.02 \\
        date=0.01 time=0.01
    python tools/train.py configs/aocr_english_gpu_records.py --finetune english

Sixteen slow cores draw a fourth of what an H200 learns from, but read all of it (docs/SPEED.md);
``aocr_english_gpu.py`` draws while it trains. Each image comes many times, distorted differently.
As in ``aocr_english_accurate.py`` the learning rate goes by the clock.
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
)

# ------------------------------------------------------------------ rarely changed
optim_wrapper = dict(optimizer=dict(lr=2.5e-3))
param_scheduler = []
default_hooks = dict(checkpoint=dict(interval=4000))
model = dict(cuda_graphs=True)
