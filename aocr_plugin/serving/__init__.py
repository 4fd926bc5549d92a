"""An HTTP server around a model: TensorFlow Serving's REST and the Open Inference Protocol."""
