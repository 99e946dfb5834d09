"""A theorem about dominant neurons fails in front of you, and is repaired by one inequality.

The mathematics is `theory.dominance`: Theorem 1, every line of its proof, and what repairs it.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="What a dominant neuron does to the next layer",
    html_head_file="head.html",
)

with app.setup(hide_code=True):
    from dataclasses import replace
    from fractions import Fraction

    import marimo as mo
    import matplotlib.colors
    import numpy as np

    from ref import scores
    from theory import dominance
    from theory.claim import admits
    from theory.decide import CLAIMS
    from tutorials import style
    from tutorials.exercises import exercises, hand_in

    CLAIMS_HERE = [
        "dominance.theorem-1",
        "dominance.theorem-1-everywhere",
        "dominance.theorem-1-absolute",
        "dominance.pointwise-ratio",
        "dominance.pointwise",
        "dominance.expectation-ratio",
        "dominance.last-line",
        "dominance.bias-remark",
        "dominance.one-step-kill",
        "dominance.all-die",
        "dominance.some-survive",
    ]
    INPUTS, NEXT = 24, 20  # inputs of D, neurons of layer k + 1


@app.cell(hide_code=True)
def _():
    predicted_ui = style.predict(
        "Neuron 1 is dominant at all of this. Let it be off at one input in eight, and be as loud "
        "as before elsewhere. Will a neuron that fulfils Theorem 1 (marked T) be mixed?",
        "no: it is still dominant",
        "yes, some",
    )
    mo.vstack(
        [
            mo.md(r"""
    # What a dominant neuron does to the next layer

    Neuron $m$ of layer $k+1$ receives
    $z_m = w_{1m}\, g_1 + w_{2m}\, g_2 + \dots + w_{Nm}\, g_N + b$, where $g_1, \dots, g_N \ge 0$
    are the activations of layer $k$, and is on where $z_m > 0$. It is **saturated** if it is on at
    no input, a **zombie** if it is on at all of them, and **mixed** otherwise: only mixed neurons
    make a network more than a linear map.

    In layer $k$ neuron 1 is **dominant**: more active on average than all others together. Its
    score $u_1$ (tutorial 1 writes $s_1$; this is the paper's letter) is above $N/2$. *Neuron
    Dominance* says in its Theorem 1:
    """),
            style.claim("dominance.theorem-1", verdict=False),
            mo.md(r"""
    ## Predict, then play

    Below is such a layer $k$, and twenty neurons above it. Those marked T fulfil all that the
    theorem asks for, and none of them is mixed: it is right about this layer.
    """),
            predicted_ui,
        ]
    )
    return (predicted_ui,)


@app.cell(hide_code=True)
def _():
    get_loaded, set_loaded = mo.state(None)  # a counterexample, until a slider moves

    def _slider(low, high, step, value, label):
        return mo.ui.slider(
            low,
            high,
            step,
            value=value,
            show_value=True,
            label=label,
            on_change=lambda _: set_loaded(None),
        )

    width_ui = _slider(2, 8, 1, 5, "width $N$")
    factor_ui = _slider(0, 40, 1, 12, "neuron 1 is louder by")
    on_ui = _slider(0, 1, 0.125, 1, "share of inputs where it is on")
    spread_ui = _slider(0, 4, 0.25, 1, "size of the other weights")
    bias_ui = _slider(-4, 4, 0.5, 0, "bias $b$")
    seed_ui = _slider(0, 9, 1, 0, "draw")
    mo.vstack(
        [
            mo.hstack([on_ui, factor_ui, width_ui], justify="start", gap=2, wrap=True),
            mo.hstack([spread_ui, bias_ui, seed_ui], justify="start", gap=2, wrap=True),
        ]
    )
    return (
        bias_ui,
        factor_ui,
        get_loaded,
        on_ui,
        seed_ui,
        set_loaded,
        spread_ui,
        width_ui,
    )


@app.cell(hide_code=True)
def _(bias_ui, factor_ui, on_ui, seed_ui, spread_ui, width_ui):
    width, factor, on = width_ui.value, factor_ui.value, on_ui.value
    spread, bias, seed = spread_ui.value, bias_ui.value, seed_ui.value
    return bias, factor, on, seed, spread, width


@app.cell(hide_code=True)
def _(bias, factor, get_loaded, on, seed, spread, width):
    # Small fractions, so that all that follows is exact.
    _draw = np.random.default_rng(seed)
    _g = _draw.integers(1, 9, (INPUTS, width)) * (_draw.random((INPUTS, width)) < 0.6)
    _g[:, 0] = factor * _draw.integers(3, 6, INPUTS) * (np.arange(INPUTS) < on * INPUTS)
    _first = _draw.integers(2, 5, NEXT) * _draw.choice([-1, 1], NEXT)
    _others = Fraction(spread) * _draw.integers(-4, 5, (NEXT, width - 1))
    g = tuple(tuple(Fraction(int(e), 4) for e in row) for row in _g)
    neurons = [  # of layer k + 1, each with the whole of layer k below it
        dominance.layer.Neuron(g, (Fraction(int(a), 4), *(e / 4 for e in rest)), Fraction(bias))
        for a, rest in zip(_first, _others.tolist(), strict=True)
    ]
    loaded = get_loaded()
    if loaded is not None:
        g, neurons = loaded.g, [loaded]
    return g, loaded, neurons


@app.cell(hide_code=True)
def _(g, neurons):
    score = scores.activation_score(np.array(g))  # NaN if all of layer k is dead
    received = [dominance.layer.preactivations(n) for n in neurons]
    kinds = []
    for _z in received:
        saturated, zombie = (of(_z[:, None])[0] for of in (scores.saturated, scores.zombie))
        kinds.append("saturated" if saturated else "zombie" if zombie else "mixed")
    asked = [admits(CLAIMS["dominance.theorem-1"], n) for n in neurons]  # all that it asks for
    repaired = [admits(CLAIMS["dominance.pointwise"], n) for n in neurons]  # what it should ask
    mo.show_code()
    return asked, kinds, received, repaired, score


@app.cell(hide_code=True)
def _(asked, g, kinds, neurons, received, score):
    _rows, _inputs, _width = len(neurons), len(g), len(g[0])
    _order = sorted(range(_rows), key=lambda m: (kinds[m], neurons[m].w[0]))
    _on = np.array([[z > 0 for z in received[m]] for m in _order], dtype=float)
    cover, (_bars, _gates) = style.figure(
        1, 2, height=1.6 + 3 * _rows / NEXT, gridspec_kw={"width_ratios": [1, 2.2]}
    )
    _alive = score[0] == score[0]
    _bars.barh(range(1, _width + 1), [float(u) if _alive else 0 for u in score], height=0.65)
    _half = float(dominance.layer.threshold(_width, Fraction(1)))
    _bars.axvline(_half, color=style.BLACK, linestyle="--", linewidth=1)
    _bars.text(_half, 0.3, "N/2", ha="center", va="bottom")
    _bars.set(xlim=(0, _width), ylim=(_width + 0.6, 0.3), yticks=range(1, _width + 1))
    _bars.set_title("layer $k$: scores $u_i$\n")
    _bars.set_ylabel("neuron")
    if not _alive:
        _bars.text(_width / 2, _width / 2, "undefined: a dead layer", ha="center")
    _map = matplotlib.colors.ListedColormap(["#d9d9d9", style.ORANGE])
    _gates.pcolormesh(_on, cmap=_map, vmin=0, vmax=1, edgecolors="white", linewidth=0.6)
    _gates.set(ylim=(_rows, 0), xlim=(-0.05 * _inputs, 1.2 * _inputs), xticks=[], yticks=[])
    _break = "\n" if style.narrow() else " "
    _gates.set_title(
        f"layer $k+1$: open gates (orange),{_break}one row a neuron, one column an input\n"
    )
    _gates.grid(False)
    _gates.spines[:].set_visible(False)
    for _row, _m in enumerate(_order):
        _gates.text(1.02 * _inputs, _row + 0.55, kinds[_m], va="center", fontsize=8.5)
        _gates.text(
            -0.012 * _inputs, _row + 0.55, "T" * asked[_m], va="center", ha="right", fontsize=8.5
        )
    _gates.set_xlabel("T: all that Theorem 1 asks for is there")
    _count = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("saturated", "zombie", "mixed"))
    style.show(
        cover,
        f"Layer k: neuron 1 of {_width} has score {float(score[0]):.2f}. Layer k + 1, at {_inputs} "
        f"inputs: {_count}; {sum(asked)} fulfil Theorem 1",
    )
    return (cover,)


@app.cell(hide_code=True)
def _(asked, g, kinds, loaded, neurons, predicted_ui, repaired, score):
    _many, _width = len(neurons), len(g[0])
    failures = [m for m in range(_many) if asked[m] and kinds[m] == "mixed"]
    kept = [m for m in range(_many) if repaired[m]]
    _dominant = float(score[0]) > dominance.layer.threshold(_width, Fraction(1))
    if not any(score == score):
        _told = "Layer $k$ is dead: it has no scores, and no neuron in it is dominant."
    elif not _dominant:
        _told = (
            f"Neuron 1 has score {float(score[0]):.2f}, which is not above $N/2$: it is not "
            "dominant, and Theorem 1 says nothing."
        )
    elif neurons[0].b:
        _told = "Theorem 1 asks for $b = 0$, so it says nothing here."
    elif not any(asked):
        _told = "Neuron 1 is dominant, but no neuron has the weights that Theorem 1 asks for."
    else:
        _told = (
            f"Neuron 1 is dominant: $u_1 = {float(score[0]):.2f} > N/2$. {sum(asked)} of the "
            f"{_many} neurons have the weights that Theorem 1 asks for (T). Of a layer of these "
            "alone it says that all are saturated or zombies. "
            f"**{len(failures)} of them are mixed**"
            + (": each is a counterexample." if failures else ": it is right about this layer.")
        )
    _mixed = sum(kinds[m] == "mixed" for m in kept)
    _repair = "The repaired condition (below) holds of " + (
        f"{len(kept)} neurons, and {_mixed or 'none'} of those {'are' if _mixed else 'is'} mixed."
        if kept
        else "none."
    )
    if loaded is not None:
        _told = f"**The counterexample that the search below found, in this figure.** {_told}"
    _says = f"{_told} {_repair}" if predicted_ui.value else _told
    _cards = [mo.callout(mo.md(_says), kind="danger" if failures else "neutral")]
    if failures and not loaded:
        _cards.append(
            style.reveal(
                predicted_ui.value,
                "yes, some",
                f"neuron 1 is as dominant as the theorem asks for, and {len(failures)} neurons are "
                "mixed. Where neuron 1 is off the others decide.",
            )
        )
    if failures:
        _lines = CLAIMS["dominance.theorem-1"].steps(neurons[failures[0]])
        _cards.append(
            mo.accordion(
                {"The first of them, by hand": mo.md("```text\n" + "\n".join(_lines) + "\n```")}
            )
        )
    mo.vstack(_cards)
    return failures, kept


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md(r"""
    *Try:* put the share of inputs back to 1, and make the other weights four times as large: some
    are mixed again, until neuron 1 is louder still.

    ## Break it

    Let the machine look for the smallest counterexample to the theorem as printed: few neurons and
    inputs first, and it is loaded into the figure above. Then try the others: the second and the
    third ask for more, then come repairs, what is true of means, two sentences from the paper's
    proof, and what is said further below of gradient steps. Drop an assumption, or none.
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
def _(get_step, search, set_loaded):
    get_step()
    _outcome = search and search.outcome
    if _outcome and isinstance(_outcome.violation, dominance.layer.Neuron):
        set_loaded(_outcome.violation)
    mo.vstack(
        [style.searched(search)]
        + ([style.proof(search.claim.id)] if _outcome and search.without is None else [])
    )
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md(r"""
    ## What is true

    An average says nothing about a single input, and an average of signed weights nothing about
    their sizes. One inequality is all there is to it: the sign of $w_1$ prevails by at least the
    **margin** $Y = |w_1|\, g_1 - \sum_{j \ge 2} |w_j|\, g_j - |b|$. At an input where the margin is
    positive, neuron 1 decides. If it is positive at every input, what the theorem says is true.
    """),
            style.claim("dominance.pointwise"),
            style.proof("dominance.pointwise"),
            style.claim("dominance.pointwise-ratio"),
            style.proof("dominance.pointwise-ratio"),
            mo.md(r"""
    And the threshold $N/2$ is not arbitrary: for $|w_j| \le |w_1|$ and $b = 0$, which is $\rho = 1$
    here, it is exactly right, as a statement on the **mean** pre-activation.
    """),
            style.claim("dominance.expectation-ratio"),
            style.claim("dominance.threshold-sharp"),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## One gradient step that kills a layer

    Why would a whole layer become saturated? The paper looks at gradient descent on the squared
    error, here at a single input: one step moves the $z$ of a neuron of layer $k+1$ that is on by
    $-\alpha\, r\, v\, \Gamma$, with $r = \hat y - y$ the error, $v$ its outgoing weight and
    $\Gamma = \|g\|^2$. If $r v > 0$, $z$ falls. A loud neuron 1 makes $\Gamma$ large, and so a
    small step size $\alpha$ enough to push $z$ to 0 or below, where no gradient brings it back: the
    neuron **dies**. Here two neurons with $v = (1, -\tfrac12)$ read $g = (g_1, 1)$.
    """)
    return


@app.cell(hide_code=True)
def _():
    loud_ui = mo.ui.slider(1, 8, 0.5, value=2, show_value=True, label="$g_1$")
    target_ui = mo.ui.slider(-4, 6, 0.5, value=-1, show_value=True, label="target $y$")
    rate_ui = mo.ui.slider(
        0.015625, 1, 0.015625, value=0.125, show_value=True, label=r"step size $\alpha$"
    )
    mo.hstack([loud_ui, target_ui, rate_ui], justify="start", gap=2, wrap=True)
    return loud_ui, rate_ui, target_ui


@app.cell(hide_code=True)
def _(loud_ui, rate_ui, target_ui):
    loud, target, rate = loud_ui.value, target_ui.value, rate_ui.value
    return loud, rate, target


@app.cell(hide_code=True)
def _(loud, rate, target):
    _w = ((Fraction(1), Fraction(1, 2)), (Fraction(1), Fraction(1)))
    start = dominance.rates.Step(
        (Fraction(loud), Fraction(1)),
        _w,
        (Fraction(1), Fraction(-1, 2)),
        Fraction(target),
        Fraction(rate),
    )
    run = [start]
    for _ in range(12):
        run.append(dominance.rates.update(run[-1]))
    _before = dominance.rates.inner(start)
    _after = dominance.rates.inner(dominance.rates.update(replace(start, alpha=Fraction(1))))
    critical = [a / (a - b) if b < a else None for a, b in zip(_before, _after, strict=True)]
    survivors, fitted = dominance.rates.fate(start)
    return critical, fitted, run, start, survivors


@app.cell(hide_code=True)
def _(critical, rate, run, start, survivors):
    _drawing, (_one, _many) = style.figure(1, 2, height=3.1)
    _top = max(1.0, rate * 1.1)
    for _j, _c in ((0, style.BLUE), (1, style.VERMILION)):
        _last = dominance.rates.update(replace(start, alpha=Fraction(_top)))
        _ends = [dominance.rates.inner(step)[_j] for step in (start, _last)]
        _one.plot((0, _top), list(map(float, _ends)), color=_c, label=f"$z_{_j + 1}$")
        if critical[_j] is not None and critical[_j] <= _top:
            _one.plot([float(critical[_j])], [0], "o", color=_c, markersize=8)
        _path = [float(dominance.rates.inner(s)[_j]) for s in run]
        _many.plot(range(len(run)), np.clip(_path, -30, 30), "o-", color=_c, markersize=4)
    _height = max(3.0, *(2.0 * float(z) for z in dominance.rates.inner(start)))
    _one.axvline(rate, color=style.BLACK, linestyle="--", linewidth=1)
    _one.axhline(0, color=style.BLACK, linewidth=0.8)
    _one.set(title="after one step, by step size", xlabel=r"$\alpha$", ylim=(-_height, _height))
    _one.legend(loc="upper right")
    _many.axhline(0, color=style.BLACK, linewidth=0.8)
    _many.set(title=f"$z$ along 12 steps at $\\alpha$ = {rate:g}", xlabel="step")
    _words = [
        f"neuron {j + 1} is not pushed down at any $\\alpha$"
        if a is None
        else f"neuron {j + 1} dies from $\\alpha$ = {float(a):.3f} on"
        for j, a in enumerate(critical)
    ]
    _alive = " and ".join(str(j + 1) for j in sorted(survivors)) or "none"
    mo.vstack(
        [
            style.show(_drawing, "Pre-activations after one step, and along twelve steps"),
            mo.md(
                f"In the first step: {'; '.join(_words)}. Whatever the number of steps at this "
                f"$\\alpha$: **active for ever: {_alive}.**"
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            style.claim("dominance.rate-eventually"),
            mo.md("What is true of one step, and of many:"),
            style.claim("dominance.one-step-kill"),
            style.claim("dominance.all-die"),
            style.proof("dominance.all-die"),
            style.claim("dominance.some-survive"),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    task_1, task_2, task_3 = exercises("03_dominance")
    largest_ui = mo.ui.text(label="$c =$")
    mo.vstack([mo.md("## Exercises"), task_1.asked(), largest_ui])
    return largest_ui, task_1, task_2, task_3


@app.cell(hide_code=True)
def _(largest_ui, task_1):
    answer_1 = task_1.read(largest_ui.value)
    return (answer_1,)


@app.cell(hide_code=True)
def _(answer_1, task_1):
    def _prevails(c):
        return dominance.repaired.follows_everywhere(
            dominance.layer.Neuron(((4, 1), (3, 2)), (Fraction(1), Fraction(str(-c))))
        )

    right_1 = bool(answer_1) and _prevails(answer_1 - 0.001) and not _prevails(answer_1)
    task_1.check(answer_1, right_1)
    return (right_1,)


@app.cell(hide_code=True)
def _(task_2):
    step_ui = mo.ui.text(label=r"$\alpha =$")
    mo.vstack([task_2.asked(), step_ui])
    return (step_ui,)


@app.cell(hide_code=True)
def _(step_ui, task_2):
    answer_2 = task_2.read(step_ui.value)
    return (answer_2,)


@app.cell(hide_code=True)
def _(answer_2, task_2):
    def _after(rate):
        return dominance.rates.inner(
            dominance.rates.update(dominance.rates.start([2, 1], [[1, 1]], [1], 0, rate))
        )[0]

    right_2 = bool(answer_2) and answer_2 > 0 and _after(Fraction(answer_2)) == 0
    task_2.check(answer_2, right_2)
    return (right_2,)


@app.cell(hide_code=True)
def _(task_3):
    built_ui = hand_in()
    mo.vstack([task_3.asked(), built_ui])
    return (built_ui,)


@app.cell(hide_code=True)
def _(built_ui, failures, loaded, on, task_3, width):
    right_3 = loaded is None and bool(failures) and on == 1 and width >= 3
    task_3.check(built_ui.value, right_3)
    return (right_3,)


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("## What the paper says, what is true, where to look"),
            style.ledger(
                "dominance.theorem-1",
                "dominance.line-1",
                "dominance.last-line",
                "dominance.bias-remark",
                "dominance.rate-sign",
                "dominance.rate-eventually",
                "dominance.gradient-below",
            ),
            style.neighbours("03_dominance"),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
