"""What a value of zero becomes: where HL-Gauss comes to rest, what LayerNorm revives, and which
neuron is left when a layer dies.

Neuron Dominance, sections 4.1 and 4.2: HL-Gauss, LayerNorm, and the reward that is hidden at first;
dominant neurons as they come, and Figure 4's, made by hand.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="What a value of zero becomes",
    html_head_file="head.html",
)

with app.setup(hide_code=True):
    import csv
    import math
    import statistics
    from fractions import Fraction

    import marimo as mo
    import numpy as np

    from ref import autograd as ag
    from ref import dynamics, losses, nn, scores
    from theory import collapse
    from theory.decide import CLAIMS
    from tutorials import style
    from tutorials.exercises import exercises

    PAPER_READS, PAPER_RESTS, PAPER_BACKUPS = (
        collapse.zero_bin.PAPER.read(0.0)[1],
        collapse.zero_bin.after_backups(collapse.zero_bin.PAPER, 5000),
        collapse.zero_bin.backups(collapse.zero_bin.PAPER),
    )
    ARMS = {-8: "base", -6: "eps 1e-6", -5: "eps 1e-5", -4: "eps 1e-4"}  # of scripts/ablation.py
    AGENTS = {-8: "baseline", -5: "adam-eps"}  # the methods of results/findings
    CLAIMS_HERE = [
        "collapse.layer-norm-shifted",
        "collapse.layer-norm-revives",
        "collapse.layer-norm-dominant",
        "collapse.zero-bin",
    ]


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # What a value of zero becomes

    Tutorial 5 let features move freely while all values are zero. Here are three things that come
    on top in a real agent: how **HL-Gauss** writes a value as a histogram and reads it again, what
    **LayerNorm** does to a layer that is shut, and networks that learn while there is no reward,
    until **one neuron dominates**.
    """)
    return


@app.function(hide_code=True)
def recorded(name):
    """The rows of results/NAME; none where it is not there."""
    path = style.RESULTS / name
    return list(csv.DictReader(path.open(encoding="utf-8"))) if path.exists() else []


@app.function(hide_code=True)
def percents(values):
    """From the least to the most of some fractions."""
    low, high = (f"{100 * value:.0f}" for value in (min(values), max(values)))
    return f"{low} %" if low == high else f"{low} to {high} %"


@app.cell(hide_code=True)
def _():
    bins_ui = mo.ui.slider(5, 201, 2, value=101, label="Bins on $[0, 100]$", show_value=True)
    sigma_ui = mo.ui.slider(
        0.25, 1.25, 0.25, value=0.75, label="$\\sigma$ (in units of the return)", show_value=True
    )
    discount_ui = mo.ui.slider(0, 0.999, 0.001, value=0, label="$\\gamma$", show_value=True)
    predicted_ui = style.predict(
        "With a discount of 0 the value comes to rest at 0.69, as you see below. Where does it "
        "rest with the paper's discount of 0.99, as nothing is ever paid?",
        "nearer to 0: many backups pull it down",
        "at 0.69 as well: nothing is paid",
        "higher",
    )
    mo.md(f"""
    ## Predict, then play: where learning that all is zero comes to rest

    HL-Gauss writes a value as a histogram, a normal around it cut off at the ends of the support,
    and reads the histogram's mean. In the middle that returns the value, if $\\sigma$ is not much
    smaller than a bin. At the edge half of the normal is missing, so what is left has a larger
    mean. Every TD backup writes and reads once, and without reward it multiplies by $\\gamma$ in
    between: learning comes to rest where a backup changes nothing.

    {predicted_ui}

    {mo.hstack([bins_ui, sigma_ui, discount_ui], justify="start", gap=2, wrap=True)}
    """)
    return bins_ui, discount_ui, predicted_ui, sigma_ui


@app.cell(hide_code=True)
def _(bins_ui, discount_ui, sigma_ui):
    bins, sigma, discount = bins_ui.value, sigma_ui.value, discount_ui.value
    return bins, discount, sigma


@app.cell(hide_code=True)
def write_and_read(bins, discount, predicted_ui, sigma):
    _sigma_in_bins = Fraction(sigma) * bins / 100
    support = collapse.flows.Bins(
        Fraction(0), Fraction(100), bins, Fraction(str(discount)), _sigma_in_bins
    )
    masses, zero_reads = support.read(0.0)
    rests_at = collapse.zero_bin.after_backups(support, 5000)

    _top = max(3 * float(support.width()), 1.8 * rests_at, 4 * sigma)
    cover, (_left, _right) = style.figure(1, 2, height=3.6)
    _centres = np.array(support.centres(), float)
    _width = float(support.width())
    _left.bar(_centres, masses, 0.9 * _width, color=style.SKY, label="histogram of 0")
    _left.axvline(0, color="k", lw=1)
    _left.axvline(zero_reads, color=style.VERMILION, label=f"read as {zero_reads:.3f}")
    _left.set(xlim=(-0.1 * _top, _top), title="Zero, written and read", xlabel="value")
    _left.legend(loc="upper right")

    _values = np.linspace(0, _top, 120)
    _change = [support.read(discount * v)[1] - v for v in _values]
    _right.plot(_values, _change, label="HL-Gauss")
    _right.plot(_values, (discount - 1) * _values, color=style.GREY, lw=1, label="exact")
    _right.axhline(0, color="k", lw=1)
    _right.plot(rests_at, 0, "o", color=style.VERMILION, label=f"rests at {rests_at:.2f}")
    _right.set(title="One backup without reward", xlabel="value before", ylabel="change of it")
    _right.legend(loc="lower left")
    _picture = style.show(cover, "The HL-Gauss histogram of zero, and what one backup changes")
    _says = mo.md(f"""
    Zero is read as **{zero_reads:.3f}**, and learning with $\\gamma = {discount:g}$ that there is
    no reward ends at **{rests_at:.2f}**.
    """)
    if discount < 0.99:
        _next = mo.md("Now raise $\\gamma$ to 0.99.")
    else:
        _next = style.reveal(
            predicted_ui.value,
            "higher",
            f"every backup adds what the edge adds, and takes only $1 - \\gamma$ of the value. In "
            f"the paper's setting (101 bins, $\\sigma = 0.75$, $\\gamma = 0.99$) zero is read as "
            f"{PAPER_READS:.3f} and rests at {PAPER_RESTS:.2f}. Make the bins finer: the error "
            "does not go away, for it is of the size of $\\sigma$. The paper argues that without "
            "reward the target is mostly 'the first bin', 'the lowest value', which a collapsed "
            "network cannot fit. But what a collapsed network says is the middle of the support, "
            "and its target is $\\gamma$ times that: the first bin takes "
            f"{PAPER_BACKUPS} exact backups to reach, and HL-Gauss rests above it.",
        )
    mo.vstack([_picture, _says, _next])
    return cover, rests_at, support, zero_reads


@app.cell(hide_code=True)
def _():
    offset_ui = mo.ui.slider(
        -6, 6, 0.5, value=-4, label="Add to all pre-activations", show_value=True
    )
    contrast_ui = mo.ui.slider(
        0, 3, 0.1, value=1, label="How much neuron 1 stands out", show_value=True
    )
    shift_ui = mo.ui.slider(-3, 3, 0.1, value=0, label="LayerNorm's learned shift", show_value=True)
    mo.md(f"""
    ## LayerNorm's revival, and its limits

    Five neurons with pre-activations $z$ at one input. LayerNorm subtracts their mean and divides
    by their standard deviation, so what is added to all of them cannot matter: a layer that is shut
    as a whole opens again. What LayerNorm cannot undo is a shift that is learned *after* the
    division.

    {mo.vstack([offset_ui, contrast_ui, shift_ui])}
    """)
    return contrast_ui, offset_ui, shift_ui


@app.cell(hide_code=True)
def _(contrast_ui, offset_ui, shift_ui):
    offset, contrast, shift = offset_ui.value, contrast_ui.value, shift_ui.value
    return contrast, offset, shift


@app.cell(hide_code=True)
def normalise(contrast, offset, shift):
    z = offset + contrast * np.array([2.0, -0.5, -0.5, -0.5, -0.5]) + np.array([0, 0.2, 0, -0.2, 0])
    layer = {"norm0.weight": np.ones(5), "norm0.bias": np.full(5, shift)}
    normed = nn.layer_norm(layer, "norm0", z[None])[0]
    row = collapse.layer_norm.Normed(tuple(map(Fraction, z)), Fraction(shift))
    alive = sum(collapse.layer_norm.above(row))
    dominates = scores.dominant(ag.relu(normed[None])).any()

    _figure, _axes = style.figure(1, 2, height=2.9, sharey=True)
    for _panel, _z, _title in zip(
        _axes, (z, normed), ("without LayerNorm", "with LayerNorm"), strict=True
    ):
        _panel.bar(range(1, 6), _z, 0.5, color=[style.GREEN if v > 0 else style.GREY for v in _z])
        _panel.axhline(0, color="k", lw=1)
        _panel.set(title=f"$z$ {_title}", xlabel="neuron")
    mo.vstack(
        [
            style.show(_figure, "Pre-activations of five neurons without and with LayerNorm"),
            mo.md(
                f"Without LayerNorm **{(z > 0).sum()}** of 5 neurons are on, with it **{alive}**. "
                f"With it "
                f"{'one neuron **dominates** the layer' if dominates else 'no neuron dominates'}. "
                f"A shift shuts the layer for **every** input exactly if it is "
                f"$-\\sqrt{{N-1}} = -{math.sqrt(len(z) - 1):.0f}$ or lower; a higher one may "
                "shut it for some. Without shift, let neuron 1 stand out by 3: LayerNorm leaves "
                "it dominant, since it bounds an activation by $\\sqrt{N-1}$ and not by the "
                "others'."
            ),
        ]
    )
    return alive, dominates, normed, z


@app.cell(hide_code=True)
def _():
    loss_ui = mo.ui.dropdown(
        ["squared error, one learned head", "squared error, 24 fixed heads", "HL-Gauss"],
        value="squared error, 24 fixed heads",
        label="Loss",
    )
    norm_ui = mo.ui.checkbox(value=False, label="LayerNorm")
    shut_ui = mo.ui.checkbox(value=False, label="start with the second layer shut")
    mo.md(f"""
    ## The same on a network

    Free features are not a network. Here is one by `ref/dynamics.py`: a ring of twelve states,
    two ReLU layers of 24 neurons, Adam. The reward is hidden until step 120 (dotted) and there
    from then on.

    {mo.hstack([loss_ui, norm_ui, shut_ui], justify="start", gap=2, wrap=True)}
    """)
    return loss_ui, norm_ui, shut_ui


@app.cell(hide_code=True)
def _(loss_ui, norm_ui, shut_ui):
    loss, norm, shut = loss_ui.value, norm_ui.value, shut_ui.value
    return loss, norm, shut


@app.cell(hide_code=True)
def train(loss, norm, shut):
    _generator = np.random.default_rng(0)
    _ring = (np.roll(np.eye(12), 1, axis=1) + np.roll(np.eye(12), -1, axis=1)) / 2
    _chain = dynamics.Chain(_ring, 1.0 * (np.arange(12) == 0), 0.9)
    _inputs = 3 * _generator.standard_normal((12, 6))
    _outputs = {
        "squared error, one learned head": 1,
        "squared error, 24 fixed heads": 24,
        "HL-Gauss": 21,
    }
    _params = nn.init_mlp(_generator, (6, 24, 24, _outputs[loss]), norm=norm)
    if shut:
        _params["dense1.bias"] -= 100.0
    _objective = dynamics.regression()
    if loss == "HL-Gauss":
        _objective = dynamics.hl_gauss(losses.bin_edges(0.0, 10.0, 21), 0.4)
    _fixed = {}
    if "fixed" in loss:
        _fixed = {name: _params.pop(name) for name in ("final.weight", "final.bias")}
    _, history = dynamics.learn(
        _chain,
        _params,
        _objective,
        dynamics.network(_inputs, _fixed),
        240,
        0.01,
        120,
        6,
        dynamics.ADAM,
    )

    _figure, _axes = style.figure(1, 3, height=2.9)
    _steps = [row["step"] for row in history]
    for _panel, _key, _title in zip(
        _axes,
        ("dense1/feature_norm", "dense1/srank", "dense1/saturated"),
        ("Size of the features", "srank of the features", "Saturated neurons"),
        strict=True,
    ):
        _panel.plot(_steps, [row[_key] for row in history])
        _panel.axvline(120, color=style.GREY, lw=1, ls=":")
        _panel.set(title=_title, xlabel="step", xlim=(0, 240))
    _axes[0].set_ylim(0, None)
    _axes[1].set_ylim(0, 12.5)
    _axes[2].set_ylim(-0.03, 1.03)
    style.show(_figure, f"Norm, srank and saturation of the last hidden layer, {loss}")
    return (history,)


@app.cell(hide_code=True)
def _(history):
    _before, _after = (next(r for r in history if r["step"] == s) for s in (114, 240))
    if math.isnan(_before["dense1/srank"]):
        _says = "Before the reward the features are zero: no srank is defined, so none is drawn."
    else:
        _says = f"Before the reward the srank of the features is {_before['dense1/srank']:.0f}."
    mo.md(f"""
    {_says} At the end the largest error of a value is {_after["value_error"]:.2g}, and
    {100 * _after["dense1/saturated"]:.0f} % of the neurons are saturated.

    With one **learned** head the features keep most of their size through all the time without
    reward, as the balance $\\Phi'\\Phi - WW'$ lets you expect. With 24 **fixed** heads, the
    setting of eqs. (5) and (6), the layer is dead before the reward arrives and stays so; with
    LayerNorm, whose scale and shift learn too, it dies later. A layer that starts shut stays shut
    under **every** loss, as no gradient passes it; LayerNorm opens it. One seed of a tiny
    network is an illustration, not evidence.
    """)
    return


@app.cell(hide_code=True)
def _():
    curves, heads = (recorded(f"last-survivor/{name}.csv") for name in ("curves", "heads"))
    _there = {row["arm"] for row in heads}
    eps_ui = mo.ui.slider(
        steps=[x for x, arm in ARMS.items() if arm in _there] or [-8],
        label="Adam's $\\epsilon$: ten to the power of",
        show_value=True,
    )
    seed_ui = mo.ui.slider(
        steps=sorted({int(row["seed"]) for row in heads if row["arm"] == "base"}) or [0],
        label="Seed",
        show_value=True,
    )
    how_ui = style.predict(
        "A dominant neuron has more than half of the activation of its layer. Here it comes by "
        "itself, with no reward at all. How?",
        "it grows until it is the largest that the layer has had",
        "the others die, and it stays as large as it was",
        "the others die, and it shrinks as well",
    )
    mo.md(f"""
    ## Predict, then play: where a dominant neuron comes from

    `ref/survivor.py` is a critic as an agent from pixels has it: a trunk with LayerNorm and tanh,
    two heads with two ReLU layers of 64, a target network, Adam at rate 0.001. Its states and
    actions are random, its reward is always zero, and it learns for 45,000 updates that nothing
    is worth anything. Recorded is the first hidden layer of both heads.

    {how_ui}

    {mo.hstack([eps_ui, seed_ui], justify="start", gap=2, wrap=True)}
    """)
    return curves, eps_ui, heads, how_ui, seed_ui


@app.cell(hide_code=True)
def _(eps_ui, seed_ui):
    exponent, seed = eps_ui.value, seed_ui.value
    return exponent, seed


@app.cell(hide_code=True)
def survive(curves, exponent, heads, how_ui, seed):
    chosen = [row for row in curves if (row["arm"], row["seed"]) == (ARMS[exponent], str(seed))]
    _titles = {
        "share": "Largest share of the activation",
        "saturated": "Saturated neurons",
        "largest": "The largest activation itself",
    }
    _drawing, _axes = style.figure(1, 3, height=2.9)
    for _panel, (_key, _title) in zip(_axes, _titles.items(), strict=True):
        for _head in ("0", "1"):
            _points = [row for row in chosen if row["head"] == _head]
            _x = [int(row["update"]) / 1000 for row in _points]
            _panel.plot(_x, [float(row[_key]) for row in _points], label=f"head {_head}")
        _top = None if _key == "largest" else 1.03
        _panel.set(title=_title, xlabel="thousand updates", ylim=(0, _top))
    _axes[0].axhline(0.5, color="k", lw=1)
    _axes[0].legend(loc="upper left")
    firsts = [
        float(row["first"])
        for row in heads
        if (row["arm"], row["seed"]) == (ARMS[exponent], str(seed)) and row["first"]
    ]
    _picture = style.show(
        _drawing,
        f"Share, saturation and activation of two critics without reward, epsilon 1e{exponent}; "
        f"{len(firsts)} of 2 become dominated",
    )
    if not heads:
        _next = mo.md("No recorded run was found: `python scripts/ablation.py` makes them.")
    elif exponent == -8 and len({row["arm"] for row in heads}) > 1:
        _next = mo.md(
            f"With $\\epsilon = 10^{{-8}}$, Adam's usual, **{len(firsts)} of 2** heads of this "
            "seed get a dominant neuron. Compare the first panel with the last, then move "
            "$\\epsilon$."
        )
    else:
        _found = {x: [row for row in heads if row["arm"] == arm] for x, arm in ARMS.items()}
        _counts = ", ".join(
            f"{sum(bool(row['first']) for row in rows)} of {len(rows)} at $10^{{{x}}}$"
            for x, rows in _found.items()
            if rows
        )
        _off_at_once = {
            (row["arm"], row["seed"], row["head"]) for row in curves if float(row["saturated"]) == 1
        }
        _dead = ", ".join(
            f"{sum(arm == ARMS[x] for arm, _, _ in _off_at_once)} of {len(rows)} at $10^{{{x}}}$"
            for x, rows in _found.items()
            if rows
        )
        _hit = [row for row in _found[-8] if row["first"]]
        _ratios = [float(row["activation"]) / float(row["before"]) for row in _hit]
        _off = [float(row["saturated"]) for row in _hit]
        _next = style.reveal(
            how_ui.value,
            "the others die, and it shrinks as well",
            f"when a share passes one half, {percents(_off)} of the layer is off, and the neuron "
            f"has {100 * statistics.median(_ratios):.0f} % (median; {percents(_ratios)}) of the "
            "largest activation that the layer had had. It is the **last survivor** of a layer "
            "that dies; the score is relative, so it rises. Then it dies too, or, in some seeds, "
            f"the layer comes back. Heads that get one: {_counts}. Heads whose whole layer is off "
            f"at some time: {_dead}. Adam divides by the size that gradients have had; when "
            "nothing is left to learn that is nearly nothing, and only $\\epsilon$ keeps the steps "
            "from being all noise, which kills (`dominance.noise-kills`, "
            "`dominance.epsilon-survives`). A share above one half alone does not tell whether the "
            "layer dies.",
        )
    mo.vstack([_picture, _next])
    return chosen, firsts


@app.function(hide_code=True)
def of_agents(rows, method):
    """(thousand updates, (share, saturated, largest activation)) of each recorded head."""
    kinds, found = ("largest_share", "saturated", "largest_activation"), []
    rows = [row for row in rows if (row.get("method"), row.get("kind")) == (method, "scores")]
    for seed in sorted({row["seed"] for row in rows}):
        run = [row for row in rows if row["seed"] == seed]
        updates = np.array([int(row["update"]) for row in run]) / 1000
        for head in ("0", "1"):
            names = [f"critic/heads.{head}.dense0/{kind}" for kind in kinds]
            points = [[float(row[name] or "nan") for name in names] for row in run]
            found.append((updates, np.array(points).T))
    return found


@app.cell(hide_code=True)
def gather():
    _rows = recorded("findings/sparse.csv")
    agents = {x: of_agents(_rows, method) for x, method in AGENTS.items()}
    passed = {  # the activation and the layer where a share passes one half, a pair a head
        x: [
            (y[2][at] / np.nanmax(y[2][: at + 1]), y[1][at])
            for _, y in curves
            for at in np.flatnonzero(y[0] > 0.5)[:1]
        ]
        for x, curves in agents.items()
    }
    return agents, passed


@app.cell(hide_code=True)
def pixels(agents, exponent, how_ui, passed):
    if how_ui.value is None or exponent == -8 or not all(agents.values()):
        _shown = mo.md("")
    else:
        _titles = ("Largest share of the activation", "Saturated neurons", "Largest activation")
        _drawing, _axes = style.figure(1, 3, height=2.9)
        for (_exponent, _curves), _colour in zip(
            agents.items(), (style.VERMILION, style.BLUE), strict=True
        ):
            _names = [f"$\\epsilon = 10^{{{_exponent}}}$"] + [None] * len(_curves)
            for (_x, _scores), _name in zip(_curves, _names, strict=False):
                for _panel, _y in zip(_axes, _scores, strict=True):
                    _panel.plot(_x, _y, color=_colour, lw=1.2, label=_name)
        for _panel, _title, _top in zip(_axes, _titles, (1.03, 1.03, None), strict=True):
            _panel.set(title=_title, xlabel="thousand updates", ylim=(0, _top))
        _axes[0].axhline(0.5, color="k", lw=1)
        _axes[2].legend(loc="upper right")
        _counts = {x: f"{len(passed[x])} of {len(curves)}" for x, curves in agents.items()}
        _told = [f"{_counts[x]} at epsilon 1e{x}" for x in agents]
        _says = (
            "**In an agent.** DrQ learns from pixels on a task whose reward it never meets "
            f"(`results/findings`). With $\\epsilon = 10^{{-8}}$, **{_counts[-8]}** heads get a "
            f"dominant neuron; with $10^{{-5}}$ and all else equal, **{_counts[-5]}**."
        )
        if passed[-8]:
            _ratios, _off = zip(*passed[-8], strict=True)
            _says += (
                f" When a share passes one half, {percents(_off)} of the layer is off, and the "
                f"neuron has {percents(_ratios)} of the largest activation that the layer had had."
            )
        _alt = "Share, saturation and activation in agents from pixels; heads with a dominant "
        _shown = mo.vstack(
            [style.show(_drawing, f"{_alt}neuron: {', '.join(_told)}"), mo.md(_says)]
        )
    _shown
    return


@app.cell(hide_code=True)
def _():
    made_ui = style.predict(
        "A classifier of digits is trained; then one neuron's incoming weights are multiplied by "
        "ten million. Its share is above 99.9 %. What of the 512 neurons of the next layer?",
        "each is saturated or a zombie, in every seed",
        "each is in some seeds, in others fewer than before",
        "few are, in every seed",
    )
    mo.md(f"""
    ## Predict: a dominant neuron made by hand

    Theorem 1 of *Neuron Dominance* says that a dominant neuron leaves the next layer saturated or
    zombie (tutorial 3 shows what it needs). The paper makes one by hand in its Figure 4, and
    `results/figure4-digits` does so on digits.

    {made_ui}
    """)
    return (made_ui,)


@app.cell(hide_code=True)
def intervene(made_ui):
    _panels = {}
    for _row in recorded("figure4-digits/figure-4.csv"):
        if _row.get("method") == "make-dominant":
            _panel = _panels.setdefault((_row["seed"], _row["panel"].rpartition(".")[2]), {})
            _panel[float(_row["update"])] = float(_row["value"])
    before, after = [], []  # the saturated and zombie part of the next layer, a number a seed
    for _seed in sorted({seed for seed, _ in _panels}):
        _score = _panels[_seed, "dense0/largest_score"]
        _first = min(u for u, score in _score.items() if score > max(_score.values()) / 2)
        _parts = [_panels[_seed, f"dense1/{kind}"] for kind in ("saturated", "zombie")]
        before.append(sum(part[_first - 1] for part in _parts))
        after.append(sum(part[_first] for part in _parts))
    if not after:
        _shown = mo.md("No recorded run was found.")
    elif made_ui.value is None:
        _shown = mo.md("*Predict first; then the recordings are drawn.*")
    else:
        _drawing, _axes = style.figure(1, 1, width=5.5, height=3.0)
        _x = np.arange(len(after))
        _axes.bar(_x - 0.2, before, 0.4, color=style.SKY, label="one update before")
        _axes.bar(_x + 0.2, after, 0.4, color=style.VERMILION, label="once a neuron dominates")
        _axes.set(
            xlabel="seed", ylabel="saturated or zombie", title="The next layer", ylim=(0, 1.5)
        )
        _axes.set_xticks(_x)
        _axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        _axes.legend(loc="upper left")
        _rest = [part for part in after if part < 1]
        _says = style.reveal(
            made_ui.value,
            "each is in some seeds, in others fewer than before",
            f"in {len(after) - len(_rest)} of {len(after)} seeds every one is, in the others "
            f"{percents(_rest)}, where it had been {percents(before)}. Dominance in the mean over "
            "the inputs is not enough: at an input where the neuron is off the others decide. So "
            "Theorem 1, repaired, asks for more of every input (tutorial 3), and in those seeds "
            "the neuron must have been off, or too small, at some input: that was not recorded, "
            "but by the theorem you can tell.",
        )
        _shown = mo.vstack(
            [
                style.show(
                    _drawing,
                    "Saturated or zombie neurons of the next layer before and after one neuron is "
                    f"made dominant: after it {', '.join(f'{100 * part:.0f} %' for part in after)}",
                ),
                _says,
            ]
        )
    _shown
    return after, before


@app.cell(hide_code=True)
def _():
    claim_ui = style.choose(CLAIMS_HERE, CLAIMS_HERE[0])
    mo.md(f"""
    ## Break it

    Choose a claim of the paper or a repaired one, drop an assumption or none, and let the machine
    look for a counterexample, the smallest first.

    {claim_ui}
    """)
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
    task_1, task_2, task_3 = exercises("06_zero")
    rest_ui = mo.ui.text(label="value:")
    reach_ui = mo.ui.text(label="backups:")
    dead_ui = mo.ui.text(label="shift:")
    mo.md("## Exercises")
    return dead_ui, reach_ui, rest_ui, task_1, task_2, task_3


@app.cell(hide_code=True)
def exercise_1(rest_ui, task_1):
    answer_1 = task_1.read(rest_ui.value)
    _right = answer_1 is not None and abs(answer_1 - PAPER_READS) < 0.01
    mo.vstack([task_1.asked(), rest_ui, task_1.check(answer_1, _right)])
    return


@app.cell(hide_code=True)
def exercise_2(reach_ui, task_2):
    answer_2 = task_2.read(reach_ui.value)
    _small = collapse.flows.Bins(Fraction(0), Fraction(10), 51, Fraction(9, 10))
    _right = answer_2 == collapse.zero_bin.backups(_small)
    mo.vstack([task_2.asked(), reach_ui, task_2.check(answer_2, _right)])
    return


@app.cell(hide_code=True)
def exercise_3(dead_ui, task_3):
    answer_3 = task_3.read(dead_ui.value)

    def _kills(shift):
        return collapse.layer_norm.shift_low(
            collapse.layer_norm.Normed((Fraction(1),) * 10, Fraction(str(shift)))
        )

    _right = answer_3 is not None and _kills(answer_3) and not _kills(answer_3 + Fraction(1, 100))
    mo.vstack([task_3.asked(), dead_ui, task_3.check(answer_3, _right)])
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("## What the paper says, what is true, where to look"),
            style.ledger(
                "collapse.zero-bin",
                "collapse.hl-zero",
                "collapse.layer-norm-revives",
                "collapse.layer-norm-shifted",
                "collapse.layer-norm-dominant",
            ),
            style.neighbours("06_zero"),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
