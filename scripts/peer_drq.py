"""The original DrQ's update in the form in which it was published, for comparison.

Written anew from what that code does (github.com/denisyarats/drq at dd040f1): networks of its own
for actor and critic that share the weights of their convolutions, pictures as float32, shifts by
padding and cropping each picture, both observations of a transition stored whole, K = M = 2, a step
of actor, temperature and target every second update. It needs PyTorch alone, and imports nothing
of this project:

    python scripts/peer_drq.py speed drq original STEPS         milliseconds a step, as JSON

With OMP_NUM_THREADS=1 they are the processor's, else the clock's.
"""

import copy
import json
import os
import sys
import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

BATCH, FRAMES, SIZE, PAD, ACTIONS, HIDDEN, FIRST = 512, 3, 84, 4, 1, 1024, 1100
RATE, DISCOUNT, TAU = 1e-3, 0.99, 0.01
now = time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter


class Encoder(nn.Module):
    def __init__(self, shared: "Encoder | None" = None):
        super().__init__()
        sizes = [(3 * FRAMES, 2), (32, 1), (32, 1), (32, 1)]
        convolutions = [nn.Conv2d(inputs, 32, 3, stride) for inputs, stride in sizes]
        self.convolutions = shared.convolutions if shared else nn.ModuleList(convolutions)
        self.latent = nn.Sequential(nn.Linear(32 * 35 * 35, 50), nn.LayerNorm(50))

    def forward(self, obs: Tensor, detach: bool = False) -> Tensor:
        x = obs / 255.0
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
        x = x.flatten(1)
        return torch.tanh(self.latent(x.detach() if detach else x))


def net(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
        nn.Linear(HIDDEN, outputs),
    )  # fmt: skip


class Critic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.q1, self.q2 = (net(50 + ACTIONS, 1) for _ in range(2))

    def forward(self, obs: Tensor, action: Tensor, detach: bool = False) -> tuple[Tensor, Tensor]:
        x = torch.cat([self.encoder(obs, detach), action], 1)
        return self.q1(x), self.q2(x)


class Agent:
    def __init__(self) -> None:
        self.critic = Critic()
        self.target = copy.deepcopy(self.critic)
        self.encoder, self.policy = Encoder(self.critic.encoder), net(50, 2 * ACTIONS)
        self.log_alpha = torch.tensor(np.log(0.1), requires_grad=True)
        own = [*self.encoder.parameters(), *self.policy.parameters()]
        self.critic_adam = torch.optim.Adam(self.critic.parameters(), RATE)
        self.actor_adam = torch.optim.Adam(own, RATE)
        self.alpha_adam = torch.optim.Adam([self.log_alpha], RATE)

    def act(self, obs: Tensor, detach: bool = False) -> tuple[Tensor, Tensor]:
        mean, log_std = self.policy(self.encoder(obs, detach)).chunk(2, 1)
        std = (-10 + 6 * (torch.tanh(log_std) + 1)).exp()
        x = mean + std * torch.randn_like(mean)
        normal = torch.distributions.Normal(mean, std).log_prob(x)
        log_prob = normal - 2 * (np.log(2) - x - F.softplus(-2 * x))
        return torch.tanh(x), log_prob.sum(1, keepdim=True)

    def update(self, batch: tuple[Tensor, ...], step: int) -> None:
        obs, obs_too, action, reward, after, after_too, going_on = batch
        alpha = self.log_alpha.exp().detach()
        with torch.no_grad():
            targets = []
            for pictures in (after, after_too):
                drawn, log_prob = self.act(pictures)
                value = torch.min(*self.target(pictures, drawn)) - alpha * log_prob
                targets.append(reward + going_on * DISCOUNT * value)
            y = (targets[0] + targets[1]) / 2
        loss = sum(
            F.mse_loss(q, y) for pictures in (obs, obs_too) for q in self.critic(pictures, action)
        )
        self.critic_adam.zero_grad()
        loss.backward()
        self.critic_adam.step()
        if step % 2:
            return
        drawn, log_prob = self.act(obs, detach=True)
        value = torch.min(*self.critic(obs, drawn, detach=True))
        actor_loss = (alpha * log_prob - value).mean()
        self.actor_adam.zero_grad()
        actor_loss.backward()
        self.actor_adam.step()
        self.alpha_adam.zero_grad()
        (self.log_alpha.exp() * (-log_prob.detach() + ACTIONS)).mean().backward()
        self.alpha_adam.step()
        for old, new in zip(self.target.parameters(), self.critic.parameters(), strict=True):
            old.data.copy_(TAU * new.data + (1 - TAU) * old.data)


def shifted(pictures: Tensor) -> Tensor:
    """Each picture padded by its edge, and cropped where chance has it."""
    padded = F.pad(pictures, (PAD, PAD, PAD, PAD), mode="replicate")
    corners = torch.randint(2 * PAD + 1, (len(pictures), 2)).tolist()
    return torch.stack(
        [x[:, y0 : y0 + SIZE, x0 : x0 + SIZE] for x, (y0, x0) in zip(padded, corners, strict=True)]
    )


class Replay:
    """Both observations of each transition, whole."""

    def __init__(self, capacity: int):
        shape = (capacity, 3 * FRAMES, SIZE, SIZE)
        self.obs, self.after = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        self.rest = [np.empty((capacity, n), np.float32) for n in (ACTIONS, 1, 1)]
        self.added, self.random = 0, np.random.default_rng(0)

    def add(self, obs: np.ndarray, after: np.ndarray, *rest: object) -> None:
        self.obs[self.added], self.after[self.added] = obs, after
        for column, value in zip(self.rest, rest, strict=True):
            column[self.added] = value
        self.added += 1

    def sample(self) -> tuple[Tensor, ...]:
        chosen = self.random.integers(self.added, size=BATCH)
        action, reward, going_on = (torch.from_numpy(column[chosen]) for column in self.rest)
        obs, after = (torch.from_numpy(x[chosen]).float() for x in (self.obs, self.after))
        return (shifted(obs), shifted(obs.clone()), action, reward, shifted(after),
                shifted(after.clone()), going_on)  # fmt: skip


def speed(steps: int) -> dict[str, float]:
    """Of a whole step (act, an environment that costs nothing, store, sample, update), and of
    sampling and update alone."""
    agent, replay = Agent(), Replay(FIRST + steps)
    pictures = np.random.default_rng(0).integers(256, size=(100, 3 * FRAMES, SIZE, SIZE))
    pictures = pictures.astype(np.uint8)
    for step in range(FIRST + steps):
        if step == FIRST:
            start = now()
        obs, after = pictures[step % 100], pictures[(step + 1) % 100]
        action = np.zeros(ACTIONS, np.float32)
        if step >= FIRST - 2:
            with torch.no_grad():
                action = agent.act(torch.from_numpy(obs[None]).float())[0][0].numpy()
        replay.add(obs, after, action, 1.0, 1.0)
        if step >= FIRST - 2:
            agent.update(replay.sample(), step)
    whole = now() - start
    start = now()
    for step in range(steps):
        agent.update(replay.sample(), step)
    return {"step": 1e3 * whole / steps, "update": 1e3 * (now() - start) / steps}


if __name__ == "__main__":
    what, agent, whose, steps = sys.argv[1:]
    assert (what, agent[:3], whose) == ("speed", "drq", "original"), __doc__
    print(json.dumps(speed(int(steps))))
