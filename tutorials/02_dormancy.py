"""When is a dormant neuron one without a gradient? Pick an activation and compare two sets.

The mathematics is `theory.dormancy`: the two sets of every activation, the claims of the papers.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Dormant, or without a gradient?",
    html_head_file="head.html",
)

with app.setup(hide_code=True):
    import math
    from fractions import Fraction

    import marimo as mo
    import numpy as np

    from theory import dormancy
    from theory.decide import CLAIMS
    from tutorials import style
    from tutorials.exercises import exercises, hand_in

    CLAIMS_HERE = [
        "dormancy.ocp-theorem-1",
        "dormancy.ocp-theorem-1-converse",
        "dormancy.ocp-theorem-1-region",
        "dormancy.keeps-dormant",
        "dormancy.ocp-star",
        "dormancy.once-dormant",
        "dormancy.absorbing",
        "dormancy.zero-gradient-optimum",
    ]
    LOW, HIGH = -4, 8  # what is drawn of the line


@app.cell(hide_code=True)
def _():
    predicted_ui = style.predict(
        "Is there an activation with a neuron that is dormant and can still learn, or one that is "
        "active and cannot?",
        "no: dormant means without a gradient",
        "one of the two",
        "both",
    )
    mo.vstack(
        [
            mo.md(r"""
    # Dormant, or without a gradient?

    A **dormant** neuron returns nothing but 0: $\mathbb{E}\,|h(x)| = 0$ (tutorial 1's $\tau$ is 0
    here). A neuron **without a gradient** is told nothing by any loss $L$:
    $\partial L/\partial w = \partial L/\partial b = 0$ for all of them. *ReDo* looks for the first
    and resets it, *GraMa* argues for looking for the second, and *Rethinking Plasticity* (in short:
    OCP) has a theorem which is to say that they are the same. Here you find out when they are.

    A neuron is $h(x) = \varphi(wx + b)$. All depends on two sets of numbers:

    $$Z = \{z : \varphi(z) = 0\}, \qquad K = \{z : \varphi'(z) = 0\},$$

    where $\varphi'$ is what automatic differentiation returns, also at a kink. The neuron is
    dormant exactly if its pre-activation $z = wx + b$ always lies in $Z$, and has no gradient
    exactly if $z$ always lies in $K$.

    OCP states its equivalence of another gradient, that by the **input**,
    $\nabla_x h = \varphi'(z)\,w$. Its Theorem 1 says that dormant is the same as
    $\nabla_x h = 0$ everywhere and $h = 0$ somewhere, for any smooth $\varphi$:
    """),
            style.claim("dormancy.ocp-theorem-1", verdict=False),
            mo.md("## Predict, then play"),
            predicted_ui,
        ]
    )
    return (predicted_ui,)


@app.cell(hide_code=True)
def _():
    phi_ui = mo.ui.dropdown(
        [*dormancy.activations.ACTIVATIONS], value="ReLU, φ'(0) = 0", label=r"Activation $\varphi$"
    )
    w_ui = mo.ui.slider(-3, 3, 0.25, value=1, show_value=True, label="$w$")
    b_ui = mo.ui.slider(-4, 8, 0.25, value=-2, show_value=True, label="$b$")
    domain_ui = mo.ui.range_slider(
        -2, 2, 0.25, value=(-1, 1), show_value=True, label="inputs $x$ from, to"
    )
    mo.vstack([phi_ui, mo.hstack([w_ui, b_ui, domain_ui], justify="start", gap=2, wrap=True)])
    return b_ui, domain_ui, phi_ui, w_ui


@app.cell(hide_code=True)
def _(b_ui, domain_ui, phi_ui, w_ui):
    name, w, b, domain = phi_ui.value, w_ui.value, b_ui.value, domain_ui.value
    return b, domain, name, w


@app.cell(hide_code=True)
def _(b, domain, name, w):
    # Sliders move in quarters, so all of this is exact: no rounding decides what is zero.
    phi = dormancy.activations.PHI[name]
    neuron = dormancy.activations.Neuron(
        name, Fraction(w), Fraction(b), (dormancy.activations.over(*map(Fraction, domain)),)
    )
    dormant = dormancy.activations.dormant(neuron)  # z(x) ∈ Z almost surely
    flat = dormancy.training.flat_in_parameters(neuron)  # z(x) ∈ K almost surely
    mo.show_code()
    return dormant, flat, neuron, phi


@app.cell(hide_code=True)
def _(domain, name, neuron, phi):
    cover, _axes = style.figure(
        2, 2, height=4.6, gridspec_kw={"height_ratios": [2.4, 1], "width_ratios": [1.5, 1]}
    )
    (_top, _right), (_sets, _text) = _axes
    _z = np.linspace(LOW, HIGH, 601).tolist()
    _top.plot(_z, [float(phi.value(t)) for t in _z], color=style.BLUE, label=r"$\varphi(z)$")
    _top.plot(_z, [float(phi.slope(t)) for t in _z], color=style.VERMILION, label=r"$\varphi'(z)$")
    _ends = dormancy.activations.images(neuron, neuron.law)[0]
    for _where in (_top, _sets):
        _where.axvspan(*map(float, _ends), color=style.YELLOW, alpha=0.4, linewidth=0)
        if _ends[0] == _ends[1]:
            _where.axvline(float(_ends[0]), color=style.YELLOW, linewidth=3, zorder=0)
        _where.set_xlim(LOW, HIGH)
    _top.set_ylim(-1.2, 3)
    _top.legend(loc="upper left")
    _top.set_title(name)
    for _y, _spans, _c in ((1, phi.zeros, style.BLUE), (0, phi.flats, style.VERMILION)):
        for _s in _spans:
            _lo, _hi = max(float(_s.lo), LOW), min(float(_s.hi), HIGH)
            _sets.plot((_lo, _hi), (_y, _y), color=_c, linewidth=7, solid_capstyle="butt")
            _sets.plot([_lo] if _hi - _lo < 0.01 else [], [_y] * (_hi - _lo < 0.01), "o", color=_c)
    _sets.set(ylim=(-0.7, 1.7), yticks=(0, 1), xlabel="$z$  (yellow: where this neuron's $z$ goes)")
    _sets.set_yticklabels(["K", "Z"])
    _x = np.linspace(*map(float, domain), 301)
    _zx = (float(neuron.w) * _x + float(neuron.b)).tolist()
    _h, _slope = ([float(of(t)) for t in _zx] for of in (phi.value, phi.slope))
    _right.plot(_x, _h, color=style.BLUE)
    _right.plot(_x, _slope, "--", color=style.VERMILION)
    _right.set_ylim(min(-0.6, *_h, *_slope) - 0.1, max(1.4, *_h, *_slope) + 0.1)
    _right.set(title="this neuron: $h$ and $\\partial h / \\partial b$", xlabel="$x$", xlim=(-2, 2))
    _text.axis("off")
    _text.text(
        0, 0.75, f"Z = {dormancy.activations.union(phi.zeros)}", color=style.BLUE, va="center"
    )
    _text.text(
        0, 0.3, f"K = {dormancy.activations.union(phi.flats)}", color=style.VERMILION, va="center"
    )
    style.show(cover, f"{name}, its derivative, where each is zero, and where the neuron's z goes")
    return (cover,)


@app.cell(hide_code=True)
def _(dormant, flat, predicted_ui):
    told = {
        (True, True): "**Dormant, and without a gradient.** Here both words mean the same.",
        (False, False): "**Active, and it learns.** Here both words mean the same: neither holds.",
        (
            True,
            False,
        ): "**Dormant, but it has a gradient:** it returns nothing and can still learn. "
        "A method that resets dormant neurons resets it all the same.",
        (False, True): "**Active, but without a gradient:** it is stuck at a constant that is not "
        "0. A method that looks for dormant neurons does not see it.",
    }[dormant, flat]
    _told = mo.callout(mo.md(told), kind="success" if dormant == flat else "warn")
    if dormant == flat:
        _next = mo.md(
            "Choose other activations, and move $w$ and $b$ until the two words part company."
        )
    else:
        _next = style.reveal(
            predicted_ui.value,
            "both",
            "each occurs: tanh with $w = b = 0$ is dormant and can learn, ReLU6 beyond 6 is active "
            "and cannot. All turns on whether $Z = K$.",
        )
    mo.vstack([_told, _next])
    return (told,)


@app.cell(hide_code=True)
def _():
    _rows = "\n".join(
        f"| {name} | {zeros} | {flats} | {verdict} |"
        for name, zeros, flats, verdict in dormancy.activations.table()
    )
    mo.accordion(
        {
            "The two sets of every activation": mo.md(
                "| activation | Z | K | dormant ⇔ no gradient |\n|:--|:--|:--|:--|\n" + _rows
            )
        }
    )
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md(r"""
    ## The theorem as printed

    It has two directions. Which of them holds? Search, and see.
    """),
            style.claim("dormancy.ocp-theorem-1", verdict=False),
            style.claim("dormancy.ocp-theorem-1-converse", verdict=False),
            mo.md(r"""
    ## Break it

    Choose a statement, drop an assumption if you like, and let the machine search, few inputs
    first and with exact fractions for all numbers: what it finds can be checked by hand.
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
    mo.vstack(
        [
            mo.md(r"""
    ## What is true

    Ask about the gradient that training follows, $\partial h/\partial w = \varphi'(z)\,x$ and
    $\partial h/\partial b = \varphi'(z)$. Then all assumptions on inputs and smoothness fall away,
    and one remains, on the activation alone: $Z = K$. Dormant means $z \in Z$ almost surely (with
    probability 1), no gradient means $z \in K$ almost surely. There is nothing else in the proof.
    """),
            style.claim("dormancy.ocp-star"),
            style.proof("dormancy.ocp-star"),
            mo.md("And the assumption is needed for every single activation:"),
            style.claim("dormancy.ocp-star-only"),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Necessity: once dormant, always dormant?

    A ReLU neuron that is off on all inputs gets no gradient. Does it stay off for ever? Yes, if
    nothing else moves it or its inputs. Two neurons read $a = \mathrm{relu}(v)$, what a layer below
    returns, and are trained by SGD; neuron 1 starts dormant. Take away one condition and watch it
    wake up (each is the stored counterexample of `dormancy.absorbing`).
    """)
    return


@app.cell(hide_code=True)
def _():
    _absorbing = CLAIMS["dormancy.absorbing"]
    broken_ui = mo.ui.dropdown(
        {f"{a.name}: {a.says}": a.name for a in _absorbing.given if a.name != "dormant"},
        value=next(f"{a.name}: {a.says}" for a in _absorbing.given if a.name == "frozen inputs"),
        label="Take away",
    )
    steps_ui = mo.ui.slider(1, 5, 1, value=3, show_value=True, label="steps of SGD")
    mo.hstack([broken_ui, steps_ui], justify="start", gap=2, wrap=True)
    return broken_ui, steps_ui


@app.cell(hide_code=True)
def _(broken_ui, steps_ui):
    broken, steps = broken_ui.value, steps_ui.value
    return broken, steps


@app.cell(hide_code=True)
def _(broken, steps):
    life = [CLAIMS["dormancy.absorbing"].needs[broken]]
    for _ in range(steps):
        life.append(dormancy.training.trained(life[-1]))
    _phi = dormancy.activations.PHI[life[0].phi].value
    _drawing, (_left, _right) = style.figure(1, 2, height=2.8)
    _time = range(steps + 1)
    _received = [[float(z) for z in dormancy.training.preactivations(step)] for step in life]
    for _i, _c in ((0, style.VERMILION), (1, style.GREY)):
        _label = f"neuron {_i + 1}"
        _left.plot(_time, [z[_i] for z in _received], "o-", color=_c, label=_label)
        _right.plot(_time, [float(_phi(z[_i])) for z in _received], "o-", color=_c, label=_label)
    _left.axhline(0, color=style.BLACK, linewidth=0.8)
    _left.set(title="it receives $z$", xlabel="step", xticks=_time)
    _right.set(title=r"it returns $h = \varphi(z)$", xlabel="step", xticks=_time)
    _right.legend()
    _woke = next((t for t in _time if _phi(_received[t][0]) != 0), None)
    woken = "It stays dormant." if _woke is None else f"Neuron 1 wakes up at step {_woke}."
    mo.vstack([style.show(_drawing, woken), mo.md(f"**{woken}** At first: {life[0]}")])
    return life, woken


@app.cell(hide_code=True)
def _():
    mo.vstack([style.claim("dormancy.absorbing"), style.proof("dormancy.absorbing")])
    return


@app.cell(hide_code=True)
def _():
    task_1, task_2, task_3 = exercises("02_dormancy")
    set_ui = mo.ui.dropdown(["ReLU6", "LeakyReLU", "ReLU²", "GELU"], label="The activation")
    mo.vstack([mo.md("## Exercises"), task_1.asked(), set_ui])
    return set_ui, task_1, task_2, task_3


@app.cell(hide_code=True)
def _(set_ui):
    answer_1 = set_ui.value
    return (answer_1,)


@app.cell(hide_code=True)
def _(answer_1, task_1):
    _phi = dormancy.activations.PHI.get(answer_1)
    right_1 = _phi is not None and _phi.zeros == _phi.flats
    task_1.check(answer_1, right_1)
    return (right_1,)


@app.cell(hide_code=True)
def _(task_2):
    root_ui = mo.ui.text(label="$z =$")
    mo.vstack([task_2.asked(), root_ui])
    return (root_ui,)


@app.cell(hide_code=True)
def _(root_ui, task_2):
    answer_2 = task_2.read(root_ui.value)
    return (answer_2,)


@app.cell(hide_code=True)
def _(answer_2, task_2):
    _root = float(dormancy.activations.PHI["GELU"].flats[0].lo)
    right_2 = answer_2 is not None and math.isclose(answer_2, _root, abs_tol=0.0051)
    task_2.check(answer_2, right_2)
    return (right_2,)


@app.cell(hide_code=True)
def _(task_3):
    built_ui = hand_in()
    mo.vstack([task_3.asked(), built_ui])
    return (built_ui,)


@app.cell(hide_code=True)
def _(built_ui, domain, dormant, flat, task_3):
    right_3 = flat and not dormant and domain[0] < domain[1]
    task_3.check(built_ui.value, right_3)
    return (right_3,)


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("## What the paper says, what is true, where to look"),
            style.ledger(
                "dormancy.ocp-lemma-1",
                "dormancy.ocp-lemma-2",
                "dormancy.ocp-lemma-3",
                "dormancy.ocp-theorem-1",
                "dormancy.ocp-theorem-1-converse",
                "dormancy.keeps-dormant",
                "dormancy.once-dormant",
                "dormancy.zero-gradient-optimum",
                "dormancy.magi-printed",
            ),
            mo.md(
                "MAGI is OCP's own score of a neuron: the mean absolute gradient of its incoming "
                "weights. The two sets of each activation are `dormancy.ACTIVATIONS`."
            ),
            style.neighbours("02_dormancy"),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
