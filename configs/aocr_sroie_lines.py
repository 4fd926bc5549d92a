"""aocr_base on the set sroie_lines, looked for under data/ (a link will do)."""

_base_ = ["aocr_base.py"]

train_dataloader = dict(dataset=dict(data_root="data/sroie_lines"))
val_dataloader = dict(dataset=dict(data_root="data/sroie_lines"))
test_dataloader = dict(dataset=dict(data_root="data/sroie_lines"))
train_cfg = dict(max_iters=3000)
model = dict(decoder=dict(max_seq_len=42))  # longest label + 2
