"""What all configs share: runner, hooks, logs, metrics. Rarely changed."""

custom_imports = dict(imports=["aocr_plugin.register"], allow_failed_imports=False)
runner_type = "AOCRRunner"
default_scope = "mmocr"
launcher = "none"
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="auto"),
)
randomness = dict(seed=0)
load_from = None
resume = False

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(
        type="SafeCheckpointHook",
        by_epoch=False,
        interval=100,
        max_keep_ckpts=2,
        save_best="recog/word_acc",
    ),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    sync_buffer=dict(type="SyncBuffersHook"),
    visualization=dict(
        type="VisualizationHook",
        interval=1,
        enable=False,
        show=False,
        draw_gt=False,
        draw_pred=False,
    ),
)
log_level = "INFO"
log_processor = dict(
    type="LogProcessor",
    window_size=50,
    by_epoch=False,
    # means over the window; without the first part validation losses would be averaged over time
    mean_pattern=r"^(?!recog/).*(loss|time|data_time|grad_norm).*",
)
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="TextRecogLocalVisualizer", name="visualizer", vis_backends=vis_backends)

val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
val_evaluator = dict(type="RecognitionMetric")
test_evaluator = val_evaluator
