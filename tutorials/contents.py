"""The tutorials in reading order: what each is called, says of itself, takes and needs."""

import ast
import html
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
# name -> minutes to read and play, what to know before, what one can do afterwards
COURSE = {
    "00_agents": (
        10,
        "school mathematics",
        "say what an agent, a policy, a replay, a critic and a neuron are; compute what later "
        "rewards are worth, and what a neuron returns",
    ),
    "01_neurons": (
        25,
        "what a derivative is, and that a network is made of layers",
        "say of a neuron whether it is dormant, dominant, saturated or a zombie, and on which "
        "inputs; say why scores average to 1",
    ),
    "02_dormancy": (
        35,
        "tutorial 1; the chain rule",
        "decide for an activation whether dormant neurons are those without a gradient; name "
        "four ways in which a dormant neuron wakes up",
    ),
    "03_dominance": (
        45,
        "tutorial 1",
        "build a counterexample to Theorem 1; state the inequality that repairs it; predict the "
        "step size at which a neuron dies",
    ),
    "04_rank": (
        45,
        "tutorials 1 and 3; singular values",
        "compute srank; say why dominance by means forces no low rank, and by what it is forced",
    ),
    "05_collapse": (
        40,
        "tutorials 1 and 4; TD learning, softmax",
        "decide whether features vanish under a squared error; say what cross-entropy does "
        "instead, and what neither can undo",
    ),
    "06_zero": (
        40,
        "tutorial 5",
        "find where HL-Gauss comes to rest; say what LayerNorm revives and what it cannot; tell a "
        "neuron that grows from one that is left, and say what Adam's epsilon has to do with it",
    ),
    "07_recycling": (
        45,
        "tutorials 1 and 2",
        "recycle neurons by ReDo and ReGraMa by hand; flip both verdicts without changing the "
        "function; say what silence on a batch proves",
    ),
    "08_from_theorem_to_agent": (
        35,
        "tutorials 3 and 4",
        "read a recorded training against the theorems; say what it cannot show",
    ),
    "09_autograd": (
        50,
        "the chain rule; Python",
        "read `ref/autograd.py`; derive a pull; check it by random projection",
    ),
}


@dataclass(frozen=True)
class Notebook:
    path: Path
    title: str
    sentence: str

    @property
    def name(self) -> str:
        return self.path.stem


@cache
def notebooks() -> list[Notebook]:
    """In reading order, which is that of their numbers."""
    return [read(path) for path in sorted(FOLDER.glob("[0-9]*.py"))]


def neighbours(name: str) -> list[tuple[str, str]]:
    """(label, address) of the tutorial before it, the list of all, and the one after it."""
    found = notebooks()
    at = [it.name for it in found].index(name)
    before = [(f"← {found[at - 1].title}", f"../{found[at - 1].name}/index.html")] if at else []
    after = [(f"{it.title} →", f"../{it.name}/index.html") for it in found[at + 1 : at + 2]]
    return [*before, ("All tutorials", "../index.html"), *after]


def read(path: Path) -> Notebook:
    """A notebook's title is its `app_title`, its one sentence the first paragraph on top of it."""
    tree = ast.parse(path.read_text())
    titles = [
        word.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg == "app_title" and isinstance(word.value, ast.Constant)
    ]
    says = (ast.get_docstring(tree) or "").partition("\n\n")[0]
    if not titles or not says:
        sys.exit(f"{path}: needs an app_title and a docstring, for the index")
    return Notebook(path, titles[0], " ".join(says.split()))


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dormant and dominant neurons: the tutorials</title>
<link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; --ink: #222; --soft: #555; --paper: #fff; --line: #ddd;
        --blue: #0072b2; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #eee; --soft: #bbb; --paper: #16181c; --line: #444; --blue: #6cc4f5; }} }}
body {{ font: 17px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       margin: 0 auto; max-width: 60rem; padding: 2rem 1.2rem; }}
a {{ color: var(--blue); }}
h1 {{ line-height: 1.2; margin-bottom: 0.4rem; }}
ol {{ list-style: none; padding: 0; display: grid; gap: 1.2rem;
     grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); }}
li a {{ display: block; height: 100%; color: inherit; text-decoration: none;
       border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }}
li a:hover, li a:focus {{ border-color: var(--blue); box-shadow: 0 2px 12px #0072b233; }}
img {{ width: 100%; height: 8.5rem; object-fit: contain; background: #fff; padding: 0.4rem;
      box-sizing: border-box; display: block; border-bottom: 1px solid var(--line); }}
h2 {{ font-size: 1.05rem; line-height: 1.3; margin: 0.8rem 1rem 0.3rem; }}
li p {{ margin: 0 1rem 0.6rem; font-size: 0.92rem; color: var(--soft); }}
.number, .solved {{ color: var(--blue); }}
</style>
</head>
<body>
<h1>Dormant and dominant neurons in deep reinforcement learning</h1>
<p>Study the theorems by playing with them: move one, break it, repair it. Read in this order;
each tutorial stands on those before it.</p>
<p>{note}</p>
<ol>
{items}
</ol>
<script>
// What head.html remembered in this browser.
for (const item of document.querySelectorAll('li[data-name]')) {{
  const key = `solved ${{item.dataset.name}}.`;
  const solved = [1, 2, 3].filter(number => localStorage.getItem(key + number));
  if (solved.length) item.querySelector('.solved').textContent = `${{solved.length}} of 3 solved`;
}}
</script>
</body>
</html>
"""


def index(found: list[Notebook], note: str) -> str:
    """The page of all of them, beside a folder for each and one of thumbnails."""
    items = [
        f'<li data-name="{it.name}"><a href="{it.name}/index.html">'
        f'<img src="thumbnails/{it.name}.png" alt="">'
        f'<h2><span class="number">{int(it.name[:2])}</span>&ensp;{html.escape(it.title)}</h2>'
        f"<p>{html.escape(it.sentence)}</p>"
        f'<p>{COURSE[it.name][0]} minutes <span class="solved"></span></p></a></li>'
        for it in found
    ]
    return PAGE.format(note=note, items="\n".join(items))
