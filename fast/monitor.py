"""Watch the neurons of any `torch.nn.Module`: one row of scores per layer, in one line.

    monitor = Monitor(network)  # then train or evaluate as ever
    print(monitor)              # what the layers did since the last `snapshot`
    monitor.detach()            # or: `with Monitor(network) as monitor:`

A layer of neurons is a linear or convolutional layer, then what normalises, pools, drops or adds
to its output, then the first non-linearity: z is what this receives, h what it returns. The layer
is named after the linear one, a sum after the one that lies behind most others (of equals, the
last); a module that is used twice is one layer with more samples. It has a row if h reaches another
linear map, so the last linear layer of the network, and of each of its heads, has none. Modules,
functions and methods (`nn.ReLU`, `F.relu`, `x.relu_()`) are all seen, in every call of the module
or of a part of it, but not of `module.forward`. The last lines of the table say what has no row.
What cannot be followed (an activation written out, such as x * sigmoid(x), or a layer that is no
nn.Linear or convolution) is shown with `Monitor.tap`.

Watching changes no output, gradient, flag or random number and waits for no device: sums stay on
the device until `rows`. It is for modules that run eagerly, in one thread; it does not see into
captured CUDA graphs, `torch.func` or nn.LSTM, and counts recomputed (checkpointed) calls twice.
Needs torch, fast/scores.py and fast/errors.py alone.
"""

import functools
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from fast import scores
from fast.errors import InputError, unknown

# Names of torch's functions and methods, without the underscores at their ends.
KINDS = {
    "activation": r"\w*relu6?|[scg]?elu|silu|mish|\w*sigmoid|(hard)?tanh|softplus|softsign"
    r"|hardswish|\w+shrink|threshold",
    # What may stand between a linear layer and its non-linearity, if it keeps the neurons' axis.
    "between": r"\w+_norm|normalize|\w*dropout(\dd)?|\w+_pool\dd|[ri]?(add|sub|mul|div|truediv)"
    r"|to|type|type_as|float|double|half|bfloat16|contiguous|clone|detach"
    r"|flatten|reshape|view|squeeze|unsqueeze",
    "linear": r"linear|bilinear|conv\w*\dd|r?matmul|mm|bmm|addmm|baddbmm|einsum"
    r"|(lstm|gru|rnn_(tanh|relu))(_cell)?",
}
DEFINITIONS = ("redo", "dopamine", "timoklein", "plasticine", "drm", "grama-code")


@functools.cache
def _kind(name: str) -> str:
    return next((kind for kind, names in KINDS.items() if re.fullmatch(names, name)), "other")


class _Tag(NamedTuple):
    """Where a tensor comes from."""

    sources: frozenset[str] = frozenset()  # linear layers, none of which lies behind another
    layer: str | None = None  # the one whose z this is, if a non-linearity comes next
    axis: int = -1  # of its neurons, from the end
    ndim: int = 2
    depth: int = 0  # how many linear layers there are one behind the other, this one included


@dataclass
class _Layer:
    """What is known of a layer since the last snapshot."""

    neurons: int
    sums: dict[str, Any] = field(default_factory=dict)  # over all samples: (N,), or an integer
    features: list[Tensor] = field(default_factory=list)  # each (rows, N)

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
        return self.seen(func, args, kwargs or {})


class Monitor:
    """The scores of every layer of neurons of `module`, until `detach`.

    `taus` are the thresholds of dormancy; masks and changes over time are those of the first.
    `grama_tau` is GraMa's (0.01: its Appendix A). Ranks are of a feature matrix of at most
    `feature_rows` samples, spread evenly over the first batch that has as many. `outputs` gives
    rows to layers that reach no other, too: for a part of a network, such as an encoder.
    A deep copy of a watched module, or a pickled one, is not watched. Raises InputError.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        taus: Iterable[float] = (0.1, 0.0),
        grama_tau: float = 0.01,
        feature_rows: int = 256,
        outputs: bool = False,
    ):
        _check_module(module)
        self.taus = tuple(taus)
        if not self.taus:
            raise InputError("taus", self.taus, "accepted: one threshold or more, such as (0.1,)")
        for argument, tau in (("grama_tau", grama_tau), *(("taus", tau) for tau in self.taus)):
            _check_tau(argument, tau)
        if not isinstance(feature_rows, int) or feature_rows < 1:
            raise InputError("feature_rows", feature_rows, "accepted: an integer, 1 or more")
        self.grama_tau, self.feature_rows, self.outputs = grama_tau, feature_rows, outputs
        self.parts = {part: name for name, part in module.named_modules()}
        # Layers whose own `forward` goes on behind the linear map: seen inside it.
        self.inside = {id(part.weight): part for part in self.parts if _goes_on(part)}
        self.layers: dict[str, _Layer] = {}  # in the order of execution
        self.before: dict[str, Tensor] = {}  # the masks of the last snapshot
        self.fed: set[str] = set()  # the layers that reach another linear map
        self.tapped: set[str] = set()
        self.unplaced: dict[str, None] = {}  # non-linearities of nothing linear, in order
        self._tags, self._last = WeakTensorKeyDictionary(), ""
        self._mode, self._outermost = _Mode(self._seen), None
        self._handles = [
            handle
            for part in self.parts
            for handle in (
                part.register_forward_pre_hook(self._enter),
                part.register_forward_hook(self._leave, always_call=True),
            )
        ]

    def detach(self) -> None:
        """Stop watching; what was seen stays readable."""
        for handle in self._handles:
            handle.remove()
        if self._outermost is not None:  # the last call was interrupted, which calls no hook
            self._mode.__exit__(None, None, None)
        self._handles, self._outermost, self._tags = [], None, WeakTensorKeyDictionary()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def __reduce__(self) -> tuple[Callable[[], "Monitor"], tuple[()]]:
        return _unwatching, ()  # where the hooks of a module lead that is copied or pickled

    # What is seen

    def _enter(self, part: nn.Module, args: object) -> None:
        if self._outermost is None and part in self.parts:
            self._outermost = part
            self._mode.__enter__()

    def _leave(self, part: nn.Module, args: object, out: object) -> None:
        if part in self.parts and isinstance(part, nn.Linear | _ConvNd) and not _goes_on(part):
            with torch._C.DisableTorchFunction():  # our own arithmetic is nobody's layer
                if isinstance(out, Tensor) and _plain(out):
                    self._linear(part, out)
        if part is self._outermost:
            self._outermost = None
            self._mode.__exit__(None, None, None)

    def _linear(self, part: nn.Linear | _ConvNd, out: Tensor) -> None:
        name, axis = (
            self.parts[part],
            -1 if isinstance(part, nn.Linear) else -1 - len(part.kernel_size),
        )
        y, neurons = _wide(out), out.shape[axis]
        self.layers.setdefault(name, _Layer(neurons)).join(
            output=_sum(y.abs(), axis),
            rectified=_sum(y.relu(), axis),
            output_samples=y.numel() // neurons,
        )
        depth = self._tags.get(out, _Tag()).depth + 1
        self._tags[out], self._last = _Tag(frozenset([name]), name, axis, out.ndim, depth), name

    def _seen(self, func: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
        """Call a torch function; follow what its results come from."""
        name = getattr(func, "__name__", "").strip("_")
        kind = _kind(name)
        tensors = list(_tensors((*args, *kwargs.values())))
        tags = [tag for tensor in tensors if (tag := self._tags.get(tensor)) is not None]
        deepest = max(tags[::-1], key=lambda tag: tag.depth, default=_Tag())
        new = _Tag(frozenset().union(*(tag.sources for tag in tags)), depth=deepest.depth)
        if kind == "activation" and tensors:
            z = tensors[0]
            tag = self._tags.get(z, new)
            if tag.layer is not None:
                y = _wide(z)  # read before the call, which may be in place
                low, high = _over(torch.amin, y, tag.axis), _over(torch.amax, y, tag.axis)
                self._tags[z] = new  # only the first non-linearity is the layer's
                out = func(*args, **kwargs)
                if tag.layer not in self.tapped:
                    self._add(tag.layer, tag.axis, low, high, out)
                self._tags[out] = new
                return out
            self.unplaced[f"{name} after {self._last}" if self._last else name] = None
        out = func(*args, **kwargs)
        if kind == "linear":
            self.fed |= new.sources
        elif kind == "between" and tags and isinstance(out, Tensor):
            new = self._carried(deepest, new, out)
        if tags:
            for tensor in _tensors((out,)):
                self._tags[tensor] = new
        if kind == "linear" and self.inside:
            part = next((self.inside[id(t)] for t in tensors if id(t) in self.inside), None)
            if part is not None:
                self._linear(part, out)
        return out

    def _carried(self, tag: _Tag, new: _Tag, out: Tensor) -> _Tag:
        """The tag of `out`: z of the same layer if it has an axis of as many neurons."""
        if tag.layer not in self.layers:
            return new
        if out.ndim == tag.ndim or tag.axis == -1 or out.ndim == 2:
            axis = tag.axis if out.ndim == tag.ndim else -1
            if out.shape[axis] == self.layers[tag.layer].neurons:
                return tag._replace(sources=new.sources, axis=axis, ndim=out.ndim)
        return new

    def _add(self, name: str, axis: int, low: Tensor, high: Tensor, h: Tensor) -> None:
        y = _wide(h)
        layer = self.layers.setdefault(name, _Layer(y.shape[axis]))
        samples = y.numel() // layer.neurons
        layer.join(low=low, high=high, activation=_sum(y.abs(), axis), samples=samples)
        room = self.feature_rows - sum(map(len, layer.features))
        if room > 0:
            rows = y.movedim(axis, -1).reshape(samples, layer.neurons)
            layer.features.append(rows[:: math.ceil(samples / room)].clone())
        if h.requires_grad:
            # Bound to the layer of now: after a snapshot, a late gradient counts nowhere.
            h.register_hook(lambda g: layer.join(gradient=_sum(_wide(g).abs(), axis)))

    def tap(self, name: str, z: Tensor, h: Tensor) -> None:
        """Show a layer: z and h are (batch, N) or (batch, N, height, width), not empty.

        It has a row; if it is the name of a linear layer, what follows that is not looked for.
        """
        if not isinstance(name, str) or not name:
            raise InputError("name", name, "accepted: a layer's name")
        for argument, value in (("z", z), ("h", h)):
            if not isinstance(value, Tensor) or value.ndim not in (2, 4) or not value.numel():
                given = tuple(value.shape) if isinstance(value, Tensor) else value
                shapes = "(batch, N) or (batch, N, height, width)"
                raise InputError(argument, given, f"accepted: a tensor {shapes}, not empty")
        layer = self.layers.get(name, _Layer(z.shape[1]))
        if (h.shape, h.shape[1]) != (z.shape, layer.neurons):
            wanted = f"the shape of z, {tuple(z.shape)}, with {layer.neurons} neurons as before"
            raise InputError("h", tuple(h.shape), f"accepted: {wanted}")
        with torch._C.DisableTorchFunction():
            if name not in self.tapped:  # forget what was taken for its activation
                self.tapped.add(name)
                kept = {k: v for k, v in layer.sums.items() if k in OF_OUTPUTS}
                self.layers[name] = _Layer(layer.neurons, kept)
            axis, y = 1 - z.ndim, _wide(z)
            self._add(name, axis, _over(torch.amin, y, axis), _over(torch.amax, y, axis), h)

    # What is told

    def _scored(self) -> dict[str, _Layer]:
        wanted = self.layers if self.outputs else self.fed | self.tapped
        return {
            name: layer
            for name, layer in self.layers.items()
            if name in wanted and "activation" in layer.sums
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
        `saturated`, `zombie`, `grama_inactive` (NaN without a backward pass, each of which counts);
        `largest_share`, `largest_neuron`, `srank`, `effective_rank`, `stable_rank`. Against the
        last snapshot (NaN before the first), as shares of the neurons, `became_dormant`,
        `revived`, `still_dormant`; and the dormant sets' `overlap`, `retention` and `chance`, the
        overlap of random sets of their sizes.
        """
        scored, masks = self._scored(), self.dormant()
        if not scored:
            return []
        table = [
            self._row(layer, masks[name], self.before.get(name)) for name, layer in scored.items()
        ]
        flat = [value for row in table for value in row.values()]
        dtype = functools.reduce(torch.promote_types, (value.dtype for value in flat))
        values = iter(torch.stack([v.to(flat[0].device, dtype) for v in flat]).tolist())
        return [
            {"layer": name, "neurons": layer.neurons, "samples": layer.sums["samples"]}
            | {key: next(values) for key in row}
            for (name, layer), row in zip(scored.items(), table, strict=True)
        ]

    def snapshot(self) -> list[dict[str, Any]]:
        """`rows`; then begin anew and compare later rows with the dormant neurons of now."""
        rows = self.rows()
        self.before |= self.dormant()
        self.layers = {}
        return rows

    def _row(self, layer: _Layer, now: Tensor, before: Tensor | None) -> dict[str, Tensor]:
        # A score of means is that of one sample that has the sums for values.
        a, sums = layer.sums["activation"][None], layer.sums
        signs = torch.stack([sums["low"], sums["high"]])
        features = torch.cat(layer.features)
        # NaN or infinity has no rank, as zero has none, and must not stop the rest.
        features = torch.where(features.isfinite().all(), features, 0.0)
        shares = {f"dormant_{tau:g}": scores.dormant(a, tau) for tau in self.taus} | {
            "dominant": scores.dominant(a),
            "saturated": scores.saturated(signs),
            "zombie": scores.zombie(signs),
        }
        row = {key: mask.to(a.dtype).mean() for key, mask in shares.items()}
        largest = scores.largest_share(a)
        nan = torch.full_like(largest, torch.nan)
        row |= {
            "grama_inactive": nan,
            "largest_share": largest,
            "largest_neuron": torch.where(largest.isnan(), nan, a[0].argmax()),
            "srank": scores.srank(features),
            "effective_rank": scores.effective_rank(features),
            "stable_rank": scores.stable_rank(features),
        }
        if "gradient" in sums:
            inactive = scores.gradient_dormant(sums["gradient"][None], self.grama_tau, "activation")
            row["grama_inactive"] = inactive.to(a.dtype).mean()
        if before is None:
            return row | dict.fromkeys(CHANGES, nan)
        return row | {
            "became_dormant": (now & ~before).to(a.dtype).mean(),
            "revived": (before & ~now).to(a.dtype).mean(),
            "still_dormant": (before & now).to(a.dtype).mean(),
            "overlap": scores.overlap(now, before),
            "retention": scores.retention(now, before),
            "chance": scores.chance_overlap(now, before),
        }

    def dormant_ratio(self, definition: str = "redo", tau: float | None = None) -> float:
        """The whole network's dormant ratio as `definition` has it, at tau (or the first of taus).

        NaN if there is nothing to count. Each is named after the code that computes it so:

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
          counts as active (the code of GraMa, which is not its eq. (2)).
        """
        if definition not in DEFINITIONS:
            raise unknown("definition", definition, DEFINITIONS)
        tau = self.taus[0] if tau is None else tau
        _check_tau("tau", tau)

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
                last = list(linear.values())[:-1]
                masks = [close(s["rectified"] / s["output_samples"], tau == 0) for s in last]
            case "drm":
                dense = {name for part, name in self.parts.items() if isinstance(part, nn.Linear)}
                outputs = [sums["output"] for name, sums in linear.items() if name in dense]
                masks = [a * len(a) < tau * a.sum() for a in outputs]
            case "grama-code":
                kinds = nn.Linear | nn.Conv2d | nn.LayerNorm
                parts = [part for part in self.parts if isinstance(part, kinds)]
                weights = [part.weight for part in parts if part.weight is not None]
                masks = [
                    torch.zeros(len(w), dtype=torch.bool, device=w.device)
                    if w.grad is None
                    else close(w.grad.abs().reshape(len(w), -1).mean(1), False)
                    for w in weights
                ]
        if not masks:
            return math.nan
        if definition == "plasticine":
            return torch.stack([mask.float().mean() for mask in masks]).mean().item()
        return torch.cat(masks).double().mean().item()

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """The rows, to be read: the changes too after a snapshot; then what has no row, and why."""
        rows = self.rows()
        share, number, whole = "{:.1%}".format, "{:.1f}".format, "{:.0f}".format
        columns = [
            ("neurons", "", "neurons", whole),
            *(("dormant", f"≤ {tau:g}", f"dormant_{tau:g}", share) for tau in self.taus),
            ("dominant", "", "dominant", share),
            ("saturated", "", "saturated", share),
            ("zombie", "", "zombie", share),
            ("GraMa", f"≤ {self.grama_tau:g}", "grama_inactive", share),
            ("largest", "share", "largest_share", share),
            ("srank", "", "srank", whole),
            ("eff.", "rank", "effective_rank", number),
            ("stable", "rank", "stable_rank", number),
        ]
        changes = [(*key.replace("_", " ").partition(" ")[::2], key, share) for key in CHANGES]
        lines = []
        for block in (columns, changes) if rows and self.before else (columns,) if rows else ():
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
        ends = [name for name in self.layers if name not in self.fed | self._scored().keys()]
        for reason, names in (
            ("reaches no linear layer that is seen", ends),
            ("no non-linearity of its own", [name for name in bare if name in self.fed]),
            ("not the first of a linear layer", self.unplaced),
        ):
            if names:
                lines.append(f"no row for {', '.join(names)} ({reason})")
        return "\n".join(lines) or "nothing seen yet: call the module"


OF_OUTPUTS = ("output", "rectified", "output_samples")
CHANGES = ("became_dormant", "revived", "still_dormant", "overlap", "retention", "chance")


def _tensors(values: Iterable[object]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from (item for item in value if isinstance(item, Tensor))


def _plain(out: Tensor) -> bool:
    """Whether there are real numbers, and not inside torch.func: those must not get out of it."""
    inside = torch._C._functorch.peek_interpreter_stack() is not None
    return not inside and out.is_floating_point() and out.numel() > 0


def _wide(y: Tensor) -> Tensor:
    """Without gradient, and in float32 at least: sums of bfloat16 would not hold."""
    return y.detach().to(torch.promote_types(y.dtype, torch.float32))


def _over(reduce: Callable[..., Tensor], y: Tensor, axis: int) -> Tensor:
    """Reduce all but the neurons' axis: (N,)."""
    y = y[None]  # an input without batch has nothing else
    return reduce(y, dim=[i for i in range(y.ndim) if i != y.ndim + axis])


def _sum(y: Tensor, axis: int) -> Tensor:
    return _over(torch.sum, y, axis)


def _unwatching() -> Monitor:
    with Monitor(nn.Identity()) as monitor:
        return monitor


def _goes_on(part: nn.Module) -> bool:
    """Whether a linear layer has a `forward` of its own: a norm or a non-linearity may follow."""
    forward = type(part).forward
    return isinstance(part, nn.Linear | _ConvNd) and not forward.__module__.startswith("torch.nn")


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
        if isinstance(part, nn.MultiheadAttention):
            # It asks whether anyone watches, and computes otherwise then.
            raise InputError("module", kind, "accepted: modules without it, such as its neighbours")
