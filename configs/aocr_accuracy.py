"""The accurate recogniser: MMOCR's STN and ASTER's ResNet before aocr's encoder and decoder.

For words that are bent, tilted or seen from the side, with many images to learn from: 20 million
weights, several times the work of ``aocr_base.py``. Differences from that one and why:

- colour images of 256 x 64 pixels, whatever their shape; a spatial transformer (STN) learns from
  the texts alone to pull the word straight into 128 x 32;
- ASTER's residual network of 45 layers in place of seven convolutions;
- two encoder layers of 256 units a direction;
- no ``mask_padding``: all images have one size, there is no padding.

The STN must not move before the rest can read: its learning rate is a tenth of theirs.
"""

_base_ = ["aocr_base.py"]

meta_keys = ("img_path", "ori_shape", "img_shape", "valid_ratio")
train_pipeline = [
    dict(type="LoadImageFromFile", color_type="color"),
    dict(type="LoadOCRAnnotations", with_text=True),
    dict(type="Resize", scale=(256, 64)),  # width, height
    dict(type="LineJitter"),
    dict(type="PackTextRecogInputs", meta_keys=meta_keys),
]
test_pipeline = [step for step in train_pipeline if step["type"] != "LineJitter"]
train_dataloader = dict(
    batch_sampler=dict(pool=1),  # all images are of one width
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
train_cfg = dict(max_iters=20000, val_interval=500)  # steps
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(custom_keys={"preprocessor": dict(lr_mult=0.1)}),
)
model = dict(
    mask_padding=False,
    data_preprocessor=dict(mean=[128] * 3, std=[128] * 3),
    preprocessor=dict(
        type="STN",
        in_channels=3,
        resized_image_size=(32, 64),  # height, width that the STN looks at
        output_image_size=(32, 128),  # height, width of the straightened word
        num_control_points=20,
    ),
    backbone=dict(
        _delete_=True,
        type="ResNet",
        in_channels=3,
        stem_channels=[32],
        block_cfgs=dict(type="BasicBlock", use_conv1x1=True),
        arch_layers=[3, 4, 6, 6, 3],
        arch_channels=[32, 64, 128, 256, 512],
        strides=[(2, 2), (2, 2), (2, 1), (2, 1), (2, 1)],
    ),
    encoder=dict(in_channels=512, hidden_size=256, num_layers=2, dropout=0.1),
    decoder=dict(in_channels=512, hidden_size=256),
)
