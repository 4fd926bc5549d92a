"""aocr_base with MMOCR's MobileNetV2, which takes colour images alone."""

_base_ = ["../aocr_base.py"]

train_pipeline = _base_.train_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[0].update(color_type="color")
test_pipeline[0].update(color_type="color")
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(
    mask_padding=False,  # none of MMOCR's backbones can tell padding from image
    data_preprocessor=dict(mean=[128] * 3, std=[128] * 3),
    backbone=dict(_delete_=True, type="MobileNetV2"),
    encoder=dict(in_channels=1280),
)
