"""aocr_base on the set captcha6_plain, looked for under data/ (a link will do)."""

_base_ = ["aocr_base.py"]

train_dataloader = dict(dataset=dict(data_root="data/captcha6_plain"))
val_dataloader = dict(dataset=dict(data_root="data/captcha6_plain"))
test_dataloader = dict(dataset=dict(data_root="data/captcha6_plain"))
train_cfg = dict(max_iters=1000)
