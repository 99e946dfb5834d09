"""The command line: `python -m fast COMMAND`; each command has its own `--help`.

A bad input is told in one message and exit status 2, before any work starts.
"""

import argparse
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from fast.errors import EpisodeBroken, InputError, unknown
from fast.machine import terminal
from fast.papers.grid import PlannedRun

MOST_SEEDS, MOST_MINUTES = 10_000, 1_000_000  # far above what anybody runs: a slip of the hand


def train(arguments: list[str]) -> int:
    """train an agent with neuron scores, or resume a run"""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--agent", default="drq")
    agent, settings = first.parse_known_args(arguments)
    for name in ("--task", "--method", "--preset", "--resume"):
        first.add_argument(name)
    chosen, _ = first.parse_known_args(arguments)
    asks_help = "-h" in arguments or "--help" in arguments
    if chosen.resume and not asks_help:
        alone = (["--resume", chosen.resume], [f"--resume={chosen.resume}"])
        if arguments not in alone:
            raise InputError("--resume", " ".join(arguments), "it stands alone: all else is kept")
        config, path = None, Path(chosen.resume)
    else:
        if chosen.task is None and not asks_help:
            raise InputError("--task", None, "accepted: a task such as cartpole-swingup")
        config, path = _typed(agent.agent, settings, chosen)

    from fast.experience.play import Diverged
    from fast.machine import resources
    from fast.runs.session import Stop
    from fast.train import train

    stop = Stop()
    stop.install()
    resume = f"python -m fast train --resume {shlex.quote(str(path))}"

    def told(reason: str) -> str:
        begun = (path / "config.json").exists()
        return f"{reason}. " + (f"Continue from the last checkpoint: {resume}" if begun else
                                "Nothing had begun.")  # fmt: skip

    try:
        done = train(config, path, stop)
    except KeyboardInterrupt:
        print(told("Stopped at once"), file=sys.stderr)
        return 130
    except (Diverged, EpisodeBroken, OSError) as error:
        print(told(f"Stopped: {error}"), file=sys.stderr)
        if isinstance(error, Diverged):
            print("On a CPU it will diverge again: a new run with a smaller --agent.learning-rate "
                  "may not.", file=sys.stderr)  # fmt: skip
        return 1
    except (MemoryError, RuntimeError) as error:
        if not resources.is_lack_of_memory(error):
            raise
        reason = f"{type(error).__name__} {error}".strip().splitlines()[0]
        print(told(f"Stopped: {reason}; {resources.memory()}"), file=sys.stderr)
        return 1
    if not done:
        print(f"Stopped and saved. Continue: {resume}", file=sys.stderr)
        return 128 + (stop.signal or 0)
    print(f"Complete: {path}", file=sys.stderr)
    return 0


def _typed(agent: str, arguments: list[str], chosen: argparse.Namespace) -> tuple[Any, Path]:
    """The settings and the folder of a new run."""
    from fast import config as configs  # torch takes seconds to import

    @dataclass(frozen=True)
    class Train:
        """Train an agent, or resume a run with `--resume DIR` alone.

        --agent drq, drqv2 (from pixels), sac, bro, dacer, ppo (from states), dqn (of games)
        or classifier (of pictures) comes first. The defaults below are those of the chosen --agent,
        --task, --method and --preset.
        """

        config: Annotated[configs.Config, tyro.conf.arg(name="")]
        out: Path
        """New folder of the run."""

    usual = {"drq": "cartpole-swingup", "drqv2": "quadruped-run", "dqn": "minatar-asterix",
             "classifier": "digits"}  # fmt: skip
    task = usual.get(agent, "HalfCheetah-v4")
    defaults = {"task": task, "method": "baseline", "preset": "paper"}
    told = defaults | {k: v for k in defaults if (v := getattr(chosen, k)) is not None}
    parsed = tyro.cli(
        Train,
        prog="python -m fast train",
        args=arguments,
        default=Train(configs.build(agent, **told), tyro.MISSING),
        config=configs.TYRO,
    )
    return parsed.config, parsed.out


def doctor(arguments: list[str]) -> int:
    """say what this machine can do, and how to mend what it cannot"""
    parser = _parser(doctor)
    parser.add_argument("--gpu", action="store_true", help="check and time what runs on a GPU")
    parser.add_argument("--out", type=Path, help="with --gpu: file of its record, JSON")
    given = parser.parse_args(arguments)
    if given.gpu:
        import torch

        from fast.machine.gpu import examine as of_gpu

        return of_gpu("cuda" if torch.cuda.is_available() else None, given.out)
    from fast.machine.doctor import doctor as examine

    return 1 if examine() else 0


def bench(arguments: list[str]) -> int:
    """measure what a step costs beside other libraries; `make bench` does their set-up"""
    parser = _parser(bench)
    parser.add_argument("agent", choices=("sac", "dqn", "ppo", "drq", "drq-bfloat16"))
    parser.add_argument("--peers", type=Path, required=True, help="a Python that has them")
    parser.add_argument("--steps", type=int, default=1000, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="with 1 the processor's time counts")
    parser.add_argument(
        "--as-they-come", action="store_true", help="the others without the allocator of training"
    )
    given = parser.parse_args(arguments)
    _refuse_beyond("--steps", given.steps, 1_000_000)
    _refuse_beyond("--rounds", given.rounds, 1000)
    _refuse_beyond("--threads", given.threads, 1024)
    from fast.machine.bench import bench as measure

    measure(given.agent, given.peers, given.steps, given.rounds, given.threads,
            not given.as_they_come)  # fmt: skip
    return 0


def cost(arguments: list[str]) -> int:
    """say what an update takes of any card, by tracing it: nothing is trained"""
    parser = _parser(cost)
    parser.add_argument("--agent", default="drq")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--task", help="without it, the agent's usual one")
    parser.add_argument("--method", default="baseline")
    parser.add_argument("--bfloat16", action="store_true", help="convolutions of DrQ and DrQ-v2")
    parser.add_argument(
        "--fused", action="store_true",
        help="also the bytes of an update after Inductor's fusion, by its lowering for a CPU",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--all", action="store_true", help="of every agent's every preset, as CSV")
    given = parser.parse_args(arguments)
    from fast import config as configs  # torch takes seconds to import
    from fast.machine import cost as costs

    if given.all:
        for line in costs.recorded():
            print(line, flush=True)
        return 0
    task = given.task or costs.usual(given.agent, given.preset)
    config = configs.build(given.agent, task, given.method, given.preset)
    if given.bfloat16:
        agent: Any = config.agent
        if not hasattr(agent, "bfloat16"):
            raise InputError("--bfloat16", True, f"the agent {given.agent} has no bfloat16")
        config = replace(config, agent=replace(agent, bfloat16=True))
    configs.check(config)
    if given.json:
        print(json.dumps(costs.as_json(config, given.fused), indent=2))
    else:
        print(costs.table(config, given.fused))
    return 0


def report(arguments: list[str]) -> int:
    """draw the figure and write the page of the runs in a folder"""
    parser = _parser(report)
    parser.add_argument("--runs", type=Path, required=True, help="folder of runs")
    parser.add_argument("--out", type=Path, help="where to write; without it, --runs")
    given = parser.parse_args(arguments)
    from fast.report.page import report as write

    print(write(given.runs, given.out or given.runs))
    return 0


def figure(arguments: list[str]) -> int:
    """draw a figure of the paper from the runs in a folder"""
    from fast.papers.recipes import RECIPES

    parser = _parser(
        figure,
        ": PNG, PDF and a CSV of what it shows",
        epilog="\n".join(f"  {name:>3}  {recipe.title}" for name, recipe in RECIPES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="a number below, or all: what can be drawn")
    parser.add_argument("--runs", type=Path, required=True, help="folder of runs, as of a sweep")
    parser.add_argument("--out", type=Path, help="where to write; without it, --runs")
    parser.add_argument("--preset", help="leave the runs of other presets out")
    parser.add_argument(
        "--own", action="store_true", help="of all runs that are there, not of the paper's alone"
    )
    given = parser.parse_args(arguments)
    from fast.report.figures import write

    out = given.out or given.runs
    paths, refused = write(given.name, given.runs, out, given.preset, given.own)
    for error in refused.values():
        print(f"not drawn: {error}", file=sys.stderr)
    for path in paths:
        print(path)
    return 0


def film(arguments: list[str]) -> int:
    """film an episode of a run's deterministic policy, as a GIF"""
    parser = _parser(film)
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a run")
    parser.add_argument("--out", type=Path, help="without it, film.gif in the run's folder")
    parser.add_argument("--size", type=int, default=240, help="of a picture's side, in pixels")
    parser.add_argument("--episode", type=int, default=1, help="of an evaluation, from 1")
    given = parser.parse_args(arguments)
    _refuse_beyond("--size", given.size, 1024)
    _refuse_beyond("--episode", given.episode, 1_000_000)
    from fast.studies.film import film as write  # torch takes seconds to import

    out = given.out or given.run / "film.gif"
    print(f"{out}: return {write(given.run, out, given.size, given.episode - 1):.0f}")
    return 0


def regression(arguments: list[str]) -> int:
    """say whether the value networks of PPO's runs still learn (OCP, eq. 15)"""
    parser = _parser(regression, ": regression.png, .pdf and .csv")
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("--out", type=Path, required=True, help="folder of what is written")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-4, 1e-3, 1e-2])
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--epochs", type=int, default=100)
    given = parser.parse_args(arguments)
    _refuse_beyond("--seeds", given.seeds, MOST_SEEDS)
    _refuse_beyond("--epochs", given.epochs, 1_000_000)
    for rate in given.rates:
        if not 0 < rate < math.inf:
            raise InputError("--rates", rate, "accepted: finite numbers above 0")
    from fast.studies.regression import regression as write  # torch takes seconds to import

    print(write(given.runs, given.out, given.rates, given.seeds, given.epochs))
    return 0


def findings(arguments: list[str]) -> int:
    """say which observations of the papers came out here, and at which scale"""
    from fast.papers.findings import EXPERIMENTS
    from fast.report import ledger

    parser = _parser(findings)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--results", type=Path, default=ledger.RESULTS, help="folder of the CSVs")
    acts = parser.add_subparsers(dest="act", metavar="ACT")
    acts.add_parser("show", help="all about one finding").add_argument("id", metavar="ID")
    acts.add_parser("run", help="the sweep that one needs").add_argument("id", metavar="ID")
    collect = acts.add_parser("collect", help="keep what an experiment needs of its runs")
    collect.add_argument("experiment", metavar="EXPERIMENT", help=", ".join(EXPERIMENTS))
    collect.add_argument("--runs", type=Path, required=True, help="folder of the sweep")
    given = parser.parse_args(arguments)
    if given.act == "collect":
        for left in ledger.collect(given.experiment, given.runs, given.results):
            print(f"left out: {left}", file=sys.stderr)
        print(given.results / f"{given.experiment}.csv")
    elif given.act is None:
        found = ledger.decided(given.results)
        print(ledger.as_json(found) if given.json else ledger.table(found))
    elif given.act == "show":
        print(ledger.show(given.id, given.results))
    else:
        print(ledger.sweep_of(given.id))
    return 0


def demo(arguments: list[str]) -> int:
    """train baseline and adam-eps side by side and show what their neurons did"""
    parser = _parser(demo)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    from fast.demo import demo as show

    return show(parser.parse_args(arguments).out)


def _sweeps() -> argparse.ArgumentParser:
    """The options of `sweep`."""
    from fast.agents import AGENTS

    presets = "; ".join(f"of {n}: {', '.join(kind.file.PRESETS)}" for n, kind in AGENTS.items())
    epilog = "Settings go to each run as `train` has them, for example: --run.updates 8000"
    parser = _parser(sweep, epilog=epilog, allow_abbrev=False)
    parser.add_argument("--figure", help="number of a figure of the paper")
    parser.add_argument(
        "--tasks",
        nargs="+",
        default=[],
        help="with --methods; with --figure, in place of its tasks",
    )
    parser.add_argument("--methods", nargs="+", default=[])
    parser.add_argument("--agent", help=f"{', '.join(AGENTS)}; without it, the figure's or drq")
    parser.add_argument("--preset", help=presets)
    parser.add_argument("--out", type=Path, help="folder of the runs; sweeps may share one")
    parser.add_argument("--seeds", type=int, help="how many, from 0; without it, the figure's or 1")
    parser.add_argument("--jobs", type=int, help="runs at a time; without it, one for each device")
    parser.add_argument("--devices", default="cpu", help="cpu, cuda, or a list: cuda:0,cuda:1")
    parser.add_argument(
        "--silence", type=int, default=60, help="minutes after which a run that says nothing ends"
    )
    parser.add_argument("--only", metavar="RUN", help="this run alone, as TASK.METHOD.SEED")
    parser.add_argument(
        "--print", action="store_true", help="print a command for each run that is not complete"
    )
    parser.add_argument("--engine", choices=("here", "ray"), default="here", help="what trains")
    parser.add_argument("--address", default="auto", help="of Ray's cluster")
    parser.add_argument("--gpus-per-run", type=float, default=0.0, help="of Ray's; 0.25: a quarter")
    parser.add_argument("--dry-run", action="store_true", help="say how many runs and hours")
    parser.add_argument("--list", action="store_true", help="print what each figure needs")
    return parser


def sweep(arguments: list[str]) -> int:
    """train the runs that a figure needs, several at a time, or go on with them"""
    from fast.papers.recipes import table

    parser = _sweeps()
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    given, settings = parser.parse_known_args(arguments[:cut])
    _refuse_strays(settings, parser)
    overrides = [*settings, *arguments[cut + 1 :]]
    if given.list:
        print(table())
        return 0
    _refuse_beyond("--seeds", given.seeds, MOST_SEEDS)
    _refuse_beyond("--silence", given.silence, MOST_MINUTES)
    runs, agent = _asked(given)

    from fast.machine import resources
    from fast.runs.forecast import dry_run
    from fast.runs.sweep import places, survey
    from fast.runs.sweep import sweep as complete

    device, spread = places(given.devices, given.jobs)
    jobs = survey(runs, agent, given.preset, device, given.out, overrides)
    unfinished = [job for job in jobs if job.unfinished]
    if given.print:
        for job in unfinished:
            print(shlex.join(job.alone(overrides)))
        return 0
    silence = 60.0 * given.silence
    if given.engine == "ray":
        try:
            from fast.runs.cluster import engine
        except ModuleNotFoundError:
            reason = 'it needs Ray: pip install -e ".[cluster]"'
            raise InputError("--engine", given.engine, reason) from None
        tasks = engine(given.address, given.gpus_per_run, lambda job: job.alone(overrides))
        return complete(jobs, [{}] * len(jobs), overrides, silence=silence, engine=tasks)
    resources.require_all([(job.config, job.folder) for job in unfinished], spread)
    if given.dry_run:
        return dry_run(jobs, spread, overrides)
    return complete(jobs, spread, overrides, silence=silence)


def _asked(given: argparse.Namespace) -> tuple[list[PlannedRun], str]:
    """The runs of a sweep, and of which agent."""
    from fast.agents import AGENTS
    from fast.papers.grid import plan
    from fast.papers.recipes import RECIPES, figure_runs

    if given.figure is not None and given.methods:
        raise InputError("--figure", given.figure, "accepted: it, or --methods")
    if given.figure is not None:
        runs = figure_runs(given.figure, given.seeds, given.tasks)
        given.agent = given.agent or RECIPES[given.figure].agent
    else:
        runs = plan(given.tasks, given.methods, given.seeds or 1)
    agent = given.agent or "drq"
    if agent not in AGENTS:
        raise unknown("--agent", agent, AGENTS)
    presets = ", ".join(AGENTS[agent].file.PRESETS)
    for name, accepted in (("preset", presets), ("out", "a folder for the runs")):
        if getattr(given, name) is None:
            raise InputError(f"--{name}", None, f"a sweep needs it; accepted: {accepted}")
    if not runs:
        raise InputError("--figure", None, "accepted: a figure, or --tasks and --methods")
    if given.only is not None:
        names = [run.name for run in runs]
        if given.only not in names:
            raise unknown("--only", given.only, names)
        runs = [runs[names.index(given.only)]]
    return runs, agent


def _refuse_strays(settings: list[str], parser: argparse.ArgumentParser) -> None:
    """Refuse what is neither an option of `sweep` nor a setting of a run, which has a dot."""
    if settings and not settings[0].startswith("-"):
        raise InputError("sweep", settings[0], "accepted: options, such as --figure 10")
    options = [name for action in parser._actions for name in action.option_strings]
    for name in (text.partition("=")[0] for text in settings):
        if re.match(r"-[^\d.]", name) and "." not in name:  # and no negative number
            raise unknown("sweep", name, options, [*options, "--agent.batch-size and its like"])


def _parser(command: Callable[..., int], more: str = "", **how: Any) -> argparse.ArgumentParser:
    """Of a command's options; `more` is said behind what it does."""
    prog, told = f"python -m fast {command.__name__}", f"{command.__doc__}{more}"
    return argparse.ArgumentParser(prog=prog, description=told, **how)


def _refuse_beyond(field: str, value: int | None, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        raise InputError(field, value, f"accepted: 1 to {most:,}")


COMMANDS = {
    command.__name__: command
    for command in (
        train, sweep, figure, report, film, regression, findings, demo, doctor, bench, cost
    )
}  # fmt: skip


def main(arguments: list[str]) -> int:
    # Figures go to files. A notebook gives its own backend to its shell, whether it is here or not.
    os.environ["MPLBACKEND"] = "agg"
    listing = "\n".join(f"  {name:10} {command.__doc__}" for name, command in COMMANDS.items())
    usage = f"usage: python -m fast COMMAND [--help]\n\n{listing}"
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage)
        return 0 if arguments else 2
    try:
        for option, text in zip(["COMMAND", *arguments], arguments, strict=False):
            name, assigned, value = text.partition("=")
            if not text or (assigned and not value and name.startswith("-")):
                accepted = "accepted: a value; is a variable of the shell empty?"
                raise InputError(name or option, "", accepted)
        if arguments[0] not in COMMANDS:
            raise unknown("COMMAND", arguments[0], COMMANDS)
        return COMMANDS[arguments[0]](arguments[1:])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a path that is too long, a folder that cannot be read
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before anything could be lost
        return 130


if __name__ == "__main__":
    sys.exit(terminal.run(main))
