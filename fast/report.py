"""One page of HTML that says in plain words what a folder of runs shows (`story.py` has the words).

The page loads nothing: pictures and style are in it, and its content security policy forbids the
rest.
"""

import base64
import io
import json
import re
import shlex
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from html import escape
from operator import attrgetter
from pathlib import Path
from string import Template

import matplotlib.image
import numpy as np

from fast import figures
from fast.errors import InputError
from fast.records import Run, find_runs
from fast.story import (
    UNDEFINED,
    UNRECORDED,
    Facts,
    about_run,
    duration,
    facts,
    how_far,
    is_defined,
    name_of,
    number,
    percent,
    plural,
    side_by_side,
)

COUNTERS = ("kind", "agent_step", "environment_step", "update")
STRIP = 6  # frames shown of one episode


def report(runs_folder: Path | str, out: Path | str) -> Path:
    """Write `report.html` and the overview (`overview.png`, `.pdf`, `.csv`) into the folder `out`.

    Returns the path of the page. Raises InputError, before anything is written, where
    `runs_folder` holds no run, or runs that do not belong on one page, or `out` is a file.
    """
    runs, out = find_runs(runs_folder), Path(out)
    if out.exists() and not out.is_dir():
        raise InputError("--out", str(out), "a folder, new or not, is accepted")
    figures.overview(runs, out / "overview.png")
    rows = figures.overview_rows(runs)
    wide, narrow = (figures.draw(runs, rows, "svg", columns) for columns in (2, 1))
    path = out / "report.html"
    path.write_text(page(runs, wide, narrow), encoding="utf-8")
    return path


def page(runs: Sequence[Run], wide: bytes, narrow: bytes) -> str:
    """The whole page; `wide` and `narrow` are the figure as SVG, for wide and narrow screens."""
    groups = {
        method: [facts(run) for run in runs if run.method == method]
        for method in figures.methods_of(runs)
    }
    every = [f for fs in groups.values() for f in fs]
    compared = side_by_side(groups) if len(groups) > 1 else []
    task = runs[0].config["task"]
    warning = figures.incomplete(runs)
    return PAGE.substitute(
        title=escape(f"What the neurons did: {task}"),
        warning=f"<p class=warning>{escape(warning)}</p>" if warning else "",
        gist=" ".join(compared[:3]) or about_run(every[0])[0],
        trained=_trained(groups),
        strips="".join(_strip(f.run) for f in every if f.run.seed == every[0].run.seed),
        runs="".join(_run_block(f, folded=len(every) > 4) for f in every),
        compared=f"<h3>Side by side</h3>{_list(compared)}" if compared else "",
        alt=escape(
            "Four panels over environment steps: evaluation return, largest activation share of "
            "the first hidden layer, saturated neurons of the next layer, srank. The numbers are "
            "in the table below."
        ),
        wide=_uri(wide, "svg+xml"),
        narrow=_uri(narrow, "svg+xml"),
        table=_table(groups),
        how_far=_list(how_far(groups)),
        here=_here(groups),
        made="".join(_made(f.run) for f in every),
        go_on=_go_on(groups),
    )


def _trained(groups: dict[str, list[Facts]]) -> str:
    run = next(iter(groups.values()))[0].run
    env = run.config["env"]
    names = " and ".join(name_of(method) for method in groups)
    return (
        f"An agent learned the task {name_of(run.config['task'])} of the DeepMind control suite by "
        f"trial and error, with the algorithm DrQ, as {names}. It sees nothing but pictures: the "
        f"last {number(env['frame_stack'])} frames of {number(env['size'])} by "
        f"{number(env['size'])} pixels. Each of its actions is held for "
        f"{number(env['action_repeat'])} control steps. "
        "A critic learns to foretell how much reward will follow, and an actor to choose what the "
        "critic likes. The critic's foretelling is done by two small networks, its heads; each has "
        "a first hidden layer and a next one, and this page looks inside them."
    )


def _strip(run: Run) -> str:
    """Frames of the last stored episode of a run, none where there is no readable one."""
    files = sorted(
        (run.folder / "frames").glob("*.npz"),
        key=lambda path: ([int(digits) for digits in re.findall(r"\d+", path.stem)], path.stem),
    )
    if not files:
        return ""
    try:
        with np.load(files[-1]) as episode:
            frames = episode["frames"]
        if frames.ndim != 4 or frames.shape[1] != 3 or not len(frames):
            return ""
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # cut short by a kill
        return ""
    shown = sorted(set(np.linspace(0, len(frames) - 1, STRIP).round().astype(int).tolist()))
    images = []
    for index in shown:
        file = io.BytesIO()
        matplotlib.image.imsave(file, frames[index].transpose(1, 2, 0).copy(), format="png")
        images.append(f'<img src="{_uri(file.getvalue(), "png")}" alt="frame {index}">')
    return (
        f"<figure><div class=strip>{''.join(images)}</div><figcaption>{name_of(run.method)}: "
        f"{number(len(shown))} frames of the last training episode that its folder keeps "
        f"({escape(files[-1].name)}), from first to last.</figcaption></figure>"
    )


def _run_block(f: Facts, folded: bool) -> str:
    head = f"{name_of(f.run.method)}, seed {number(f.run.seed)}"
    body = _list(about_run(f))
    if folded:
        return f"<details><summary>{head}</summary>{body}</details>"
    return f"<h3>{head}</h3>{body}"


def _cell(
    fs: list[Facts],
    value: Callable[[Facts], float | None],
    write: Callable[[float | None], str] = number,
) -> str:
    values = [value(f) for f in fs]
    defined = [v for v in values if is_defined(v)]
    if len(values) == 1 or not defined:
        return write(values[0])
    text = write(float(np.mean(defined)))
    text += f"<br><small>{write(min(defined))} to {write(max(defined))}</small>"
    if len(defined) < len(values):
        text += f"<br><small>of {number(len(defined))} seeds; else {UNDEFINED}</small>"
    return text


def _first_steps(fs: list[Facts], value: Callable[[Facts], float | None]) -> str:
    return ", ".join(
        UNRECORDED if not f.scored else "never" if value(f) is None else number(value(f))
        for f in fs
    )


_percents, _durations = partial(_cell, write=percent), partial(_cell, write=duration)
TABLE = (  # label, attribute of Facts, how its cell is written
    ("Evaluation return, last", "final_return", _cell),
    ("Return of random actions, mean", "random_return", _cell),
    ("Largest activation share, highest", "share_max", _percents),
    ("Largest activation share, last", "share_final", _percents),
    ("First step with a dominant neuron", "dominant_step", _first_steps),
    ("Next layer saturated, most", "saturated_max", _percents),
    ("Next layer saturated, last", "saturated_final", _percents),
    ("First step with the next layer collapsed", "collapsed_step", _first_steps),
    ("Next layer zombie, last", "zombie_final", _percents),
    ("First layer dormant (0.1), last", "dormant_final", _percents),
    ("srank, first", "srank_first", _cell),
    ("srank, lowest", "srank_min", _cell),
    ("srank, last", "srank_final", _cell),
    ("Updates made", "run.reached", _cell),
    ("Wall time", "seconds", _durations),
)


def _table(groups: dict[str, list[Facts]]) -> str:
    """A column per method; with several seeds the mean, and the lowest and highest below it."""

    rows: list[tuple[str, Callable[[list[Facts]], str]]] = [
        (label, lambda fs, get=attrgetter(name), write=write: write(fs, get))
        for label, name, write in TABLE
    ]
    names = dict.fromkeys(name for fs in groups.values() for f in fs for name in f.milliseconds)
    rows += [
        (
            f"Milliseconds per agent step: {escape(name)}",
            lambda fs, name=name: _cell(fs, lambda f: f.milliseconds.get(name)),
        )
        for name in names
    ]
    head = "".join(f"<th scope=col>{escape(method)}</th>" for method in groups)
    body = "".join(
        f"<tr><th scope=row>{label}</th>"
        + "".join(f"<td>{write(fs)}</td>" for fs in groups.values())
        + "</tr>"
        for label, write in rows
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"


def _here(groups: dict[str, list[Facts]]) -> str:
    """The scale of these runs, to be read beside that of the paper's."""
    runs = [f.run for fs in groups.values() for f in fs]
    config = runs[0].config
    seeds = len({run.seed for run in runs})
    return (
        f"pictures of {number(config['env']['size'])} by {number(config['env']['size'])} pixels, "
        f"batches of {number(config['agent']['batch_size'])}, at most "
        f"{number(max(run.reached for run in runs))} updates a run, {number(seeds)} "
        f"seed{plural(seeds)}, scores on {number(config['run']['score_batch'])} replayed pictures"
    )


def _made(run: Run) -> str:
    """The commands and the machine behind a run, from its `session` records."""
    sessions = run.of("session")
    commands = list(dict.fromkeys(s["command"] for s in sessions if s.get("command")))
    items = []
    for key in dict.fromkeys(key for session in sessions for key in session):
        if key in (*COUNTERS, "command"):
            continue
        values = dict.fromkeys(_plain(session[key]) for session in sessions if key in session)
        items.append(f"<dt>{escape(key)}</dt><dd>{escape('; then '.join(values))}</dd>")
    quality = run.config["env"]["render_quality"]
    settings = json.dumps(run.config, indent=2)
    return (
        f"<h3>{name_of(run.method)}, seed {number(run.seed)}</h3>"
        + (_commands(commands) if commands else "<p>Its command is not recorded.</p>")
        + f"<dl class=facts><dt>preset</dt><dd>{escape(run.config['preset'])}</dd>"
        + f"<dt>render quality</dt><dd>{escape(quality)}</dd>"
        + f"<dt>sessions</dt><dd>{number(len(sessions))}</dd>{''.join(items)}</dl>"
        + f"<details><summary>All its settings</summary><pre>{escape(settings)}</pre></details>"
    )


def _go_on(groups: dict[str, list[Facts]]) -> str:
    runs = [f.run for fs in groups.values() for f in fs]
    task = shlex.quote(runs[0].config["task"])
    paper = [
        f"python -m fast train --task {task} --method {shlex.quote(method)} --preset paper "
        f"--seed 0 --out {shlex.quote(f'runs/paper-{method}-0')}"
        for method in groups
    ]
    unfinished = [
        f"python -m fast train --resume {shlex.quote(str(run.folder))}"
        for run in runs
        if not run.finished
    ]
    folder = shlex.quote(str(runs[0].folder if len(runs) == 1 else runs[0].folder.parent))
    said = ""
    if unfinished:
        said += f"<p>Finish what is unfinished:</p>{_commands(unfinished)}"
    said += f"<p>Train at the scale of the paper, with other seeds as well:</p>{_commands(paper)}"
    said += "<p>Make this page again, or follow every score in TensorBoard:</p>"
    return said + _commands(
        [f"python -m fast report --runs {folder}", f"tensorboard --logdir {folder}"]
    )


def _commands(lines: Iterable[str]) -> str:
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def _list(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{sentence}</li>' for sentence in sentences)}</ul>"


def _plain(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return str(value)


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
:root { color-scheme: light dark; --text: #1c1e21; --soft: #5a6068; --line: #dcdfe4;
  --back: #ffffff; --card: #f5f6f8; --warn: #a4001d; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e7ea; --soft: #a2a8b1; --line: #3a3f47;
  --back: #16181c; --card: #202329; --warn: #ff8c9a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 54rem; padding: 1.5rem 1.1rem 4rem; color: var(--text);
  background: var(--back); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
p, ul { margin: .5rem 0; }
ul { padding-left: 1.2rem; }
li { margin: .35rem 0; }
.gist { font-size: 1.15rem; line-height: 1.5; background: var(--card); border-radius: .5rem;
  padding: .9rem 1.1rem; }
.warning { color: var(--warn); font-weight: 700; }
dt { font-weight: 700; margin-top: .7rem; }
dd { margin: 0; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem;
  font-size: .88rem; }
dl.facts dt { font-weight: 400; color: var(--soft); margin: 0; }
figure { margin: 1.2rem 0; }
figcaption, small { color: var(--soft); font-size: .85rem; }
.plot { background: #fff; border: 1px solid var(--line); border-radius: .5rem; padding: .4rem;
  display: block; }
.plot img { display: block; width: 100%; height: auto; }
.strip { display: grid; grid-template-columns: repeat(6, 1fr); gap: 3px; }
.strip img { width: 100%; image-rendering: pixelated; display: block; border-radius: 3px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; overflow-wrap: normal; }
th, td { text-align: left; padding: .32rem .7rem .32rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; font-variant-numeric: tabular-nums; }
tbody th { font-weight: 400; color: var(--soft); }
pre { background: var(--card); padding: .7rem .9rem; border-radius: .4rem; font-size: .82rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; }
@media (max-width: 480px) { .strip { grid-template-columns: repeat(3, 1fr); }
  dl.facts { grid-template-columns: 1fr; gap: 0; } dl.facts dt { margin-top: .4rem; } }
</style>
</head>
<body>
<main>
<h1>$title</h1>
$warning
<p>Does one neuron of the critic's first hidden layer come to outweigh all others of its layer, and
does the next layer then fall silent? In these runs:</p>
<p class=gist>$gist</p>

<h2>What was trained</h2>
<p>$trained</p>
$strips

<h2>Four kinds of neuron</h2>
<p>A layer is a row of neurons. For each picture, each neuron takes a weighted sum of what it
receives; if that (normalised first, where the method says so) is above zero the neuron passes it
on, else it passes on zero. What it passes on is its activation.</p>
<dl>
<dt>Dominant</dt><dd>Its mean activation is larger than those of all other neurons of its layer
together: its share of the layer's activation is above one half.</dd>
<dt>Dormant</dt><dd>Its mean activation is at most a tenth of the mean over its layer: it says
next to nothing.</dd>
<dt>Saturated</dt><dd>For every picture, the sum that it receives is zero or below: it always
passes on zero and cannot learn from any of them. When all neurons of a layer are saturated the
layer has collapsed, and what follows it sees the same for every picture.</dd>
<dt>Zombie</dt><dd>For every picture, the sum is above zero: it only passes on what it gets, so it
adds nothing that a plain weighted sum could not do.</dd>
</dl>
<p>And <b>srank</b> says how many directions the outputs of a layer really use: the number of
singular values that make up 99&nbsp;% of the sum of all.</p>

<h2>What happened</h2>
<figure><picture class=plot><source media="(max-width: 600px)" srcset="$narrow">
<img src="$wide" alt="$alt"></picture>
<figcaption>Every line is one critic head of one run, nothing is smoothed. Where a layer is
wholly dead a share and an srank are undefined; there the last value is carried on as a dotted
line.</figcaption></figure>
$runs
$compared

<h2>The numbers</h2>
<div class=scroll>$table</div>
<p><small>There are two critic heads; shares, saturation, dormancy and srank are those of the worse
one (the larger, for srank the smaller). Steps are environment steps; milliseconds are the mean
over the run's timing records. The first layer is the first hidden layer of a head, the next layer
the one after it. With several seeds: mean, and lowest to highest.</small></p>

<h2>How far this carries</h2>
<p>Neuron Dominance (Wu et al., sections 3.1 to 3.3, Figures 2 and 3) reports for plain DrQ on six
sparse-reward tasks: the largest activation score of the layer before the penultimate one rises
steeply, the penultimate layer becomes wholly saturated, and the policy often ends at zero return.
It trains on batches of 512, with 8 seeds, and where it masks the reward it does so for the first
500,000 updates, half of the training. Here: $here.</p>
$how_far

<h2>How these runs were made</h2>
$made

<h2>How to go on</h2>
$go_on
</main>
</body>
</html>
""")
