_base_ = ["_base_/text-recognition_static.py", "_base_/backends/onnxruntime-fp16.py"]
