"""Does a dominant neuron lower the rank? Shape a feature matrix and compare bounds with the truth.

The mathematics is `theory.rank`: Theorem 2, its proof line by line, and the bounds that repair it.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Does a dominant neuron lower the rank?",
    html_head_file="head.html",
)

with app.setup(hide_code=True):
    import math
    from fractions import Fraction

    import marimo as mo
    import numpy as np

    from ref import scores
    from theory import rank
    from theory.claim import admits
    from theory.decide import CLAIMS
    from tutorials import style
    from tutorials.exercises import exercises, hand_in

    CLAIMS_HERE = [
        "rank.theorem-2",
        "rank.theorem-2-units",
        "rank.dominance-is-a-bound",
        "rank.rms-share",
        "rank.share",
        "rank.e1",
        "rank.e1k",
        "rank.e4",
        "rank.probability-rises",
        "rank.srank-one-strict",
    ]
    ROWS, WIDTH, DELTA = 24, 6, 0.01
    BOUNDS = {  # each is at most R, for every batch
        "RMS share of the largest neuron": (rank.repaired.rms_share, style.GREEN),
        "share of the largest neuron, with √B": (rank.repaired.share_bound, style.PURPLE),
        "share, with the others' variation": (rank.repaired.even_bound, style.ORANGE),
        "eq. (10) of the paper": (rank.features.line_10_right, style.GREY),
    }


@app.function(hide_code=True)
def clouds():
    """Two batches of two neurons, and as arrows what their singular values are."""
    drawing, panels = style.figure(1, 2, width=6.5, height=2.9, sharey=True)
    loud = np.linspace(0.2, 3, ROWS)
    batches = {
        "two directions": np.stack([loud, loud[7 * np.arange(ROWS) % ROWS]], axis=1),
        "nearly one": np.stack([loud, 0.6 * loud + 0.08 * np.cos(5 * loud)], axis=1),
    }
    said = []
    for panel, (name, batch) in zip(panels, batches.items(), strict=True):
        _, sigmas, directions = np.linalg.svd(batch, full_matrices=False)
        panel.plot(*batch.T, "o", color=style.GREY, ms=4, alpha=0.7)
        for size, direction, colour in zip(
            sigmas, directions, (style.BLUE, style.VERMILION), strict=True
        ):
            end = size / np.sqrt(ROWS) * direction * np.sign(direction[0])
            panel.annotate(
                "", end, (0, 0), arrowprops={"arrowstyle": "->", "color": colour, "lw": 2.5}
            )
        said.append(f"{name}: σ = {sigmas[0]:.1f} and {sigmas[1]:.1f}")
        panel.set(title=said[-1], xlabel="neuron 1", xlim=(-0.3, 3.2), ylim=(-1.3, 3.2))
        panel.set_aspect("equal")
    panels[0].set_ylabel("neuron 2")
    return style.show(drawing, f"Clouds of {ROWS} points: {'; '.join(said)}")


@app.cell(hide_code=True)
def _():
    predicted_ui = style.predict(
        "Neuron 1 has more activation than the five others together, its share is above 1/2. What "
        "is the largest srank that these 24 inputs can have?",
        "1: it has nearly all",
        "about 3, half of them",
        "6, all of them",
    )
    mo.vstack(
        [
            mo.md(r"""
    # Does a dominant neuron lower the rank?

    The features of a batch are a matrix $X$: $B$ rows, one an input, and $N$ columns, one a neuron.
    How many directions does it use? With two neurons a batch is a cloud of points, one an input,
    and the **singular values** $\sigma_1 \ge \sigma_2$ say how far it reaches from the origin:
    along the direction in which it reaches farthest, and along the one across.
    """),
            clouds(),
            mo.md(r"""
    An arrow's length is $\sigma_i / \sqrt B$, the root mean square of the points along it. With
    more neurons there are more directions, and how many of them count is

    $$\mathrm{srank}_\delta(X) = \min\Big\{k : \sum_{i \le k} \sigma_i \ge (1 - \delta) \sum_i
    \sigma_i\Big\}, \qquad R = \sigma_1 \Big/ \sum_i \sigma_i .$$

    Here $\delta$ is 0.01. If one direction has nearly all, then $R$ is near 1 and
    $\mathrm{srank}$ is 1. *Neuron Dominance* says in its Theorem 2 that a dominant neuron forces
    $R$ up.

    ## Predict, then play

    Shape a batch of 24 inputs and six neurons. A **rare** neuron is on at few inputs, but loud
    there (its mean stays about the same).
    """),
            predicted_ui,
        ]
    )
    return (predicted_ui,)


@app.cell(hide_code=True)
def _():
    factor_ui = mo.ui.slider(0, 30, 0.5, value=1, show_value=True, label="neuron 1 times")
    rare_ui = mo.ui.slider(1, 12, 1, value=1, show_value=True, label="the others are on at 1 in")
    alike_ui = mo.ui.slider(0, 1, 0.125, value=0, show_value=True, label="neurons alike")
    seed_ui = mo.ui.slider(0, 9, 1, value=0, show_value=True, label="draw")
    mo.vstack(
        [
            mo.hstack([factor_ui, rare_ui], justify="start", gap=2, wrap=True),
            mo.hstack([alike_ui, seed_ui], justify="start", gap=2, wrap=True),
        ]
    )
    return alike_ui, factor_ui, rare_ui, seed_ui


@app.cell(hide_code=True)
def _(alike_ui, factor_ui, rare_ui, seed_ui):
    factor, rare = factor_ui.value, rare_ui.value
    alike, seed = alike_ui.value, seed_ui.value
    return alike, factor, rare, seed


@app.cell(hide_code=True)
def _(alike, factor, rare, seed):
    # In 64ths, so that the exact functions of theory stay quick.
    _draw = np.random.default_rng(seed)
    _x = _draw.integers(8, 57, (ROWS, WIDTH)) / 64
    _x = (1 - alike) * _x + alike * _x[:, :1]
    for _j in range(1, WIDTH):
        _x[:, _j] *= rare * ((np.arange(ROWS) + _j) % rare == 0)
    _x[:, 0] = factor * _x[:, 0].mean()  # neuron 1 is on everywhere, the same at every input
    x = rank.features.matrix(*(tuple(Fraction(round(64 * e), 64) for e in row) for row in _x))
    return (x,)


@app.cell(hide_code=True)
def _(x):
    features = rank.features.array(x)
    sigma = np.linalg.svd(features, compute_uv=False)
    srank = scores.srank(features, DELTA)  # NaN for a batch of zeros
    ratio = float(rank.features.ratio(x))
    dominant = bool(scores.dominant(features)[0])
    bounds = {name: float(bound(x)) for name, (bound, _) in BOUNDS.items()}
    mo.show_code()
    return bounds, dominant, features, ratio, sigma, srank


@app.cell(hide_code=True)
def _(bounds, features, ratio, sigma):
    cover, (_left, _mid, _right) = style.figure(
        1, 3, height=3.6, gridspec_kw={"width_ratios": [0.8, 1, 1.35]}
    )
    _left.imshow(features, aspect="auto", cmap="Blues", vmin=0, interpolation="nearest")
    _left.set(title="$X$", xlabel="neuron", ylabel="input", xticks=range(WIDTH), yticks=[])
    _left.set_xticklabels(range(1, WIDTH + 1))
    _left.grid(False)
    _whole = sigma.sum()
    _shares = sigma / _whole if _whole else sigma
    _mid.bar(range(1, WIDTH + 1), _shares, color=style.BLUE)
    _mid.plot(range(1, WIDTH + 1), np.cumsum(_shares), "o-", color=style.BLACK, markersize=4)
    _mid.axhline(1 - DELTA, color=style.BLACK, linestyle="--", linewidth=1)
    _mid.set(title=r"$\sigma_i / \sum\sigma$, and summed up", xlabel="$i$", ylim=(0, 1.08))
    _white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    _right.axvline(ratio if ratio == ratio else 0, color=style.BLUE, linewidth=3)
    for _y, (_name, _value) in enumerate(bounds.items()):
        _shown = _value if _value == _value else 0
        _right.barh(_y, _shown, color=BOUNDS[_name][1], height=0.35)
        _right.text(0, _y - 0.38, _name, va="center", fontsize=9, bbox=_white)
    _right.set(title="$R$ (line) and what bounds it from below", xlim=(0, 1.02), yticks=[])
    _right.set_ylim(len(bounds) - 0.6, -0.8)
    style.show(cover, "The feature matrix, its singular values, and R with four lower bounds")
    return (cover,)


@app.cell(hide_code=True)
def _(bounds, dominant, predicted_ui, ratio, srank, x):
    _rms = bounds["RMS share of the largest neuron"]
    if srank != srank:
        _told = "All features are 0: no rank is defined, and no bound says anything."
    else:
        _told = (
            f"srank is **{srank:.0f}** of {WIDTH}, $R = {ratio:.3f}$. Neuron 1 is "
            f"{'**dominant**' if dominant else 'not dominant'}: its share of all activation is "
            f"{float(rank.features.sums(x)[0] / sum(rank.features.sums(x))):.2f}. "
        )
        _told += (
            "Yet all directions are in use."
            if dominant and srank > WIDTH - 1
            else f"The largest RMS share (see below) says that $R$ is at least {_rms:.3f}."
            if dominant
            else "Make it louder."
        )
    _full = bool(dominant and srank > WIDTH - 1)
    _callout = mo.callout(mo.md(_told), kind="warn" if _full else "neutral")
    if _full:
        _next = style.reveal(
            predicted_ui.value,
            "6, all of them",
            "means are dominated, but singular values see **squares**, and a rare loud neuron has "
            "large squares. With more inputs it gets worse without end: no dominance by means, "
            "however strong, forces a low rank.",
        )
    else:
        _next = mo.md(
            "Make neuron 1 dominant. Then look for the setting of the others that uses the most "
            "directions."
        )
    mo.vstack([_callout, _next])
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md(r"""
    ## Theorem 2 as printed

    For $B$ independent rows the paper bounds the mean of $R$:

    $$\mathbb{E}\,R \ge
    \sqrt{\frac{1}{nB} + \frac{2(B-1)}{n\,[B\,(1 + \mathrm{Var}(s_i)) + \theta]}}, \qquad
    n = \min(B, N).$$

    Here $s_j$ is the sum of column $j$ (tutorial 1's $s_i$ was a score), and $\theta$ is small if
    neuron 1 dominates. Which $\mathrm{Var}(s_i)$ is meant is not said: we take the one that makes
    the bound weakest. Look at the units: $R$ does not change if all features are multiplied by one
    number, but a variance does, and it is added to 1. So multiply by a small number, and the bound
    rises. Two neurons, never on together, neuron 1 with probability $p$:
    """),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    chance_ui = mo.ui.slider(
        0.125, 0.875, 0.0625, value=0.625, show_value=True, label="probability $p$"
    )
    louder_ui = mo.ui.slider(1, 8, 0.5, value=1, show_value=True, label="neuron 1 times")
    batch_ui = mo.ui.slider(2, 6, 1, value=4, show_value=True, label="batch $B$")
    mo.hstack([chance_ui, louder_ui, batch_ui], justify="start", gap=2, wrap=True)
    return batch_ui, chance_ui, louder_ui


@app.cell(hide_code=True)
def _(batch_ui, chance_ui, louder_ui):
    chance, louder, batch = chance_ui.value, louder_ui.value, batch_ui.value
    return batch, chance, louder


@app.cell(hide_code=True)
def _(batch, chance, louder):
    law = rank.features.law(batch, (chance, (louder, 0)), (1 - Fraction(chance), (0, 1)))
    units = [Fraction(2) ** k for k in range(-4, 5)]
    _laws = [rank.theorem_2.times_all(law, c) for c in units]
    curves = {
        "the truth, E R": [float(rank.features.mean_ratio(it)) for it in _laws],
        "Theorem 2 as printed": [
            math.sqrt(rank.theorem_2.printed_square(it, rank.theorem_2.widest_variance(it)))
            for it in _laws
        ],
        "repaired: E1": [float(rank.expected.e1_bound(it)) for it in _laws],
        "repaired: E1k": [float(rank.features.e1k_bound(it)) for it in _laws],
        "repaired: E4": [float(rank.expected.e4_bound(it)) for it in _laws],
    }
    applies = admits(CLAIMS["rank.theorem-2"], law)
    mo.show_code()
    return applies, curves, law, units


@app.cell(hide_code=True)
def _(applies, curves, units):
    _drawing, _axes = style.figure(1, 1, height=5.0 if style.narrow() else 3.4)
    _looks = [(style.BLACK, "-", 3), (style.VERMILION, "-", 2.5), (style.GREEN, "--", 2)]
    _looks += [(style.BLUE, "-.", 2), (style.PURPLE, ":", 2)]
    for (_name, _values), (_c, _line, _size) in zip(curves.items(), _looks, strict=True):
        _axes.plot(list(map(float, units)), _values, _line, color=_c, linewidth=_size, label=_name)
    _truth, _printed, *_ = map(np.array, curves.values())
    if applies:
        _axes.fill_between(
            list(map(float, units)),
            _truth,
            _printed,
            where=_printed > _truth,
            color=style.VERMILION,
            alpha=0.2,
            interpolate=True,
        )
    _axes.set_xscale("log", base=2)
    _axes.set(xlabel="unit: all features times", ylabel="$R$", ylim=(0, 1.05))
    _break = "\n" if style.narrow() else " "
    _axes.set_title(f"the mean of $R$,{_break}and what is said to bound it from below")
    _drawing.legend(loc=f"outside {'lower center' if style.narrow() else 'right center'}")
    violated = bool(applies and (_printed > _truth + rank.features.ERROR).any())
    if not applies:
        _told = "Neuron 1 is not the largest: Theorem 2 does not speak of this layer."
    elif violated:
        _told = (
            "Theorem 2 applies, and **its bound is above the truth** where the orange area is: "
            "there it is false. The bounds that repair it stay below, and do not see the unit."
        )
    else:
        _told = "In all these units the printed bound stays below the truth for this layer."
    mo.vstack(
        [
            style.show(_drawing, "The mean of R and its bounds, by the unit of the features"),
            mo.callout(mo.md(_told), kind="danger" if violated else "neutral"),
        ]
    )
    return (violated,)


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            style.claim("rank.theorem-2", verdict=False),
            mo.md(r"""
    ## Break it

    Choose a statement, drop an assumption or none, and let the machine search: few inputs and
    neurons first, then more. All entries are exact fractions.
    """),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    claim_ui = style.choose(CLAIMS_HERE, CLAIMS_HERE[0])
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
def _(pressed, set_step, wanted, without):
    search = style.Search(CLAIMS[wanted], without, set_step) if pressed else None
    return (search,)


@app.cell(hide_code=True)
def _(get_step, search):
    get_step()
    style.searched(search)
    return


@app.cell(hide_code=True)
def _():
    _tight = "\n".join(
        f"| {it.title} | {it.tight_at} | {float(it.slack(it.tight_at)):.2g} |"
        for it in (CLAIMS[f"rank.{name}"] for name in ("rms-share", "share", "e1", "e1k", "e4"))
    )
    mo.vstack(
        [
            mo.md(r"""
    ## What is true

    Replace means by **root mean squares**, $q_j = \sqrt{\mathbb{E}\,x_j^2}$. Then dominance does
    force $R$ up, for every batch and in expectation, free of units and of signs:
    """),
            style.claim("rank.rms-share"),
            style.proof("rank.rms-share"),
            style.claim("rank.spikes"),
            mo.md(
                "By means alone a dominant neuron proves less, and ever less for larger batches:"
            ),
            style.claim("rank.share"),
            mo.md("And in expectation, the bounds E1, E1k and E4 of the second figure:"),
            style.claim("rank.e1"),
            style.proof("rank.e1"),
            style.claim("rank.e1k"),
            style.claim("rank.e4"),
            mo.md(
                "How good are they? Each is attained somewhere, so none can be multiplied by a "
                "constant above 1:\n\n| bound | equality at | the truth less the bound there |\n"
                "|---|---|---|\n" + _tight
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    task_1, task_2, task_3 = exercises("04_rank")
    srank_ui = mo.ui.text(label="srank =")
    mo.vstack([mo.md("## Exercises"), task_1.asked(), srank_ui])
    return srank_ui, task_1, task_2, task_3


@app.cell(hide_code=True)
def _(srank_ui, task_1):
    answer_1 = task_1.read(srank_ui.value)
    return (answer_1,)


@app.cell(hide_code=True)
def _(answer_1, task_1):
    right_1 = answer_1 == scores.srank(np.diag([90, 9.5, 0.5]), DELTA)
    task_1.check(answer_1, right_1)
    return (right_1,)


@app.cell(hide_code=True)
def _(task_2):
    unit_ui = mo.ui.dropdown(
        ["both stay", "only E R changes", "only the bound changes", "both change"],
        label="What happens?",
    )
    mo.vstack([task_2.asked(), unit_ui])
    return (unit_ui,)


@app.cell(hide_code=True)
def _(unit_ui):
    answer_2 = unit_ui.value
    return (answer_2,)


@app.cell(hide_code=True)
def _(answer_2, task_2):
    _before, _after = (
        rank.theorem_2.BREAKS_THEOREM_2,
        rank.theorem_2.times_all(rank.theorem_2.BREAKS_THEOREM_2, Fraction(10)),
    )
    _same = [
        of(_before) == of(_after)
        for of in (
            rank.features.mean_ratio,
            lambda it: rank.theorem_2.printed_square(it, rank.theorem_2.widest_variance(it)),
        )
    ]
    _truth = {
        (True, True): "both stay",
        (False, True): "only E R changes",
        (True, False): "only the bound changes",
        (False, False): "both change",
    }[tuple(_same)]
    right_2 = answer_2 == _truth
    task_2.check(answer_2, right_2)
    return (right_2,)


@app.cell(hide_code=True)
def _(task_3):
    built_ui = hand_in()
    mo.vstack([task_3.asked(), built_ui])
    return (built_ui,)


@app.cell(hide_code=True)
def _(built_ui, dominant, srank, task_3):
    right_3 = dominant and srank == WIDTH
    task_3.check(built_ui.value, right_3)
    return (right_3,)


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("## What the paper says, what is true, where to look"),
            style.ledger(
                "rank.srank-one-strict",
                "rank.collapse-shows",
                "rank.probability-rises",
                "rank.theorem-2",
                "rank.theorem-2-units",
                "rank.line-14",
                "rank.line-17",
                "rank.dominance-is-a-bound",
            ),
            style.neighbours("04_rank"),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
