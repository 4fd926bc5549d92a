"""The recommended recogniser: aocr's design, learning faster and reading better.

Give it your annotation files, or let ``tools/new_config.py`` write a config of a few lines.
Differences from the original (``aocr_original.py``) and why:

- images keep their aspect ratio at height 32 and any width: nothing is squeezed or dropped;
  batches hold images of similar width and padding is masked, so a batch reads as single images;
- BatchNorm after every convolution with momentum 0.1: the original's 0.01 (0.99 in TensorFlow's
  sense) leaves the averages behind the weights, 'trains well, tests badly';
- half the channels: four times less work, enough for thousands of images (``channels`` widens);
- LSTM with forget bias 1 and one decoder layer started from a learnt projection of the encoder's
  state: the attention finds the characters after tens of steps instead of hundreds;
- AdamW with warm-up and cosine decay instead of Adadelta at a constant rate; slight distortions
  of the images; dropout 0.2 instead of 0.5;
- validated, saved and used are running averages of the weights over the last hundred steps: single
  steps at a high rate can throw the network back for a moment, and that moment may be validation;
- charset collected from the training labels, case left as it is;
- bfloat16 where the device is faster in it; validation, and the best checkpoint kept.
"""

_base_ = ["_base_/default_runtime.py"]

# ------------------------------------------------------------------ often changed
dictionary = dict(type="AOCRDictionary", charset="labels", letter_case="unchanged")
train_pipeline = [
    dict(type="LoadImageFromFile", color_type="grayscale"),
    dict(type="LoadOCRAnnotations", with_text=True),
    dict(type="RescaleToHeight", height=32, min_width=8, max_width=2048, interpolation="area"),
    dict(type="LineJitter"),
    dict(
        type="PackTextRecogInputs",
        meta_keys=("img_path", "ori_shape", "img_shape", "valid_ratio"),
    ),
]
test_pipeline = [step for step in train_pipeline if step["type"] != "LineJitter"]
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="EndlessSampler"),
    batch_sampler=dict(type="WidthBatchSampler", pool=16),
    collate_fn=dict(type="stacked_collate"),
    dataset=dict(type="AOCRDataset", ann_file="annotations-training.txt", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=64,
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
    batch_size=64,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="AOCRDataset",
        ann_file="annotations-testing.txt",
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
train_cfg = dict(type="ResumableTrainLoop", max_iters=1500, val_interval=100)  # steps
custom_hooks = [
    dict(
        type="EMAHook",
        ema_type="MomentumAnnealingEMA",
        momentum=0.01,
        gamma=10,
        update_buffers=True,
    )
]

# ------------------------------------------------------------------ rarely changed
optim_wrapper = dict(
    type="PrecisionOptimWrapper",
    precision="auto",  # fp32, bf16, fp16 (GPU) or auto
    optimizer=dict(type="AdamW", lr=2e-3, betas=(0.9, 0.99), weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [  # the second ends with the training
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", eta_min_ratio=0.01, by_epoch=False, begin=100),
]
model = dict(
    type="AOCR",
    mask_padding=True,
    channels_last=True,
    data_preprocessor=dict(type="StackedDataPreprocessor", mean=[128], std=[128]),
    backbone=dict(
        type="SlidingCNN",
        in_channels=1,
        channels=(32, 64, 128, 128, 256, 256, 256),
        norm_all=True,
        bn_momentum=0.1,
        dropout=0.2,
    ),
    encoder=dict(type="StackedLSTMEncoder", in_channels=256, hidden_size=128, forget_bias=1.0),
    decoder=dict(
        type="AttentionDecoder",
        in_channels=256,
        hidden_size=128,
        num_layers=1,
        embed_dims=32,
        forget_bias=1.0,
        init_state="linear",
        dropout=0.1,
        early_stop=True,
        max_seq_len=34,  # longest label + 2
        dictionary=dictionary,
        module_loss=dict(type="SequenceCELoss"),
        postprocessor=dict(type="WordScorePostprocessor"),
    ),
)
