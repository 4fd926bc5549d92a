"""Recorded training steps."""

import copy
import pickle
import threading

import pytest
import torch
from conftest import make_samples
from mmengine.registry import init_default_scope

from aocr_plugin.models.misfits import MisfitError
from aocr_plugin.models.recognizers import graphs, recordings
from aocr_plugin.models.recognizers.graphs import GraphedLoss, _Loss, rounded_width

LABELS = ["ab", "abcde", "c", "xyz"]


STN = dict(
    type="STN",
    in_channels=1,
    resized_image_size=(32, 64),
    output_image_size=(32, 64),
    num_control_points=20,
)


def build(mask_padding=False, cell="lstm", preprocessor=None, **decoder):
    """Returns a small recogniser that learns without chance."""
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    torch.manual_seed(0)
    attention = dict(
        type="AttentionDecoder",
        in_channels=16,
        hidden_size=8,
        num_layers=1,
        init_state="linear",
        dictionary=dict(type="AOCRDictionary", charset="alphanumeric"),
        module_loss=dict(type="SequenceCELoss", label_smoothing=0.1),
        max_seq_len=10,
    )
    return MODELS.build(
        dict(
            type="AOCR",
            cuda_graphs=True,
            mask_padding=mask_padding,
            preprocessor=preprocessor,
            data_preprocessor=dict(type="StackedDataPreprocessor", mean=[128], std=[128]),
            backbone=dict(type="SlidingCNN", channels=(8,) * 6 + (16,), dropout=0.0),
            encoder=dict(
                type="StackedLSTMEncoder",
                cell=cell,
                in_channels=16,
                hidden_size=8,
                return_state=not decoder,  # MMOCR's want a plain tensor
            ),
            decoder=decoder or attention,
        )
    ).train()


def batch(device="cpu", width=60, seed=1):
    """Returns images of one size and their samples."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, 1, 32, width, generator=generator).to(device), make_samples(LABELS)


def padded_batch(device="cpu", width=60, seed=1):
    """Returns images of several widths and their samples."""
    images, samples = batch(device, width, seed)
    for image, sample, share in zip(images, samples, (1.0, 0.5, 0.9, 0.4), strict=True):
        image[..., round(share * width) :] = 0
        sample.set_metainfo({"valid_ratio": round(share * width) / width})
    return images, samples


def test_what_is_recorded_is_the_loss():
    model, (images, samples) = build(), batch()
    rows = model.decoder.module_loss.target_rows(samples)
    longer = torch.nn.functional.pad(rows, (0, 3), value=model.decoder.module_loss.pad_idx)
    start = {key: value.clone() for key, value in model.state_dict().items()}
    as_always = model.loss(images, samples)["loss_ce"]
    model.load_state_dict(start)
    assert _Loss(model)(images, longer).item() == pytest.approx(as_always.item(), abs=1e-6)


def test_a_padded_batch_is_recorded_as_if_it_were_padded_wider():
    model, (images, samples) = build(mask_padding=True), padded_batch()
    rows, widths = model.decoder.module_loss.target_rows(samples), model._widths(images, samples)
    assert widths.tolist() == [60, 30, 54, 24]
    wider = torch.nn.functional.pad(images, (0, rounded_width(60) - 60))
    start = {key: value.clone() for key, value in model.state_dict().items()}
    recorded = _Loss(model)(wider, rows, widths).item()
    model.load_state_dict(start)
    for sample in samples:
        sample.set_metainfo({"valid_ratio": sample.valid_ratio * 60 / 64})
    assert recorded == pytest.approx(model.loss(wider, samples)["loss_ce"].item(), abs=1e-6)


def test_widths_are_rounded_up_to_few():
    found = [rounded_width(width) for width in range(1, 1025)]
    assert all(width <= to and to % 8 == 0 for width, to in enumerate(found, 1))
    assert all(to <= width * 9 / 8 + 8 for width, to in enumerate(found, 1))
    assert len({to for to in found if 64 < to <= 1024}) == 32


@pytest.mark.parametrize("mask_padding", [False, True])
def test_what_stands_for_parameters_while_recording_learns_and_goes(mask_padding):
    model, (images, samples) = build(mask_padding=mask_padding), padded_batch()
    rows, widths = model.decoder.module_loss.target_rows(samples), model._widths(images, samples)
    own = dict(model.named_parameters())
    learning = [parameter for parameter in own.values() if parameter.requires_grad]
    expected = torch.autograd.grad(_Loss(model)(images, rows, widths), learning, allow_unused=True)
    with recordings._aliases(_Loss(model)) as aliases:
        assert {id(parameter) for parameter in aliases.values()} == set(map(id, own.values()))
        places = {alias.data_ptr() for alias in aliases}
        assert places == {parameter.data_ptr() for parameter in own.values()}
        others = {parameter: alias for alias, parameter in aliases.items()}
        wanted = [others[parameter] for parameter in learning]
        found = torch.autograd.grad(_Loss(model)(images, rows, widths), wanted, allow_unused=True)
    for one, other in zip(expected, found, strict=True):
        assert one is None if other is None else torch.allclose(one, other, atol=1e-7)
    assert all(own[name] is parameter for name, parameter in model.named_parameters())
    rnn = model.encoder.rnn
    assert all(any(weight is mine for mine in own.values()) for weight in rnn._flat_weights)


def test_a_parameter_of_two_names_learns_by_both():
    layer = torch.nn.Linear(1, 1, bias=False)
    layer.again = layer.weight
    with recordings._aliases(layer) as aliases:
        (alias,) = aliases
        assert layer.weight is layer.again is alias
    assert layer.weight is layer.again is aliases[alias]


def gradients(model, learn):
    """Returns a batch's gradients in one piece, as ``learn`` computes them."""
    images, samples = batch(next(model.parameters()).device)
    rows = model.decoder.module_loss.target_rows(samples).to(images.device)
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    found = learn(_Loss(model), [images, rows], wanted)
    return torch.cat([grad.flatten().float() for grad in found if grad is not None])


def test_gradients_are_computed_in_the_precision_of_a_usual_step():
    """STN's are of products in float32, which autocast would make bfloat16."""
    model, precision = build(preprocessor=STN), recordings.Precision(True, torch.bfloat16)
    torch.nn.init.normal_(model.preprocessor.stn_fc2.weight, std=0.05)  # it begins with zeros

    def as_always(loss, given, wanted):
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            value = loss(*given)
        return torch.autograd.grad(value, wanted, allow_unused=True)

    def as_recorded(loss, given, wanted):
        with torch.autocast("cpu", torch.bfloat16):  # MMEngine's, around all of it
            value = recordings._forward(loss, given, precision)
            return recordings._backward(value, wanted, torch.ones_like(value))

    def within(loss, given, wanted):
        with torch.autocast("cpu", torch.bfloat16):
            return torch.autograd.grad(loss(*given), wanted, allow_unused=True)

    start = {key: value.clone() for key, value in model.state_dict().items()}
    found = []
    for learn in (as_always, as_recorded, within):
        model.load_state_dict(start)
        found.append(gradients(model, learn))
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2], rtol=1e-2)


class Replayed:
    """Stands for a graph."""

    def replay(self):
        pass


def test_a_batch_cannot_be_learnt_from_after_the_next_ones_loss():
    shared, parameter = Replayed(), torch.nn.Parameter(torch.ones(2))
    shared.turn = 0
    recording = Replayed()
    recording.shared, recording.forward, recording.backward = shared, Replayed(), Replayed()
    recording.loss, recording.slope = torch.tensor(3.0), torch.ones(())
    recording.gradients = [torch.tensor([1.0, 2.0])]
    first = recordings._Replay.apply(recording, parameter)
    second = recordings._Replay.apply(recording, parameter)
    with pytest.raises(RuntimeError, match="learn from each first"):
        first.backward()
    (second * 4).backward()
    assert recording.slope == 4
    assert parameter.grad.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.decoder.output.weight.requires_grad_(False),
        lambda model: model.double().float(),
        lambda model: model.backbone.blocks[0].eval(),
    ],
)
def test_recordings_of_another_state_are_dropped(change):
    model = build()
    model.graphed._forget_if_changed()
    model.graphed._graphs["a size"] = None
    model.graphed._forget_if_changed()
    assert model.graphed._graphs
    change(model)
    model.graphed._forget_if_changed()
    assert not model.graphed._graphs


def test_padded_columns_of_a_gru_are_refused():
    build(cell="gru", mask_padding=False)
    with pytest.raises(MisfitError, match="needs an encoder of cell='lstm'"):
        build(cell="gru", mask_padding=True)


def test_nothing_is_recorded_on_a_cpu():
    model, (images, samples) = build(), batch()
    assert isinstance(model.graphed, GraphedLoss)
    assert not model.graphed.is_ready(images)
    assert torch.isfinite(model.loss(images, samples)["loss_ce"])


def test_a_copy_of_a_model_records_for_itself():
    model = build()
    model.graphed._graphs[1, 1, 32, 60, 8, False] = threading.Lock()  # cannot be copied either
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.graphed._model is other
        assert not other.graphed._graphs


def test_other_decoders_are_refused():
    decoder = dict(
        type="ASTERDecoder",
        in_channels=16,
        max_seq_len=10,
        dictionary=dict(type="AOCRDictionary", charset="alphanumeric"),
        module_loss=dict(type="CEModuleLoss"),
        postprocessor=dict(type="AttentionPostprocessor"),
    )
    with pytest.raises(MisfitError, match="cuda_graphs=True needs AttentionDecoder, not ASTER"):
        build(**decoder)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize(("make", "tried"), [(batch, 0), (batch, 2), (padded_batch, 0)])
def test_steps_replayed_learn_like_steps_as_always(make, tried, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(graphs, "_TRIED", tried)
    sizes = (60, 61, 100, 60, 100, 200)  # in turn; recordings share their memory
    ends = []
    for recorded in (True, False):
        model = build(mask_padding=make is padded_batch).cuda()
        if not recorded:
            model.graphed = None
        optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
        losses = []
        for step in range(36):
            width = sizes[step % len(sizes)]
            images, samples = make("cuda", width, seed=step)
            if not recorded and make is padded_batch:
                wider = rounded_width(width)
                images = torch.nn.functional.pad(images, (0, wider - width))
                for sample in samples:
                    sample.set_metainfo({"valid_ratio": sample.valid_ratio * width / wider})
            optimizer.zero_grad()
            loss = model.loss(images, samples)["loss_ce"]
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert not recorded or len(model.graphed._graphs) == (4 if make is batch else 3)
        state = torch.cat([value.flatten().float() for value in model.state_dict().values()])
        ends.append((losses, state.tolist()))
    assert ends[0][0] == pytest.approx(ends[1][0], rel=1e-4)
    assert ends[0][1] == pytest.approx(ends[1][1], rel=1e-3, abs=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("preprocessor", [None, STN])
def test_recorded_gradients_in_bfloat16_are_those_of_a_usual_step(preprocessor, monkeypatch):
    monkeypatch.setattr(graphs, "_TRIED", 0)
    model = build(preprocessor=preprocessor).cuda()
    if preprocessor:
        torch.nn.init.normal_(model.preprocessor.stn_fc2.weight, std=0.05)
    start = {key: value.clone() for key, value in model.state_dict().items()}
    found = []
    for recorded in (model.graphed, None):
        model.graphed = recorded
        model.load_state_dict(start)
        with torch.autocast("cuda", torch.bfloat16):
            loss = model.loss(*batch("cuda"))["loss_ce"]
        loss.backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad]))
        model.zero_grad()
    assert (found[0] - found[1]).norm() < 0.02 * found[1].norm()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_sizes_are_recorded_while_a_thread_pins_batches():
    model, over = build(mask_padding=True).cuda(), threading.Event()

    def pin():
        size = 1
        while not over.is_set():
            torch.zeros(size).pin_memory()  # of ever new sizes
            size = size % 10_000_000 + 99_991

    thread = threading.Thread(target=pin)
    thread.start()
    try:
        for step in range(12):
            images, samples = padded_batch("cuda", (60, 100, 200, 300)[step % 4])
            model.loss(images, samples)["loss_ce"].backward()
            model.zero_grad()
    finally:
        over.set()
        thread.join()
    assert len(model.graphed._graphs) == 4
