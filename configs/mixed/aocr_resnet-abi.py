"""aocr_base with the backbone of MMOCR's ABINet: 8 rows of features."""

_base_ = ["../aocr_base.py"]

model = dict(
    mask_padding=False,  # none of MMOCR's backbones can tell padding from image
    backbone=dict(_delete_=True, type="ResNetABI", in_channels=1),
    encoder=dict(in_channels=512, height_pool="mean"),  # over the 8 rows
)
