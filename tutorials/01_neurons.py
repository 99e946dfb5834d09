"""Drag the weights of four neurons and watch them become dormant, dominant, saturated or zombie.

Everything is computed by `ref`: the network by `ref.nn`, the words by `ref.scores`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="What a layer does")

with app.setup(hide_code=True):
    import marimo as mo
    import numpy as np

    from ref import autograd as ag
    from ref import nn, scores
    from theory.claim import find
    from theory.decide import CLAIMS
    from tutorials import style

    COLOURS = [style.BLUE, style.VERMILION, style.GREEN, style.PURPLE]
    LAYERS = {  # w and b of the layer, v of what reads it
        "four healthy neurons": ((1, -1, 1.2, -0.8), (0.2, 0.1, -0.6, -0.5), (1, 1, -1, 0.5)),
        "a dominant neuron": ((3, -1, 0.5, -0.5), (4, -0.5, -0.3, 0), (0.4, 1, -1, 0.5)),
        "two saturated neurons": ((1, -1, 0.5, -1), (0.2, 0.1, -2.5, -3), (1, 1, -1, 0.5)),
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
    def _row(values, low, high):
        return mo.ui.array([mo.ui.slider(low, high, 0.1, value=v, show_value=True) for v in values])

    _w, _b, _v = start_ui.value
    w_ui, b_ui, v_ui = _row(_w, -4, 4), _row(_b, -5, 5), _row(_v, -3, 3)
    domain_ui = mo.ui.range_slider(
        -3, 3, 0.25, value=(-2, 2), show_value=True, label="$D$ from, to"
    )
    tau_ui = mo.ui.slider(0, 1, 0.05, value=0.1, show_value=True, label=r"$\tau$")
    _heads = [mo.md(f'<b style="color:{c}">neuron {i}</b>') for i, c in enumerate(COLOURS, 1)]
    _rows = [("", _heads), ("$w$", w_ui), ("$b$", b_ui), ("$v$", v_ui)]
    mo.vstack(
        [
            *(mo.hstack([mo.md(name), *cells], widths=[0.2, 1, 1, 1, 1]) for name, cells in _rows),
            mo.hstack([domain_ui, tau_ui], justify="start", gap=3),
        ]
    )
    return b_ui, domain_ui, tau_ui, v_ui, w_ui


@app.cell(hide_code=True)
def _(b_ui, domain_ui, tau_ui, v_ui, w_ui):
    w, b, v = w_ui.value, b_ui.value, v_ui.value
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
    style.show(cover, "Gates, scores and activations of four neurons, and the network's output")
    return (cover,)


@app.cell(hide_code=True)
def _(dominant, dormant, gradient, h, saturated, score, x, zombie):
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
        f"| {i + 1} | {_means[i]:.2f} | {'undefined' if np.isnan(score[i]) else f'{score[i]:.2f}'} "
        f"| {_through[i]:.2f} | {_words(i)} |"
        for i in range(4)
    )
    if saturated.all():
        told = (
            "Every neuron is saturated: the layer has **collapsed**. The network returns 0 on "
            "all of $D$ and no gradient gets through. No score is defined."
        )
    elif len(np.unique(x)) == 1:
        told = "$D$ is a single input: no gate can switch, and each is open or shut for good."
    elif (saturated | zombie).all():
        told = (
            "No gate switches inside of $D$: there $f$ is a **straight line**. Four neurons and "
            "three rows of weights do what one slope and one offset could do."
        )
    elif dominant.any():
        told = (
            f"Neuron {int(dominant.argmax()) + 1} is **dominant**: it is more active than all "
            "others together. What that does to the next layer is the subject of tutorial 3."
        )
    elif saturated.any():
        told = (
            "A saturated neuron returns 0 on all of $D$, and no gradient gets through its gate. "
            "Drag its $v$: inside of $D$ nothing changes."
        )
    elif zombie.any():
        told = (
            "The gate of a zombie is open on all of $D$. It still returns something and still "
            "learns, but it adds a straight line there and bends nothing."
        )
    elif (_through == 0).any():
        told = (
            f"Neuron {int(_through.argmin()) + 1} is active, but nobody reads it: its $v$ is 0, "
            "so it adds nothing to $f$ and no gradient gets to it."
        )
    else:
        told = "Every gate switches inside of $D$ and is read: the layer uses all it has."
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
    mo.vstack([style.claim(claim_ui.value), mo.hstack([drop_ui, find_ui], justify="start", gap=2)])
    return drop_ui, find_ui


@app.cell(hide_code=True)
def _(claim_ui, drop_ui, find_ui):
    wanted, without, pressed = claim_ui.value, drop_ui.value, find_ui.value
    return pressed, wanted, without


@app.cell(hide_code=True)
def _(pressed, wanted, without):
    with mo.status.spinner("Searching ..."):
        outcome = find(CLAIMS[wanted], without, examples=300) if pressed else None
    style.found(outcome, CLAIMS[wanted], without)
    return (outcome,)


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
    mo.md(r"""
    ## Exercises

    **1.** Four neurons have mean activations $a = (6, 1, 1, 0)$. What is the score of the first?
    """)
    return


@app.cell(hide_code=True)
def _():
    score_ui = mo.ui.number(value=None, step=0.01, label="$s_1 =$")
    score_ui
    return (score_ui,)


@app.cell(hide_code=True)
def _(score_ui):
    answer_1 = score_ui.value
    return (answer_1,)


@app.cell(hide_code=True)
def _(answer_1):
    right_1 = answer_1 == scores.activation_score(np.array([[6.0, 1, 1, 0]]))[0]
    style.answer(
        answer_1,
        right_1,
        "Divide by the *mean* of the four activations, not by their sum.",
        "It is above $N/2 = 2$, so this neuron is dominant: $6 > 1 + 1 + 0$.",
    )
    return (right_1,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **2.** A neuron can be $\tau$-dormant **and** a zombie: always on, yet hardly heard. Build one
    with the sliders at the top (any $\tau$ from 0.05 to 0.5).
    """)
    return


@app.cell(hide_code=True)
def _(dormant, tau, zombie):
    right_2 = bool((dormant & zombie).any() and 0.05 <= tau <= 0.5)
    style.answer(
        "built above",
        right_2,
        "Choose $\\tau$ from 0.05 to 0.5."
        if (dormant & zombie).any()
        else "None of your four is both. Give one neuron a small $w$ and a small positive $b$, and "
        "make another one large.",
        "ReDo, the subject of tutorial 6, would reset this neuron, though it is never silent.",
    )
    return (right_2,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **3.** You multiply all $w_i$ and $b_i$ of the layer by 1000. What changes?
    """)
    return


@app.cell(hide_code=True)
def _():
    change_ui = mo.ui.dropdown(
        ["the scores and the gates", "the scores only", "the gates only", "neither of the two"]
    )
    change_ui
    return (change_ui,)


@app.cell(hide_code=True)
def _(change_ui):
    answer_3 = change_ui.value
    return (answer_3,)


@app.cell(hide_code=True)
def _(answer_3):
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
    style.answer(
        answer_3,
        right_3,
        "Try it above with a factor of 2: which bars move, which gates?",
        "Numerator and denominator of a score grow alike, and signs stay. Public code adds "
        "$10^{-9}$ to the denominator, and there a layer near 0 is called dormant as a whole.",
    )
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
        ]
    )
    return


if __name__ == "__main__":
    app.run()
