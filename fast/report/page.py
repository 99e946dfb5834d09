"""One page of HTML that says in plain words what a folder of runs shows (`story.py` has the words).

The page loads nothing: pictures and style are in it, and its content security policy forbids the
rest.
"""

import base64
import io
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from html import escape
from operator import attrgetter
from pathlib import Path
from string import Template

import matplotlib.image
import numpy as np

from fast.errors import InputError, as_input
from fast.report import drawing, figures, overview, story
from fast.report.drawing import Drawing
from fast.report.figures import Aggregate
from fast.report.story import (
    UNDEFINED,
    UNRECORDED,
    Facts,
    Groups,
    about_run,
    counts,
    duration,
    how_far,
    is_defined,
    name_of,
    number,
    percent,
    several,
    side_by_side,
)
from fast.runs.records import COUNTERS, Keep, Run, find_runs

# All that is to be read of a run.
KEEP: Keep = {
    "scores": {*figures.KEEP["scores"], *story.SCORES}.union(*(p.keys for p in overview.PANELS)),
    "update": (),
}
STRIP = 6  # frames shown of one episode
MANY = 4  # runs, above which what is said of each is folded or told of all together


def report(runs_folder: Path | str, out: Path | str) -> Path:
    """Write `report.html` into the folder `out`; for runs of one task the overview beside it.

    With several tasks, or several seeds of a method, the page has the paper's figures that can be
    drawn and the statistics of the returns. What of the folder cannot be read is named on it and
    left out. Returns the path of the page. Raises InputError, before anything is written, where
    `runs_folder` holds no run, or runs that do not belong on one page, or nothing can be written in
    `out`.
    """
    out, pictures, damaged = Path(out), {}, list[InputError]()
    drawing.require_writable(out)
    runs = find_runs(runs_folder, True, damaged, KEEP)
    tasks = {run.config["task"] for run in runs}
    wide, narrow = b"", b""
    if len(tasks) == 1:
        drawn = overview.overview(runs)
        with as_input("--out", out, "nothing can be written there"):
            drawing.save(drawn, out / "overview.png")
        wide = drawing.content(drawn.figure, "svg")
        narrow = drawing.content(overview.overview(runs, columns=1).figure, "svg")
    statistics: list[Aggregate] = []
    if len(tasks) > 1 or len(runs) > len({(run.config["task"], run.method) for run in runs}):
        papers = _pngs(runs)
        owns = papers.keys().isdisjoint(map(figures.title, figures.OWN))  # not the paper's tasks
        pictures = papers | (_pngs(runs, own=True) if owns else {})
        if len({run.config["preset"] for run in runs}) == 1:
            statistics = figures.aggregates(runs) + figures.improvements(runs)
    told = "".join(f"<p class=warning>Left out: {escape(str(error))}</p>" for error in damaged)
    html = page(runs, wide, narrow, pictures, statistics)
    html = html.replace("</h1>", f"</h1>\n{told}", 1)
    path = out / "report.html"
    with as_input("--out", out, "nothing can be written there"):
        out.mkdir(parents=True, exist_ok=True)
        # The name of a folder need not be text in any encoding.
        path.write_text(html, encoding="utf-8", errors="backslashreplace")
    return path


def _pngs(runs: Sequence[Run], own: bool = False) -> dict[str, bytes]:
    """The paper's figures that the runs give, by their titles."""
    return {
        figures.title(name, own): drawing.content(drawn.figure, "png")
        for name, drawn in figures.draw_all(runs, own=own)
        if isinstance(drawn, Drawing)
    }


def page(
    runs: Sequence[Run],
    wide: bytes,
    narrow: bytes,
    pictures: Mapping[str, bytes] | None = None,
    statistics: Sequence[Aggregate] = (),
) -> str:
    """The whole page. `wide` and `narrow` are the overview as SVG, for wide and narrow screens;
    `pictures` the paper's figures as PNG by title, and `statistics` those of the returns."""
    order, by_task = drawing.methods_of(runs), dict[str, Groups]()
    for f in map(Facts, sorted(runs, key=lambda run: order.index(run.method))):
        by_task.setdefault(f.run.config["task"], {}).setdefault(f.run.method, []).append(f)
    every = [f for groups in by_task.values() for fs in groups.values() for f in fs]
    (task, groups), *others = sorted(by_task.items())
    compared = side_by_side(groups) if len(groups) > 1 and not others else []
    title = f"{len(by_task)} tasks" if others else task
    warning = drawing.incomplete(runs)
    body = BODY.substitute(
        warning=f"<p class=warning>{escape(warning)}</p>" if warning else "",
        gist=" ".join(compared[:3]) or (counts(every) if others else about_run(every[0])[0]),
        trained=_trained(runs),
        strips="" if others else "".join(
            _strip(f.run) for f in every if f.run.seed == every[0].run.seed
        ),
        happened=(
            "".join(_task(name, groups) for name, groups in sorted(by_task.items()))
            if others
            else _overview(wide, narrow) + _happened(groups, folded=len(every) > MANY)
        ),
        figures=_figures(pictures or {}),
        numbers=_statistics(statistics) + ("" if others else _table(groups)),
        how_far="" if others else _list(how_far(groups)),
        here=_here(runs),
        made=_made(runs) if len(runs) > MANY else "".join(_made([run]) for run in runs),
        go_on=_go_on(runs),
        neurons=NEURONS,
    )  # fmt: skip
    return SHELL.substitute(title=escape(f"What the neurons did: {title}"), body=body)


def _overview(wide: bytes, narrow: bytes) -> str:
    alt = (
        "Four panels over environment steps: evaluation return, largest activation share of "
        "the first hidden layer, saturated neurons of the next layer, srank. The numbers are "
        "in the table below."
    )
    return (
        '<figure><picture class=plot><source media="(max-width: 600px)" '
        f'srcset="{_uri(narrow, "svg+xml")}"><img src="{_uri(wide, "svg+xml")}" alt="{alt}">'
        "</picture><figcaption>Every line is one critic head of one run, nothing is smoothed. "
        "Where a layer is wholly dead a share and an srank are undefined; there the last value is "
        "carried on as a dotted line.</figcaption></figure>"
    )


def _task(task: str, groups: Groups) -> str:
    """What happened on one task of several, folded."""
    summary = counts([f for fs in groups.values() for f in fs])
    told = f"{_happened(groups, folded=True)}{_table(groups)}{_list(how_far(groups))}"
    return _folded(f"{name_of(task)}: {summary}", told)


def _happened(groups: Groups, folded: bool) -> str:
    told = ""
    for f in (f for fs in groups.values() for f in fs):
        head = f"{name_of(f.run.method)}, seed {number(f.run.seed)}"
        said = _list(about_run(f))
        told += _folded(head, said) if folded else f"<h3>{head}</h3>{said}"
    if len(groups) > 1:
        told += f"<h3>Side by side</h3>{_list(side_by_side(groups))}"
    return told


def _figures(pictures: Mapping[str, bytes]) -> str:
    """The papers' figures, each with what it is of."""
    if not pictures:
        return ""
    return (
        "<h2>The figures of the papers, from these runs</h2><p>Each says on its face which of its "
        "runs are here. As PNG, PDF and CSV: <code>python -m fast figure all --runs DIR</code>, "
        "with <code>--own</code> for those that are like the paper's and of other runs.</p>"
    ) + "".join(
        f'<figure><div class=plot><img src="{_uri(png, "png")}" alt="{escape(title)}">'
        "</div></figure>"
        for title, png in pictures.items()
    )


def _statistics(rows: Sequence[Aggregate]) -> str:
    """A line a method: the aggregates of its last returns, each over its 95 % interval."""
    if not rows:
        return ""
    names = list(dict.fromkeys(row.statistic for row in rows))
    table = []
    for method in dict.fromkeys(row.method for row in rows):
        of_method = {row.statistic: row for row in rows if row.method == method}
        some = next(iter(of_method.values()))
        cells = [_interval(of_method[name]) if name in of_method else "" for name in names]
        table.append([escape(method), *cells, number(some.tasks), number(some.runs)])
    return (
        _grid([*names, "tasks", "runs"], table) + "<p><small>Of the last evaluation "
        "return of each run. Median and mean are over the tasks' means, the interquartile mean "
        "(IQM) is over all runs. Below each its 95&nbsp;% interval: a stratified bootstrap over "
        "runs, so it says where other seeds might lead, not other tasks; with few seeds it is too "
        "narrow, and with one a task it is a point. The last columns but two say how often a run "
        "beats one of the first method on the same task, a tie counting half.</small></p>"
    )


def _interval(row: Aggregate) -> str:
    write = percent if row.statistic.startswith("beats") else number
    return f"{write(row.value)}<br><small>{write(row.low)} to {write(row.high)}</small>"


def _grid(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table: `head` without its first, empty cell, and rows of HTML, each with its name first."""
    columns = "".join(f"<th scope=col>{escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr><th scope=row>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for name, *cells in rows
    )
    return (
        f"<div class=scroll><table><thead><tr><td></td>{columns}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


ALGORITHMS = {"drq": "DrQ", "sac": "soft actor-critic"}


def _trained(runs: Sequence[Run]) -> str:
    env, agent = runs[0].config["env"], runs[0].config["agent"]["kind"]
    seen = "the state of the simulation, as numbers"
    suite = "the DeepMind control suite"
    if runs[0].config["task"][:1].isupper():  # HalfCheetah-v4
        suite = "gymnasium's MuJoCo"
    if env["kind"] == "pixels":
        seen = (
            f"nothing but pictures: the last {number(env['frame_stack'])} frames of "
            f"{number(env['size'])} by {number(env['size'])} pixels"
        )
    names = " and ".join(name_of(method) for method in drawing.methods_of(runs))
    tasks = sorted({run.config["task"] for run in runs})
    if env["kind"] == "labels":
        return (
            f"A classifier learned to tell apart the pictures of {', '.join(map(name_of, tasks))}, "
            f"as {names}. What stands here as its return is its accuracy on pictures for testing, "
            "and as a step, of the environment or the agent, a batch."
        )
    repeats = sorted({run.config["env"]["action_repeat"] for run in runs})
    held = " or ".join(several(repeat, "control step") for repeat in repeats)
    return (
        f"An agent learned the task{'s' * (len(tasks) > 1)} {', '.join(map(name_of, tasks))} of "
        f"{suite} by trial and error, with the algorithm "
        f"{ALGORITHMS.get(agent, agent)}, as {names}. It sees {seen}. Each of its actions is held "
        f"for {held}. "
        "A critic learns to foretell how much reward will follow, and an actor to choose what the "
        "critic likes. The critic's foretelling is done by two small networks, its heads; each has "
        "a first hidden layer and a next one, and this page looks inside them."
    )


def _strip(run: Run) -> str:
    """Frames of the last stored episode of a run, none where there is no readable one."""
    files = sorted((run.folder / "frames").glob("*.npz"))
    if not files or run.config["env"]["kind"] != "pixels":
        return ""
    try:
        with np.load(files[-1]) as episode:
            frames = episode["frames"]
        shown = sorted(set(np.linspace(0, len(frames) - 1, STRIP).round().astype(int).tolist()))
        images = ""
        for index in shown:
            file = io.BytesIO()
            picture = frames[index].transpose(1, 2, 0).copy()
            matplotlib.image.imsave(file, picture, format="png", origin="upper")
            images += f'<img src="{_uri(file.getvalue(), "png")}" alt="frame {index}">'
    except Exception:  # of many kinds: the file is cut short, as by a copy that was, or damaged
        return ""
    return (
        f"<figure><div class=strip>{images}</div><figcaption>{name_of(run.method)}: "
        f"{number(len(shown))} frames of the last training episode that its folder keeps "
        f"({escape(files[-1].name)}), from first to last.</figcaption></figure>"
    )


def _cell(
    fs: list[Facts],
    value: Callable[[Facts], float | None],
    write: Callable[[float | None], str] = number,
) -> str:
    values = [value(f) for f in fs]
    defined = [v for v in values if is_defined(v)]
    if len(values) == 1 or not defined:
        return write(values[0])
    text = f"{write(float(np.mean(defined)))}<br><small>{write(min(defined))} to "
    text += f"{write(max(defined))}</small>"
    if len(defined) < len(values):
        text += f"<br><small>of {number(len(defined))} seeds; else {UNDEFINED}</small>"
    return text


def _first_steps(fs: list[Facts], value: Callable[[Facts], float | None]) -> str:
    def write(f: Facts) -> str:
        return "never" if value(f) is None else number(value(f))

    return ", ".join(write(f) if f.scored else UNRECORDED for f in fs)


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


def _table(groups: Groups) -> str:
    """A column per method; with several seeds the mean, and the lowest and highest below it."""
    columns = groups.values()
    rows = [
        (label, *(write(fs, attrgetter(name)) for fs in columns)) for label, name, write in TABLE
    ]
    for name in dict.fromkeys(name for fs in columns for f in fs for name in f.milliseconds):
        cells = (_cell(fs, lambda f, name=name: f.milliseconds.get(name)) for fs in columns)
        rows.append((f"Milliseconds per agent step: {escape(name)}", *cells))
    return _grid(groups, rows)


def _here(runs: Sequence[Run]) -> str:
    """The scale of these runs, to be read beside that of the paper's."""
    config = runs[0].config
    seeds = several(len({run.seed for run in runs}), "seed")
    size = config["env"].get("size")
    seen = f"pictures of {number(size)} by {number(size)} pixels, " if size else ""
    return (
        f"{seen}batches of {number(config['agent']['batch_size'])}, at most "
        f"{number(max(run.reached for run in runs))} updates a run, {seeds}, scores on "
        f"{number(config['run']['score_batch'])} replayed observations"
    )


def _made(runs: Sequence[Run]) -> str:
    """The commands and the machine behind runs, from their `session` records."""
    sessions = [session for run in runs for session in run.of("session")]
    commands = list(dict.fromkeys(s["command"] for s in sessions if s.get("command")))
    items = []
    for key in dict.fromkeys(key for session in sessions for key in session):
        if key in (*COUNTERS, "command"):
            continue
        values = list(dict.fromkeys(_plain(s[key]) for s in sessions if key in s))
        if len(values) > MANY:
            values = [values[0], "…", values[-1]]
        items.append(f"<dt>{escape(key)}</dt><dd>{escape('; then '.join(values))}</dd>")
    if len(runs) == 1:
        head, told = f"{name_of(runs[0].method)}, seed {number(runs[0].seed)}", "All its settings"
    else:
        head, told = f"All {several(len(runs), 'run')}", "Settings of the first"
    made = _commands(commands) if commands else "<p>No command is recorded.</p>"
    if len(commands) > MANY:
        made = _folded(f"{number(len(commands))} commands", made)
    preset = drawing.each(run.config["preset"] for run in runs)
    quality = drawing.each(run.config["env"].get("render_quality", "none") for run in runs)
    settings = f"<pre>{escape(json.dumps(runs[0].config, indent=2))}</pre>"
    return (
        f"<h3>{head}</h3>{made}<dl class=facts><dt>preset</dt><dd>{escape(preset)}</dd>"
        f"<dt>render quality</dt><dd>{escape(quality)}</dd><dt>sessions</dt>"
        f"<dd>{number(len(sessions))}</dd>{''.join(items)}</dl>{_folded(told, settings)}"
    )


def _folded(summary: str, rest: str) -> str:
    return f"<details><summary>{summary}</summary>{rest}</details>"


def _go_on(runs: Sequence[Run]) -> str:
    paper = [
        f"python -m fast train --task {shlex.quote(task)} --method {shlex.quote(method)} "
        f"--preset paper --seed 0 --out {shlex.quote(f'runs/{task}.{method}.0')}"
        for task, method in dict.fromkeys((run.config["task"], run.method) for run in runs)
    ]
    unfinished = [
        f"python -m fast train --resume {shlex.quote(str(run.folder))}"
        for run in runs
        if not run.finished
    ]
    folder = shlex.quote(str(runs[0].folder if len(runs) == 1 else runs[0].folder.parent))
    finish = f"<p>Finish what is unfinished:</p>{_commands(unfinished)}" if unfinished else ""
    return (
        f"{finish}<p>Train at the scale of the paper, with other seeds as well:</p>"
        f"{_commands(paper)}<p>Make this page again, or follow every score in TensorBoard:</p>"
        + _commands([f"python -m fast report --runs {folder}", f"tensorboard --logdir {folder}"])
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


SHELL = Template("""<!DOCTYPE html>
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
$body
</main>
</body>
</html>
""")

NEURONS = """<h2>Four kinds of neuron</h2>
<p>A layer is a row of neurons. For each observation, each neuron takes a weighted sum of what it
receives; if that (normalised first, where the method says so) is above zero the neuron passes it
on, else it passes on zero. What it passes on is its activation.</p>
<dl>
<dt>Dominant</dt><dd>Its mean activation is larger than those of all other neurons of its layer
together: its share of the layer's activation is above one half.</dd>
<dt>Dormant</dt><dd>Its mean activation is at most a tenth of the mean over its layer: it says
next to nothing.</dd>
<dt>Saturated</dt><dd>For every observation, the sum that it receives is zero or below: it always
passes on zero and cannot learn from any of them. When all neurons of a layer are saturated the
layer has collapsed, and what follows it sees the same for every observation.</dd>
<dt>Zombie</dt><dd>For every observation, the sum is above zero: it only passes on what it gets,
so it adds nothing that a plain weighted sum could not do.</dd>
</dl>
<p>And <b>srank</b> says how many directions the outputs of a layer really use: the number of
singular values that make up 99&nbsp;% of the sum of all.</p>
"""

BODY = Template("""$warning
<p>Does one neuron of the critic's first hidden layer come to outweigh all others of its layer, and
does the next layer then fall silent? In these runs:</p>
<p class=gist>$gist</p>

<h2>What was trained</h2>
<p>$trained</p>
$strips
$neurons
<h2>What happened</h2>
$happened

$figures

<h2>The numbers</h2>
$numbers
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
""")
