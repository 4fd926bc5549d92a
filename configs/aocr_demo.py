"""aocr_base on the CAPTCHAs that ``make demo`` makes."""

_base_ = ["aocr_base.py"]

data_root = "demo/captchas"
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
train_cfg = dict(max_iters=1200, val_interval=150)  # steps
default_hooks = dict(checkpoint=dict(interval=300))
