"""The original aocr: its network, its preprocessing, its training, to the letter.

For images of another shape than 160 x 60, longer labels or full ASCII see
``aocr_original_captcha5_classic.py``, which changes all of these.
"""

_base_ = ["_base_/default_runtime.py"]

# ------------------------------------------------------------------ often changed
dictionary = dict(type="AOCRDictionary", charset="aocr", letter_case="upper")
train_pipeline = [
    dict(type="LoadImageFromFile", color_type="grayscale"),
    dict(type="LoadOCRAnnotations", with_text=True),
    dict(type="AOCRCanvas", max_width=160, max_height=60),  # canvas of 32 x ceil(32 * 160 / 60)
    dict(
        type="PackTextRecogInputs",
        meta_keys=("img_path", "ori_shape", "img_shape", "valid_ratio"),
    ),
]
test_pipeline = train_pipeline
train_dataloader = dict(
    batch_size=65,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="EndlessSampler"),
    batch_sampler=dict(type="WidthBatchSampler", pool=1),
    dataset=dict(type="AOCRDataset", ann_file="annotations-training.txt", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=65,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="AOCRDataset",
        ann_file="annotations-validation.txt",
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = dict(
    batch_size=65,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="AOCRDataset",
        ann_file="annotations-testing.txt",
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
train_cfg = dict(type="ResumableTrainLoop", max_iters=1000, val_interval=100)  # steps

# ------------------------------------------------------------------ rarely changed
optim_wrapper = dict(
    type="PrecisionOptimWrapper",
    precision="auto",  # bf16 where the device is faster in it, else fp32; "fp32" as the original
    optimizer=dict(type="Adadelta", lr=1.0, rho=0.95, eps=1e-8),
    clip_grad=dict(max_norm=5.0),
)
model = dict(
    type="AOCR",
    channels_last=True,
    data_preprocessor=dict(type="TextRecogDataPreprocessor", mean=[128], std=[128]),
    backbone=dict(type="SlidingCNN", in_channels=1),
    encoder=dict(type="StackedLSTMEncoder", in_channels=512, hidden_size=256),
    decoder=dict(
        type="AttentionDecoder",
        in_channels=512,
        hidden_size=128,
        num_layers=2,
        embed_dims=10,
        cell="lstm",
        max_seq_len=10,  # the original's max_prediction + 2
        dictionary=dictionary,
        module_loss=dict(type="SequenceCELoss"),
        postprocessor=dict(type="WordScorePostprocessor"),
    ),
)
