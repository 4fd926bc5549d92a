"""aocr_base on the set captcha4_digits, looked for under data/ (a link will do)."""

_base_ = ["aocr_base.py"]

train_dataloader = dict(dataset=dict(data_root="data/captcha4_digits"))
val_dataloader = dict(dataset=dict(data_root="data/captcha4_digits"))
test_dataloader = dict(dataset=dict(data_root="data/captcha4_digits"))
train_cfg = dict(max_iters=800)
