"""Parameter groups, frozen parameters, missing and zero gradients."""

import pytest
import torch

from tests.support.methods import WITHOUT_PRESETS
from tests.support.tiny_trial import BASES, TinyTrial, closure_of, tiny_network, two_groups, wrap
from vsam_tune.registry.methods import METHODS

WRAPPERS = [name for name in WITHOUT_PRESETS if METHODS[name].optimizer]


def one_group(network):
    return [{"params": list(network.parameters())}]


def same_split_in_two(network):
    parameters = list(network.parameters())
    return [{"params": parameters[:3]}, {"params": parameters[3:]}]


def with_an_empty_group(network):
    return [{"params": []}, *two_groups(network)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_splitting_the_parameters_into_groups_changes_no_bit(name, dtype):
    whole = TinyTrial(name, dtype=dtype, groups=one_group)
    split = TinyTrial(name, dtype=dtype, groups=same_split_in_two)
    whole.train(12)
    split.train(12)
    assert torch.equal(whole.weights, split.weights)


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_an_empty_group_changes_nothing(name):
    with_empty, without = TinyTrial(name, groups=with_an_empty_group), TinyTrial(name)
    with_empty.train(12)
    without.train(12)
    assert torch.equal(with_empty.weights, without.weights)


@pytest.mark.parametrize("name", WRAPPERS)
def test_the_groups_and_the_state_are_the_base_optimizers_own(name):
    trial = TinyTrial(name)
    trial.train(3)
    for _ in range(2):
        assert trial.optimizer.param_groups is trial.base.param_groups
        assert trial.optimizer.state is trial.base.state
        trial.optimizer.load_state_dict(trial.optimizer.state_dict())
    trial.base.load_state_dict(trial.base.state_dict())
    assert trial.optimizer.param_groups is trial.base.param_groups


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_frozen_parameters_stay(name, base):
    trial = TinyTrial(name, base=base)
    frozen = [trial.network[0].weight, trial.network[9].bias]
    before = [parameter.clone() for parameter in frozen]
    for parameter in frozen:
        parameter.requires_grad_(False)
    trial.train(12)
    assert all(map(torch.equal, frozen, before))
    assert not any(parameter.requires_grad for parameter in frozen)


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_a_parameter_that_is_thawed_later_is_trained_from_then_on(name):
    trial = TinyTrial(name)
    weight = trial.network[0].weight.requires_grad_(False)
    trial.train(7)
    before = weight.clone()
    weight.requires_grad_(True)
    trial.train(1)
    assert not torch.equal(weight, before)


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_a_parameter_without_gradient_now_and_then_is_untouched_then(name):
    network = tiny_network()
    branch = torch.nn.Parameter(torch.ones(3))
    optimizer = wrap(name, torch.optim.SGD([*network.parameters(), branch], lr=0.1), model=network)
    images = torch.randn(8, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    for iteration in range(20):
        used = iteration % 3 == 0

        def losses(samples, used=used):
            outputs = network(images if samples is None else images[samples])
            return outputs.square().mean(dim=1) + (branch.square().sum() if used else 0.0)

        before = branch.detach().clone()
        optimizer.step(closure_of(optimizer, losses))
        assert torch.equal(branch, before) != used
    assert branch.isfinite().all()


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_a_zero_gradient_moves_nothing_and_makes_no_nan(name, set_to_none):
    weight = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = wrap(name, torch.optim.SGD([weight], lr=0.1))

    zero_grad = optimizer.zero_grad
    optimizer.zero_grad = lambda: zero_grad(set_to_none=set_to_none)

    def losses(samples):
        return (0.0 * weight).sum() * torch.ones(4 if samples is None else len(samples))

    for _ in range(20):
        optimizer.step(closure_of(optimizer, losses))
    assert torch.equal(weight, torch.ones(3, 2))


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_a_zero_gradient_leaves_weight_decay_and_momentum_bit_for_bit(name):
    """All weights but those of the last layer, whose bias is all that the loss sees."""
    ends = []
    for each in (name, "sgd"):
        trial = TinyTrial(each)
        torch.nn.init.zeros_(trial.network[9].weight).requires_grad_(False)
        trial.train(20)
        ends.append([parameter.detach() for parameter in trial.network[:9].parameters()])
    assert all(map(torch.equal, *ends))
    assert not torch.equal(ends[0][0], tiny_network()[0].weight)  # it has decayed


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_no_gradient_at_all_moves_nothing(name):
    weight = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = wrap(name, torch.optim.SGD([weight], lr=0.1))
    for _ in range(20):
        optimizer.step(closure_of(optimizer, lambda samples: torch.zeros(4 if samples is None else len(samples))))
    assert torch.equal(weight, torch.ones(3, 2))


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_clearing_gradients_to_zero_or_to_none_gives_the_same_bits(name):
    cleared, removed = TinyTrial(name), TinyTrial(name)
    zero_grad = cleared.optimizer.zero_grad
    cleared.optimizer.zero_grad = lambda: zero_grad(set_to_none=False)
    cleared.train(15)
    removed.train(15)
    assert torch.equal(cleared.weights, removed.weights)


@pytest.mark.parametrize("name", WRAPPERS)
def test_each_group_may_have_its_own_rho_and_zero_does_not_perturb(name):
    trial = TinyTrial(name)
    trial.optimizer.param_groups[1]["rho"] = 0.0
    kept = [parameter for parameter in trial.network.parameters() if parameter.ndim <= 1]
    seen = []
    trial.before_backward = lambda: seen.append([parameter.detach().clone() for parameter in kept])
    for _ in range(12):
        seen.clear()
        trial.step()
        assert all(map(torch.equal, seen[0], seen[-1]))


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_group_can_be_added_and_is_perturbed_and_trained(name):
    trial = TinyTrial(name, groups=lambda network: [{"params": list(network[0].parameters())}])
    trial.train(4)
    rest = [parameter for layer in trial.network[1:] for parameter in layer.parameters()]
    trial.optimizer.add_param_group({"params": rest, "lr": 0.05})
    assert trial.base.param_groups[1]["rho"] == trial.base.param_groups[0]["rho"]
    assert trial.base.param_groups[1]["momentum"] == 0.9
    before = [parameter.detach().clone() for parameter in rest]
    trial.train(12)
    assert not any(map(torch.equal, rest, before))


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_gradient_that_is_not_finite_perturbs_nothing(name):
    trial = TinyTrial(name)
    seen = []

    def spoil():
        seen.append(trial.weights)
        if trial.logits.requires_grad:  # not in a forward pass for the losses alone
            trial.logits.register_hook(lambda gradient: gradient * float("inf"))

    trial.before_backward = spoil
    for group in trial.optimizer.param_groups:
        group["lr"] = 0.0
    for _ in range(12):
        seen.clear()
        start = trial.weights
        trial.optimizer.base.step = lambda: None
        trial.step()
        assert all(torch.equal(weights, start) for weights in seen)
        assert torch.equal(trial.weights, start)


class Complex(torch.nn.Module):
    """Outputs of complex weights, and of the same weights as real and imaginary parts."""

    def __init__(self, *, real):
        super().__init__()
        draws, self.real = torch.Generator().manual_seed(0), real
        shapes = ((6, 4), (), (4, 3))  # two dimensions or more in both forms, or in neither
        weights = [torch.randn(shape, generator=draws, dtype=torch.complex128) for shape in shapes]
        parts = [torch.view_as_real(weight).contiguous() if real else weight for weight in weights]
        self.weights = torch.nn.ParameterList([*parts, torch.randn(3, generator=draws, dtype=torch.float64)])
        self.images = torch.randn(8, 6, generator=draws, dtype=torch.complex128)

    def losses(self, samples):
        first, shift, second, scale = self.weights
        if self.real:
            first, shift, second = map(torch.view_as_complex, (first, shift, second))
        images = self.images if samples is None else self.images[samples]
        outputs = (torch.tanh(images @ first.conj() + shift) @ second).abs() * scale
        return outputs.square().mean(dim=1)

    @property
    def values(self):
        return [torch.view_as_real(one).detach() if one.is_complex() else one.detach() for one in self.weights]


@pytest.mark.parametrize("base", ["sgd", "adamw"])
@pytest.mark.parametrize("name", WRAPPERS)
def test_complex_parameters_are_trained_as_their_real_and_imaginary_parts(name, base):
    networks = [Complex(real=False), Complex(real=True)]
    groups = [[{"params": list(network.parameters())}] for network in networks]
    optimizers = [wrap(name, BASES[base](each)) for each in groups]
    for _ in range(20):
        for network, optimizer in zip(networks, optimizers, strict=True):
            optimizer.step(closure_of(optimizer, network.losses))
        for found, expected in zip(networks[0].values, networks[1].values, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert networks[0].values[0].isfinite().all()
