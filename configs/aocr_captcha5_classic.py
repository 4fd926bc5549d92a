"""aocr_base on the set captcha5_classic, looked for under data/ (a link will do)."""

_base_ = ["aocr_base.py"]

train_dataloader = dict(dataset=dict(data_root="data/captcha5_classic"))
val_dataloader = dict(dataset=dict(data_root="data/captcha5_classic"))
test_dataloader = dict(dataset=dict(data_root="data/captcha5_classic"))
train_cfg = dict(max_iters=600)
