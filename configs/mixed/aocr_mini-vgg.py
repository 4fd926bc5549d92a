"""aocr_base with the backbone of MMOCR's CRNN."""

_base_ = ["../aocr_base.py"]

model = dict(
    mask_padding=False,  # none of MMOCR's backbones can tell padding from image
    backbone=dict(_delete_=True, type="MiniVGG", input_channels=1),
    encoder=dict(in_channels=512),
)
