"""Drag the weights of four neurons and watch them become dormant, dominant, saturated or zombie.

Everything is computed by `ref`: the network by `ref.nn`, the words by `ref.scores`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="What a layer does",
    html_head_file="head.html",
)

with app.setup(hide_code=True):
    import marimo as mo
    import numpy as np

    from ref import autograd as ag
    from ref import nn, scores
    from theory.decide import CLAIMS
    from tutorials import style
    from tutorials.exercises import exercises, hand_in

    COLOURS = [style.BLUE, style.VERMILION, style.GREEN, style.PURPLE]
    LAYERS = {  # w and b of the layer, v of what reads it
        "four healthy neurons": ((1, -1, 1.2, -0.8), (0.2, 0.1, -0.6, -0.5), (1, 1, -1, 0.5)),
        "a dominant neuron": ((3, -1, 0.5, -0.5), (4, -0.5, -0.3, 0), (0.4, 1, -1, 0.5)),
        "a saturated neuron": ((1, -1, 0.8, -1), (0.2, 0.1, 0.3, -3), (1, 1, -1, 0.5)),
        "four zombies": ((1, -0.5, 0.4, -1), (3, 2, 1.5, 2.5), (1, -1, 0.5, 0.5)),
        "a collapsed layer": ((1, -1, 0.5, -1), (-3, -3, -2, -4), (1, 1, -1, 0.5)),
    }
    CLAIMS_HERE = [
        "dormancy.sum-to-one",
        "dormancy.average-one",
        "dormancy.one-awake",
        "dominance.definition-1",
        "dominance.definition-1-signed",
    ]


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # What a layer does

    A network is made of layers, and a layer of neurons. Here you drag the weights of one layer with
    four neurons and see what it computes, which of its neurons work, and which only seem to. You
    will meet the words that all other tutorials use: **dormant**, **dominant**, **saturated**,
    **zombie** and **collapsed**.

    Our layer reads one number $x$. Neuron $i$ receives $z_i = w_i x + b_i$, its *pre-activation*,
    and returns $h_i = \max(z_i, 0)$, its *activation*: its gate is open where $z_i > 0$. The next
    layer adds up $f(x) = v_1 h_1 + v_2 h_2 + v_3 h_3 + v_4 h_4$. Inputs come from an interval $D$,
    each as likely as any other.

    ## Play

    Change something and read the table below the figure: its last column names what has become of
    each neuron. The words are defined right after it.
    """)


@app.cell(hide_code=True)
def _():
    start_ui = mo.ui.dropdown(LAYERS, value="four healthy neurons", label="Start from")
    start_ui
    return (start_ui,)


@app.cell(hide_code=True)
def _(start_ui):
    # Each slider has a name of its own. In an array only the last move would be kept of those that
    # come while Python is busy drawing.
    def _sliders(name, values, limit):
        return [
            mo.ui.slider(-limit, limit, 0.1, value=v, show_value=True, label=f"${name}_{i}$")
            for i, v in enumerate(values, 1)
        ]

    _w, _b, _v = start_ui.value
    w1_ui, w2_ui, w3_ui, w4_ui = _sliders("w", _w, 4)
    b1_ui, b2_ui, b3_ui, b4_ui = _sliders("b", _b, 5)
    v1_ui, v2_ui, v3_ui, v4_ui = _sliders("v", _v, 3)
    domain_ui = mo.ui.range_slider(
        -3, 3, 0.25, value=(-2, 2), show_value=True, label="$D$ from, to"
    )
    tau_ui = mo.ui.slider(0, 1, 0.05, value=0.1, show_value=True, label=r"$\tau$")
    _dot = "display:inline-block; width:0.7em; height:0.7em; border-radius:50%; background:"
    _heads = [
        mo.md(f'<span style="{_dot}{c}"></span> **neuron {i}**') for i, c in enumerate(COLOURS, 1)
    ]
    _columns = zip(
        _heads,
        (w1_ui, w2_ui, w3_ui, w4_ui),
        (b1_ui, b2_ui, b3_ui, b4_ui),
        (v1_ui, v2_ui, v3_ui, v4_ui),
        strict=True,
    )
    mo.vstack(
        [
            mo.hstack([mo.vstack(column) for column in _columns], wrap=True, gap=1.5),
            mo.hstack([domain_ui, tau_ui], justify="start", gap=3, wrap=True),
        ]
    )
    return (
        b1_ui,
        b2_ui,
        b3_ui,
        b4_ui,
        domain_ui,
        tau_ui,
        v1_ui,
        v2_ui,
        v3_ui,
        v4_ui,
        w1_ui,
        w2_ui,
        w3_ui,
        w4_ui,
    )


@app.cell(hide_code=True)
def _(
    b1_ui,
    b2_ui,
    b3_ui,
    b4_ui,
    domain_ui,
    tau_ui,
    v1_ui,
    v2_ui,
    v3_ui,
    v4_ui,
    w1_ui,
    w2_ui,
    w3_ui,
    w4_ui,
):
    w = [w1_ui.value, w2_ui.value, w3_ui.value, w4_ui.value]
    b = [b1_ui.value, b2_ui.value, b3_ui.value, b4_ui.value]
    v = [v1_ui.value, v2_ui.value, v3_ui.value, v4_ui.value]
    domain, tau = domain_ui.value, tau_ui.value
    return b, domain, tau, v, w


@app.cell(hide_code=True)
def _(b, domain, v, w):
    # The network in the words of ref: a dict of parameters with the names that PyTorch gives them.
    params = {
        "dense0.weight": np.array(w, dtype=float)[:, None],
        "dense0.bias": np.array(b, dtype=float),
        "final.weight": np.array(v, dtype=float)[None, :],
        "final.bias": np.zeros(1),
    }
    x = np.linspace(*domain, 241)[:, None]  # D
    taps = {}  # the forward pass leaves here what each layer receives and returns
    f = nn.mlp({name: ag.Node(value) for name, value in params.items()}, x, taps=taps)
    (gradient,) = ag.gradients(ag.sum(f), [taps["dense0"][0]])  # df/dz at each input
    z, h = (node.value for node in taps["dense0"])
    mo.show_code()
    return gradient, h, params, x, z


@app.cell(hide_code=True)
def _(h, tau, z):
    score = scores.activation_score(h)  # NaN for a layer that is wholly dead
    dormant, dominant = scores.dormant(h, tau), scores.dominant(h)
    saturated, zombie = scores.saturated(z), scores.zombie(z)
    return dominant, dormant, saturated, score, zombie


@app.cell(hide_code=True)
def _(domain, dormant, params, score, tau, x, z):
    wide = np.linspace(-3, 3, 481)[:, None]
    _seen = {}
    _f = nn.mlp(params, wide, taps=_seen)[:, 0]
    _h = _seen["dense0"][1]
    cover, ((_gates, _bars), (_acts, _out)) = style.figure(
        2, 2, height=5.6, gridspec_kw={"width_ratios": [1.25, 1]}
    )
    for _i, _c in enumerate(COLOURS):
        _open = z[:, _i] > 0
        _gates.plot(domain, (_i + 1, _i + 1), color=style.GREY, linewidth=1)
        if _open.any():
            _ends = x[_open, 0]
            _gates.plot(
                (_ends.min(), _ends.max()),
                (_i + 1,) * 2,
                color=_c,
                linewidth=9,
                solid_capstyle="butt",
            )
        _acts.plot(wide, _h[:, _i], color=_c)
    _gates.set(title="where each gate is open", ylim=(4.7, 0.3), yticks=range(1, 5))
    _gates.set_ylabel("neuron")
    _acts.set(title="what each neuron returns, $h_i(x)$", xlabel="$x$")
    for _axes in (_gates, _acts, _out):
        _axes.axvspan(*domain, color=style.SKY, alpha=0.13, linewidth=0)
        _axes.set(xlim=(-3, 3), xticks=(-2, 0, 2))
        _axes.locator_params(axis="y", nbins=4)
    _acts.set_ylim(-0.1, max(1.0, 1.05 * _h.max()))
    _out.plot(wide, _f, color=style.BLACK)
    _out.set_ylim(min(-0.5, 1.1 * _f.min()), max(0.5, 1.1 * _f.max()))
    _out.set(title="the network, $f(x)$", xlabel="$x$  ($D$ is shaded)")
    _alive = np.isfinite(score).all()
    _bars.barh(range(1, 5), score if _alive else np.zeros(4), color=COLOURS, height=0.6)
    for _at, _name in ((tau, r"$\tau$"), (2, "N/2")):
        _bars.axvline(_at, color=style.BLACK, linestyle="--", linewidth=1)
        _bars.text(_at + 0.04, 0.45, _name, va="center")
    _bars.set(
        title="activation scores $s_i$",
        ylim=(4.7, 0.2),
        yticks=range(1, 5),
        xlim=(0, 4),
        xticks=range(5),
    )
    if not _alive:
        _bars.text(3, 2.5, "undefined:\nall activations\nare 0", ha="center", va="center")
    _state = ", ".join(
        f"{name} = {np.round(params[key], 1).ravel().tolist()}"
        for name, key in (("w", "dense0.weight"), ("b", "dense0.bias"), ("v", "final.weight"))
    )
    style.show(
        cover,
        f"Gates, scores and activations of four neurons with {_state}, on D from {domain[0]} to "
        f"{domain[1]}, and the network's output; the table below has the numbers",
    )
    return (cover,)


@app.cell(hide_code=True)
def _(dominant, dormant, gradient, h, saturated, score, tau, x, zombie):
    def _words(i):
        named = {
            "**saturated**": saturated,
            "**zombie**": zombie,
            "**dominant**": dominant,
            r"**$\tau$-dormant**": dormant,
        }
        found = [word for word, holds in named.items() if holds[i]]
        return ", ".join(found) or "none of these: its gate opens and shuts"

    _means, _through = scores.mean_activation(h), np.abs(gradient).mean(0)
    _rows = "\n".join(
        f"| {i + 1} | {_means[i]:.2f} | {style.digits(score[i], (tau, 2))} "
        f"| {_through[i]:.2f} | {_words(i)} |"
        for i in range(4)
    )

    def _which(mask):
        numbers = [str(i + 1) for i in np.flatnonzero(mask)]
        plural = "s" * (len(numbers) > 1)
        return f"Neuron{plural} {' and '.join(numbers)} {'are' if plural else 'is'}"

    _says = []
    if saturated.all():
        _says.append(
            "Every neuron is saturated: the layer has **collapsed**. The network returns 0 on "
            "all of $D$ and no gradient gets through. No score is defined."
        )
    elif len(np.unique(x)) == 1:
        _says.append(
            "$D$ is a single input: no gate can switch, and each is open or shut for good."
        )
    elif (saturated | zombie).all():
        _says.append(
            "No gate switches inside of $D$: there $f$ is a **straight line**. Four neurons and "
            "three rows of weights do what one slope and one offset could do."
        )
    if saturated.any() and not saturated.all():
        _says.append(
            f"{_which(saturated)} **saturated**: 0 on all of $D$, and no gradient gets through "
            "the gate. Drag its $v$: inside of $D$ nothing changes."
        )
    if zombie.any():
        _says.append(
            f"{_which(zombie)} **always on** (zombie): the gate is open on all of $D$. That still "
            "returns something and still learns, but it adds a straight line and bends nothing."
        )
    if dominant.any():
        _says.append(
            f"{_which(dominant)} **dominant**: more active than all others together. What that "
            "does to the next layer is the subject of tutorial 3."
        )
    if ((_through == 0) & ~saturated).any():
        _says.append(
            f"{_which((_through == 0) & ~saturated)} active, but nobody reads it: its $v$ is 0, "
            "so it adds nothing to $f$ and no gradient gets to it."
        )
    told = "\n\n".join(_says) or (
        "Every gate switches inside of $D$ and is read: the layer uses all it has."
    )
    mo.md(
        "| neuron | mean activation | score | mean gradient that gets through | it is |\n"
        f"|:--|:--|:--|:--|:--|\n{_rows}\n\n{told}"
    )
    return (told,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## The words

    With $a_i = \mathbb{E}_{x \sim D}\,|h_i(x)|$, the mean activation, and $N$ neurons in the layer:

    - the **activation score** is $s_i = a_i \big/ \frac1N \sum_j a_j$: how active a neuron is
      compared with its layer;
    - neuron $i$ is **$\tau$-dormant** if $a_i \le \tau \cdot \frac1N \sum_j a_j$, that is
      $s_i \le \tau$. At $\tau = 0$ it returns nothing but 0;
    - it is **dominant** if $s_i > N/2$: more active than all others together;
    - it is **saturated** if $z_i \le 0$ on all of $D$, and a **zombie** if $z_i > 0$ on all of $D$:
      its gate never opens, or never shuts;
    - a layer in which every neuron is saturated has **collapsed**. All its activations are 0: it
      has no scores, all its neurons are dormant, and none is dominant.

    The gradient in the table is $\mathbb{E}_{x \sim D}\,|\partial f/\partial z_i|$: it is
    $|v_i|$ times the share of $D$ on which gate $i$ is open.

    Two things to try before you read on. *Widen $D$*: the words belong to a neuron **and** a set of
    inputs, so a saturated neuron may wake up when the data change. *Multiply all $w$ and $b$*: the
    scores compare neurons with their own layer and do not see its scale.

    ## What the papers say of scores

    Scores and dormant neurons are from *ReDo* (Sokar et al., 2023), dominant neurons from *Neuron
    Dominance*. Choose a sentence, drop one of its assumptions if you like, and let the machine look
    for a layer that contradicts it, small layers first.
    """)


@app.cell(hide_code=True)
def _():
    claim_ui = style.choose(CLAIMS_HERE, "dormancy.sum-to-one")
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
    mo.md(r"""
    ## What is true

    Both papers say that the scores of a layer *sum to 1*. With the definition that they print,
    scores **average** to 1 and sum to $N$. It matters: if they summed to 1, at most nine neurons of
    any layer could be above $\tau = 0.1$, however wide it is. And if all neurons of a layer fade
    together, no relative score can tell: until the last of them is 0, some neuron is at or above
    the average.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            style.claim("dormancy.average-one"),
            style.proof("dormancy.average-one"),
            style.claim("dormancy.one-awake"),
            style.proof("dormancy.one-awake"),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    task_1, task_2, task_3 = exercises("01_neurons")
    score_ui = mo.ui.text(label="$s_1 =$")
    mo.vstack([mo.md("## Exercises"), task_1.asked(), score_ui])
    return score_ui, task_1, task_2, task_3


@app.cell(hide_code=True)
def _(score_ui, task_1):
    answer_1 = task_1.read(score_ui.value)
    return (answer_1,)


@app.cell(hide_code=True)
def _(answer_1, task_1):
    right_1 = answer_1 == scores.activation_score(np.array([[6.0, 1, 1, 0]]))[0]
    task_1.check(answer_1, right_1)
    return (right_1,)


@app.cell(hide_code=True)
def _(task_2):
    built_ui = hand_in()
    mo.vstack([task_2.asked(), built_ui])
    return (built_ui,)


@app.cell(hide_code=True)
def _(built_ui, dormant, task_2, tau, zombie):
    right_2 = bool((dormant & zombie).any() and 0.05 <= tau <= 0.5)
    task_2.check(built_ui.value, right_2)
    return (right_2,)


@app.cell(hide_code=True)
def _(task_3):
    change_ui = mo.ui.dropdown(
        ["the scores and the gates", "the scores only", "the gates only", "neither of the two"],
        label="What changes?",
    )
    mo.vstack([task_3.asked(), change_ui])
    return (change_ui,)


@app.cell(hide_code=True)
def _(change_ui):
    answer_3 = change_ui.value
    return (answer_3,)


@app.cell(hide_code=True)
def _(answer_3, task_3):
    _z = np.array([[1.0, -2.0, 0.5], [3.0, 1.0, -4.0]])
    _kept = {
        "scores": np.allclose(*(scores.activation_score(np.maximum(c * _z, 0)) for c in (1, 1000))),
        "gates": np.array_equal(_z > 0, 1000 * _z > 0),
    }
    _truth = {
        (False, False): "the scores and the gates",
        (False, True): "the scores only",
        (True, False): "the gates only",
        (True, True): "neither of the two",
    }[_kept["scores"], _kept["gates"]]
    right_3 = answer_3 == _truth
    task_3.check(answer_3, right_3)
    return (right_3,)


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("## What the paper says, what is true, where to look"),
            style.ledger(
                "dormancy.sum-to-one",
                "dormancy.at-most-nine",
                "dormancy.scale-invariant-code",
                "dominance.definition-1",
                "dominance.definition-1-signed",
                "dominance.at-most-one",
            ),
            mo.md("The words are `ref/scores.py`, the network is `ref/nn.py`."),
            style.neighbours("01_neurons"),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
