_base_ = ["text-recognition.py", "onnx_config.py"]
onnx_config = dict(
    dynamic_axes=dict(input={0: "batch", 3: "width"}, output={0: "batch"}),
)
