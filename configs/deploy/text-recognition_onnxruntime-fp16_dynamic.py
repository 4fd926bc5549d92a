_base_ = ["_base_/text-recognition_dynamic.py", "_base_/backends/onnxruntime-fp16.py"]
