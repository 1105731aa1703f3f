"""From the settings of a trial to what trains: threads, layout, seeds, batch sizes; and the dry run of `check`."""

import dataclasses
import math
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch._dynamo.utils import counters

from tests.support.digits_trial import EVALUATED, SEARCH_IMAGES, steps, trial_config
from tests.support.methods import others_slow
from tests.support.properties import expensive
from tests.support.tiny_trial import equal_state, optimizer_class
from trainables.build import build_trainer, data_arguments, load_data
from trainables.classification import Classification
from trainables.dry_run import dry_run, warm_up
from vsam_tune.data.images import Images
from vsam_tune.data.load import TaskData
from vsam_tune.errors import InputError
from vsam_tune.registry.methods import METHODS


@pytest.fixture(scope="module")
def data():
    return load_data(data_arguments(trial_config("")))


def grey(num_images):
    """Return a task of so many empty training images."""
    part = Images(torch.zeros(num_images, 1, 8, 8, dtype=torch.uint8), torch.zeros(num_images, dtype=torch.int64))
    one = torch.ones(1)
    return TaskData(train=part, validation=part, test=part, num_classes=10, mean=one, std=one, redrawn=0)


def test_the_facts_of_a_dry_run():
    facts = dry_run(trial_config(""), time_iterations=False)
    parameters = 4 * 9 + 2 * 4 * 4 * 9 + 3 * 2 * 4 + 4 * 10 + 10  # convolutions, batch norms, linear
    changed = facts.pop("redrawn_labels")
    assert 0.1 * SEARCH_IMAGES < changed < 0.25 * SEARCH_IMAGES  # a fifth is redrawn, some of it as before
    images = {"train_images": SEARCH_IMAGES, "validation_images": EVALUATED["val"], "test_images": EVALUATED["test"]}
    shape = {"channels": 1, "image_size": 8, "classes": 10}
    assert facts == {**images, **shape, "iterations_per_epoch": 5, "parameters": parameters}


def test_a_dry_run_says_what_a_method_would_keep():
    facts = dry_run(trial_config("", "saf", method={"lag_epochs": 3}), time_iterations=False)
    assert facts["method_memory_mb"] == 4 * SEARCH_IMAGES * (10 + 1) * 3 / 1e6  # digits have 10 classes
    facts = dry_run(trial_config("", "mesa"), time_iterations=False)
    statistics = 3 * (2 * 4 * 4 + 8)  # mean and variance of 4 channels, a count of 8 bytes; three times
    assert facts["method_memory_mb"] == (4 * facts["parameters"] + statistics) / 1e6


def test_a_dry_run_may_time_both_kinds_of_iteration():
    facts = dry_run(trial_config("", model={"name": "cnn", "width": 32}, subset=None), time_iterations=True)
    assert 0 < facts["plain_seconds"] < facts["sampled_seconds"] < 10 * facts["plain_seconds"]


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_check_is_a_dry_run_that_needs_no_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    facts = Classification.check(trial_config("", name), time_iterations=False)
    assert facts["train_images"] == SEARCH_IMAGES
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("study", ["quickstart"])
def test_a_study_of_ours_builds(study):
    from vsam_tune.study.file.study_file import load_study
    from vsam_tune.study.search import search_plan

    path = Path(__file__).parents[2] / "studies" / f"{study}.yaml"
    plan = search_plan(load_study(path))
    config = {**plan.config(dict(plan.initial[0]), 0), "folder": "", "cpus": 1, "gpus": 0}
    facts = Classification.check(config, time_iterations=False)
    assert facts["train_images"] == 1100
    assert facts["iterations_per_epoch"] == 18


ONE_PIXEL = {"name": "tests.support.custom_extensions:one_pixel"}  # batch norm over maps of 1x1
NO_VARIANCE = "of which this network's batch norm has no variance"


@expensive
@given(num_images=st.integers(2, 300), batch_size=st.integers(1, 400))
def test_no_batch_holds_one_image_alone_and_the_suggested_fix_works(num_images, batch_size):
    config = trial_config("", batch_size=batch_size, model=ONE_PIXEL)
    sizes = {min(batch_size, num_images), num_images % batch_size}
    if 1 not in sizes:
        build_trainer(config, grey(num_images))
        return
    rule = f"task: batch_size = {batch_size}: a batch of an epoch would hold one of {num_images} images, {NO_VARIANCE}"
    with pytest.raises(InputError, match=rule) as caught:
        build_trainer(config, grey(num_images))
    fix = int(str(caught.value).partition("Fix: write ")[2].rstrip("."))
    build_trainer(trial_config("", batch_size=fix, model=ONE_PIXEL), grey(num_images))


@expensive
@given(num_images=st.integers(4, 300), batch_size=st.integers(2, 400), micro_batches=st.integers(2, 40))
@pytest.mark.parametrize("model", [ONE_PIXEL, {"name": "cnn", "width": 4}], ids=["one pixel", "cnn"])
def test_no_part_of_a_batch_is_too_small_and_the_suggested_fix_works(num_images, batch_size, micro_batches, model):
    sizes = {min(batch_size, num_images), num_images % batch_size} - {0}
    assume(1 not in sizes)
    parts = [len(part) for size in sizes for part in torch.arange(size).tensor_split(micro_batches)]
    config = trial_config("", "sgd", batch_size=batch_size, micro_batches=micro_batches, model=model)
    if min(parts) >= (2 if model is ONE_PIXEL else 1):
        build_trainer(config, grey(num_images))
        return
    why = f"one alone, {NO_VARIANCE}" if model is ONE_PIXEL else "none"
    rule = f"task: micro_batches = {micro_batches}: a part of a batch of {min(sizes)} images would hold {why}"
    with pytest.raises(InputError, match=rule) as caught:
        build_trainer(config, grey(num_images))
    fix = int(str(caught.value).partition("Fix: write at most ")[2].partition(",")[0])
    build_trainer(trial_config("", "sgd", batch_size=batch_size, micro_batches=fix, model=model), grey(num_images))


@pytest.mark.parametrize("batch_size", [16, 18])
def test_145_images_are_no_trouble_for_a_network_with_larger_maps(batch_size):
    trainer, _ = build_trainer(trial_config("", "sam", batch_size=batch_size), grey(145))
    trainer.train_epoch()
    assert trainer.iteration == len(trainer.loader) == 145 // batch_size + 1


@pytest.mark.parametrize("name", others_slow(METHODS))
@pytest.mark.parametrize("quantization", [None, {"weight_bits": 4, "activation_bits": 4}])
def test_every_method_trains_on_a_last_batch_of_one_image(name, quantization, data):
    images = data.train.select(torch.arange(65))
    config = trial_config("", name, batch_size=32, quantization=quantization)
    trainer, _ = build_trainer(config, dataclasses.replace(data, train=images))
    for _ in range(2):
        metrics = trainer.train_epoch()
    assert math.isfinite(metrics["train_loss"])
    assert all(torch.isfinite(weight).all() for weight in trainer.model.state_dict().values())


def test_to_look_whether_a_network_takes_one_image_changes_nothing(data):
    """A batch of one is the only case in which the network runs before the trial."""
    config = trial_config("", "sgd", model={"name": "cnn", "width": 4})
    build_trainer(config, dataclasses.replace(data, train=data.train.select(torch.arange(64))))
    draws = torch.rand(1)
    alone, _ = build_trainer(config, dataclasses.replace(data, train=data.train.select(torch.arange(65))))
    assert torch.equal(torch.rand(1), draws)
    many, _ = build_trainer(config, dataclasses.replace(data, train=data.train.select(torch.arange(64))))
    for (name, a), b in zip(alone.model.state_dict().items(), many.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_batch_in_parts_is_refused_where_the_method_takes_the_gradients(data):
    for name in METHODS:
        config = trial_config("", name, micro_batches=2)
        if not getattr(optimizer_class(name), "sample_losses", False):
            build_trainer(config, data)
            continue
        build_trainer(trial_config("", name), data)
        rule = f"task: micro_batches = 2: {name} takes the gradient of a whole batch"
        with pytest.raises(InputError, match=rf"{rule}.*\. Fix: write 1, or take another method\.$"):
            build_trainer(config, data)


@pytest.mark.parametrize(("num_images", "sds_keep", "refused"), [(34, 0.5, True), (36, 0.5, False), (34, 1.0, False)])
def test_a_method_must_not_select_one_image_alone(num_images, sds_keep, refused):
    """Of 32 and 2 images it would be one of two; of 32 and 4, two of four."""
    config = trial_config("", "esam", batch_size=32, method={"sds_keep": sds_keep}, model=ONE_PIXEL)
    if not refused:
        trainer, _ = build_trainer(config, grey(num_images))
        trainer.train_epoch()
        return
    rule = f"task: batch_size = 32: esam would select one image of an epoch's last 2, {NO_VARIANCE}"
    with pytest.raises(InputError, match=rule):
        build_trainer(config, grey(num_images))
    trainer, _ = build_trainer({**config, "task": {**config["task"], "model": {"name": "cnn"}}}, grey(num_images))
    trainer.train_epoch()


@pytest.mark.parametrize("batch_size", [SEARCH_IMAGES, 1000])
def test_an_epoch_may_be_one_batch(batch_size, new_worker, tmp_path):
    results = steps(new_worker(trial_config(tmp_path, "sam", batch_size=batch_size, epochs=2)))
    assert [result["iteration"] for result in results] == [1, 2]


@pytest.mark.parametrize(("cpus", "threads"), [(1, 1), (2, 2), (2.0, 2), (0.5, 1)])
def test_torch_gets_as_many_threads_as_the_trial_has_cpus(cpus, threads, data):
    before = torch.get_num_threads()
    try:
        build_trainer(trial_config("", cpus=cpus), data)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("channels_last", [True, False])
def test_weights_and_images_are_float32_in_the_layout_asked_for(channels_last, data):
    trainer, evaluation = build_trainer(trial_config("", channels_last=channels_last), data)
    layout, other = torch.channels_last, torch.contiguous_format
    if not channels_last:
        layout, other = other, layout
    for name, parameter in trainer.model.named_parameters():
        assert parameter.dtype == torch.float32
        if parameter.ndim == 4 and parameter.shape[1] > 1:  # with one input channel the two are the same
            assert parameter.is_contiguous(memory_format=layout), name
            assert not parameter.is_contiguous(memory_format=other), name
    for loader in (trainer.loader, evaluation):
        batch = next(loader.batches(0))
        assert batch.x.dtype == torch.float32
        assert batch.x.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_the_layout_changes_rounding_alone(name, data):
    losses = {}
    for channels_last in (True, False):
        trainer, evaluation = build_trainer(trial_config("", name, channels_last=channels_last, lr=0.02), data)
        trainer.train_epoch()
        losses[channels_last] = trainer.evaluate(evaluation)[1]
        gradients = [parameter.grad for parameter in trainer.model.parameters()]
        assert all(gradient.dtype == torch.float32 for gradient in gradients)
    assert losses[True] == pytest.approx(losses[False], rel=1e-3)


@pytest.mark.parametrize(("width", "channels_last"), [(16, True), (4, False)])
def test_the_layout_of_colour_images_is_that_which_the_model_can_be_trained_in(width, channels_last):
    part = Images(torch.zeros(6, 3, 8, 8, dtype=torch.uint8), torch.arange(6))
    colour = TaskData(
        train=part, validation=part, test=part, num_classes=6, mean=torch.zeros(3), std=torch.ones(3), redrawn=0
    )
    trainer, _ = build_trainer(trial_config("", batch_size=3, model={"name": "resnet8", "width": width}), colour)
    x = next(trainer.loader.batches(0)).x
    assert x.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert x.is_contiguous() != channels_last


def first_of(config, data):
    """Return what the seed of a trial decides: initial weights, order of images, draws of the method."""
    trainer, _ = build_trainer(config, data)
    order = torch.cat([batch.index for batch in trainer.loader.batches(0)])
    first = {"weights": trainer.model[0].weight.detach().clone(), "order": order, "layers": torch.rand(3)}
    if config["method"]["name"] == "vsam":
        trainer.iterate(chain(*(trainer.loader.batches(epoch) for epoch in range(4))), 20)
        first["draws"] = torch.from_numpy(trainer.trajectory.table()["sampled"])
    return first


def test_the_seed_of_the_trial_decides_on_weights_order_and_draws(data):
    first, again = (first_of(trial_config("", "vsam", seed=1), data) for _ in range(2))
    assert equal_state(first, again)
    other = first_of(trial_config("", "vsam", seed=2), data)
    for key in first:
        assert not torch.equal(first[key], other[key]), key


def test_methods_start_from_the_same_weights_and_see_the_same_images(data):
    expected = first_of(trial_config("", "sgd"), data)
    for name in METHODS:
        found = first_of(trial_config("", name), data)
        assert equal_state({key: found[key] for key in expected}, expected), name


def test_a_warm_up_leaves_no_trace(data):
    expected = first_of(trial_config(""), data)
    warm_up(trial_config(""), data)
    assert equal_state(first_of(trial_config(""), data), expected)


@pytest.mark.parametrize(  # vSAM has iterations of one pass and of two
    "name", ["vsam", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sgd", "sam"))]
)
def test_after_a_warm_up_no_trial_compiles_again(name, data, monkeypatch):
    """Not for the smaller last batch of an epoch either."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    torch._dynamo.reset()
    counters.clear()
    warm_up(trial_config("", name, compiled=True), data)
    compiled = counters["stats"]["unique_graphs"]
    assert compiled > 0
    trainer, _ = build_trainer(trial_config("", name, compiled=True), data)
    trainer.train_epoch()
    assert counters["stats"]["unique_graphs"] == compiled
