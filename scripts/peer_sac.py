"""SAC as others have it, for comparison: stable-baselines3's, and one file in CleanRL's manner.

It runs in an environment of its own, which `make bench` makes (scripts/peers.txt), and imports
nothing of this project:

    python scripts/peer_sac.py learn --seed 0 --out FILE.csv    returns of 10 episodes on the way
    python scripts/peer_sac.py speed sb3|single STEPS           milliseconds a step, as JSON

The settings are those of `--agent sac --preset laptop` with torch's initial weights and log std in
[-20, 2], as stable-baselines3 has them.
"""

import argparse
import csv
import json
import os
import time
from pathlib import Path

import gymnasium
import numpy as np
import torch
from stable_baselines3 import SAC
from torch import nn

TASK, EPISODES, EVERY = "HalfCheetah-v4", 10, 10_000
# With one thread the processor's, which does not grow while others have the core.
now = time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter
BATCH, FIRST, RATE, DISCOUNT, TAU = 256, 5000, 3e-4, 0.99, 0.005


def sb3(seed: int, steps: int) -> SAC:
    return SAC(
        "MlpPolicy", gymnasium.make(TASK), learning_rate=RATE, buffer_size=steps + 1000,
        learning_starts=FIRST, batch_size=BATCH, tau=TAU, gamma=DISCOUNT, ent_coef="auto_1.0",
        seed=seed, device="cpu",
    )  # fmt: skip


def returns(model: SAC, seed: int) -> list[float]:
    """Of the deterministic policy."""
    env, found = gymnasium.make(TASK), []
    for episode in range(EPISODES):
        obs, _ = env.reset(seed=seed + episode)
        total, over = 0.0, False
        while not over:
            obs, reward, terminated, truncated, _ = env.step(
                model.predict(obs, None, None, True)[0]
            )
            total, over = total + float(reward), terminated or truncated
        found.append(total)
    return found


def learn(seed: int, steps: int, out: Path) -> None:
    model = sb3(seed, steps)
    with out.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("environment_step", "return", *(f"return_{n}" for n in range(EPISODES))))
        for step in range(0, steps + 1, EVERY):
            if step:
                model.learn(EVERY, reset_num_timesteps=False)
            found = returns(model, 10_000 * (seed + 1))
            table.writerow((step, np.mean(found), *found))
            file.flush()


class Single:
    """Actor, critics, replay and update of SAC in one class, in CleanRL's manner."""

    def __init__(self, env: gymnasium.Env, capacity: int):
        inputs, actions = env.observation_space.shape[0], env.action_space.shape[0]

        def net(i: int, o: int) -> nn.Module:
            return nn.Sequential(
                nn.Linear(i, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, o)
            )

        self.q = [net(inputs + actions, 1) for _ in range(2)]
        self.slow = [net(inputs + actions, 1) for _ in range(2)]
        for slow, q in zip(self.slow, self.q, strict=True):
            slow.load_state_dict(q.state_dict())
        self.actor, self.log_alpha = net(inputs, 2 * actions), torch.zeros(1, requires_grad=True)
        self.q_adam = torch.optim.Adam([p for q in self.q for p in q.parameters()], RATE)
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), RATE)
        self.alpha_adam = torch.optim.Adam([self.log_alpha], RATE)
        self.entropy = -float(actions)
        self.data = [
            np.zeros((capacity, n), np.float32) for n in (inputs, inputs, actions, 1, 1)
        ]  # obs, next obs, action, reward, terminated
        self.added, self.random = 0, np.random.default_rng(0)

    def act(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_std = self.actor(obs).chunk(2, 1)
        normal = torch.distributions.Normal(mean, log_std.clamp(-20, 2).exp())
        x = normal.rsample()
        action = torch.tanh(x)
        # CleanRL's form: an action that rounds to 1 has another density than it should
        log_prob = normal.log_prob(x) - torch.log(1 - action.square() + 1e-6)
        return action, log_prob.sum(1, keepdim=True)

    def add(self, *row: object) -> None:
        for column, value in zip(self.data, row, strict=True):
            column[self.added % len(column)] = value
        self.added += 1

    def sample(self) -> list[torch.Tensor]:
        chosen = self.random.integers(min(self.added, len(self.data[0])), size=BATCH)
        return [torch.from_numpy(column[chosen]) for column in self.data]

    def update(self, batch: list[torch.Tensor]) -> None:
        obs, after, action, reward, terminated = batch
        alpha = self.log_alpha.exp().detach()
        with torch.no_grad():
            next_action, log_prob = self.act(after)
            x = torch.cat([after, next_action], 1)
            value = torch.min(*(q(x) for q in self.slow)) - alpha * log_prob
            y = reward + (1 - terminated) * DISCOUNT * value
        x = torch.cat([obs, action], 1)
        loss = sum(nn.functional.mse_loss(q(x), y) for q in self.q)
        self.q_adam.zero_grad()
        loss.backward()
        self.q_adam.step()
        drawn, log_prob = self.act(obs)
        x = torch.cat([obs, drawn], 1)
        actor_loss = (alpha * log_prob - torch.min(*(q(x) for q in self.q))).mean()
        self.actor_adam.zero_grad()
        actor_loss.backward()
        self.actor_adam.step()
        alpha_loss = (-self.log_alpha.exp() * (log_prob.detach() + self.entropy)).mean()
        self.alpha_adam.zero_grad()
        alpha_loss.backward()
        self.alpha_adam.step()
        with torch.no_grad():
            for slow, q in zip(self.slow, self.q, strict=True):
                for old, new in zip(slow.parameters(), q.parameters(), strict=True):
                    old.copy_(TAU * new + (1 - TAU) * old)


def speed(whose: str, steps: int) -> dict[str, float]:
    """Milliseconds of a whole step (act, environment, store, sample, update), and of sampling and
    update alone."""
    env = gymnasium.make(TASK)
    if whose == "sb3":
        model = sb3(0, steps + 2000)
        model.learning_starts = 1000
        model.learn(1100)
        start = now()
        model.learn(steps, reset_num_timesteps=False)
        whole = now() - start
        start = now()
        model.train(steps, BATCH)
        return {"step": 1e3 * whole / steps, "update": 1e3 * (now() - start) / steps}
    agent = Single(env, steps + 2000)
    obs, _ = env.reset(seed=0)
    for step in range(1100 + steps):
        if step == 1100:
            start = now()
        if step < 1000:
            action = env.action_space.sample()
        else:
            with torch.no_grad():
                action = agent.act(torch.from_numpy(obs[None]).float())[0][0].numpy()
        after, reward, terminated, truncated, _ = env.step(action)
        agent.add(obs, after, action, reward, terminated)
        obs = after
        if step >= 1000:
            agent.update(agent.sample())
        if terminated or truncated:
            obs, _ = env.reset()
    whole = now() - start
    start = now()
    for _ in range(steps):
        agent.update(agent.sample())
    return {"step": 1e3 * whole / steps, "update": 1e3 * (now() - start) / steps}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="what", required=True)
    learning = parts.add_parser("learn")
    learning.add_argument("--seed", type=int, required=True)
    learning.add_argument("--steps", type=int, default=100_000)
    learning.add_argument("--out", type=Path, required=True)
    timing = parts.add_parser("speed")
    timing.add_argument("whose", choices=("sb3", "single"))
    timing.add_argument("steps", type=int)
    given = parser.parse_args()
    if given.what == "learn":
        learn(given.seed, given.steps, given.out)
    else:
        print(json.dumps(speed(given.whose, given.steps)))
