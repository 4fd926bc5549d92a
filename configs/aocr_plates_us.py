"""aocr_base on the set plates_us, looked for under data/ (a link will do)."""

_base_ = ["aocr_base.py"]

train_dataloader = dict(dataset=dict(data_root="data/plates_us"))
val_dataloader = dict(dataset=dict(data_root="data/plates_us"))
test_dataloader = dict(dataset=dict(data_root="data/plates_us"))
train_cfg = dict(max_iters=2500)
