"""Two methods recycle the neurons that a network does not use, and each takes those that the other
would keep: play with one small network until you see why.

ReDo (Sokar et al., 2023) and ReGraMa ("Measure gradients, not activations"); `theory.recycling`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Recycling neurons, by activation or by gradient",
    html_head_file="head.html",
)

with app.setup(hide_code=True):
    from fractions import Fraction

    import marimo as mo
    import numpy as np

    from ref import autograd as ag
    from ref import dynamics, losses, mitigations, nn, scores
    from theory import recycling
    from theory.decide import CLAIMS
    from theory.recycling.training import follow
    from tutorials import style
    from tutorials.exercises import exercises

    CLAIMS_HERE = [
        "recycling.redo-zero",
        "recycling.redo-zero-batch",
        "recycling.redo-bound",
        "recycling.impact",
        "recycling.grama-theorem-1",
        "recycling.grama-preactivation",
        "recycling.grama-converse",
        "recycling.grama-equivalence",
        "recycling.grama-small",
        "recycling.anti-correlation",
        "recycling.irreversible",
        "recycling.batch-law",
        "recycling.batch-law-bound",
    ]
    BATCH = np.linspace(-1, 1, 9)  # the inputs that neurons are scored on
    READERS = {"dense0": [mitigations.Reader("final")]}


@app.cell(hide_code=True)
def _():
    predicted_ui = style.predict(
        "Neuron 3 is silent on the whole batch. Where does its gradient score stand?",
        "lowest: it is 0",
        "somewhere between",
        "highest",
    )
    mo.vstack(
        [
            mo.md(r"""
    # Recycling neurons, by activation or by gradient

    A network in training loses neurons: they stop doing anything. Two methods give them a new life
    in the same way (fresh incoming weights, outgoing weights 0) and differ in whom they choose.

    - **ReDo** takes the neurons that are **$\tau$-dormant**: $s_i = \mathbb E|h_i| \,/\, \frac1N
      \sum_j \mathbb E|h_j| \le \tau$.
    - **ReGraMa** takes those that get **little gradient**: $G_i = \mathbb E|\partial L / \partial
      h_i| \,/\, \frac1N \sum_j \mathbb E|\partial L / \partial h_j| \le \tau$.

    The GraMa paper argues that the second finds what the first finds, and more. Here is one network
    with four neurons, $f(x) = \sum_i v_i\, \mathrm{relu}(w_i x + b_i)$, which you can follow by
    hand; its loss $L$ is the mean squared distance to $|x|$ on nine inputs, the batch. Neuron 1 may
    be written $c$ times as large, $c\,w_1$ and $c\,b_1$, and read $1/c$ times as loud, $v_1/c$:
    that is the same function.

    Theorem 1 of the GraMa paper:
    """),
            style.claim("recycling.grama-theorem-1", verdict=False),
            mo.md("## Predict, then play"),
            predicted_ui,
        ]
    )
    return (predicted_ui,)


@app.cell(hide_code=True)
def _():
    tau_ui = mo.ui.slider(0, 1, 0.025, value=0.1, label=r"threshold $\tau$", show_value=True)
    scale_ui = mo.ui.slider(
        -6, 6, 0.5, value=0, label=r"rewrite neuron 1: $c = 2$ to the", show_value=True
    )
    by_ui = mo.ui.dropdown(
        {
            "∂L/∂h, as printed": "activation",
            "∂L/∂z, before the ReLU": "preactivation",
            "∂L/∂w, of the incoming weights": "incoming",
        },
        value="∂L/∂h, as printed",
        label="GraMa measures",
    )
    seed_ui = mo.ui.slider(0, 9, value=0, label="draw of the fresh weights", show_value=True)
    mo.md(f"""
    {mo.hstack([tau_ui, by_ui], justify="start", gap=2, wrap=True)}

    {mo.hstack([scale_ui, seed_ui], justify="start", gap=2, wrap=True)}
    """)
    return by_ui, scale_ui, seed_ui, tau_ui


@app.cell(hide_code=True)
def _(by_ui, scale_ui, seed_ui, tau_ui):
    tau, by, scale, seed = tau_ui.value, by_ui.value, 2.0**scale_ui.value, seed_ui.value
    return by, scale, seed, tau


@app.function
def network(c):
    """The four neurons; neuron 1 written c times as large, and read 1/c times as loud."""
    w, b, v = (
        np.array([1, -1, 1, 0.5]),
        np.array([0.25, 0.25, -1.5, 1]),
        np.array([1, 0.75, 1.5, 0]),
    )
    rewrite = np.array([c, 1, 1, 1])
    return {
        "dense0.weight": (w * rewrite)[:, None],
        "dense0.bias": b * rewrite,
        "final.weight": (v / rewrite)[None, :],
        "final.bias": np.zeros(1),
    }


@app.function
def examine(params, x):
    """Activations h, and the gradients of the loss that GraMa may measure; the target is |x|."""
    nodes, taps = {name: ag.Node(value) for name, value in params.items()}, {}
    loss = losses.mse(nn.mlp(nodes, x[:, None], taps=taps), np.abs(x)[:, None])
    z, h = taps["dense0"]
    of = {"activation": h, "preactivation": z, "incoming": nodes["dense0.weight"]}
    return h.value, dict(zip(of, ag.gradients(loss, list(of.values())), strict=True))


@app.cell(hide_code=True)
def recycle(by, scale, seed, tau):
    params = network(scale)  # the four neurons, neuron 1 rewritten
    h, gradients = examine(params, BATCH)
    s, gradient_score = scores.activation_score(h), scores.grama(gradients[by], by)

    _draw = np.random.default_rng(seed).standard_normal
    fresh = {name: _draw(value.shape) for name, value in params.items()}
    silent = scores.dormant(h, tau)
    unmoved = scores.gradient_dormant(gradients[by], tau, by)
    after_redo, _ = mitigations.redo(params, {}, {"dense0": h}, tau, fresh, READERS)
    after_regrama, _ = mitigations.regrama(
        params, {}, {"dense0": gradients[by]}, tau, fresh, READERS, by
    )

    def jump(new, x):
        """The largest change of the output on inputs x."""
        return np.abs(nn.mlp(new, x[:, None]) - nn.mlp(params, x[:, None])).max()

    mo.show_code()
    return after_redo, after_regrama, gradient_score, jump, params, s, silent, unmoved


@app.cell(hide_code=True)
def draw(after_redo, after_regrama, by, gradient_score, params, predicted_ui, s, tau):
    wide = np.linspace(-2.5, 2.5, 201)
    cover, (_f, _bars) = style.figure(1, 2, height=3.7, gridspec_kw={"width_ratios": [1.2, 1]})
    _f.axvspan(-1, 1, color=style.YELLOW, alpha=0.25, lw=0, label="scored here")
    for _params, _label, _look in (
        (params, "before", {"color": "k", "lw": 4, "alpha": 0.35}),
        (after_redo, "after ReDo", {"color": style.BLUE}),
        (after_regrama, "after ReGraMa", {"color": style.VERMILION, "ls": "--"}),
    ):
        _f.plot(wide, nn.mlp(_params, wide[:, None])[:, 0], label=_label, **_look)
    _f.set(title="What the network computes", xlabel="$x$", ylim=(-1, 6.5))
    _f.legend(loc="upper center")
    _where = np.arange(1, 5)
    _top = 4.2
    for _offset, _score, _colour, _label in (
        (-0.2, s, style.BLUE, "$s_i$: activation"),
        (0.2, gradient_score, style.VERMILION, "$G_i$: gradient"),
    ):
        _bars.bar(_where + _offset, _score, 0.36, color=_colour, label=_label)
        for _i, _value in enumerate(_score):
            _bars.text(_i + 1 + _offset, _value + 0.06, f"{_value:.2g}", ha="center", fontsize=9)
    _bars.axhline(tau, color="k", lw=1, ls=":")
    _bars.text(4.5, tau + 0.06, r"$\tau$", ha="left")
    _bars.set(title="Scores of the four neurons", xlabel="neuron", ylim=(0, 4.9))
    _bars.set_xticks(_where)
    _bars.legend(loc="upper center", ncols=2)
    _shown = style.show(
        cover, "The function before and after recycling, and the two scores of each neuron"
    )
    if by == "activation":
        _next = style.reveal(
            predicted_ui.value,
            "highest",
            r"as printed, $\partial L / \partial h_3$ is the residual (how far $f$ is off) times "
            r"$v_3$, and knows no gate. Measure $\partial L/\partial z$ instead.",
        )
    else:
        _next = mo.md("Measured so, the score of a silent neuron is 0.")
    mo.vstack([_shown, _next])
    return (cover,)


@app.cell(hide_code=True)
def judge(after_redo, after_regrama, jump, params, silent, tau, unmoved):
    def _numbers(mask):
        return " and ".join(str(i + 1) for i in np.flatnonzero(mask)) or "none"

    far = np.linspace(-2.5, 2.5, 201)
    jumps = {
        name: (jump(new, BATCH), jump(new, far))
        for name, new in (("ReDo", after_redo), ("ReGraMa", after_regrama))
    }
    exact = recycling.redo.Network(
        (
            (
                tuple((Fraction(w),) for w in params["dense0.weight"][:, 0]),
                tuple(map(Fraction, params["dense0.bias"])),
            ),
        ),
        tuple(map(Fraction, params["final.weight"][0])),
        batch=tuple(map(Fraction, BATCH)),
        asked=tuple(map(Fraction, BATCH)),
        tau=Fraction(tau),
    )
    change, bound = (
        recycling.redo.change(exact),
        recycling.redo.change(exact) + recycling.redo.bound_slack(exact),
    )
    _rows = "\n".join(
        f"| {name} | {_numbers(mask)} | {jumps[name][0]:.3g} | {jumps[name][1]:.3g} |"
        for name, mask in (("ReDo", silent), ("ReGraMa", unmoved))
    )
    mo.md(f"""
    | | recycles | largest change of $f$ on the batch | on $[-2.5, 2.5]$ |
    |:--|:--|:--|:--|
    {_rows}

    The mean change by ReDo on the batch is {float(change):.3g}, and theory bounds it by
    $\\tau \\cdot \\frac1N \\sum_j \\mathbb E|h_j| \\cdot \\sum_{{i\\text{{ recycled}}}} |v_i|$ =
    {float(bound):.3g}.
    """)
    return bound, change, jumps


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **Try this**, and say before each what you expect.

    1. Neuron 4 is the loudest at $c = 1$. Which method takes it, and why ($v_4 = 0$)?
    2. Look outside of the yellow stripe: what has ReDo taken away at $x = 1.5$, and is 'the output
       does not change' true there?
    3. Move $c$, with $\tau$ above 0: does the grey curve move? Who takes neuron 1, the largest part
       of $f$ on the batch, at one end, and who at the other?

    ## Why rescaling flips the verdicts

    $\mathrm{relu}(cz) = c\,\mathrm{relu}(z)$ for $c > 0$: a neuron can be written $c$ times as
    large and read $1/c$ times as loud. That is the same function, another way of writing it
    down. Its activation is multiplied by $c$, every gradient of it is divided by $c$.
    """)
    return


@app.cell(hide_code=True)
def flip(by, scale, tau):
    factors = 2.0 ** np.arange(-7, 7.25, 0.25)
    curves = {"$s_1$": [], "$G_1$": [], "saliency": []}
    for _c in factors:
        _h, _gradients = examine(network(_c), BATCH)
        curves["$s_1$"].append(scores.activation_score(_h)[0])
        curves["$G_1$"].append(scores.grama(_gradients[by], by)[0])
        _saliency = scores.mean_activation(_h * _gradients["activation"])
        curves["saliency"].append(_saliency[0] / _saliency.mean())
    redo_below = factors[np.array(curves["$s_1$"]) <= tau]
    regrama_above = factors[np.array(curves["$G_1$"]) <= tau]

    _figure, _axes = style.figure(height=3.3)
    for (_name, _line), _colour in zip(
        curves.items(), (style.BLUE, style.VERMILION, style.GREEN), strict=True
    ):
        _label = (
            r"$\mathbb{E}\,|h\,\partial L/\partial h|$, relative" if _name == "saliency" else _name
        )
        _axes.plot(np.log2(factors), _line, color=_colour, label=_label)
    _axes.axhline(tau, color="k", lw=1, ls=":")
    _axes.axvline(np.log2(scale), color=style.GREY, lw=1)
    for _taken, _colour, _who in (
        (redo_below, style.BLUE, "ReDo"),
        (regrama_above, style.VERMILION, "ReGraMa"),
    ):
        if len(_taken):
            _ends = np.log2([_taken.min(), _taken.max()])
            _axes.axvspan(*_ends, color=_colour, alpha=0.12, lw=0)
            _axes.text(_ends.mean(), 1.9, f"{_who}\ntakes it", ha="center", color=_colour)
    _axes.set(title="Neuron 1, written in other ways", xlabel=r"$\log_2 c$", ylabel="score")
    _axes.set(ylim=(0, 5), xlim=(-7, 7))
    _axes.legend(loc="upper center", ncols=3)
    mo.vstack(
        [
            style.show(_figure, "Scores of neuron 1 against the factor by which it is rewritten"),
            mo.md(
                "The product $\\mathbb E|h\\,\\partial L/\\partial h|$ does not see how the "
                "network "
                "is written. A score that sees it judges the notation as well as the neuron."
            ),
        ]
    )
    return curves, factors, redo_below, regrama_above


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("## The theorems as printed"),
            *(
                piece
                for id in (
                    "recycling.redo-zero",
                    "recycling.redo-small",
                    "recycling.grama-theorem-1",
                )
                for piece in (style.claim(id, verdict=False),)
            ),
            mo.md("""
    ## Break it

    Choose a claim, drop an assumption or none, and let the machine look for a counterexample:
    one neuron first, then more.
    """),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    claim_ui = style.choose(CLAIMS_HERE, CLAIMS_HERE[4])
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
            mo.md("""
    ## What is true

    Replacing a neuron that is exactly 0 on the batch is invisible **on the batch**, if its
    outgoing weights are all that reads it and no normalisation looks across the layer. For τ > 0
    the change is bounded by τ times the outgoing weights, which the score does not know. And being
    silent is equivalent to having no gradient at one place: **before** the ReLU, for a neuron that
    is read, where the network is wrong on every sample.
    """),
            *(
                piece
                for id in (
                    "recycling.redo-zero-batch",
                    "recycling.redo-bound",
                    "recycling.grama-equivalence",
                    "recycling.anti-correlation",
                )
                for piece in (style.claim(id), style.proof(id))
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    size_ui = mo.ui.slider(
        steps=[2**k for k in range(11)], value=64, label="Batch size $B$", show_value=True
    )
    mo.md(f"""
    ## Silent on a batch

    A neuron that is active on one input in a hundred is silent on many a batch, and it may be the
    one that answers to the reward. How much does silence on $B$ independent inputs say?

    {size_ui}
    """)
    return (size_ui,)


@app.cell(hide_code=True)
def _(size_ui):
    size = size_ui.value
    return (size,)


@app.cell(hide_code=True)
def silence(size):
    _curve = CLAIMS["recycling.batch-law-bound"].curve()
    at = {name: line[_curve.values.index(size)] for name, line in _curve.lines.items()}
    half, sure = at["overlooked every second time"], at["95 % bound"]
    _figure, _axes = style.figure(height=2.8)
    for _name, _line in _curve.lines.items():
        _axes.plot(np.log2(_curve.values), 100 * np.array(_line), label=_name)
        _axes.plot(np.log2(size), 100 * at[_name], "ko")
    _axes.set_xticks(range(0, 11, 2), [str(2**k) for k in range(0, 11, 2)])
    _axes.set(xlabel="batch size $B$", ylabel="active on … % of inputs", ylim=(0, 100))
    _axes.legend(loc="upper right")
    mo.vstack(
        [
            style.show(_figure, "What silence on a batch says of how often a neuron is active"),
            mo.md(
                f"A neuron that is active on {100 * half:.2g} % of all inputs is overlooked by a "
                f"batch of {size} every second time. Silence on the batch lets you say, with 95 % "
                f"confidence, that it is active on less than **{100 * sure:.2g} %**."
            ),
        ]
    )
    return half, sure


@app.cell(hide_code=True)
def again():
    _net = recycling.gradients.Scored(
        tuple(map(Fraction, (-1, 1, 1))),
        tuple(map(Fraction, (-1, 0, 1))),
        tuple(map(Fraction, (1, 1, -1))),
        tuple(map(Fraction, (1, 2))),
        tuple(map(Fraction, (2, 1))),
    )
    _reset, _ = recycling.gradients.after_redo(_net)
    stages = {
        "before": _net,
        "after ReDo": _reset,
        "one step later": recycling.gradients.trained(_reset),
    }
    rows = {
        name: (
            scores.activation_score(recycling.gradients.h_of(net))[0],
            scores.grama(recycling.gradients.h_gradient(net), "activation")[0],
        )
        for name, net in stages.items()
    }
    _table = "\n".join(
        f"| {name} | {float(s):.3g} | {float(g):.3g} |" for name, (s, g) in rows.items()
    )
    mo.md(f"""
    ## Who is recycled twice

    A recycled neuron starts with outgoing weights 0. So for GraMa as printed it has no
    gradient, and asked again before the next update it is taken again. One step of gradient
    descent later its outgoing weight has moved, if the neuron is active where $f$ is off: a GraMa
    score of 0 is not 'irreversible', as the paper says.

    | neuron 1 of another small network | $s_1$ | $G_1$ |
    |:--|:--|:--|
    {_table}
    """)
    return (rows,)


@app.cell(hide_code=True)
def _():
    optimizer_ui = mo.ui.dropdown(["Adam", "SGD"], value="Adam", label="Optimizer")
    mo.md(f"""
    ## Along a training

    Sixteen states, two layers of 64 neurons, TD learning by `ref/dynamics.py`; dormant means
    $\\tau = 0$. Of the dormant neurons, how many does GraMa see?

    {optimizer_ui}
    """)
    return (optimizer_ui,)


@app.cell(hide_code=True)
def _(optimizer_ui):
    optimizer = optimizer_ui.value
    return (optimizer,)


@app.cell(hide_code=True)
def train(optimizer):
    _how, _rate = {"Adam": (dynamics.ADAM, 0.01), "SGD": (dynamics.SGD, 0.05)}[optimizer]
    history = follow(_how, _rate, snapshots=8, steps=15)
    agree = min(row["dL/dz agrees"] for row in history)
    _figure, _axes = style.figure(1, 2, height=2.8, sharey=True)
    for _panel, _layer in zip(_axes, ("dense0", "dense1"), strict=True):
        _rows = [row for row in history if row["layer"] == _layer]
        for _key, _label, _look in (
            ("dormant", "dormant", {"color": style.BLUE, "lw": 4, "alpha": 0.5}),
            ("no dL/dz", "no ∂L/∂z", {"color": "k", "ls": "--"}),
            ("no dL/dh", "no ∂L/∂h", {"color": style.VERMILION}),
        ):
            _panel.plot([r["step"] for r in _rows], [r[_key] for r in _rows], label=_label, **_look)
        _panel.set(title=f"Layer {_layer}", xlabel="step")
    _axes[0].set_ylabel("share of the neurons")
    _lines = _axes[0].get_legend_handles_labels()
    _figure.legend(*_lines, loc="outside lower center", ncols=3)
    _axes[0].set_ylim(-0.02, max(0.25, 1.1 * max(row["dormant"] for row in history)))
    mo.vstack(
        [
            style.show(_figure, "Shares of dormant neurons and of those without gradient"),
            mo.md(
                "Before the ReLU, 'no gradient' and 'dormant' agree for "
                f"{'' if agree == 1 else 'at least '}{100 * agree:.0f} % of the neurons at every "
                "snapshot. Measured after it, as eq. (2) of GraMa is printed, "
                + (
                    f"at most {100 * _unseen:.0f} % of all neurons are without gradient."
                    if (_unseen := max(row["no dL/dh"] for row in history))
                    else "no neuron is without gradient: ReGraMa would leave the dormant ones "
                    "as they are."
                )
            ),
        ]
    )
    return agree, history


@app.cell(hide_code=True)
def _():
    task_1, task_2, task_3 = exercises("07_recycling")
    small_ui = mo.ui.text(label="c =")
    sure_ui = mo.ui.text(label="percent:")
    who_ui = mo.ui.dropdown(
        ["ReDo alone", "ReGraMa alone", "both", "neither"], label="Who takes neuron 1?"
    )
    mo.md("## Exercises")
    return small_ui, sure_ui, task_1, task_2, task_3, who_ui


@app.cell(hide_code=True)
def exercise_1(small_ui, task_1):
    answer_1 = task_1.read(small_ui.value)

    def _takes(c):
        return scores.dormant(np.array([[float(c), 1.0, 1.0]]), 0.1)[0]

    _right = answer_1 is not None and _takes(answer_1 - 0.001) and not _takes(answer_1 + 0.001)
    mo.vstack([task_1.asked(), small_ui, task_1.check(answer_1, _right)])
    return


@app.cell(hide_code=True)
def exercise_2(sure_ui, task_2):
    answer_2 = task_2.read(sure_ui.value)
    _curve = CLAIMS["recycling.batch-law-bound"].curve()
    _bound = 100 * _curve.lines["95 % bound"][_curve.values.index(256)]
    _right = answer_2 is not None and abs(answer_2 - _bound) <= 0.005 + 1e-9
    mo.vstack([task_2.asked(), sure_ui, task_2.check(answer_2, _right)])
    return


@app.cell(hide_code=True)
def exercise_3(task_3, who_ui):
    answer_3 = who_ui.value
    _h, _gradient = np.array([[2.0, 1.0], [1.0, 1.0]]), np.array([[0.0, 1.0], [0.0, -1.0]])
    _low = scores.gradient_dormant(_gradient, 0.1, "activation")
    _by = scores.dormant(_h, 0.1)[0], _low[0]
    _truth = {(True, False): "ReDo alone", (False, True): "ReGraMa alone", (True, True): "both"}
    _right = answer_3 == _truth.get(_by, "neither")
    mo.vstack([task_3.asked(), who_ui, task_3.check(answer_3, _right)])
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("## What the papers say, what is true, where to look"),
            style.ledger(
                "recycling.redo-zero",
                "recycling.redo-small",
                "recycling.impact",
                "recycling.prune-zero",
                "recycling.batch-law",
                "recycling.grama-theorem-1",
                "recycling.grama-converse",
                "recycling.grama-small",
                "recycling.irreversible",
                "recycling.zombies",
            ),
            style.neighbours("07_recycling"),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
