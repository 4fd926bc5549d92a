"""aocr_base with the backbone of MMOCR's SATRN: two convolutions, 8 rows of features."""

_base_ = ["../aocr_base.py"]

model = dict(
    mask_padding=False,  # none of MMOCR's backbones can tell padding from image
    backbone=dict(_delete_=True, type="ShallowCNN", input_channels=1, hidden_dim=256),
    encoder=dict(in_channels=256, height_pool="mean"),  # over the 8 rows
)
