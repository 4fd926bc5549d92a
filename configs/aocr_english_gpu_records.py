"""aocr_english_gpu on images that were drawn beforehand, so that the GPU does not wait for them.

    python tools/fetch_fonts.py
    python tools/synthesize.py drawn/english-0.tfrecords --count 1000000 --encoding bmp \\
        --charset ascii --words common english rare --max-length 25 --height 32 --gray \\
        --kinds word=0.70 random=0.10 number=0.06 code=0.04 mixture=0.03 phrase=0.03 price=0.02 \\
        date=0.01 time=0.01
    python tools/train.py configs/aocr_english_gpu_records.py --finetune english

Fifteen slow cores draw a fourth of what an H200 learns from, but read all of it (docs/SPEED.md).
Each image comes many times, distorted differently.
"""

_base_ = ["aocr_english_gpu.py"]

# ------------------------------------------------------------------ often changed
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="AOCRRecordDataset",
        data_root="drawn",
        ann_file="english-*.tfrecords",
        check_images="header",
        pipeline=_base_.train_pipeline,
    ),
)
