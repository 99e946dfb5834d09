"""`python -m fast doctor --gpu`: what was never seen on a GPU here, for the first who has one.

A check is a function of a device and a preset that returns figures, or raises. Without a GPU each
is told as not run, which is no pass: the exit status is 1. The tests run them on the CPU.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from fast import config as configs
from fast import measures
from fast.agents import AGENTS
from fast.config import Config
from fast.envs import dmc
from fast.machine import cost, doctor
from fast.machine.compiled import Update, compiled
from fast.runs.session import describe_machine

TINY = "tiny"
# In float64 sums in another order differ by 1e-16 of themselves; twenty steps of Adam, each at
# most its rate, carry that on.
BOUND = 1e-8


class Failed(RuntimeError):
    """A check came out otherwise than it must."""


def made(config: Config, device: str, double: bool = False) -> tuple[Any, Callable[[int], Any]]:
    """An agent on a device, and (batch, draws) by number: the same on every device."""
    shape, outputs = cost.sizes(config)
    agent = AGENTS[config.agent.kind].make(
        config.agent, shape, outputs, torch.Generator().manual_seed(1), device
    )
    if double:
        for held in agent.learners.values():
            for module in (held.module, held.slow):
                if module is not None:
                    module.double()

    def cast(x: Any) -> Any:
        return x.to(device, torch.float64 if double and x.dtype == torch.float32 else x.dtype)

    def given(number: int) -> Any:
        g, size = torch.Generator().manual_seed(number), config.agent.batch_size
        batch = cost.batch_of(config, shape, outputs, size, g)
        return tree_map_only(torch.Tensor, cast, (batch, agent.draws(size, g)))

    return agent, given


def after(agent: Any, update: Update, given: Callable[[int], Any], updates: int) -> torch.Tensor:
    """All parameters behind so many updates, on the CPU."""
    for count in range(1, updates + 1):
        batch, draws = given(count)
        update(batch, draws, count)
    held = [p for each in agent.learners.values() for p in (*each.learned, *each.followers)]
    return torch.cat([p.detach().flatten().cpu() for p in held])


def _usual(agent: str, preset: str) -> Config:
    return configs.build(agent, cost.usual(agent, preset), preset=preset)


def _alike(one: torch.Tensor, other: torch.Tensor) -> float:
    far = (one - other).abs().max().item()
    if not far <= BOUND:
        raise Failed(f"parameters differ by {far:g}, more than {BOUND:g}")
    return far


# --- the checks: (device, preset) -> figures --------------------------------------------------


def twins(device: str, _preset: str) -> dict[str, float]:
    """Five updates on the device and on the CPU, in float64: the largest difference."""
    found = {}
    for agent in AGENTS:
        both = [made(_usual(agent, TINY), place, True) for place in (device, "cpu")]
        found[agent] = _alike(*(after(a, a.update, given, 5) for a, given in both))
    return found


def captured(device: str, _preset: str, backend: str = "inductor") -> dict[str, float]:
    """Twenty updates eager and compiled, in float64: the largest difference."""
    found = {}
    for agent in AGENTS:
        (one, given), (other, _) = (made(_usual(agent, TINY), device, True) for _ in range(2))
        eager = after(one, one.update, given, 20)
        found[agent] = _alike(eager, after(other, compiled(other, backend), given, 20))
    return found


def waits(device: str, _preset: str) -> dict[str, int]:
    """No update waits for the device."""
    for agent in AGENTS:
        held, given = made(_usual(agent, TINY), device)
        held.update(*given(1), 1)
        batch, draws = given(2)
        with _no_waits(device):
            held.update(batch, draws, cost.turn(held))
    return {"agents": len(AGENTS)}


@contextmanager
def _no_waits(device: str) -> Any:
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return
    with cost.counting() as found:
        yield
    if found.waits:
        raise Failed(f"waits at {', '.join(found.waits)}")


def repeats(device: str, _preset: str) -> dict[str, bool]:
    """Whether ten updates give the same bits again: a figure, which a GPU does not owe."""
    found = {}
    for agent in AGENTS:
        twice = [made(_usual(agent, TINY), device) for _ in range(2)]
        one, other = (after(a, a.update, given, 10) for a, given in twice)
        found[agent] = torch.equal(one, other)
    return found


def rendering(device: str, _preset: str) -> dict[str, Any]:
    """What draws the pictures, by name, and frames a second as the suite has them."""
    _, frames, name = doctor.measure_frames("suite", 84)
    if device == "cuda" and dmc.is_software(name):
        raise Failed(f"{name} renders in software: see `python -m fast doctor`")
    return {"renderer": name, "frames_per_second": frames}


def updates(device: str, preset: str, backend: str = "inductor") -> dict[str, Any]:
    """Milliseconds of an update, eager and compiled, the share of the card's roofline, and of the
    scores, of each agent's preset."""
    card = torch.cuda.get_device_name() if device == "cuda" else ""
    known = next((name for name in cost.CARDS if name in card), None)
    found = {}
    for agent in AGENTS:
        config = _usual(agent, preset)
        held, given = made(config, device)
        batch, draws = given(1)
        eager = _ms(partial(held.update, batch, draws, cost.turn(held)), device)
        whole = compiled(held, backend)
        faster = _ms(partial(whole, batch, draws, cost.turn(held)), device)
        look = _ms(partial(measures.measure, held, batch, draws, {}), device)
        row = {"eager_ms": eager, "compiled_ms": faster, "scores_ms": look}
        row["scores_share"] = look / (config.run.score_interval * eager)
        if known:
            least = 1e3 * cost.trace(config, ("update",))["update"].seconds[known]
            row |= {"roofline_ms": least, "share_eager": least / eager}
            row["share_compiled"] = least / faster
        found[agent] = row
    return found


def _ms(work: Callable[[], Any], device: str, least: float = 1.0) -> float:
    """Of one call, by the clock, over a second of them behind the first three."""
    for _ in range(3):
        work()
    done = 0
    wait: Callable[[], Any] = torch.cuda.synchronize if device == "cuda" else int
    wait()
    start = time.perf_counter()
    while done < 3 or time.perf_counter() - start < least:
        work()
        done += 1
        wait()
    return 1e3 * (time.perf_counter() - start) / done


def steps(device: str, preset: str) -> dict[str, dict[str, float]]:
    """Agent steps a second of short trainings from pixels, all of it counted, in both orders."""
    orders = {"update_last": "--run.no-update-first", "update_first": "--run.update-first"}
    return {name: _trained(device, preset, order) for name, order in orders.items()}


def _trained(device: str, preset: str, order: str) -> dict[str, float]:
    """The last record of timing."""
    with tempfile.TemporaryDirectory() as folder:
        asked = {
            "agent": "drq", "task": "cartpole-swingup", "preset": preset, "device": device,
            "agent.first-update": 200, "agent.replay-capacity": 1000, "run.updates": 400,
            "run.log-interval": 200, "run.evaluation-episodes": 1, "out": f"{folder}/run",
        }  # fmt: skip
        options = [word for name, value in asked.items() for word in (f"--{name}", str(value))]
        options.append(order)
        done = subprocess.run(
            [sys.executable, "-m", "fast", "train", *options], capture_output=True, text=True
        )
        if done.returncode:
            raise Failed((done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1])
        lines = map(json.loads, (Path(folder) / "run/metrics.jsonl").read_text().splitlines())
        return [each for each in lines if each["kind"] == "timing"][-1]


CHECKS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "twins": twins, "captured": captured, "waits": waits, "repeats": repeats,
    "rendering": rendering, "updates": updates, "steps": steps,
}  # fmt: skip


def examine(device: str | None, out: Path | None, preset: str = "paper") -> int:
    """Run the checks on a device, or tell each as not run where that is None; the exit status is
    0 where all have passed. The record is written to `out`, JSON."""
    told: dict[str, Any] = {"preset": preset, "checks": {}}
    if device is not None:
        told |= describe_machine(device, SimpleNamespace(renderer=None))
    for name, check in CHECKS.items():
        row: dict[str, Any] = {"state": "not run", "what": (check.__doc__ or "").split("\n")[0]}
        if device is not None:
            start = time.perf_counter()
            try:
                row = {"state": "passed", **check(device, preset)}
            except Exception as error:  # whatever a card or its driver may raise
                row |= {"state": "failed", "reason": f"{type(error).__name__}: {error}"}
            row["seconds"] = round(time.perf_counter() - start, 1)
        told["checks"][name] = row
        print(f"{name:10} {row['state']:8} {row.get('reason', row.get('what', ''))}", flush=True)
    text = json.dumps(told, indent=2) + "\n"
    if out is not None and device is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)
    elif device is not None:
        print(text)
    else:
        print("No GPU that torch sees: nothing was checked.")
    return 0 if all(row["state"] == "passed" for row in told["checks"].values()) else 1
