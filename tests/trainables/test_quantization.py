"""A trial from the weights of another one, in full precision or quantized."""

import pytest
import torch
from torch import nn

from tests.support.digits_trial import end_of, steps, trial_config, without_ais
from tests.support.methods import others_slow
from tests.support.tiny_trial import equal_state
from trainables.build import build_trainer, data_arguments, load_data
from trainables.dry_run import dry_run, warm_up
from vsam_tune.errors import InputError
from vsam_tune.quantization.integers import check_integers
from vsam_tune.quantization.parameter_groups import step_sizes
from vsam_tune.registry.methods import METHODS
from vsam_tune.study.search import range_warnings

W4A4 = {"weight_bits": 4, "activation_bits": 4, "first_last_bits": 8, "activation_grad_scale": "features"}


@pytest.fixture(scope="module")
def data():
    return load_data(data_arguments(trial_config("")))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the checkpoint of a final training in full precision."""
    from ray.tune.trainable import trainable

    from trainables.classification import Classification

    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainable, "DEFAULT_STORAGE_PATH", str(folder / "ray"))
        worker = Classification(trial_config(folder, "sgd", final=True))
        steps(worker)
        worker.cleanup()
    return folder / "checkpoint.pt"


def weights_of(checkpoint):
    return torch.load(checkpoint, weights_only=True)["trainer"]["model"]


def test_a_trial_starts_from_the_weights_of_the_checkpoint(trained, data):
    trainer, _ = build_trainer(trial_config("", "sgd", initial_checkpoint=str(trained), seed=5), data)
    assert equal_state(dict(trainer.model.state_dict()), dict(weights_of(trained)))
    assert trainer.iteration == 0
    assert trainer.optimizer.base.state_dict()["state"] == {}


def test_a_quantized_trial_starts_from_the_weights_of_the_checkpoint(trained, data):
    config = trial_config("", "sgd", initial_checkpoint=str(trained), quantization=W4A4)
    trainer, _ = build_trainer(config, data)
    weights, state = weights_of(trained), trainer.model.state_dict()
    assert all(torch.equal(state[name], weights[name]) for name in weights)
    bits = [each.bits for each in check_integers(trainer.model)]
    assert bits == [8, 4, 4, 8]
    assert state.keys() - weights.keys()  # the steps, and what is known of them


def test_the_bits_are_those_of_the_task(data):
    quantization = {**W4A4, "weight_bits": 3, "first_last_bits": 32}
    trainer, _ = build_trainer(trial_config("", "sgd", quantization=quantization), data)
    assert [each.bits for each in check_integers(trainer.model)] == [3, 3]


def test_the_steps_are_a_group_of_their_own(data):
    trainer, _ = build_trainer(trial_config("", "sam", quantization=W4A4), data)
    others, steps_ = trainer.optimizer.param_groups
    assert {id(step) for step in steps_["params"]} == {id(step) for step in step_sizes(trainer.model)}
    assert (steps_["weight_decay"], steps_["perturbed"]) == (0.0, False)
    assert (others["weight_decay"], others["perturbed"]) == (5e-4, True)


def test_the_steps_of_inputs_follow_from_the_first_batch_which_is_trained_on_as_ever(data):
    """Calibration leaves no trace: order, augmentation and random layers are those of a trial without it."""
    plain, _ = build_trainer(trial_config("", "sgd"), data)
    random = torch.get_rng_state()
    trainer, _ = build_trainer(trial_config("", "sgd", quantization=W4A4), data)
    assert torch.equal(torch.get_rng_state(), random)
    for expected, batch in zip(plain.loader.batches(0), trainer.loader.batches(0), strict=True):
        assert all(map(torch.equal, expected, batch))
    second = trainer.model[3]
    assert isinstance(second, nn.Conv2d)
    x = next(plain.loader.batches(0)).x
    plain.model.train()
    first_step = second.input_quantizer.step.item()
    with torch.no_grad():
        inputs = trainer.model[:3].train()(x)  # its layers before the second convolution, normalised by the batch
    assert first_step == pytest.approx(2 * inputs.abs().mean().item() / 15**0.5, rel=1e-5)


@pytest.mark.usefixtures("checkpoint_always")
@pytest.mark.parametrize("name", others_slow(METHODS))
def test_resume_is_exact(name, trained, new_worker, tmp_path):
    task = {"initial_checkpoint": str(trained), "quantization": W4A4, "epochs": 3}
    straight = new_worker(trial_config(tmp_path / "0", name, **task))
    results = steps(straight)
    cut = new_worker(trial_config(tmp_path / "1", name, **task))
    cut.step()
    resumed = new_worker(trial_config(tmp_path / "1", name, **task))
    assert resumed.trainer.epoch == 1
    assert without_ais(steps(resumed)) == without_ais(results[1:])
    assert equal_state(end_of(resumed), end_of(straight))
    assert len(check_integers(resumed.trainer.model)) == 4


def test_a_warm_up_leaves_no_trace(trained, data):
    config = trial_config("", "sgd", initial_checkpoint=str(trained), quantization=W4A4)
    ends = []
    for warm in (False, True):
        if warm:
            warm_up(config, data)
        trainer, _ = build_trainer(config, data)
        trainer.train_epoch()
        ends.append(trainer.model.state_dict())
    assert equal_state(*ends)


def test_a_dry_run_times_it_and_says_what_the_weights_have_seen(trained):
    config = trial_config("", "sam", initial_checkpoint=str(trained), quantization=W4A4)
    facts = dry_run(config, time_iterations=True)
    assert facts["plain_seconds"] > 0
    assert facts["starts_from_final_training"] == 1
    plain = dry_run(trial_config("", "sam"), time_iterations=False)
    assert facts["parameters"] - plain["parameters"] == 8  # a step for each weight and each input
    assert "starts_from_final_training" not in plain
    assert "starts_from_final_training" not in dry_run({**config, "final": True}, time_iterations=False)


def test_a_search_is_warned_of_weights_that_know_the_validation_part(trained, tmp_path):
    from vsam_tune.study.file.study_file import load_study

    file = tmp_path / "a.yaml"
    file.write_text(f"name: a\nmethod: sam\ntask: {{initial_checkpoint: {trained}}}\n")
    study = load_study(file)
    (line,) = range_warnings(study, {"starts_from_final_training": 1.0})
    assert line.startswith(
        f"{file}: task.initial_checkpoint: comes from a final training, which has seen the validation"
    )
    assert range_warnings(study, {"starts_from_final_training": 0.0}) == []


@pytest.mark.parametrize(
    ("state", "rule"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"no checkpoint", "is not a checkpoint, or a truncated one"),
        ({"model": {}}, "is not a checkpoint of a trial"),
        ([1, 2], "is not a checkpoint of a trial"),
        (torch.zeros(3), "is not a checkpoint of a trial"),
    ],
)
def test_a_checkpoint_that_is_none(state, rule, data, tmp_path):
    path = tmp_path / "checkpoint.pt"
    if isinstance(state, bytes):
        path.write_bytes(state)
    elif state is not None:
        torch.save(state, path)
    with pytest.raises(InputError) as caught:
        build_trainer(trial_config("", initial_checkpoint=str(path)), data)
    fix = "set task.initial_checkpoint to a checkpoint.pt that vsam-tune train has written"
    assert caught.value.lines == (f"{path}: {rule}. Fix: {fix}.",)


@pytest.mark.parametrize(
    ("model", "rule"),
    [
        ({"name": "cnn", "width": 8}, "0.weight: has the shape 4x1x3x3, but the model's is 8x1x3x3"),
        ({"name": "resnet8", "width": 4}, " is missing, but the model has it"),
    ],
)
def test_a_checkpoint_that_does_not_fit(model, rule, trained, data):
    with pytest.raises(InputError) as caught:
        build_trainer(trial_config("", initial_checkpoint=str(trained), model=model), data)
    assert f"{trained}: " in str(caught.value)
    assert rule in str(caught.value)
