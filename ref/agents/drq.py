"""One whole DrQ update: soft actor-critic from pixels, regularised by random shifts.

The order is jaxrl's, which Neuron Dominance uses (Appendix B.2):

1. shift the observations M times and the next observations K times (jaxrl: M = K = 1);
2. critic: one Adam step on encoder, trunk and both heads towards
   y = r + discount * mean over K of (min Q'(o', a') - alpha log pi(a' | o')),
   where a' comes from the actor on the encoder as it was before this step;
3. target: Q' := (1 - tau) Q' + tau Q, all parameters, with the NEW critic;
4. actor: one Adam step of its own trunk and head, on the NEW critic and its encoder, towards less
   alpha log pi - min Q; no gradient goes to the encoder;
5. temperature: one Adam step of log alpha towards the target entropy, with the entropy of step 4.

alpha in 2 and 4 is the one before 5. The critic's parameters are "encoder.conv{i}",
"trunk", "trunk.norm" and "heads.{0,1}.{dense0,dense1,final}", with "heads.{j}.dense{i}.norm" where
there is LayerNorm; the actor's "trunk", "trunk.norm" and "head.{dense0,dense1,final}".
Its convolutions are the critic's.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ref import autograd as ag
from ref import losses, nn, optim
from ref.agents.sac import normal, soft_minimum, squashed_sample, temperature_loss
from ref.checks import Array, Params, require


class Histogram(NamedTuple):
    """What the critic's heads give under HL-Gauss: logits of bins on [low, high] (B.2)."""

    low: float = 0.0
    high: float = 100.0
    bins: int = 101
    sigma: float = 0.75

    @property
    def edges(self) -> Array:
        return losses.bin_edges(self.low, self.high, self.bins)


class Settings(NamedTuple):
    """Of one update; the defaults are those of Appendix B.2, where it is silent jaxrl's."""

    strides: tuple[int, ...] = (2, 1, 1, 1)
    learning_rate: float = 3e-4
    temperature_learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.999)
    adam_eps: float = 1e-8
    weight_decay: float = 0.0  # decoupled, of the critic's kernels
    averaging_rate: float = 0.005  # tau
    pad: int = 4
    layer_norm_eps: float = 1e-6
    target_entropy_per_action: float = -1.0
    histogram: Histogram | None = None  # None: the heads give values, and the loss is squared


class Agent(NamedTuple):
    """Everything that an update changes; parameters and the state of their Adam."""

    critic: Params
    target: Params
    actor: Params
    temperature: Params  # {"log": ()}
    critic_state: optim.State
    actor_state: optim.State
    temperature_state: optim.State


class Batch(NamedTuple):
    """Transitions: pictures (batch, channels, size, size) uint8, actions (batch, actions)."""

    obs: Array
    action: Array
    reward: Array  # (batch,)
    discount: Array  # (batch,): gamma, 0 where the episode ended in a terminal state
    next_obs: Array


class Draws(NamedTuple):
    """The random numbers of one update."""

    obs_shift: Array  # (M, batch, 2) integers in [0, 2 * pad]: vertical, horizontal
    next_obs_shift: Array  # (K, batch, 2)
    next_noise: Array  # (K, batch, actions) standard normal, for a'
    noise: Array  # (batch, actions) standard normal, for the actor's step


# --------------------------------------------------------------------------------- networks


def random_shift(obs: Array, shift: Array, pad: int) -> Array:
    """Pad by repeating the edge, then crop at `shift`; (pad, pad) is the identity."""
    good = shift.shape == (len(obs), 2) and bool(((shift >= 0) & (shift <= 2 * pad)).all())
    require(good, "shift", shift, f"({len(obs)}, 2) integers in [0, {2 * pad}]")
    height, width = obs.shape[2:]
    padded = np.pad(obs, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="edge")
    crops = [p[:, i : i + height, j : j + width] for p, (i, j) in zip(padded, shift, strict=True)]
    return np.stack(crops)


def encoder(
    params: dict[str, Any], obs: Array, strides: Sequence[int], taps: nn.Taps | None = None
) -> Any:
    """Convolutions with ReLU; (batch, channels, size, size) in 0 ... 255 -> (batch, features)."""
    x: Any = obs / 255
    for i, stride in enumerate(strides):
        layer = f"encoder.conv{i}"
        z = nn.conv2d(params, layer, x, stride)
        x = ag.relu(z)
        if taps is not None:
            taps[layer] = z, x
    return ag.reshape(x, (len(obs), -1))


def trunk(params: dict[str, Any], features: Any, eps: float) -> Any:
    """The latent layer: linear, LayerNorm, tanh."""
    x = nn.linear(params, "trunk", features)
    return ag.tanh(nn.layer_norm(params, "trunk.norm", x, eps))


def heads(
    params: dict[str, Any], features: Any, action: Any, eps: float, taps: nn.Taps | None = None
) -> tuple[Any, Any]:
    """What both heads give, (batch, 1) or logits (batch, bins), of features and actions."""
    x = ag.concatenate([trunk(params, features, eps), action], axis=1)
    first, second = (nn.mlp(params, x, f"heads.{j}.", taps=taps, eps=eps) for j in (0, 1))
    return first, second


def critic(params: dict[str, Any], features: Any, action: Any, settings: Settings) -> list[Any]:
    """The two values (batch,) of encoder features (batch, features) and actions."""
    given = heads(params, features, action, settings.layer_norm_eps)
    if settings.histogram is None:
        return [out[:, 0] for out in given]
    centres = losses.centres(settings.histogram.edges)
    return [ag.sum(ag.exp(ag.log_softmax(logits)) * centres, 1) for logits in given]


def actor(
    params: dict[str, Any], features: Any, eps: float, taps: nn.Taps | None = None
) -> tuple[Any, Any]:
    """Mean and log standard deviation before the squashing, each (batch, actions)."""
    return normal(nn.mlp(params, trunk(params, features, eps), "head.", taps=taps, eps=eps))


def init_agent(
    generator: np.random.Generator,
    obs_channels: int,
    size: int,
    actions: int,
    settings: Settings,
    channels: int = 32,
    latent: int = 50,
    hidden: int = 256,
    norm: bool = False,
    temperature: float = 0.1,
) -> Agent:
    """An agent before its first update, drawn as in jaxrl; `norm`: LayerNorm in both heads."""
    convolutions: Params = {}
    inputs, side = obs_channels, size
    for i, stride in enumerate(settings.strides):
        layer, shape = f"encoder.conv{i}", (channels, inputs, 3, 3)
        convolutions[f"{layer}.weight"] = nn.orthogonal(generator.standard_normal(shape), nn.SQRT2)
        convolutions[f"{layer}.bias"] = np.zeros(channels)
        inputs, side = channels, (side - 3) // stride + 1

    def latent_layer() -> Params:
        return {
            "trunk.weight": nn.lecun(generator.random((latent, channels * side**2))),
            "trunk.bias": np.zeros(latent),
            **nn.init_layer_norm("trunk.norm", latent),
        }

    sizes, outputs = (hidden, hidden), settings.histogram.bins if settings.histogram else 1
    critic = convolutions | latent_layer()
    for j in (0, 1):
        critic |= nn.init_mlp(generator, (latent + actions, *sizes, outputs), f"heads.{j}.", norm)
    actor = latent_layer() | nn.init_mlp(generator, (latent, *sizes, 2 * actions), "head.")
    # mean and log std are two layers with gain 1
    halves = [nn.orthogonal(generator.standard_normal((actions, hidden))) for _ in range(2)]
    actor["head.final.weight"] = np.concatenate(halves)
    log = {"log": np.array(math.log(temperature))}
    states = (optim.start_adam(params) for params in (critic, actor, log))
    return Agent(critic, dict(critic), actor, log, *states)


# -------------------------------------------------------------------------------- the update


def target_value(
    agent: Agent, batch: Batch, next_obs: Sequence[Array], noise: Array, settings: Settings
) -> Array:
    """y (batch,): the reward and the discounted soft value, averaged over the K pictures."""
    strides, eps = settings.strides, settings.layer_norm_eps
    alpha = np.exp(agent.temperature["log"])
    values = []
    for pictures, draw in zip(next_obs, noise, strict=True):
        features = encoder(agent.critic, pictures, strides)
        next_action, log_prob = squashed_sample(*actor(agent.actor, features, eps), draw)
        features = encoder(agent.target, pictures, strides)
        q = critic(agent.target, features, next_action, settings)
        values.append(soft_minimum(q, alpha, log_prob))
    y: Array = batch.reward + batch.discount * np.mean(values, axis=0)
    return y


def critic_loss(
    params: dict[str, Any],
    obs: Sequence[Array],
    action: Array,
    target: Array,
    settings: Settings,
    taps: nn.Taps | None = None,
) -> Any:
    """The mean losses, summed over both heads and the M pictures of each observation.

    Squared errors, or under HL-Gauss cross-entropies with the histogram of each target.
    """
    loss, histogram = 0.0, settings.histogram
    if histogram is not None:
        label, _ = losses.hl_gauss(target, histogram.edges, histogram.sigma)
    for pictures in obs:
        features = encoder(params, pictures, settings.strides, taps)
        for out in heads(params, features, action, settings.layer_norm_eps, taps):
            if histogram is None:
                loss = loss + losses.mse(out[:, 0], target)
            else:
                loss = loss + losses.cross_entropy(out, label)
    return loss


def actor_loss(
    params: dict[str, Any],
    agent: Agent,
    obs: Array,
    noise: Array,
    settings: Settings,
    taps: nn.Taps | None = None,
) -> tuple[Any, Any]:
    """Mean of alpha log pi - min Q, and the entropy estimate - mean log pi."""
    eps = settings.layer_norm_eps
    features = encoder(agent.critic, obs, settings.strides)
    action, log_prob = squashed_sample(*actor(params, features, eps, taps), noise)
    q = critic(agent.critic, features, action, settings)
    loss = -ag.mean(soft_minimum(q, np.exp(agent.temperature["log"]), log_prob))
    return loss, -ag.plain(log_prob).mean()


def update(
    agent: Agent, batch: Batch, draws: Draws, settings: Settings
) -> tuple[Agent, dict[str, Any]]:
    """The agent after one update, and the scalars and gradients of it."""
    _check(batch, draws)
    rate, adam = settings.learning_rate, (settings.betas, settings.adam_eps)
    obs = [random_shift(batch.obs, s, settings.pad) for s in draws.obs_shift]
    next_obs = [random_shift(batch.next_obs, s, settings.pad) for s in draws.next_obs_shift]

    y = target_value(agent, batch, next_obs, draws.next_noise, settings)
    loss, critic_grads = ag.value_and_grad(critic_loss)(
        agent.critic, obs, batch.action, y, settings
    )
    decay = settings.weight_decay, optim.kernels(agent.critic)
    new_critic, critic_state = optim.adamw(
        critic_grads, agent.critic_state, agent.critic, rate, *decay, *adam
    )
    agent = agent._replace(critic=new_critic, critic_state=critic_state)

    tau = settings.averaging_rate
    target = {k: (1 - tau) * w + tau * agent.critic[k] for k, w in agent.target.items()}
    agent = agent._replace(target=target)

    (value, entropy), actor_grads = ag.value_and_grad(actor_loss)(
        agent.actor, agent, obs[0], draws.noise, settings
    )
    new_actor, actor_state = optim.adam(actor_grads, agent.actor_state, agent.actor, rate, *adam)
    agent = agent._replace(actor=new_actor, actor_state=actor_state)

    rate = settings.temperature_learning_rate
    target_entropy = settings.target_entropy_per_action * batch.action.shape[1]
    grads = ag.grad(temperature_loss)(agent.temperature, entropy, target_entropy)
    temperature, temperature_state = optim.adam(
        grads, agent.temperature_state, agent.temperature, rate, *adam
    )
    agent = agent._replace(temperature=temperature, temperature_state=temperature_state)
    info = {
        "critic_loss": loss,
        "actor_loss": value,
        "entropy": entropy,
        "target": y.mean(),
        "critic_gradients": critic_grads,
        "actor_gradients": actor_grads,
    }
    return agent, info


def _check(batch: Batch, draws: Draws) -> None:
    """Refuse shapes that do not fit together, an empty batch and what is not finite."""
    pictures, n, actions = np.shape(batch.obs), len(batch.obs), np.shape(batch.action)[-1]
    good = len(pictures) == 4 and n > 0
    require(good, "obs", pictures, "(batch, channels, size, size), not empty")
    shapes: dict[str, tuple[int, ...]] = {"next_obs": pictures, "action": (n, actions)}
    shapes |= {"reward": (n,), "discount": (n,), "noise": (n, actions)}
    m, k = (max(1, len(shift)) for shift in (draws.obs_shift, draws.next_obs_shift))
    shapes |= {"obs_shift": (m, n, 2), "next_obs_shift": (k, n, 2), "next_noise": (k, n, actions)}
    given = batch._asdict() | draws._asdict()
    for name, shape in shapes.items():
        good = np.shape(given[name]) == shape
        require(good, name, np.shape(given[name]), f"shape {shape}")
        require(bool(np.isfinite(given[name]).all()), name, given[name], "finite numbers")
