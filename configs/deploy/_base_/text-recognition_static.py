_base_ = ["text-recognition.py", "onnx_config.py"]
onnx_config = dict(input_shape=(160, 32))  # width and height in pixels
