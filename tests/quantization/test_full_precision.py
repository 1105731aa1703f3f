"""Loading the weights of a network that was trained in full precision."""

import pytest
import torch

from tests.support.quantized_networks import quantizers, tiny_quantized
from tests.support.tiny_trainer import tiny_trainer
from tests.support.tiny_trial import equal_state, tiny_network
from vsam_tune.errors import InputError
from vsam_tune.quantization.full_precision import load_full_precision
from vsam_tune.quantization.lsq import initial_step
from vsam_tune.quantization.transform import quantize_model
from vsam_tune.training.checkpoint import load_checkpoint, save_checkpoint


def test_weights_and_buffers_of_a_checkpoint_then_steps_from_them(tmp_path):
    trained = tiny_trainer(model=tiny_network(seed=7))
    trained.train_epoch()
    save_checkpoint({"trainer": trained.state_dict()}, tmp_path / "checkpoint.pt")
    model = tiny_network()
    state = load_checkpoint(tmp_path / "checkpoint.pt")["trainer"]["model"]
    load_full_precision(model, state, where="checkpoint.pt")
    assert equal_state(model.state_dict(), trained.model.state_dict())
    quantize_model(model)
    assert all(torch.equal(model.state_dict()[key], state[key]) for key in state)
    assert torch.equal(model[3].weight_quantizer.step, initial_step(state["3.weight"], 7))


def test_the_dtype_of_the_model_stays():
    model = tiny_network().double()
    load_full_precision(model, tiny_network(seed=7).state_dict(), where="a.pt")
    assert model[0].weight.dtype == torch.float64
    assert torch.equal(model[0].weight, tiny_network(seed=7)[0].weight.double())


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda state: without(state, "1.running_mean"), "a.pt: 1.running_mean: is missing, but the model has it."),
        (lambda _: {}, "a.pt: 0.weight: is missing, but the model has it."),
        (lambda state: {**state, "10.weight": state["9.weight"]}, "a.pt: 10.weight: is not in the model."),
        (
            lambda state: state | {"9.weight": state["9.weight"][:3]},
            "a.pt: 9.weight: has the shape 3x4, but the model's is 5x4.",
        ),
        (
            lambda state: state | {"1.num_batches_tracked": torch.zeros(2)},
            "a.pt: 1.num_batches_tracked: has the shape 2, but the model's is of one number.",
        ),
        (lambda state: state | {"9.bias": 0.5}, "a.pt: 9.bias: must be a tensor."),
        (lambda _: tiny_quantized().state_dict(), "a.pt: 0.weight_quantizer.step: is not in the model."),
    ],
)
def test_a_checkpoint_that_does_not_fit(change, line):
    model = tiny_network()
    with pytest.raises(InputError) as error:
        load_full_precision(model, change(tiny_network(seed=7).state_dict()), where="a.pt")
    fix = " Fix: name the checkpoint of a trial with this model and data, without quantization."
    assert error.value.lines == (line + fix,)
    assert equal_state(model.state_dict(), tiny_network().state_dict())


def test_after_quantization_it_is_too_late():
    model = tiny_quantized()
    before = {name: each.step.item() for name, each in quantizers(model).items()}
    with pytest.raises(InputError, match=r"^a\.pt: 0\.weight_quantizer\.step: is missing, but the model has it\."):
        load_full_precision(model, tiny_network(seed=7).state_dict(), where="a.pt")
    assert {name: each.step.item() for name, each in quantizers(model).items()} == before
