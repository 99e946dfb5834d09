"""How the gradients of this project are made: read the file line by line, derive a row of its
table, check it by random projection, and add a primitive of your own.

`ref/autograd.py`, on which everything in ref and theory stands.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Automatic differentiation, line by line",
    html_head_file="head.html",
)

with app.setup(hide_code=True):
    import html
    import inspect
    from fractions import Fraction
    from itertools import takewhile

    import hypothesis.strategies as st
    import marimo as mo
    import numpy as np

    from ref import autograd as ag
    from theory.claim import Assumption, Claim, find
    from tutorials import style, typed
    from tutorials.exercises import exercises

    # Where a pull is tried: both sides of the kinks that activations have, far out and near 0.
    SIZES = (0.5, 1.0, 2.5, 3.0, 3.5, 6.0, 6.5, 40.0, 1e-6, 1e3, 1e6)
    POINTS = np.array([0.0, *SIZES, *(-size for size in SIZES)])
    NAMES = {p: name for name, p in vars(ag).items() if isinstance(p, ag.Primitive)}
    SMOOTH = ("exp", "tanh", "erf", "sigmoid", "softplus", "log", "sqrt")
    KINKED = ("relu", "leaky_relu", "elu")
    TWO_NUMBERS = r"""$$\underbrace{\langle \mathrm{pull}(w),\, v \rangle}_{\text{by the table}}
    \quad\text{and}\quad \underbrace{\frac{\langle w, f(a + \varepsilon v)\rangle -
    \langle w, f(a - \varepsilon v)\rangle}{2 \varepsilon}}_{\text{by trying it}} .$$"""


@app.function(hide_code=True)
def row_of(name):
    """The row of the table in ref/autograd.py that defines a primitive, as it stands there."""
    lines = inspect.getsource(ag).splitlines()
    first = next(i for i, line in enumerate(lines) if line.split()[:1] in ([name], [f"{name}:"]))
    rest = takewhile(lambda line: line.startswith(" " * 20), lines[first + 1 :])
    return "\n".join([lines[first], *rest])


@app.function(hide_code=True)
def code(text):
    return mo.md(f"```python\n{text.rstrip()}\n```")


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Automatic differentiation, line by line

    Every network in these tutorials gets its gradients from one file, `ref/autograd.py`. It fits on
    a few screens, and there is no magic in it: a computation leaves a **graph** behind, and a walk
    back through the graph multiplies small derivatives. You will

    - watch a gradient walk back through a graph, node by node;
    - read the file, with a word on every part;
    - derive one row of its table with pencil and paper, and **check it by random projection**;
    - write a primitive of your own, and let the machine look for an input at which it is wrong.

    The one idea: for $y = f(a)$ we are handed $g = \partial L / \partial y$, and must give back
    $\partial L / \partial a$. The function $g \mapsto \partial L/\partial a$ is called the
    **pull** of $f$. It is linear in $g$, a row vector times the Jacobian, and no Jacobian is
    ever written down.
    """)
    return


@app.cell(hide_code=True)
def _():
    formulas = {
        "a·b + tanh(a)": lambda a, b: a * b + ag.tanh(a),
        "log(exp(a) + exp(b))": lambda a, b: ag.log(ag.exp(a) + ag.exp(b)),
        "relu(a - b) · a": lambda a, b: ag.relu(a - b) * a,
        "mean of (a - (0, 1, 2))², times b": lambda a, b: ag.mean((a - np.arange(3.0)) ** 2) * b,
    }
    formula_ui = mo.ui.dropdown(list(formulas), value="a·b + tanh(a)", label="Formula")
    a_ui = mo.ui.slider(-3, 3, 0.25, value=0.5, label="a", show_value=True)
    b_ui = mo.ui.slider(-3, 3, 0.25, value=2, label="b", show_value=True)
    visited_ui = mo.ui.slider(0, 9, value=3, label="nodes visited on the way back", show_value=True)
    mo.md(f"""
    ## Play

    {formula_ui}

    {mo.hstack([a_ui, b_ui, visited_ui], justify="start", gap=2, wrap=True)}
    """)
    return a_ui, b_ui, formula_ui, formulas, visited_ui


@app.cell(hide_code=True)
def _(a_ui, b_ui, formula_ui, visited_ui):
    formula, at_a, at_b, visited = formula_ui.value, a_ui.value, b_ui.value, visited_ui.value
    return at_a, at_b, formula, visited


@app.cell(hide_code=True)
def trace(at_a, at_b, formula, formulas):
    leaf_a, leaf_b = ag.Node(float(at_a)), ag.Node(float(at_b))
    output = formulas[formula](leaf_a, leaf_b)  # an ordinary formula, but of nodes
    order = ag.backwards(output)  # from the output back, each node before its arguments
    reached = ag.gradients(output, order)  # here of every node; else of the inputs alone
    mo.show_code()
    return leaf_a, leaf_b, order, output, reached


@app.cell(hide_code=True)
def draw(leaf_a, leaf_b, order, reached, visited):
    depth = {order[0]: 0}
    for _node in order:
        for _parent in _node.parents():
            depth[_parent] = max(depth.get(_parent, 0), depth[_node] + 1)
    columns = [[n for n in order if depth[n] == d] for d in range(max(depth.values()) + 1)]
    place = {
        node: (-d, (len(column) - 1) / 2 - i)
        for d, column in enumerate(columns)
        for i, node in enumerate(column)
    }

    def _short(x):
        x = np.round(np.asarray(x, float), 2) + 0.0
        return f"{x:g}" if x.ndim == 0 else "(" + ", ".join(f"{v:g}" for v in x) + ")"

    cover, _axes = style.figure(height=0.9 + 1.05 * max(map(len, columns)))
    for _node in order:
        for _parent in _node.parents():
            _walked = _node in order[:visited]
            _axes.annotate(
                "",
                place[_parent] if _walked else place[_node],
                place[_node] if _walked else place[_parent],
                arrowprops={
                    "arrowstyle": "->",
                    "color": style.VERMILION if _walked else style.GREY,
                    "lw": 1.8,
                    "shrinkA": 30,
                    "shrinkB": 32,
                },
            )
    for _index, (_node, _g) in enumerate(zip(order, reached, strict=True)):
        _name = {leaf_a: "a", leaf_b: "b"}.get(_node) or NAMES[_node.primitive]
        _seen = _index < visited
        _text = f"{_name}\nvalue {_short(_node.value)}\n"
        _text += f"gradient {_short(_g)}" if _seen else "gradient ?"
        _axes.text(
            *place[_node],
            _text,
            ha="center",
            va="center",
            fontsize=9,
            bbox={
                "boxstyle": "round,pad=0.45",
                "fc": "#fff3ec" if _seen else "white",
                "ec": style.VERMILION if _seen else style.GREY,
            },
        )
    _tall = max(map(len, columns))
    _axes.set(xlim=(-len(columns) + 0.4, 0.6), ylim=(-_tall / 2, _tall / 2))
    _axes.axis("off")
    style.show(cover, "The graph of the formula, with the value and the gradient of every node")
    return cover, depth


@app.cell(hide_code=True)
def tell(leaf_a, leaf_b, order, reached, visited):
    if visited == 0:
        _says = "Nothing is visited yet. The gradient of the output in itself will be 1."
    else:
        _node = order[min(visited, len(order)) - 1]
        if _node.primitive is None:
            _says = f"A leaf, {'a' if _node is leaf_a else 'b'}: its gradient is a result."
        else:
            _name = NAMES[_node.primitive]
            _says = f"At **{_name}**, each argument gets what its pull makes of the gradient:"
            _says += f"\n\n```python\n{row_of(_name)}\n```"
    grads = {
        name: reached[order.index(leaf)] if leaf in order else np.zeros(())
        for name, leaf in (("a", leaf_a), ("b", leaf_b))
    }
    mo.md(f"""
    {_says}

    Grey arrows are the computation, orange ones the way back. A node that two others use, as $a$
    in some of the formulas, **adds** what both send, so it must be visited after both: hence the
    order.
    """)
    return (grads,)


@app.cell(hide_code=True)
def _():
    _parts = {
        "Part 1: a node is an array that remembers": (
            "A leaf has no primitive. `__array_ufunc__ = None` makes NumPy leave `array + node` to "
            "the node, and `__array__` refuses: a node that NumPy silently turned into an array "
            "would lose its gradient. There is no `.grad` here: gradients are returned, not "
            "stored.",
            ag.Node,
        ),
        "Part 2: a primitive is a value and its pulls": (
            "One pull for each array argument, side by side with the value. With plain arrays the "
            "call is NumPy and nothing else; with a node among the arguments it notes what it did.",
            ag.Primitive,
        ),
        "Part 3: the order of the walk": (
            "Every node before its arguments, without recursion, so that a graph of any depth will "
            "do. `uses` counts who is waiting for whom; a node is ready when all who use it are "
            "done.",
            ag.backwards,
        ),
        "Part 4: the walk": (
            "`leads` keeps to nodes that depend on an input. The dictionary `found` holds "
            "gradients "
            "only as long as they are needed. If the result must be differentiable itself, the "
            "pulls "
            "are given nodes, not values: they are written in the same functions, so they leave a "
            "graph behind as well. That is all there is to second derivatives.",
            ag.gradients,
        ),
        "Part 5: broadcasting, undone in one place": (
            "What NumPy repeated in the value must be summed in the gradient. Since every pull's "
            "result passes here, no row of the table needs to know of broadcasting.",
            ag.unbroadcast,
        ),
        "Part 6: the door": (
            "A function of an array, or of a flat dict of arrays such as a network's parameters. "
            "Leaves are made anew at each call: two calls share no graph.",
            ag.value_and_grad,
        ),
    }
    mo.vstack(
        [
            mo.md("""
    ## Read it

    The code below is read from the file as you open this page.
    """),
            mo.accordion(
                {
                    head: mo.vstack([mo.md(text), code(inspect.getsource(part))])
                    for head, (text, part) in _parts.items()
                }
                | {
                    "Part 7: the table": mo.vstack(
                        [
                            mo.md(
                                "One row a primitive: its name, its value, its pulls. A pull takes "
                                "$g$, the output $y$, then the arguments. That $y$ is at hand "
                                "makes "
                                "rows short: the derivative of $e^a$ is $y$."
                            ),
                            code(
                                "\n".join(
                                    map(row_of, ("multiply", "divide", "exp", "tanh", "relu"))
                                )
                            ),
                        ]
                    )
                }
            ),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md(r"""
    ## Derive a row

    Cross-entropy needs $y_i = a_i - \log \sum_k e^{a_k}$, the logarithm of the softmax. With
    $p = e^{y}$, the softmax itself,

    $$\frac{\partial y_i}{\partial a_j} = \mathbf 1[i = j] - \frac{e^{a_j}}{\sum_k e^{a_k}}
    = \mathbf 1[i = j] - p_j .$$

    The pull sums over the outputs, each weighted with what it is handed:

    $$\frac{\partial L}{\partial a_j} = \sum_i g_i \frac{\partial y_i}{\partial a_j}
    = g_j - p_j \sum_i g_i .$$

    And this is the row, sign by sign. With $G$ bins the Jacobian has $G^2$ entries; the pull needs
    $G$ numbers.
    """),
            code(row_of("log_softmax")),
            mo.md(r"""
    Two things can be read off. The pull sums to 0 over the bins, for $\sum_j p_j = 1$: no loss of a
    softmax can move the logits up together, which is the short proof that eq. (7) of Neuron
    Dominance is no gradient (tutorial 5). And for the loss $-\sum_i t_i y_i$ with $\sum_i t_i =
    1$ we have $g = -t$, so the gradient is $p - t$.
    """),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    primitive_ui = mo.ui.dropdown(
        [*SMOOTH, *KINKED, "log_softmax"], value="tanh", label="Primitive"
    )
    step_ui = mo.ui.slider(
        -12, -1, 0.5, value=-5, label=r"step $\varepsilon = 10$ to the", show_value=True
    )
    wrong_ui = mo.ui.checkbox(value=False, label="put a 1 % error into the pull")
    mo.md(f"""
    ## Check it by random projection

    A primitive takes many numbers to many. Do not check them one by one: draw a random
    direction $v$ for the input and random weights $w$ for the output, and compare **two numbers**,

    {TWO_NUMBERS}

    A pull that is wrong at $a$ moves the first number away from the true one, with probability 1.
    The second is off by the length of the step and by rounding alone: the figure shows by how much.

    {mo.hstack([primitive_ui, step_ui, wrong_ui], justify="start", gap=2, wrap=True)}
    """)
    return primitive_ui, step_ui, wrong_ui


@app.cell(hide_code=True)
def _(primitive_ui, step_ui, wrong_ui):
    primitive, epsilon, wrong = primitive_ui.value, 10.0**step_ui.value, wrong_ui.value
    return epsilon, primitive, wrong


@app.cell(hide_code=True)
def _():
    def project(f, pull, a, step, seed=0):
        """<pull(w), v> and the same by a central difference, for random v and w."""
        draw = np.random.default_rng(seed)
        v, w = draw.uniform(-1, 1, a.shape), draw.uniform(-1, 1, a.shape)
        by_table = np.sum(pull(w, f(a), a) * v)
        by_trying = np.sum(w * (f(a + step * v) - f(a - step * v))) / (2 * step)
        return by_table, by_trying

    mo.show_code()
    return (project,)


@app.cell(hide_code=True)
def check(epsilon, primitive, project, wrong):
    _f = getattr(ag, primitive)
    _pull = _f.pulls[0]
    _tested = (lambda g, y, a: 1.01 * _pull(g, y, a)) if wrong else _pull
    _positive = primitive in ("log", "sqrt")
    point = np.array([0.5, 0.9, 1.3, 1.9]) if _positive else np.array([-1.3, -0.4, 0.6, 1.7])
    by_table, by_trying = project(_f, _tested, point, epsilon)
    steps = 10.0 ** np.arange(-12, -0.75, 0.25)
    errors = [abs(np.subtract(*project(_f, _tested, point, step))) for step in steps]

    _figure, (_left, _right) = style.figure(1, 2, height=3.4)
    _a = np.linspace(0.05 if _positive else -3, 3, 241)
    if primitive == "log_softmax":
        _p = np.stack([_a, np.zeros_like(_a)], axis=1)
        _curve = _tested(np.tile([1.0, 0.0], (241, 1)), _f(_p), _p)[:, 0]
        _left.plot(_a, _curve, label="by the table")
        _near = _p + np.array([1e-6, 0]), _p - np.array([1e-6, 0])
        _dots = (_f(_near[0]) - _f(_near[1]))[:, 0] / 2e-6
        _left.set_title("Slope of $y_1$ in $a_1$, two bins, $a_2 = 0$")
    else:
        _left.plot(_a, _tested(np.ones_like(_a), _f(_a), _a), label="by the table")
        _dots = (_f(_a + 1e-6) - _f(_a - 1e-6)) / 2e-6
        _left.set_title(f"Slope of {primitive}")
    _left.plot(_a[::12], _dots[::12], "o", ms=4, color=style.VERMILION, label="by trying it")
    _left.set(xlabel="$a$")
    _left.legend()
    _right.plot(np.log10(steps), np.log10(np.maximum(errors, 1e-17)))
    _right.axvline(np.log10(epsilon), color=style.GREY, lw=1)
    _right.set(title="How far the two numbers are apart", ylim=(-17.5, 1))
    _right.set(xlabel=r"$\log_{10} \varepsilon$", ylabel=r"$\log_{10}$ of the difference")
    mo.vstack(
        [
            style.show(
                _figure, f"The slope of {primitive}, and the error of the difference quotient"
            ),
            mo.md(
                f"By the table **{by_table:.10f}**, by trying it **{by_trying:.10f}**: apart by "
                f"{abs(by_table - by_trying):.1g}. "
                + (
                    "Between the steps that are too long and those that are too short, where the "
                    "right pull would come close, the curve stays high: the pull is wrong."
                    if wrong
                    else "Towards the right what is left is truncation, at most of the order of "
                    "$\\varepsilon^2$ (and none where the function is straight); towards the left "
                    "it is rounding, of the order of $10^{-16}/\\varepsilon$. A tolerance should "
                    "be stated from these two."
                )
            ),
        ]
    )
    return by_table, by_trying, errors, steps


@app.cell(hide_code=True)
def _():
    value_ui = mo.ui.text(value="a / (1.0 + np.abs(a))", label="value(a) =", full_width=True)
    pull_ui = mo.ui.text(value="g / (1.0 + np.abs(a))", label="pull(g, y, a) =", full_width=True)
    drop_ui = mo.ui.dropdown(
        {"nothing": None, "smooth at a: the two one-sided slopes agree": "smooth"},
        value="nothing",
        label="Drop",
    )
    find_ui = style.button()
    mo.md(f"""
    ## Add a primitive of your own

    This is `softsign`, with a mistake in its pull. Press the button: the machine draws small inputs
    until the pull and a difference quotient disagree. Then mend the pull (with $y$ at hand, the
    shortest right one is `g * (1.0 - np.abs(y)) ** 2`), and press again. Then make it any
    function of yours: numbers, `+ - * / **`, `<` and `>`, and {", ".join(typed.FUNCTIONS)}.

    {value_ui}

    {pull_ui}

    {mo.hstack([drop_ui, find_ui], justify="start", gap=2, wrap=True)}

    Last, type `ag.relu(a)` with the pull `g * (a > 0)`. It holds wherever ReLU has a slope.
    Drop the assumption, and you get the one input where it has none.
    """)
    return drop_ui, find_ui, pull_ui, value_ui


@app.cell(hide_code=True)
def _(drop_ui, find_ui, pull_ui, value_ui):
    value_text, pull_text = value_ui.value, pull_ui.value
    without, pressed = drop_ui.value, find_ui.value
    return pressed, pull_text, value_text, without


@app.function
def claim_of(value, pull, says):
    """That the pull is the derivative of the value, as a claim that `find` can look at."""

    def steps(a):
        return [np.where(a, np.abs(a), 1.0) * 2.0**-k for k in range(8, 41, 4)]

    def slopes(a, step):
        here = value(a)
        return (value(a + step) - here) / step, (here - value(a - step)) / step

    def smooth(a):
        # At a kink the two stay apart, elsewhere they meet as the step shrinks.
        (ahead, behind), (before, after) = slopes(a, steps(a)[2]), slopes(a, steps(a)[0])
        apart, was = np.abs(ahead - behind), np.abs(before - after)
        met = apart <= 1e-3 * np.maximum(np.abs(ahead), np.abs(behind))
        return bool((met | (apart <= was / 16)).all())

    def defined(a):
        around = (a, a + steps(a)[0], a - steps(a)[0])
        return all(bool(np.isfinite(value(x)).all()) for x in around)

    def tried(a):
        """The slope at a, by the step at which it is known best, and how well that is."""
        slope = np.array([sum(slopes(a, step)) / 2 for step in steps(a)])
        rounding = 4 * np.finfo(float).eps * (np.abs(value(a)) + np.abs(slope * a)) / steps(a)
        doubt = np.abs(np.diff(slope, axis=0)) + rounding[:-1]
        best = (doubt.argmin(axis=0), np.arange(len(a)))
        return slope[best], doubt[best]

    def right(a):
        by_table, (by_trying, doubt) = pull(np.ones_like(a), value(a), a), tried(a)
        return bool((np.abs(by_table - by_trying) <= 4 * doubt + 1e-6 * np.abs(by_trying)).all())

    return Claim(
        id="yours",
        source="you",
        origin="ours",
        title="the pull is the derivative",
        statement=says,
        given=(
            Assumption("smooth", "the two one-sided slopes agree", smooth),
            Assumption("defined", "the value is finite around a", defined),
        ),
        then=right,
        instances=lambda size: st.lists(
            st.sampled_from(POINTS.tolist()), min_size=size, max_size=size
        ).map(np.array),
        sizes=(1, 2),
        verdict="open",
        steps=lambda a: [
            f"a = {a}",
            f"the pull of 1 is {pull(np.ones_like(a), value(a), a)}",
            "the slope from the left is {1}, from the right {0}".format(*slopes(a, steps(a)[4])),
        ],
    )


@app.function(hide_code=True)
def agrees(pull):
    """Whether it is the pull of a³, for some g at all POINTS."""
    g = np.cos(np.arange(len(POINTS)))
    truth = ag.power.pulls[0](g, POINTS**3, POINTS, 3)
    return bool(np.allclose(pull(g, POINTS**3, POINTS), truth, rtol=1e-9, atol=0))


@app.cell(hide_code=True)
def own(pressed, pull_text, value_text, without):
    own_outcome, trouble = None, ""
    try:
        yours = ag.Primitive(
            typed.formula(value_text, ["a"]), typed.formula(pull_text, ["g", "y", "a"])
        )
        _a = np.array([0.5, 1.5])
        for _x in (yours(_a), yours.pulls[0](np.ones(2), yours(_a), _a)):
            if np.shape(_x) != (2,):
                raise ValueError("it does not depend on what goes in: it gives one number for two")
        gradient = ag.grad(lambda a: ag.sum(yours(a)))(_a)
        if pressed:
            _claim = claim_of(yours.value, yours.pulls[0], f"value {value_text}, pull {pull_text}")
            with np.errstate(all="ignore"):
                own_outcome = find(_claim, without, examples=150)
    except ValueError as _error:
        trouble = str(_error)
    if trouble:
        _shown = mo.callout(
            mo.Html(f"That does not work yet: {html.escape(trouble)}."), kind="warn"
        )
    elif own_outcome:
        _shown = style.found(own_outcome, _claim, without)
    else:
        _shown = mo.md(
            f"It works as a part of the table: the gradient of $\\sum_i y_i$ at (0.5, 1.5) by your "
            f"pull is ({gradient[0]:.4g}, {gradient[1]:.4g}). Is it right? *Press the button.*"
        )
    _shown
    return own_outcome, trouble


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md(r"""
    ## A convention that theorems stand on

    At a kink there is no derivative, and a table must still say something. This one says
    $\mathrm{relu}'(0) = 0$, gives half to each of two equal arguments of `maximum`, and passes all
    through `clip` at a bound. It sounds like a detail. But a shut neuron may rest **exactly**
    at $z = 0$, and whether it has a gradient there is then a convention. Theorems must name it:
    """),
            style.claim("recycling.grama-preactivation"),
            style.claim("dormancy.ocp-star"),
            style.proof("dormancy.ocp-star"),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    task_1, task_2, task_3 = exercises("09_autograd")
    tie_ui = mo.ui.text(label="gradient in a:")
    sum_ui = mo.ui.text(label="each entry:")
    cube_ui = mo.ui.text(label="pull(g, y, a) =")
    mo.md("## Exercises")
    return cube_ui, sum_ui, task_1, task_2, task_3, tie_ui


@app.cell(hide_code=True)
def exercise_1(task_1, tie_ui):
    answer_1 = task_1.read(tie_ui.value)
    _truth = ag.grad(lambda a: 3.0 * ag.maximum(a, 2.0))(np.array(2.0))
    _right = answer_1 == Fraction(float(_truth))
    mo.vstack([task_1.asked(), tie_ui, task_1.check(answer_1, _right)])
    return


@app.cell(hide_code=True)
def exercise_2(sum_ui, task_2):
    answer_2 = task_2.read(sum_ui.value)
    _truth = ag.grad(lambda x: ag.sum(x + np.zeros((5, 3, 4))))(np.zeros((3, 1)))
    _right = answer_2 is not None and bool((_truth == float(answer_2)).all())
    mo.vstack([task_2.asked(), sum_ui, task_2.check(answer_2, _right)])
    return


@app.cell(hide_code=True)
def exercise_3(cube_ui, task_3):
    answer_3 = cube_ui.value.strip()
    task_3.trouble, _right = "", False
    try:
        if answer_3:
            _right = agrees(typed.formula(answer_3, ["g", "y", "a"]))
    except ValueError as _error:
        task_3.trouble = html.escape(str(_error))
    mo.vstack([task_3.asked(), cube_ui, task_3.check(answer_3, _right)])
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("""
    ## What the papers say, what is true, where to look

    The papers differentiate at kinks without a word; the verdicts below turn on it, or on which
    gradient is meant. The file is `ref/autograd.py`; `tests/ref/test_autograd.py` checks each
    row to second order, and the kinks by hand.
    """),
            style.ledger(
                "dormancy.keeps-dormant",
                "dormancy.ocp-theorem-1",
                "recycling.grama-theorem-1",
                "recycling.batch-mean",
                "collapse.no-softmax-loss",
            ),
            style.neighbours("09_autograd"),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
