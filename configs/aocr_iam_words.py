"""aocr_base on the set iam_words (handwriting), looked for under data/ (a link will do)."""

_base_ = ["aocr_base.py"]

train_dataloader = dict(dataset=dict(data_root="data/iam_words"))
val_dataloader = dict(dataset=dict(data_root="data/iam_words"))
test_dataloader = dict(dataset=dict(data_root="data/iam_words"))
train_cfg = dict(max_iters=600)
