"""The end of aocr_english's training: from its weights, with a learning rate that falls to nothing.

docs/WEIGHTS.md says how the weights that come along were made.
"""

_base_ = ["aocr_english.py"]

# ------------------------------------------------------------------ often changed
train_cfg = dict(max_iters=2400, val_interval=400)  # steps

# ------------------------------------------------------------------ rarely changed
param_scheduler = [  # the second ends with the training
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type="LinearLR", start_factor=1.0, end_factor=0.001, by_epoch=False, begin=100),
]
