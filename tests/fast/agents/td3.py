"""A toy TD3 (Fujimoto et al. 2018), to see that an agent is one file and one row."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from fast import losses
from fast.agents.learner import Learner, RandomFirst
from fast.agents.sac import Critic, draw_as
from fast.nets.layers import ACTIVATIONS, MLP
from fast.rules import Count, Few, NonNegative, Positive, Share, Size, Widths, settings


@settings
class TD3Settings(RandomFirst):
    kind: Literal["td3"] = "td3"
    batch_size: Size = 8
    discount: Share = 0.99
    n_step: Few = 1
    hidden: Widths = (16, 16)
    normalisation: Literal["none"] = "none"
    learning_rate: Positive = 3e-4
    averaging_rate: Share = 0.005
    policy_period: Few = 2  # updates between two steps of the actor and of both targets
    noise: NonNegative = 0.1  # of the actions played
    smoothing: NonNegative = 0.2  # of the target's actions, clipped at `clip`
    clip: NonNegative = 0.5
    first_update: Count = 20
    updates_per_step: Positive = 1.0
    replay_capacity: Count = 2000

    def told(self):
        return []


PRESETS = {
    "paper": {},
    "tiny": {
        "run": {"updates": 60, "evaluation_interval": 5000, "evaluation_episodes": 1,
                "score_interval": 20, "score_batch": 32, "log_interval": 20},
    },
}  # fmt: skip


class Draws(NamedTuple):
    smoothing: Tensor  # (batch, actions), standard normal


class Actor(nn.Module):
    def __init__(self, inputs, hidden, actions):
        super().__init__()
        self.head = MLP(inputs, hidden, actions)

    def forward(self, obs):
        return torch.tanh(self.head(obs))


def networks(settings, shape, actions):
    (inputs,), relu = shape, ACTIVATIONS["relu"]
    return {
        "critic": Critic(inputs + actions, settings.hidden, relu, None, False),
        "actor": Actor(inputs, settings.hidden, actions),
    }


class TD3:
    def __init__(self, settings, shape, actions, generator, device="cpu"):
        self.settings, self.actions, self.device = settings, actions, torch.device(device)
        self.learners = {}
        for name, module in networks(settings, shape, actions).items():
            self.learners[name] = Learner(
                module, draw_as("torch"), generator, rate=settings.learning_rate, slow=True,
                device=device,
            )  # fmt: skip
        self.critic, self.actor = self.learners.values()

    @torch.no_grad()
    def act(self, obs, generator=None):
        action = self.actor.module(obs)
        if generator is None:
            return action
        noise = torch.randn(action.shape, generator=generator).to(action)
        return (action + self.settings.noise * noise).clamp(-1, 1)

    def draws(self, batch, generator):
        return Draws(torch.randn(batch, self.actions, generator=generator).to(self.device))

    def update(self, batch, draws, count):
        s = self.settings
        loss = self.loss("critic", batch, draws)
        self.critic.step(loss)
        info = {"critic_loss": loss.detach()}
        if count % s.policy_period == 0:
            loss = self.loss("actor", batch, draws)
            self.actor.step(loss)
            for learner in self.learners.values():
                learner.follow(s.averaging_rate)
            info["actor_loss"] = loss.detach()
        return info

    def loss(self, learner, batch, draws):
        if learner == "critic":
            y = self.target(batch, draws.smoothing)
            return losses.mse(self.critic.module(batch.obs, batch.action), y)
        return -self.critic.module(batch.obs, self.actor.module(batch.obs))[0].mean()

    @torch.no_grad()
    def target(self, batch, noise):
        s = self.settings
        noise = (s.smoothing * noise).clamp(-s.clip, s.clip)
        action = (self.actor.slow(batch.next_obs) + noise).clamp(-1, 1)
        q = self.critic.slow(batch.next_obs, action).amin(0)
        return batch.reward + batch.discount * q
