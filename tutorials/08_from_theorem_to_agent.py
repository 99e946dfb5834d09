"""Where the theorems' conditions hold along real trainings from pixels, and where they do not: the
recorded runs of this repository, read against the theory.

The runs are the CSV files of `results/`; the conditions are those of `theory.dominance` and `rank`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="From theorem to agent",
    html_head_file="head.html",
)

with app.setup(hide_code=True):
    import csv
    import math
    import re
    from fractions import Fraction
    from itertools import cycle, product

    import marimo as mo
    import numpy as np

    from theory import dominance, rank
    from theory.decide import CLAIMS
    from tutorials import style
    from tutorials.exercises import exercises

    RESULTS = style.RESULTS
    COLUMNS = {"run", "method", "seed", "panel", "environment_step", "value"}
    BATCH, DELTA = 256, 0.01  # observations that scores are taken on; of srank (README, DESIGN)
    SHARE, SATURATED, SRANK = "dense0/largest_share", "dense1/saturated", "dense0/srank"
    CLAIMS_HERE = [
        "dominance.theorem-1",
        "dominance.expectation-ratio",
        "rank.dominance-is-a-bound",
        "rank.share",
        "rank.srank-by-share",
    ]


@app.function(hide_code=True)
def read(folder):
    """{run: {"method", "task", "panels": {name: (steps, values)}}} of the long CSVs in a folder."""
    found = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if not set(rows.fieldnames or ()) >= COLUMNS:
                continue  # a table of another kind
            for row in rows:
                run = found.setdefault(row["run"], {"panels": {}})
                run |= {"method": row["method"], "task": row.get("task", "")}
                try:
                    point = float(row["environment_step"]), float(row["value"] or "nan")
                except (TypeError, ValueError):
                    continue  # a line that was cut off
                run["panels"].setdefault(row["panel"], set()).add(point)
    for run in found.values():
        for panel, points in run["panels"].items():
            run["panels"][panel] = tuple(np.array(sorted(points)).T)
    return found


@app.function(hide_code=True)
def reward_step(folder, runs):
    """The environment step at which runs see their first reward; None where it is always there.

    reward.csv says how many of the updates learn without it; scores are taken from the first
    update to the last, which come at even distances.
    """
    steps = [x for run in runs.values() for _, x, _ in of_heads(run, SHARE)]
    if not (folder / "reward.csv").exists() or not steps:
        return None
    with (folder / "reward.csv").open(newline="", encoding="utf-8") as file:
        told = next(csv.DictReader(file))
    first, last = min(x.min() for x in steps), max(x.max() for x in steps)
    return first + (last - first) * int(told["masked_updates"]) / int(told["updates"])


@app.function(hide_code=True)
def of_heads(run, score):
    """(head, steps, values) of each network that recorded this score, such as critic/heads.0."""
    end = f".{score}"
    return [
        (panel.removesuffix(end), *points)
        for panel, points in sorted(run["panels"].items())
        if panel.endswith(end)
    ]


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # From theorem to agent

    The other tutorials play with a few numbers. Here are real trainings: DrQ, an agent that learns
    from pixels, recorded by this repository. Along the way it wrote down, for the two hidden layers
    of both **critics** (the networks that judge actions) and on 256 observations from the replay
    buffer,

    - the **largest activation share** $\max_i u_i / N$ of the first hidden layer: a neuron is
      **dominant** exactly if its share is above **1/2**;
    - the share of **saturated** neurons in the next layer, those that are off on all 256;
    - the **srank** of the first layer's features, of at most 256.

    These are the quantities of Theorems 1 and 2 of *Neuron Dominance* (tutorials 3 and 4). So we
    can ask: when a layer saturates or a rank falls, **was there a dominant neuron**? Some of the
    agents learn from a reward of zero at first, whatever they do; a dashed line shows when the
    reward appears to them (the returns are the true ones throughout). Agents in which a dominant
    neuron does appear, as the last survivor of its layer, stand at the end of tutorial 6. And how
    much can a bound in terms of shares say? At the end stands what such recordings cannot show.
    """)
    return


@app.cell(hide_code=True)
def gather():
    folders = {path.name: read(path) for path in sorted(RESULTS.glob("*/")) if path.is_dir()}
    folders = {name: runs for name, runs in folders.items() if runs}
    rewarded = {name: reward_step(RESULTS / name, runs) for name, runs in folders.items()}
    _lines = []
    for _name, _runs in folders.items():
        _methods = ", ".join(sorted({run["method"] for run in _runs.values()}))
        _last = max(x.max() for run in _runs.values() for x, _ in run["panels"].values())
        _recorded = ", ".join(
            score.partition("/")[2].replace("_", " ")
            for score in (SHARE, SATURATED, SRANK)
            if any(of_heads(run, score) for run in _runs.values())
        )
        _line = {"folder": _name, "runs": len(_runs), "methods": _methods}
        _lines.append(_line | {"environment steps": f"{_last:,.0f}", "recorded": _recorded})
    _readme = RESULTS / "README.md"
    _linked = r"\[([^]]*)\]\((?!https?:)[^)]*\)"  # to a file, which no page has
    mo.vstack(
        [
            mo.md("## The recordings"),
            style.table(_lines, "The recordings")
            if folders
            else mo.callout(
                mo.md(
                    "No recorded run was found. Where Python runs in your browser there is no "
                    "folder `results/`: open this tutorial by `make tutorials`."
                ),
                kind="warn",
            ),
            mo.accordion({"How they were made": mo.md(re.sub(_linked, r"\1", _readme.read_text()))})
            if _readme.exists()
            else mo.md(""),
        ]
    )
    return folders, rewarded


@app.cell(hide_code=True)
def _(folders):
    folder_ui = mo.ui.dropdown(list(folders), value=next(iter(folders), None), label="Folder")
    mo.md(f"## Play\n\n{folder_ui}")
    return (folder_ui,)


@app.cell(hide_code=True)
def _(folder_ui):
    folder = folder_ui.value
    return (folder,)


@app.cell(hide_code=True)
def _(folder, folders):
    _methods = sorted({run["method"] for run in folders.get(folder, {}).values()})
    methods_ui = mo.ui.multiselect(_methods, value=_methods, label="Methods")
    zoom_ui = mo.ui.checkbox(value=True, label="logarithmic shares")
    mo.hstack([methods_ui, zoom_ui], justify="start", gap=2, wrap=True)
    return methods_ui, zoom_ui


@app.cell(hide_code=True)
def _(methods_ui, zoom_ui):
    methods, zoom = methods_ui.value, zoom_ui.value
    return methods, zoom


@app.cell(hide_code=True)
def draw(folder, folders, methods, rewarded, zoom):
    shown = {k: run for k, run in folders.get(folder, {}).items() if run["method"] in methods}
    _colours = (
        style.BLUE,
        style.VERMILION,
        style.GREEN,
        style.ORANGE,
        style.PURPLE,
        style.SKY,
        "k",
    )
    _looks = dict(zip(sorted(methods), cycle(product(("-", "--"), _colours)), strict=False))
    cover, _axes = style.figure(2, 2, height=5.8, sharex=True)
    for (_score, _title), _panel in zip(
        (
            ("return", "Return"),
            (SHARE, "Largest activation share, first hidden layer"),
            (SATURATED, "Saturated neurons, next hidden layer"),
            (SRANK, "srank of the first hidden layer"),
        ),
        _axes.flat,
        strict=True,
    ):
        for _run in shown.values():
            _style, _colour = _looks[_run["method"]]
            _lines = (
                [("", *_run["panels"]["return"])]
                if _score == "return" and "return" in _run["panels"]
                else of_heads(_run, _score)
            )
            for _, _x, _y in _lines:
                _panel.plot(
                    _x / 1000, _y, _style, color=_colour, lw=1.4, alpha=0.8, label=_run["method"]
                )
        if not _panel.lines:
            _panel.text(0.5, 0.5, "not recorded", ha="center", transform=_panel.transAxes)
        _panel.set_title(_title)
        if _from := rewarded.get(folder):
            _panel.axvline(_from / 1000, color=style.GREY, lw=1.2, ls="--")
    _appears = f"; the reward appears at step {_from:,.0f}" if _from else ""
    if _from:
        _axes[0, 0].text(
            _from / 1000,
            0.98,
            " reward appears",
            va="top",
            color="#595959",
            transform=_axes[0, 0].get_xaxis_transform(),
        )
    _share = _axes[0, 1]
    _share.axhline(0.5, color="k", lw=1, ls=":")
    _share.text(
        0.98, 0.5, "dominant above", ha="right", va="bottom", transform=_share.get_yaxis_transform()
    )
    if zoom:
        _share.set_yscale("log")
        _share.set_yticks([0.01, 0.03, 0.1, 0.3, 1], ["0.01", "0.03", "0.1", "0.3", "1"])
        _share.minorticks_off()
        _share.set_ylim(0.01, 1)
    else:
        _share.set_ylim(0, 1)
    _axes[1, 0].set_ylim(0, 1)
    _axes[1, 1].set_ylim(0, None)
    for _panel in _axes[1]:
        _panel.set_xlabel("1,000 environment steps")
    _handles = {
        line.get_label(): line
        for panel in _axes.flat
        for line in panel.lines
        if line.get_label() in methods
    }
    if _handles:
        _columns = 2 if style.narrow() else 5
        cover.legend(_handles.values(), _handles, loc="outside lower center", ncols=_columns)
    style.show(
        cover, f"Return, largest share, saturation and srank of the runs in {folder}{_appears}"
    )
    return cover, shown


@app.cell(hide_code=True)
def prove():
    # All that theory makes of a recorded share p, the largest of a layer.
    def decides_below(p):
        """Other weights below this, relative to its own, leave the mean sign to the neuron."""
        return math.inf if p == 1 else p / (1 - p)

    def proves_srank(p):
        """The srank on BATCH observations is at most this: rank.share, then rank.srank-by-share."""
        floor = rank.repaired.ratio_floor(p, BATCH)  # of R, the part of the first singular value
        return rank.srank.srank_limit(BATCH, floor, DELTA) if math.isfinite(floor) else math.nan

    mo.show_code()
    return decides_below, proves_srank


@app.cell(hide_code=True)
def weigh(decides_below, proves_srank, shown):
    # One row a network: what Theorem 1 and the bounds of theory.rank make of its recording.
    verdicts = []
    for _name, _run in shown.items():
        for _head, _, _share in of_heads(_run, SHARE):
            _top = float(np.nanmax(_share)) if np.isfinite(_share).any() else math.nan
            _row = {"network": f"{_name}, {_head}", "largest share": _top}
            _row["dominant"] = f"{(_share > 0.5).sum()} of {len(_share)}"
            _row["ρ"] = decides_below(_top)
            for _score, _key, _best in (
                (SATURATED, "saturated", np.nanmax),
                (SRANK, "srank", np.nanmin),
            ):
                _values = [y for head, _, y in of_heads(_run, _score) if head == _head]
                _known = bool(_values) and np.isfinite(_values[0]).any()
                _row[_key] = float(_best(_values[0])) if _known else math.nan
            _row["srank ≤"] = proves_srank(_top)
            verdicts.append(_row)
    mo.vstack(
        [
            mo.md(r"""
    ## Where the conditions hold

    One row for each recorded network, and its most extreme values: the largest share, at how many
    recorded moments a neuron was dominant, the most saturated and the least srank. **ρ**: by the
    repaired Theorem 1 (`dominance.expectation-ratio`) a neuron of share $p$ decides the sign of the
    *mean* pre-activation of a neuron above it if that has no bias and every other weight is less
    than $\rho = p/(1-p)$ times as large as its own.
    **srank ≤**: what the largest share guarantees for the srank on 256 observations
    (`rank.share`, then `rank.srank-by-share`).
    """),
            style.table(verdicts, "Recorded networks")
            if verdicts
            else mo.md("*Nothing recorded for this choice.*"),
        ]
    )
    return (verdicts,)


@app.cell(hide_code=True)
def conclude(verdicts):
    def _finite(key):
        return [row[key] for row in verdicts if math.isfinite(row[key])]

    shares, saturated, sranks = map(_finite, ("largest share", "saturated", "srank"))
    ever = [share > 0.5 for share in shares]
    if not shares:
        _text = "Choose a folder and a method with recorded shares."
    else:
        _who = (
            f"{sum(ever)} of {len(shares)} recorded networks had"
            if any(ever)
            else (f"None of {len(shares)} recorded networks ever had")
        )
        _text = f"""
    **Dominance.** {_who} a dominant neuron; the largest share is **{max(shares):.3f}**. A neuron
    with that share is sure to decide the mean sign only where its own weight is more than
    {1 / max(shares) - 1:.1f} times as large as every other weight.
    """
        if saturated:
            _cause = (
                "Some networks had a dominant neuron: look at who was first."
                if any(ever)
                else "It came without a dominant neuron, so Theorem 1 is not what happened here."
            )
            _text += f"""
    **Saturation.** Up to **{100 * max(saturated):.0f} %** of the next layer is saturated. {_cause}
    And where a neuron does decide the sign, random weights without bias make about as many zombies
    as saturated neurons (`dominance.mirror`): much more than one half would need another cause.
    """
        if sranks:
            _text += f"""
    **Rank.** The srank falls as low as **{min(sranks):.0f}**. The shares prove at best that it is
    at most {min(_finite("srank ≤")):.0f} of {BATCH}. A rank can be low
    without any loud neuron, for instance where the features are nearly the same for all states
    (`collapse.direction`).
    """
    mo.md(_text)
    return ever, saturated, shares, sranks


@app.cell(hide_code=True)
def _():
    rho_ui = mo.ui.slider(
        steps=[0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1],
        value=0.15,
        label=r"largest other weight $\rho$, relative to that of the loudest neuron",
        show_value=True,
    )
    mo.md(f"""
    ## Saturation against dominance

    Every recorded moment as a point. To the right of the line the loudest neuron's share is
    enough to decide the sign of the mean pre-activation of a neuron above it, if that has no bias
    and no other weight is more than $\\rho$ times as large as its own. At $\\rho = 1$ the line is
    at 1/2, Definition 1.

    {rho_ui}
    """)
    return (rho_ui,)


@app.cell(hide_code=True)
def _(rho_ui):
    rho = rho_ui.value
    return (rho,)


@app.cell(hide_code=True)
def scatter(rho, shown):
    needed = float(dominance.layer.threshold(1, Fraction(str(rho))))  # of a share: N = 1
    points = {}
    for _run in shown.values():
        for _head, _x, _share in of_heads(_run, SHARE):
            _above = {h: dict(zip(x, y, strict=True)) for h, x, y in of_heads(_run, SATURATED)}
            _both = [
                (p, _above[_head][x])
                for x, p in zip(_x, _share, strict=True)
                if x in _above.get(_head, {})
            ]
            points.setdefault(_run["method"], []).extend(_both)
    reached = sum(p > needed for found in points.values() for p, _ in found)
    total = sum(map(len, points.values()))
    _figure, _axes = style.figure(height=3.6)
    for _method, _found in sorted(points.items()):
        if _found:
            _axes.plot(*np.array(_found).T, "o", ms=4, alpha=0.45, mew=0, label=_method)
    _axes.axvline(needed, color="k", lw=1)
    _axes.set_xscale("log")
    _axes.set_xticks([0.01, 0.03, 0.1, 0.3, 1], ["0.01", "0.03", "0.1", "0.3", "1"])
    _axes.minorticks_off()
    _axes.set(xlim=(0.01, 1), ylim=(0, 1), xlabel="largest activation share, first hidden layer")
    _axes.set_ylabel("saturated, next layer")
    if total:
        _axes.legend(loc="lower right", ncols=2)
    mo.vstack(
        [
            style.show(_figure, "Saturated share of the next layer against the largest share"),
            mo.md(
                f"The line is at a share of {needed:.3f}: **{reached} of {total}** recorded "
                f"moments "
                "are to its right. Weights and biases were not recorded, so at none of them do we "
                "know whether the condition on them held."
                if total
                else "Nothing recorded for this choice."
            ),
        ]
    )
    return needed, points, reached, total


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("## The theorems as printed"),
            style.claim("dominance.theorem-1"),
            style.claim("rank.theorem-2"),
            mo.md("""
    ## Break it

    Does a large share force anything? Choose a claim, drop an assumption or none, and let the
    machine look for a counterexample, small layers first. The last claims hold, and bound what
    you see above.
    """),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    claim_ui = style.choose(CLAIMS_HERE, CLAIMS_HERE[2])
    claim_ui
    return (claim_ui,)


@app.cell(hide_code=True)
def _(claim_ui):
    drop_ui, find_ui = style.drop(CLAIMS[claim_ui.value]), style.button()
    get_step, set_step = mo.state("")
    mo.vstack(
        [
            style.claim(claim_ui.value, verdict=False),
            mo.hstack([drop_ui, find_ui], justify="start", gap=2, wrap=True),
        ]
    )
    return drop_ui, find_ui, get_step, set_step


@app.cell(hide_code=True)
def _(claim_ui, drop_ui, find_ui):
    wanted, without, pressed = claim_ui.value, drop_ui.value, find_ui.value
    return pressed, wanted, without


@app.cell(hide_code=True)
def searching(pressed, set_step, wanted, without):
    search = style.Search(CLAIMS[wanted], without, set_step) if pressed else None
    return (search,)


@app.cell(hide_code=True)
def _(get_step, search):
    get_step()
    style.searched(search)
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("## What is true"),
            style.claim("dominance.expectation-ratio"),
            style.claim("rank.share"),
            style.claim("rank.srank-by-share"),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    _curve = CLAIMS["recycling.batch-law-bound"].curve()
    _bound = _curve.lines["95 % bound"][_curve.values.index(BATCH)]
    _rows = (
        (
            "Is a neuron dominant (Definition 1)?",
            "the largest share",
            "yes or no, on these 256 observations",
        ),
        (
            "Does it dominate **at every input**, as the true Theorem 1 asks?",
            "only means over inputs",
            "no, if the share is 1/2 or less; if it is more, nothing",
        ),
        ("Are the weights above as the theorem asks?", "no", "nothing"),
        (
            "Is a neuron above saturated?",
            "yes",
            f"if the observations were independent, active on less than {100 * _bound:.1f} % of "
            f"inputs with 95 % "
            "confidence; frames of an episode are not independent",
        ),
        ("Is it a zombie?", "not in these tables", "nothing"),
        (
            "Is $R$ large, as the bounds of `theory/rank.py` need?",
            "the share, not the column norms $c_j$",
            "the weak bound with $\\sqrt B$, not $c_1 / \\sum_j c_j$",
        ),
        (
            "Did dominance **cause** saturation, or a low rank a low return?",
            "no",
            "nothing: curves that move together may have one cause; an intervention would tell",
        ),
        (
            "Is one method better than another?",
            "one or a few seeds",
            "hardly: look how far the seeds of one method are apart",
        ),
    )
    _table = "\n".join("| " + " | ".join(row) + " |" for row in _rows)
    mo.md(f"""
    ## What recorded data can show, and what they cannot

    | question | recorded here | so we can say |
    |:--|:--|:--|
    {_table}

    A condition that fails in a recording refutes the *explanation* for that run, not the theorem. A
    condition that holds does not confirm the explanation.
    """)
    return


@app.cell(hide_code=True)
def _():
    task_1, task_2, task_3 = exercises("08_from_theorem_to_agent")
    share_ui = mo.ui.text(label="share:")
    proof_ui = mo.ui.text(label="at most:")
    follows_ui = mo.ui.dropdown(
        [
            "a low srank needs no dominant neuron",
            "a dominant neuron never lowers the srank",
            "the low srank caused the low return",
        ],
        label="What follows?",
    )
    mo.md("## Exercises")
    return follows_ui, proof_ui, share_ui, task_1, task_2, task_3


@app.cell(hide_code=True)
def exercise_1(share_ui, task_1):
    answer_1 = task_1.read(share_ui.value)
    _enough = float(dominance.layer.threshold(1, Fraction(1, 3)))
    _right = answer_1 is not None and abs(answer_1 - _enough) < 0.0051
    mo.vstack([task_1.asked(), share_ui, task_1.check(answer_1, _right)])
    return


@app.cell(hide_code=True)
def exercise_2(proof_ui, task_2):
    answer_2 = task_2.read(proof_ui.value)
    _bound = rank.srank.srank_limit(BATCH, rank.repaired.ratio_floor(0.9, BATCH), DELTA)
    _right = answer_2 == _bound
    mo.vstack([task_2.asked(), proof_ui, task_2.check(answer_2, _right)])
    return


@app.cell(hide_code=True)
def exercise_3(follows_ui, task_3):
    answer_3 = follows_ui.value
    _right = answer_3 == "a low srank needs no dominant neuron"
    mo.vstack([task_3.asked(), follows_ui, task_3.check(answer_3, _right)])
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("## What the paper says, what is true, where to look"),
            style.ledger(
                "dominance.theorem-1",
                "dominance.no-threshold",
                "rank.theorem-2",
                "rank.dominance-is-a-bound",
                "recycling.batch-law",
            ),
            mo.md(
                "The monitor that recorded this is `fast/monitor.py`; `python -m fast report "
                "--runs "
                "DIR` makes such a table of runs of yours. Put it into a folder of `results/`, and "
                "it is on this page."
            ),
            style.neighbours("08_from_theorem_to_agent"),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
