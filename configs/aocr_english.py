"""The recogniser that comes with the package: English words, numbers and codes on signs.

Learnt from drawn images alone, so nobody's licence holds for its weights. Fonts and words are those
of ``tools/fetch_fonts.py``. As the time at hand decides how long it trains, the learning rate stays
high until one says stop; ``aocr_english_end.py`` then lets it fall to nothing:

    python tools/train.py configs/aocr_english.py      # with --resume as often as wanted
    python tools/train.py configs/aocr_english_end.py --finetune work_dirs/aocr_english/best.pth
    python tools/train.py configs/mine.py --finetune english    # your data, from these weights
"""

_base_ = ["aocr_synthetic.py"]

# ------------------------------------------------------------------ often changed
drawn = dict(
    texts=dict(
        words=["common", "english"],
        kinds=dict(
            word=0.70,
            random=0.10,  # so that it reads letters instead of guessing words
            number=0.06,
            code=0.04,
            mixture=0.03,
            phrase=0.03,
            price=0.02,
            date=0.01,
            time=0.01,
        ),
        max_length=25,
    ),
)
train_cfg = dict(max_iters=1_000_000, val_interval=1000)  # steps; stop it when time is up

# ------------------------------------------------------------------ rarely changed
model = dict(decoder=dict(dictionary=dict(charset="ascii")))
train_dataloader = dict(
    batch_size=64,
    sampler=dict(shuffle=False),  # drawn images have no order
    batch_sampler=dict(pool=32),
    dataset=dict(size=1_000_000_000, texts=drawn["texts"]),
)
val_dataloader = dict(dataset=dict(texts=drawn["texts"]))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=300),
]
