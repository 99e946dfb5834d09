"""Watch the neurons of any `torch.nn.Module`: one row of scores per layer, in one line.

    monitor = Monitor(network)  # then train or evaluate as ever
    print(monitor)              # what the layers did since the last `snapshot`
    monitor.detach()            # or: `with Monitor(network) as monitor:`

A layer of neurons is a linear or convolutional layer, then what normalises, pools, drops or adds
to its output, then its activation: the first non-linearity and what is made of it and of the same
layer alone, element by element, so that x * sigmoid(x) is one. z is what the non-linearity
receives, h what the activation returns. The layer is named after the linear one, a sum after the
one that lies behind most others (of equals, the last); a module that is used twice is one layer
with more samples. It has a row if h reaches another linear map, so the last linear layer of the
network, and of each of its heads, has none. Modules, functions and methods (`nn.ReLU`, `F.relu`,
`x.relu_()`) are all seen, in every call of the module or of a part of it; other methods are seen
through `Monitor.call`. What cannot be followed is shown with `Monitor.tap`. The last lines of the
table say what has no row, what was left out and what was not watched, and why.

Watching changes no output, gradient, flag or random number, waits for no device (sums stay there
until `rows`) and raises nothing into the module. Where it cannot look, it stands aside: while a
module is traced, exported, compiled or captured, inside `torch.func` and inside attention that
torch may fuse. What is computed again in a backward pass (checkpointing) counts once. Like any
hook, it costs a frame of the interpreter's stack for each call inside another.
Needs torch, fast/scores.py and fast/errors.py alone.
"""

import contextlib
import functools
import itertools
import math
import operator
import re
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.module import register_module_forward_hook as hook_every
from torch.nn.modules.module import register_module_forward_pre_hook as pre_hook_every
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized
from torch.overrides import TorchFunctionMode, _pop_mode, _push_mode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakTensorKeyDictionary

from fast import scores
from fast.errors import InputError, unknown

# Names of torch's functions and methods, without the underscores at their ends.
KINDS = {
    "activation": r"\w*relu6?|[scg]?elu|silu|mish|\w*sigmoid|(hard)?tanh|softplus|softsign"
    r"|hardswish|\w+shrink|threshold",
    # What may stand between a linear layer and its non-linearity, if it keeps the neurons' axis:
    "sum": r"[ri]?(add|sub|mul|div|truediv)|neg|multiply|subtract|divide",
    "same": r"to|type|type_as|float|double|half|bfloat16|contiguous|clone|detach|view_as",
    "between": r"\w+_norm|normalize|\w*dropout(\dd)?|\w+_pool\dd"
    r"|flatten|reshape|view|squeeze|unsqueeze",
    "linear": r"linear|bilinear|conv\w*\dd|r?matmul|mm|bmm|addmm|baddbmm|einsum"
    r"|(lstm|gru|rnn_(tanh|relu))(_cell)?|multi_head_attention_forward",
    # What else may belong to an activation that is written out, after its first non-linearity:
    "element": r"r?pow|square|sqrt|rsqrt|exp|expm1|log|log1p|abs|reciprocal|clamp\w*|clip"
    r"|minimum|maximum|sin|cos|erf|where|lerp|addcmul",
    "joined": r"cat|concat|concatenate|stack|hstack|vstack",
}
LINEAR = nn.Linear | _ConvNd
DEFINITIONS = ("redo", "dopamine", "timoklein", "plasticine", "drm", "grama-code")
GRADIENTS = ("incoming", "activation", "preactivation")
WRITTEN = "its activation is written out or gated by another layer: show it with `tap`"


@functools.cache
def _kind(name: str) -> str:
    return next((kind for kind, names in KINDS.items() if re.fullmatch(names, name)), "other")


class _Tag(NamedTuple):
    """Where a tensor comes from."""

    sources: frozenset[str] = frozenset()  # linear layers, none of which lies behind another
    layer: str | None = None  # the one whose z or h this is
    axis: int = -1  # of its neurons, from the end
    ndim: int = 2
    depth: int = 0  # how many linear layers there are one behind the other, this one included
    past: int = 0  # 0: z, if a non-linearity comes next; 1: h so far; 2: what is made of h later


@dataclass(eq=False)
class _Layer:
    """What is known of a layer since the last snapshot."""

    neurons: int
    sums: dict[str, Any] = field(default_factory=dict)  # over all samples: (N,), or a number
    features: list[Tensor] = field(default_factory=list)  # each (rows, N)
    hooks: list[RemovableHandle] = field(default_factory=list)  # on its weights

    def join(self, **new: Any) -> None:
        # Never in place: a sum that was begun in inference mode may go on outside of it.
        for key, value in new.items():
            how = {"low": torch.minimum, "high": torch.maximum}.get(key, operator.add)
            self.sums[key] = how(self.sums[key], value) if key in self.sums else value


class _Mode(TorchFunctionMode):
    """Hands every call of a torch function to `seen`."""

    def __init__(self, seen: Callable[..., Any]):
        super().__init__()
        self.seen = seen

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        compiling = torch.compiler.is_dynamo_compiling()
        return (func if compiling else functools.partial(self.seen, func))(*args, **(kwargs or {}))

    def put(self, on: bool) -> None:
        """Below all other modes: so theirs may begin and end meanwhile, in any order."""
        others = [_pop_mode() for _ in range(torch._C._len_torch_function_stack())]
        for mode in [self] * on + [other for other in others[::-1] if other is not self]:
            _push_mode(mode)


class _Thread(threading.local):
    """What one thread is doing."""

    def __init__(self) -> None:
        self.running: list[nn.Module | None] = []  # the calls that are not over, outermost first
        self.frame: FrameType | None = None  # the one that runs the outermost
        self.paused = 0  # how many were running when we stood aside
        self.weights: list[Tensor] = []  # of the linear layer that runs
        self.placed = False  # whether its z is known
        self.calls: dict[str, dict[str, Any]] = {}  # the last call of each layer
        self.tags, self.last = WeakTensorKeyDictionary(), ""

    def alive(self) -> bool:
        """Whether the outermost call still runs: torch tells no hook of an interrupt."""
        frame = sys._getframe() if self.frame is not None else None
        while frame is not None and frame is not self.frame:
            frame = frame.f_back
        return frame is not None

    def tag(self, x: Tensor) -> _Tag | None:
        # A backward hook of a module, among others, hands on an alias of its output.
        base = x._base if (found := self.tags.get(x)) is None else None
        return self.tags.get(base) if base is not None and base.shape == x.shape else found


def _apart(method: Callable[..., None]) -> Callable[..., None]:
    """Our own arithmetic is nobody's layer and in nobody's trace; if it fails, that is told."""

    @functools.wraps(method)
    def run(self: "Monitor", *args: Any) -> None:
        try:
            with self._lock, torch._C.DisableTorchFunction(), _disable_current_modes():
                method(self, *args)
        except Exception as error:
            self._told[f"not seen: {type(error).__name__}: {error}".partition("\n")[0]] = None

    return run


class Monitor:
    """The scores of every layer of neurons of `module`, until `detach`.

    `taus` are the thresholds of dormancy; masks and changes over time are those of the first.
    `grama_tau` is GraMa's (0.01: its Appendix A) and `by` its gradient, as in `scores.grama`; that
    of the weights ("incoming") is of a whole backward pass. Ranks are of a feature matrix of at
    most `feature_rows` samples, spread evenly over the first batch that has as many. `outputs`
    gives rows to layers that reach no other, too: for a part of a network, such as an encoder.
    A deep copy of a watched module, or a pickled one, is not watched. Raises InputError.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        taus: Iterable[float] = (0.1, 0.0),
        grama_tau: float = 0.01,
        by: str = "incoming",
        feature_rows: int = 256,
        outputs: bool = False,
    ):
        _check_module(module)
        self.taus = tuple(taus)
        if not self.taus:
            raise InputError("taus", self.taus, "accepted: one threshold or more, such as (0.1,)")
        for argument, tau in (("grama_tau", grama_tau), *(("taus", tau) for tau in self.taus)):
            _check_tau(argument, tau)
        if by not in GRADIENTS:
            raise unknown("by", str(by), GRADIENTS)
        if not isinstance(feature_rows, int) or feature_rows < 1:
            raise InputError("feature_rows", feature_rows, "accepted: an integer, 1 or more")
        self.grama_tau, self.by = grama_tau, by
        self.feature_rows, self.outputs = feature_rows, outputs
        self.parts: dict[Any, str] = {part: name for name, part in module.named_modules()}
        self.layers: dict[str, _Layer] = {}  # in the order of execution
        self.before: dict[str, Tensor] = {}  # the masks of the last snapshot
        self.fed: set[str] = set()  # the layers that reach another linear map
        self.tapped: set[str] = set()
        self.alone: set[str] = set()  # called outside of a call of what holds them
        self.written: dict[str, None] = {}  # the layers whose activation cannot be followed
        self.unplaced: dict[str, None] = {}  # non-linearities of nothing linear, in order
        self._told: dict[str, None] = {}  # what else there is to say
        self._lock, self._thread, self._mode = threading.RLock(), _Thread(), _Mode(self._seen)
        self._watching, self._busy = True, 0  # and in how many threads a call runs
        hooks = [
            (part.register_forward_pre_hook, part.register_forward_hook) for part in self.parts
        ]
        if any(isinstance(part, nn.TransformerEncoderLayer) for part in self.parts):
            # It counts the hooks of its parts, and computes otherwise if there are any.
            hooks = [(pre_hook_every, hook_every)]
        self._handles: list[RemovableHandle] = []
        for before, after in hooks:
            self._handles += [before(self._enter), after(self._leave, always_call=True)]

    def detach(self) -> None:
        """Stop watching; what was seen stays readable."""
        self._end()
        with self._lock:
            self._watching = False
            self._unhook()

    def _unhook(self) -> None:
        hooks = [hook for layer in self.layers.values() for hook in layer.hooks]
        # A call that runs in another thread needs its last hook.
        for handle in hooks + ([] if self._busy else self._handles):
            handle.remove()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def __reduce__(self) -> tuple[Callable[[], "Monitor"], tuple[()]]:
        return _unwatching, ()  # where the hooks of a module lead that is copied or pickled

    # When we look

    def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """`method(*args, **kwargs)`, watched: a method other than forward, such as `sample`."""
        if self._thread.alive() or not self._watching or _traced():
            return method(*args, **kwargs)
        self._begin(None, sys._getframe())
        try:
            return method(*args, **kwargs)
        finally:
            self._end()

    def _begin(self, outermost: nn.Module | None, frame: FrameType) -> None:
        self._end()  # what was interrupted
        self._thread.running, self._thread.frame = [outermost], frame
        with self._lock:
            self._busy += 1
        self._mode.put(True)

    def _end(self) -> None:
        thread = self._thread
        if thread.frame is None:
            return
        self._mode.put(False)
        with self._lock:
            self._busy -= 1
            if not self._watching:
                self._unhook()
        thread.running, thread.frame, thread.paused = [], None, 0
        for name in list(thread.calls):
            self._flush(name)

    def _enter(self, part: nn.Module, args: object) -> None:
        thread = self._thread
        if torch.compiler.is_dynamo_compiling() or part not in self.parts or not self._watching:
            return
        if thread.alive():
            thread.running.append(part)
        elif _traced():
            self._told["a call not watched: traced, exported, captured or in torch.func"] = None
            return
        else:
            self._begin(part, sys._getframe(1))
        if isinstance(part, LINEAR):
            thread.weights, thread.placed = [], False
        if not thread.paused and _fused(part):
            thread.paused = len(thread.running)
            self._mode.put(False)
            kind = type(part).__name__
            self._told[f"a {kind} not watched: torch may compute it in one piece"] = None

    def _leave(self, part: nn.Module, args: object, out: object) -> None:
        thread = self._thread
        if torch.compiler.is_dynamo_compiling() or not any(one is part for one in thread.running):
            return
        if isinstance(part, LINEAR):
            if not thread.placed:
                self._linear(part, out)
            self._watch(part)
        while thread.running.pop() is not part:
            pass  # calls that were given up
        if not thread.running:
            self._end()
        elif len(thread.running) < thread.paused:
            thread.paused = 0
            self._mode.put(True)

    # What we see

    def _layer(self, name: str, neurons: int) -> _Layer:
        layer, mask = self.layers.get(name), self.before.get(name)
        known = layer.neurons if layer is not None else neurons if mask is None else len(mask)
        if known != neurons:
            self._told[f"{known} neurons of {name} became {neurons}: its row begins there"] = None
            self.before.pop(name, None)
            self._thread.calls.pop(name, None)
        if layer is None or known != neurons:
            hooks = layer.hooks if layer is not None else []
            layer = self.layers[name] = _Layer(neurons, hooks=hooks)
        return layer

    @_apart
    def _linear(self, part: nn.Linear | _ConvNd, out: object) -> None:
        """`out` is what the linear map of a part returns: its z, until more is added to it."""
        if not isinstance(out, Tensor) or not _plain(out):
            return
        thread, name = self._thread, self.parts[part]
        axis = -1 if isinstance(part, nn.Linear) else -1 - len(part.kernel_size)
        layer = self._layer(name, out.shape[axis])
        self._flush(name)
        if thread.running == [part] and name:
            self.alone.add(name)
        thread.placed = True
        if not _again():
            ok = _finite(y := _wide(out), axis)
            y = torch.where(ok, y, 0.0)
            sums = {"output": _sum(y, axis), "rectified": _sum(y.relu(), axis)}
            layer.join(**sums, output_samples=ok.sum())
        depth = (thread.tag(out) or _Tag()).depth + 1
        thread.tags[out], thread.last = _Tag(frozenset([name]), name, axis, out.ndim, depth), name

    @_apart
    def _watch(self, part: nn.Linear | _ConvNd) -> None:
        """Add up the gradients of the weights of a part that have a row for each neuron."""
        layer = self.layers.get(self.parts[part])
        groups = part.groups if isinstance(part, _ConvTransposeNd) else 0

        def fold(g: Tensor) -> Tensor:
            if groups:  # of a transposed convolution: (in, out / groups, ...)
                g = g.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
            return _sum(g.flatten(1), -2)

        if self.by != "incoming" or layer is None:
            return
        for weight in self._thread.weights:
            hooks = [getattr(hook, "args", ()) for hook in (weight._backward_hooks or {}).values()]
            rows = weight.shape[1] * groups if groups else len(weight)
            known = any(args[:1] == (layer,) for args in hooks)
            if weight.requires_grad and rows == layer.neurons and not known:
                hook: Any = functools.partial(self._gradient, layer, fold)
                hook.__torch_unserializable__ = True  # or torch warns who sends the weight away
                layer.hooks.append(weight.register_hook(hook))

    @_apart
    def _gradient(self, layer: _Layer, fold: Callable[[Tensor], Tensor], g: Tensor) -> None:
        if _plain(g):
            ok = (sums := fold(_wide(g))).isfinite().all()
            layer.join(gradient=torch.where(ok, sums, 0.0), passes=ok.long(), all_passes=1)

    def _seen(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a torch function; follow what its results come from."""
        if not self._watching or not self._thread.alive():
            return func(*args, **kwargs)
        steps = self._follow(func, (*args, *kwargs.values()))
        self._step(steps)
        out = func(*args, **kwargs)
        self._step(steps, out)
        return out

    @_apart
    def _step(self, steps: Generator[None, Any, None], out: object = None) -> None:
        with contextlib.suppress(StopIteration):
            steps.send(out)

    def _follow(
        self, func: Callable[..., Any], args: tuple[Any, ...]
    ) -> Generator[None, Any, None]:
        """What comes before a call (up to the `yield`) and after it."""
        thread = self._thread
        if "parametrizations." in self.parts.get(thread.running[-1], ""):
            return
        name = getattr(func, "__name__", "").strip("_")
        kind = _kind(name)
        found = [(x, thread.tag(x) or _Tag()) for x in _tensors(args)]
        tags = [tag for _, tag in found if tag.sources]
        deepest = max(tags[::-1], key=lambda tag: (tag.depth, bool(tag.layer)), default=_Tag())
        new = _Tag(frozenset().union(*(tag.sources for tag in tags)), depth=deepest.depth)
        first = found[0][1] if found else new
        begins = kind == "activation" and first.layer is not None and not first.past
        again = begins and first.layer in thread.calls
        whole = first if begins else self._whole(name, kind, found)
        if begins and not again:
            self._receive(first, found[0][0])  # before the call, which may be in place
        elif kind == "activation" and found and (again or whole is None):
            after = first.layer if again else thread.last
            self.unplaced[f"{name} after {after}" if after else name] = None
        out = yield
        if whole is not None and isinstance(out, Tensor):
            new = whole._replace(past=1)
            if not again:
                self._return(new, out)
        elif kind in ("sum", "same", "between") and (not deepest.past or len(tags) == 1):
            new = self._carried(deepest, new, out)
            new = new._replace(past=2 if new.past and kind != "same" else new.past)
        for x in _tensors((out,)) if tags else ():
            thread.tags[x] = new
        if kind == "linear":
            self.fed |= new.sources
        if kind == "linear" and len(found) > 1:
            part, weight = thread.running[-1], found[1][0]
            if isinstance(part, LINEAR) and re.fullmatch(r"linear|conv\w*", name):
                thread.weights.append(weight)
                if part._parameters.get("weight", weight) is weight and not thread.placed:
                    self._linear(part, out)

    def _whole(self, name: str, kind: str, found: list[tuple[Tensor, _Tag]]) -> _Tag | None:
        """The tag of an activation that goes on here; notes those that cannot be followed."""
        h = next((tag for _, tag in found if tag.past == 1), None)
        if h is not None and kind in ("sum", "element", "activation"):
            mine = [tag.layer == h.layer and tag.past < 2 for _, tag in found if tag.sources]
            if all(mine) and all(tag.sources or x.numel() == 1 for x, tag in found):
                return h
        if kind in ("linear", "joined"):
            return None
        for (x, one), (y, other) in itertools.permutations(found, 2):
            if one.past and one.layer is not None and x.shape == y.shape:
                own = other.past and other.layer == one.layer
                gate = "mul" in name and one.sources != other.sources and one.depth == other.depth
                if gate or (one.layer in other.sources and not own):
                    self.written[one.layer] = None
        return None

    def _carried(self, tag: _Tag, new: _Tag, out: object) -> _Tag:
        """The tag of `out`: of the same layer if it has an axis of as many neurons."""
        if not isinstance(out, Tensor) or not out.ndim or tag.layer not in self.layers:
            return new
        if out.ndim == tag.ndim or tag.axis == -1 or out.ndim == 2:
            axis = tag.axis if out.ndim == tag.ndim else -1
            if out.shape[axis] == self.layers[tag.layer].neurons:
                return tag._replace(sources=new.sources, axis=axis, ndim=out.ndim)
        return new

    @_apart
    def _receive(self, tag: _Tag, z: Tensor) -> None:
        """Begin a call of a layer, whose non-linearity receives z."""
        if tag.layer in self.tapped or tag.layer not in self.layers or not _plain(z):
            return
        layer = self._layer(tag.layer, z.shape[tag.axis])
        ok = _finite(y := _wide(z), tag.axis)
        self._thread.calls[tag.layer] = {
            "layer": layer,
            "ok": ok,
            "low": _over(torch.amin, torch.where(ok, y, math.inf), tag.axis),
            "high": _over(torch.amax, torch.where(ok, y, -math.inf), tag.axis),
        }
        if self.by == "preactivation" and z.requires_grad:
            z.register_hook(functools.partial(self._gradient, layer, lambda g: _sum(g, tag.axis)))

    @_apart
    def _return(self, tag: _Tag, h: Tensor) -> None:
        """h is what the activation returns, until more is made of it."""
        call = self._thread.calls.get(tag.layer or "")
        if call is None or not _plain(h) or h.shape[tag.axis] != call["layer"].neurons:
            return
        if "activation" in call:  # so what seemed to have no place is part of it
            kept = [key for key in self.unplaced if not key.endswith(f" after {tag.layer}")]
            self.unplaced = dict.fromkeys(kept)
        layer, y = call["layer"], _wide(h)
        ok = call["ok"] & _finite(y, tag.axis)
        room = self.feature_rows - sum(map(len, layer.features))
        rows = y.movedim(tag.axis, -1).reshape(-1, layer.neurons) if room > 0 else y[:0]
        call |= {
            "activation": _sum(torch.where(ok, y, 0.0), tag.axis),
            "samples": ok.sum(),
            "all_samples": ok.numel(),
            "features": [rows[:: math.ceil(len(rows) / room)].clone()] if room > 0 else [],
            "last": (last := object()),
        }
        if self.by == "activation" and h.requires_grad:

            def hook(g: Tensor) -> None:
                if call["last"] is last:
                    self._gradient(layer, lambda g: _sum(g, tag.axis), g)

            h.register_hook(hook)

    @_apart
    def _flush(self, name: str) -> None:
        """End a call of a layer: its sums join the others."""
        call = self._thread.calls.pop(name, {})
        if "activation" in call and not _again():
            call["layer"].join(**{key: call[key] for key in OF_CALLS})
            call["layer"].features += call["features"]

    def tap(self, name: str, z: Tensor, h: Tensor) -> None:
        """Show a layer: z and h are (batch, N) or (batch, N, height, width).

        It has a row; if it is the name of a linear layer, what follows that is not looked for.
        """
        if not isinstance(name, str) or not name:
            raise InputError("name", name, "accepted: a layer's name")
        for argument, value in (("z", z), ("h", h)):
            if not isinstance(value, Tensor) or value.ndim not in (2, 4):
                given = tuple(value.shape) if isinstance(value, Tensor) else value
                shapes = "(batch, N) or (batch, N, height, width)"
                raise InputError(argument, given, f"accepted: a tensor {shapes}")
        if h.shape != z.shape:
            raise InputError("h", tuple(h.shape), f"accepted: the shape of z, {tuple(z.shape)}")
        self._tap(name, z, h)

    @_apart
    def _tap(self, name: str, z: Tensor, h: Tensor) -> None:
        layer = self._layer(name, z.shape[1])
        if name not in self.tapped:  # forget what was taken for its activation
            self._thread.calls.pop(name, None)
            layer.features = []
            kept = (*OF_OUTPUTS, *OF_WEIGHTS * (self.by == "incoming"))
            layer.sums = {key: layer.sums[key] for key in kept if key in layer.sums}
        self.tapped.discard(name)
        self._receive(tag := _Tag(layer=name, axis=1 - z.ndim), z)
        self._return(tag, h)
        self._flush(name)
        self.tapped.add(name)

    # What is told

    def _scored(self) -> dict[str, _Layer]:
        """Copies, as another thread may go on."""
        with self._lock:
            wanted = self.layers if self.outputs else self.fed | self.tapped
            return {
                name: replace(layer, sums=dict(layer.sums), features=list(layer.features))
                for name, layer in self.layers.items()
                if name in wanted and name not in self.written and "activation" in layer.sums
            }

    def dormant(self) -> dict[str, Tensor]:
        """The dormant neurons of every layer at the first tau: masks (N,) on the device."""
        return {
            name: scores.dormant(layer.sums["activation"][None], self.taus[0])
            for name, layer in self._scored().items()
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row per layer: what it did since the last snapshot. Waits for the device.

        `layer`, `neurons`, `samples`; as shares of the neurons `dormant_TAU`, `dominant`,
        `saturated`, `zombie`, `grama_inactive` over `passes`, the backward ones;
        `largest_activation` (max_i a_i, a_i being the mean of abs(h_i)), `largest_share`,
        `largest_neuron`; `srank`, `effective_rank`, `stable_rank`. Against the last snapshot, as
        shares of the neurons, `became_dormant`, `revived`, `still_dormant`; and the dormant sets'
        `overlap`, `retention` and `chance`, the overlap of random sets of their sizes.
        `samples_left_out` and `passes_left_out` had a number that is not finite and are in nothing
        else. What is undefined (without a sample, a pass or a snapshot before) is NaN.
        """
        return [self._row(name, layer) for name, layer in self._scored().items()]

    def snapshot(self) -> list[dict[str, Any]]:
        """`rows`; then begin anew and compare later rows with the dormant neurons of now."""
        with self._lock:
            rows, masks = self.rows(), self.dormant()
            self.before |= {
                r["layer"]: masks[r["layer"]] for r in rows if r["largest_activation"] >= 0
            }
            for hook in [hook for layer in self.layers.values() for hook in layer.hooks]:
                hook.remove()
            self.layers, self.written, self._told = {}, {}, {}
        return rows

    def log(self, writer: Any, step: int) -> list[dict[str, Any]]:
        """`snapshot`, whose numbers go to `writer` too: TensorBoard's SummaryWriter, or its like.

        Each as `writer.add_scalar("LAYER/COLUMN", number, step)`; what is undefined goes nowhere.
        """
        if not callable(getattr(writer, "add_scalar", None)):
            raise InputError("writer", writer, "accepted: what has add_scalar(name, value, step)")
        rows = self.snapshot()
        for row in rows:
            for column, value in row.items():
                if column != "layer" and value == value:
                    writer.add_scalar(f"{row['layer']}/{column}", value, step)
        return rows

    def _row(self, name: str, layer: _Layer) -> dict[str, Any]:
        # A score of means is that of one sample that has the sums for values.
        sums, a, before = layer.sums, layer.sums["activation"][None], self.before.get(name)
        signs = torch.stack([sums["low"], sums["high"]])
        features = torch.cat(layer.features)
        features = features[features.isfinite().all(1)]
        features = features if len(features) else torch.zeros_like(a)  # which have no rank
        now, largest = scores.dormant(a, self.taus[0]), scores.largest_share(a)
        values = {f"dormant_{tau:g}": scores.dormant(a, tau) for tau in self.taus} | {
            "dominant": scores.dominant(a),
            "saturated": scores.saturated(signs),
            "zombie": scores.zombie(signs),
            "grama_inactive": torch.tensor(math.nan),
            "largest_activation": a.max() / sums["samples"],
            "largest_share": largest,
            "largest_neuron": torch.where(largest.isnan(), largest, a[0].argmax()),
            "srank": scores.srank(features),
            "effective_rank": scores.effective_rank(features),
            "stable_rank": scores.stable_rank(features),
        }
        if "gradient" in sums:
            g = sums["gradient"][None]
            inactive = scores.gradient_dormant(g, self.grama_tau, "activation").to(a.dtype).mean()
            defined = (sums["passes"] > 0) & g.sum().isfinite()
            values["grama_inactive"] = torch.where(defined, inactive, math.nan)
        values |= dict.fromkeys(CHANGES, torch.tensor(math.nan))
        if before is not None:
            values |= {
                "became_dormant": now & ~before,
                "revived": before & ~now,
                "still_dormant": before & now,
                "overlap": scores.overlap(now, before),
                "retention": scores.retention(now, before),
                "chance": scores.chance_overlap(now, before),
            }
        flat = torch.stack([value.to(a.device, a.dtype).mean() for value in values.values()])
        flat = torch.where((sums["samples"] > 0) & a.sum().isfinite(), flat, math.nan)
        row = {"layer": name, "neurons": layer.neurons}
        for kind in ("samples", "passes"):
            counted = int(sums.get(kind, 0))
            row |= {kind: counted, f"{kind}_left_out": sums.get(f"all_{kind}", 0) - counted}
        return row | dict(zip(values, flat.tolist(), strict=True))

    def dormant_ratio(self, definition: str = "redo", tau: float | None = None) -> float:
        """The whole network's dormant ratio as `definition` has it, at tau (or the first of taus).

        NaN if there is nothing to count or something is not finite. Each is named after the code
        that computes it so:

        - redo: neurons with a_i <= tau * mean_j a_j over all neurons, in the layers that have
          rows; a convolution's neuron is a channel (Sokar et al., 2023, Definitions 3.1 and 3.2).
        - dopamine: a_i / (mean_j a_j + 1e-9) <= tau (google/dopamine, labs/redo).
        - timoklein: as dopamine, of the ReLU of every linear layer's own output (before a
          LayerNorm, whatever the activation) but the last one executed; tau = 0 means isclose to
          0, which is 1e-8 or less (timoklein/redo).
        - plasticine: as dopamine, but the mean of the layers' ratios, and tau = 0 as in timoklein
          (RLE-Foundation/Plasticine).
        - drm: mean abs < tau * its mean over the layer, of the outputs of every nn.Linear before
          any activation, the last layer too, no convolutions: a dead layer counts as alive
          (XuGW-Kevin/DrM).
        - grama-code: mean abs of .grad over a neuron's incoming weights, divided by its mean over
          the layer + 1e-9, <= tau: every Linear, Conv2d and LayerNorm, the last layer too; no .grad
          counts as active (the code of GraMa, which is not its eq. (2)). Raises InputError if a
          weight is computed (a parametrization).
        """
        if definition not in DEFINITIONS:
            raise unknown("definition", definition, DEFINITIONS)
        tau = self.taus[0] if tau is None else tau
        _check_tau("tau", tau)
        means, masks = self._judged(definition, tau)
        if not masks or not all(bool(mean.sum().isfinite()) for mean in means):
            return math.nan
        if definition == "plasticine":
            return torch.stack([mask.float().mean() for mask in masks]).mean().item()
        return torch.cat(masks).double().mean().item()

    def _judged(self, definition: str, tau: float) -> tuple[list[Tensor], list[Tensor]]:
        """Of each layer what its neurons are judged by, and which of them are dormant."""

        def close(a: Tensor, zero: bool) -> Tensor:
            score = a / (a.mean() + 1e-9)
            return score.isclose(torch.zeros_like(score)) if zero else score <= tau

        linear = {k: v.sums for k, v in self.layers.items() if "output" in v.sums}
        hidden = [layer.sums for layer in self._scored().values()]
        means = [sums["activation"] / sums["samples"] for sums in hidden]
        match definition:
            case "redo":
                masks = [scores.dormant(sums["activation"][None], tau) for sums in hidden]
            case "dopamine":
                masks = [close(a, False) for a in means]
            case "plasticine":
                masks = [close(a, tau == 0) for a in means]
            case "timoklein":
                means = [s["rectified"] / s["output_samples"] for s in list(linear.values())[:-1]]
                masks = [close(a, tau == 0) for a in means]
            case "drm":
                dense = {name for part, name in self.parts.items() if isinstance(part, nn.Linear)}
                sums = [s for name, s in linear.items() if name in dense]
                means = [s["output"] / s["output_samples"] for s in sums]
                masks = [s["output"] * len(s["output"]) < tau * s["output"].sum() for s in sums]
            case "grama-code":
                kinds = nn.Linear | nn.Conv2d | nn.LayerNorm
                parts = [part for part in self.parts if isinstance(part, kinds)]
                weights = [w for part in parts if (w := self._weight(part)) is not None]
                grads = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
                means = [g.abs().reshape(len(g), -1).mean(1) for g in grads]
                here = zip(means, weights, strict=True)
                masks = [close(a, False) & (w.grad is not None) for a, w in here]
        return means, masks

    def _weight(self, part: nn.Module) -> Tensor | None:
        """A part's weight, if it is a parameter: the mere look at a computed one may change it."""
        weight = part._parameters.get("weight")
        if weight is None and ("weight" in part.__dict__ or is_parametrized(part, "weight")):
            why = f"the weight of {self.parts[part]} is computed and has no .grad"
            raise InputError("definition", "grama-code", f"accepted: the others or `rows`; {why}")
        return None if weight is None or is_lazy(weight) else weight

    def __str__(self) -> str:
        with self._lock:
            return self.table()

    def table(self) -> str:
        """The rows, to be read: the changes too after a snapshot; then what has no row, and why."""
        rows = self.rows()
        share, number, whole = "{:.1%}".format, "{:.1f}".format, "{:.0f}".format
        layers = [
            ("neurons", "", "neurons", whole),
            *(("dormant", f"≤ {tau:g}", f"dormant_{tau:g}", share) for tau in self.taus),
            ("dominant", "", "dominant", share),
            ("saturated", "", "saturated", share),
            ("zombie", "", "zombie", share),
            (f"GraMa ≤ {self.grama_tau:g}", self.by, "grama_inactive", share),
        ]
        ranks = [
            ("largest", "mean |h|", "largest_activation", "{:.3g}".format),
            ("largest", "share", "largest_share", share),
            ("srank", "", "srank", whole),
            ("effective", "rank", "effective_rank", number),
            ("stable", "rank", "stable_rank", number),
        ]
        changes = [(*key.replace("_", " ").partition(" ")[::2], key, share) for key in CHANGES]
        lines = []
        for block in (layers, ranks, changes)[: (2 + bool(self.before)) * bool(rows)]:
            cells = [["layer", "", *(row["layer"] for row in rows)]]
            for *head, key, text in block:
                values = [row[key] for row in rows]
                cells.append([*head, *("-" if v != v else text(v) for v in values)])
            widths = [max(map(len, column)) for column in cells]
            for first, *others in zip(*cells, strict=True):
                right = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
                lines.append("  ".join([first.ljust(widths[0]), *right]).rstrip())
            lines.append("")
        bare = [name for name, layer in self.layers.items() if "activation" not in layer.sums]
        linear = [name for part, name in self.parts.items() if isinstance(part, LINEAR)]
        told = {row["layer"] for row in rows}
        for reason, names in (
            (WRITTEN, self.written),
            (
                "called alone: `call` sees methods other than forward",
                [n for n in bare if n in self.alone],
            ),
            ("reaches no linear layer that is seen", [n for n in self.layers if n not in self.fed]),
            ("no non-linearity of its own", bare),
            ("not the first of a linear layer", self.unplaced),
            ("not seen to be called", linear if self.layers or self._told else ()),
        ):
            new = [name for name in names if name not in told]
            lines += [f"no row for {', '.join(new)} ({reason})"] if new else []
            told.update(new)
        for row, kind in itertools.product(rows, ("samples", "passes")):
            if left := row[f"{kind}_left_out"]:
                every = f"{left + row[kind]} {'backward ' * (kind == 'passes')}{kind}"
                lines.append(f"left out of {row['layer']}: {left} of {every}, not finite")
        return "\n".join([*lines, *self._told]) or "nothing seen yet: call the module"


OF_OUTPUTS = ("output", "rectified", "output_samples")
OF_WEIGHTS = ("gradient", "passes", "all_passes")
OF_CALLS = ("low", "high", "activation", "samples", "all_samples")
CHANGES = ("became_dormant", "revived", "still_dormant", "overlap", "retention", "chance")


def _tensors(values: Iterable[object]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from (item for item in value if isinstance(item, Tensor))


def _traced() -> bool:
    """Whether this is no computation, or one that must not see ours."""
    return (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch._C._functorch.peek_interpreter_stack() is not None
        or (torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing())
    )


def _again() -> bool:
    """Whether a backward pass computes something once more (checkpointing)."""
    return torch._C._current_graph_task_id() != -1


def _fused(part: nn.Module) -> bool:
    """Whether torch may compute attention in one piece, which it does only if nobody watches."""
    kinds = nn.MultiheadAttention | nn.TransformerEncoderLayer | nn.TransformerEncoder
    if not isinstance(part, kinds) or part.training:
        return False
    return not (torch.is_grad_enabled() and any(p.requires_grad for p in part.parameters()))


def _plain(x: Tensor) -> bool:
    """Whether there are real numbers that can be read."""
    if type(x).__torch_dispatch__ is not Tensor.__torch_dispatch__ or x.layout != torch.strided:
        return False
    return x.is_floating_point() and not x.is_meta and x.numel() > 0 and not _traced()


def _finite(y: Tensor, axis: int) -> Tensor:
    """Which samples have finite numbers alone; the neurons' axis stays, with length 1."""
    return y.sum(axis, keepdim=True).isfinite()


def _wide(y: Tensor) -> Tensor:
    """Without gradient, and in float32 at least: sums of bfloat16 would not hold."""
    return y.detach().to(torch.promote_types(y.dtype, torch.float32))


def _over(reduce: Callable[..., Tensor], y: Tensor, axis: int) -> Tensor:
    """Reduce all but the neurons' axis: (N,)."""
    y = y[None]  # an input without batch has nothing else
    return reduce(y, dim=[i for i in range(y.ndim) if i != y.ndim + axis])


def _sum(y: Tensor, axis: int) -> Tensor:
    return _over(torch.sum, y.abs(), axis)


def _unwatching() -> Monitor:
    with Monitor(nn.Identity()) as monitor:
        return monitor


def _check_tau(argument: str, tau: object) -> None:
    if not isinstance(tau, int | float) or not 0 <= tau < math.inf:
        raise InputError(argument, tau, "accepted: a finite number, 0 or more")


def _check_module(module: object) -> None:
    if not isinstance(module, nn.Module):
        raise InputError("module", module, "accepted: a torch.nn.Module")
    for part in module.modules():
        kind = type(part).__name__
        if isinstance(part, torch.jit.ScriptModule):
            raise InputError("module", kind, "accepted: the module as it was before scripting")
        if kind == "OptimizedModule" or part._compiled_call_impl is not None:
            raise InputError("module", kind, "accepted: the module as it was before torch.compile")
        if isinstance(part, nn.DataParallel):
            raise InputError("module", kind, "accepted: its .module, called on one device")
