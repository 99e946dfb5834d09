"""DQN and PPO of stable-baselines3, for comparison, at the settings that `fast bench` has.

It runs in an environment of its own, which `make bench` makes (scripts/peers.txt), and imports
nothing of this project:

    python scripts/peer_sb3.py speed dqn|ppo sb3 STEPS          milliseconds a step, as JSON

With OMP_NUM_THREADS=1 they are the processor's, else the clock's.
"""

import json
import os
import sys
import time

import gymnasium
import numpy as np
from stable_baselines3 import DQN, PPO
from torch import nn

ROLLOUT, BATCH, EPOCHS = 2048, 64, 10
now = time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter


class Frames(gymnasium.Env):
    """Games of no rule, which cost nothing: random pictures, four at a time."""

    def __init__(self):
        self.observation_space = gymnasium.spaces.Box(0, 255, (4, 84, 84), np.uint8)
        self.action_space, self.made = gymnasium.spaces.Discrete(6), 0
        rng = np.random.default_rng(0)
        self.pictures = rng.integers(256, size=(100, 4, 84, 84), dtype=np.uint8)

    def reset(self, *, seed=None, options=None):
        return self.pictures[0], {}

    def step(self, action):
        self.made += 1
        return self.pictures[self.made % 100], 1.0, False, self.made % 1000 == 0, {}


def dqn(steps: int) -> dict[str, float]:
    """The Nature network, batch 32, an update a step."""
    model = DQN(
        "CnnPolicy", Frames(), learning_rate=6.25e-5, buffer_size=steps + 2200, batch_size=32,
        learning_starts=1000, train_freq=1, gradient_steps=1, target_update_interval=2000,
        seed=0, device="cpu",
    )  # fmt: skip
    model.learn(1100)
    start = now()
    model.learn(steps, reset_num_timesteps=False)
    whole = now() - start
    start = now()
    model.train(steps, 32)
    return {"step": 1e3 * whole / steps, "update": 1e3 * (now() - start) / steps}


def ppo(steps: int) -> dict[str, float]:
    """Two layers of 64 each, an update being a minibatch."""
    rollouts = max(1, round(steps / ROLLOUT))
    model = PPO(
        "MlpPolicy", gymnasium.make("HalfCheetah-v4"), n_steps=ROLLOUT, batch_size=BATCH,
        n_epochs=EPOCHS, clip_range_vf=0.2, seed=0, device="cpu",
        policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}, "activation_fn": nn.ReLU},
    )  # fmt: skip
    model.learn(ROLLOUT)
    start = now()
    model.learn(rollouts * ROLLOUT, reset_num_timesteps=False)
    whole = now() - start
    start = now()
    for _ in range(rollouts):
        model.train()  # on the last rollout
    updates = rollouts * EPOCHS * ROLLOUT // BATCH
    return {"step": 1e3 * whole / rollouts / ROLLOUT, "update": 1e3 * (now() - start) / updates}


if __name__ == "__main__":
    _, kind, _, steps = sys.argv[1:]
    print(json.dumps({"dqn": dqn, "ppo": ppo}[kind](int(steps))))
