_base_ = ["_base_/text-recognition_dynamic.py", "_base_/backends/tensorrt-int8.py"]
backend_config = dict(
    model_inputs=[
        dict(
            input_shapes=dict(
                input=dict(
                    min_shape=[1, 1, 32, 8],
                    opt_shape=[8, 1, 32, 128],
                    max_shape=[32, 1, 32, 512],
                )
            )
        )
    ]
)
