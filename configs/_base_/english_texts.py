"""What the images say that the recognisers of English words learn from."""

texts = dict(
    words=("common", "english", "rare"),
    kinds=dict(
        word=0.70,
        random=0.10,
        number=0.06,
        code=0.04,
        mixture=0.03,
        phrase=0.03,
        price=0.02,
        date=0.01,
        time=0.01,
    ),
    max_length=25,
    charset="ascii",
)
