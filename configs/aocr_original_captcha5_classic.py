"""The original on 200 x 50 CAPTCHAs of five characters."""

_base_ = ["aocr_original.py"]

data_root = "data/captcha5_classic"
train_pipeline = [
    dict(type="LoadImageFromFile", color_type="grayscale"),
    dict(type="LoadOCRAnnotations", with_text=True),
    dict(type="AOCRCanvas", max_width=200, max_height=50),
    dict(
        type="PackTextRecogInputs",
        meta_keys=("img_path", "ori_shape", "img_shape", "valid_ratio"),
    ),
]
test_pipeline = train_pipeline
train_dataloader = dict(dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline))
