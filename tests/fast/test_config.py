"""The presets are what their sources say."""

import json
import math
from dataclasses import fields, is_dataclass, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fast import config as configs
from fast import interventions
from fast.agents import AGENTS
from fast.agents.drq import Critic
from fast.errors import InputError
from fast.papers.grama import TAUS
from fast.papers.methods import METHODS

TASKS = {"drq": "cartpole-swingup", "drqv2": "quadruped-run", "sac": "HalfCheetah-v4",
         "ppo": "HalfCheetah-v4", "dacer": "Ant-v4", "dqn": "minatar-asterix",
         "bro": "dog-stand", "classifier": "digits"}  # fmt: skip

# Appendix B.2 of Neuron Dominance, in its own words; "default network architecture of DrQ ... in
# this implementation" is jaxrl's, whose figures follow under the same heading in the field's notes.
B2 = {
    "agent.discount": 0.99,
    "agent.learning_rate": 3e-4,
    "agent.batch_size": 512,
    "agent.averaging_rate": 0.005,
    "agent.betas": (0.9, 0.999),
    "agent.adam_eps": 1e-8,
    "agent.weight_decay": 0.0,
    "agent.replay_capacity": 100_000,
    "agent.bins": 101,
    "agent.sigma": 0.75,
    "agent.low": 0.0,
    "agent.high": 100.0,
}
JAXRL = {
    "env.size": 84,
    "env.frame_stack": 3,
    "env.render_quality": "suite",
    "agent.channels": 32,
    "agent.strides": (2, 1, 1, 1),
    "agent.latent": 50,
    "agent.hidden": (256, 256),
    "agent.normalisation": "none",
    "agent.layer_norm_eps": 1e-6,
    "agent.initialisation": "jaxrl",
    "agent.log_std": "clip",
    "agent.bfloat16": False,
    "agent.temperature_learning_rate": 3e-4,
    "agent.target_period": 1,
    "agent.actor_period": 1,
    "agent.target_augmentations": 1,
    "agent.critic_augmentations": 1,
    "agent.pad": 4,
    "agent.initial_temperature": 0.1,
    "agent.target_entropy_per_action": -1.0,
    "agent.first_update": 1000,
    "agent.updates_per_step": 1,
    "agent.n_step": 1,
    "run.evaluation_interval": 5000,
    "run.evaluation_episodes": 10,
}
# Fixed neither by B.2 nor by jaxrl. The total is read off B.1, where the first 500k updates are
# the first half of training; seeds are 8 in Figures 2 and 3 and 6 in Figure 6: one run is one seed.
ELSEWHERE = {
    "env.action_repeat": 8,  # of cartpole-swingup, from the per-task table
    "env.camera": 0,
    "agent.decay_biases": False,  # no decay to include them in
    "run.updates": 1_000_000,
    "run.reward_masked": 0,
    "run.score_interval": 2000,
    "run.score_batch": 256,
    "run.magi": "loss",
    "run.log_interval": 1000,
    "run.checkpoint_interval": 5000,
    "run.update_first": False,
    "run.compile": False,
    "run.stored": "",
    "run.teacher": "",
    "run.start": "",
    "run.pretrained": False,
    "agent.encoder": "conv",
    "agent.resnet_width": 64,
    "agent.loss": "mse",
    "agent.entropy_in_target": True,
    "agent.decay_in_loss": False,  # no decay that could be there
    **{f"interventions.{f.name}": None for f in fields(interventions.Interventions)},
}


def settled(*choice):
    return configs.build("drq", *choice)


PARTS = ("env", "interventions", "agent", "run")


def flatten(config):
    parts = {name: getattr(config, name) for name in PARTS}
    found = {f"{n}.{f.name}": getattr(p, f.name) for n, p in parts.items() for f in fields(p)}
    return {name: value for name, value in found.items() if not name.endswith(".kind")}


def test_the_paper_preset_is_appendix_b2_and_every_setting_has_a_source():
    assert flatten(settled("cartpole-swingup")) == B2 | JAXRL | ELSEWHERE


@pytest.mark.parametrize(
    ("method", "changed"),
    [
        (
            "reset",
            {"interventions.reset": interventions.Reset(when=interventions.Schedule(100_000))},
        ),
        (
            "redo",
            {"interventions.redo": interventions.ReDo(when=interventions.Schedule(1000), tau=0.1)},
        ),
        (
            "pruning",
            {
                "interventions.pruning": interventions.Pruning(
                    when=interventions.Schedule(1000, 0.2, 0.8), sparsity=0.95
                )
            },
        ),
        (
            "late-ln",
            {"interventions.late_norm": interventions.LateNorm(when=interventions.Once(0.5))},
        ),
        ("hl-gauss", {"agent.loss": "hl_gauss"}),
        ("hl-gauss-x10", {"agent.loss": "hl_gauss", "agent.high": 1000.0, "agent.sigma": 7.5}),
        ("ln", {"agent.normalisation": "layer_norm"}),
        ("lnwd", {"agent.normalisation": "layer_norm", "agent.weight_decay": 1e-4}),
        ("resnet18", {"agent.encoder": "resnet18"}),
        ("baseline", {}),
    ],
)
def test_a_method_is_a_preset_over_few_settings(method, changed):
    assert flatten(settled("cartpole-swingup", method)) == B2 | JAXRL | ELSEWHERE | changed


def test_every_method_of_the_main_paper_is_in_the_table_above():
    others = {"regrama", "reborn", "continual-backprop", "shrink-perturb", "l2-init"}
    others |= {"prune-dormant", "weight-decay", "make-dominant", "adam-eps", "adam-eps-1e-8"}
    others |= {"n-step", "impala", "low-lr", "leaky-relu", "fixed-targets", "pretrained"}
    others |= {"no-activation", "tanh", "redo-least-useful", "same-updates"}
    others |= {"sigmoid", "residual"}
    others |= {f"blocks-{depth}" for depth in (1, 2, 3, 4)} | {"prune-low-gradient"}
    ends = (*(f"most-{x}" for x in (0.01, 0.05, 0.1)), *(f"tau-{x:g}" for x in TAUS))
    others |= {f"{name}-{end}" for name in ("redo", "regrama") for end in ends}
    others |= {f"replay-ratio-{ratio:g}" for ratio in (0.25, 0.5, 1, 2, 4, 8)}
    others |= {f"width-{factor:g}" for factor in (0.25, 0.5, 2, 4)}
    kinds = ("0.02", "0.1", "lowest", "random", "highest", "outgoing-fresh", "incoming-norm")
    others |= {f"redo-{kind}" for kind in (*kinds, *(f"batch-{n}" for n in (32, 64, 256, 1024)))}
    assert len(METHODS.keys() - others) == 10


def test_methods_are_joined_by_a_plus_and_the_later_one_has_the_last_word():
    joined = settled("cartpole-swingup", "redo+lnwd+pruning")
    assert joined.interventions.on().keys() == {"redo", "pruning"}
    assert joined.agent.normalisation == "layer_norm"
    assert settled("cartpole-swingup", "hl-gauss+hl-gauss-x10").agent.high == 1000.0
    for wrong in ("redo+redo", "redo+", "", "redo+lnw"):
        with pytest.raises(InputError) as error:
            settled("cartpole-swingup", wrong)
        assert error.value.field == "--method"


@pytest.mark.parametrize(
    ("updates", "reset", "redo", "pruning"), [(8000, 800, 160, 96), (20, 2, 1, 1)]
)
def test_intervals_of_short_presets_scale_with_the_run(updates, reset, redo, pruning):
    asked = settled("cartpole-swingup", "reset+redo+pruning", "laptop").interventions.on()
    found = {name: each.when.interval(updates) for name, each in asked.items()}
    assert found == {"reset": reset, "redo": redo, "pruning": pruning}


TIMES = st.one_of(st.integers(1, 40), st.floats(0.01, 1))


@given(st.integers(1, 60), TIMES, st.one_of(st.integers(0, 40), st.floats(0, 1)), TIMES)
def test_a_schedule_is_due_at_multiples_from_its_start_to_the_first_at_its_end(
    updates, every, start, end
):
    """Against the definition, update by update; whole numbers are updates, fractions shares."""
    when = interventions.Schedule(every, start, end)
    interval = every if isinstance(every, int) else max(1, int(every * updates))
    first, last = (x if isinstance(x, int) else x * updates for x in (start, end))
    due, over = [], False
    for update in range(1, updates):
        if update % interval == 0 and update >= first and not over:
            due.append(update)
        over = over or (update % interval == 0 and update >= last)
    assert [u for u in range(1, updates + 5) if when.due(u, updates)] == due
    if due:
        assert when.first(updates) == due[0]


@pytest.mark.parametrize(("at", "updates", "due"), [(7, 20, 7), (0.5, 21, 10), (20, 20, None)])
def test_what_happens_once_happens_once(at, updates, due):
    found = [u for u in range(updates + 2) if interventions.Once(at).due(u, updates)]
    assert found == ([] if due is None else [due])


def test_a_masked_task_masks_the_first_half_of_its_updates_unless_told_otherwise():
    config = settled("reacher-easy-masked")
    assert config.run.masked_updates == 500_000  # B.1
    assert config.env.action_repeat == 4
    assert replace(config.run, updates=7).masked_updates == 3
    assert replace(config.run, updates=7, reward_masked=5).masked_updates == 5


@pytest.mark.parametrize(
    ("part", "change", "field"),
    [
        ("agent", {"high": 0.0}, "--agent.high"),
        ("agent", {"bins": 1}, "--agent.bins"),
        ("agent", {"sigma": 0.0}, "--agent.sigma"),
        ("agent", {"loss": "huber"}, "--agent.loss"),
        ("agent", {"encoder": "vgg"}, "--agent.encoder"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_its_name(part, change, field):
    config = settled("cartpole-swingup")
    config = replace(config, **{part: replace(getattr(config, part), **change)})
    with pytest.raises(InputError) as error:
        configs.check(config)
    assert error.value.field == field


NUMBERS = [
    (agent, part, option.name)
    for agent in AGENTS
    for part, held in vars(configs.build(agent, TASKS[agent])).items()
    if is_dataclass(held) and (part != "run" or agent == "drq")  # whose is one of all
    for option in fields(held)
    if isinstance(option.default, int | float | tuple) and option.type is not bool
]


@pytest.mark.parametrize("value", [2**63, -(2**63), 1e30, math.nan, "1", None, True])
@pytest.mark.parametrize(("agent", "part", "option"), NUMBERS)
def test_a_number_that_no_machine_can_hold_is_refused_by_its_name(agent, part, option, value):
    config = configs.build(agent, TASKS[agent])
    default = getattr(getattr(config, part), option)
    if isinstance(default, float) and type(value) is not bool and isinstance(value, int | float):
        value = value * math.inf  # a rate has no largest number
    given = (value,) * len(default) if isinstance(default, tuple) else value
    config = replace(config, **{part: replace(getattr(config, part), **{option: given})})
    with pytest.raises(InputError) as error:
        configs.check(config)
    assert error.value.field == f"--{part}.{option.replace('_', '-')}"


def test_settings_are_read_back_as_they_were_written(tmp_path):
    config = settled("quadruped-walk", "lnwd", "laptop")
    assert configs.from_json(configs.to_json(config).encode(), tmp_path) == config


def _without(values, *names):
    *path, last = names
    inner = values
    for name in path:
        inner = inner[name]
    inner.pop(last)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda v: v["agent"].update(hidden="256"), "agent.hidden"),
        (lambda v: v["agent"].update(colour=1), "agent.colour"),
        (lambda v: v.update(extra={}), "extra"),
        (lambda v: _without(v, "agent", "hidden"), "agent.hidden"),
        (lambda v: _without(v, "agent"), "agent"),
        (lambda v: v.update(agent=[]), "agent"),
        (lambda v: v["agent"].update(betas=[0.9]), "agent.betas"),
    ],
)
def test_a_file_of_settings_that_is_damaged_is_refused_by_the_name_of_the_setting(
    tmp_path, change, field
):
    values = json.loads(configs.to_json(settled("cartpole-swingup")))
    change(values)
    with pytest.raises(InputError) as error:
        configs.from_json(json.dumps(values).encode(), tmp_path / "config.json")
    assert error.value.field == f"{tmp_path / 'config.json'}: {field}"


@pytest.mark.parametrize("text", [b"", b"[]", b"7", b"{", b"[" * 100_000, b"\xff", b'{"a":' * 9999])
def test_a_file_that_holds_no_settings_is_refused(tmp_path, text):
    with pytest.raises(InputError, match=r"config\.json of a run"):
        configs.from_json(text, tmp_path / "config.json")


def changed(config, name, **changes):
    part = replace(getattr(config.interventions, name), **changes)
    return replace(config, interventions=replace(config.interventions, **{name: part}))


@pytest.mark.parametrize(
    ("method", "changes", "field"),
    [
        ("redo", {"tau": -1.0}, "redo.tau"),
        ("redo", {"select": "most"}, "redo.select"),
        ("redo", {"most": 0.0}, "redo.most"),
        ("redo", {"on": ()}, "redo.on"),
        ("redo", {"batch": 2**63}, "redo.batch"),
        ("redo", {"when": interventions.Schedule(0)}, "redo.when.every"),
        ("redo", {"when": interventions.Schedule(1.5)}, "redo.when.every"),
        ("redo", {"when": interventions.Schedule(math.nan)}, "redo.when.every"),
        ("pruning", {"when": interventions.Schedule(1, -1)}, "pruning.when.start"),
        ("pruning", {"when": interventions.Schedule(1, 0.8, 0.2)}, "pruning.when.end"),
        ("pruning", {"sparsity": 1.5}, "pruning.sparsity"),
        ("late-ln", {"when": interventions.Once(1.5)}, "late-norm.when.at"),
        ("regrama", {"by": "outgoing"}, "regrama.by"),
        ("l2-init", {"strength": math.inf}, "l2-init.strength"),
    ],
)
def test_an_intervention_that_cannot_work_is_refused_by_its_name(method, changes, field):
    config = settled("cartpole-swingup", method, "tiny")
    (name,) = config.interventions.on()
    with pytest.raises(InputError) as error:
        configs.check(changed(config, name, **changes))
    assert error.value.field == f"--interventions.{field}"


@pytest.mark.parametrize(
    ("method", "when", "field"),
    [
        ("reset", interventions.Schedule(300), "reset.when.every"),
        ("redo", interventions.Schedule(1000), "redo.when.every"),
        # 280 is before 0.95 of 300 updates, and 560 after the last
        ("pruning", interventions.Schedule(280, 0.95, 1.0), "pruning.when.every"),
        ("late-ln", interventions.Once(0.001), "late-norm.when.at"),
        ("late-ln", interventions.Once(1.0), "late-norm.when.at"),
    ],
)
def test_an_intervention_that_would_never_act_is_refused(method, when, field):
    config = settled("cartpole-swingup", method, "tiny")
    (name,) = config.interventions.on()
    with pytest.raises(InputError, match="never act") as error:
        configs.check(changed(config, name, when=when))
    assert error.value.field == f"--interventions.{field}"


def test_an_interval_of_one_update_less_than_the_run_is_accepted():
    config = settled("cartpole-swingup", "reset", "tiny")
    configs.check(changed(config, "reset", when=interventions.Schedule(299)))


def test_late_norm_is_refused_where_the_norms_are_there_already():
    with pytest.raises(InputError, match="normalisation none"):
        configs.check(settled("cartpole-swingup", "lnwd+late-ln"))


def test_the_original_drq_preset_is_its_repositorys():
    ours = flatten(settled("cartpole-swingup", "baseline", "drq-original"))
    changed = {key: value for key, value in ours.items() if value != (B2 | JAXRL | ELSEWHERE)[key]}
    assert changed == {
        "agent.hidden": (1024, 1024),
        "agent.initialisation": "drq",
        "agent.layer_norm_eps": 1e-5,
        "agent.log_std": "tanh",
        "agent.learning_rate": 1e-3,
        "agent.temperature_learning_rate": 1e-3,
        "agent.averaging_rate": 0.01,
        "agent.target_period": 2,
        "agent.actor_period": 2,
        "agent.target_augmentations": 2,
        "agent.critic_augmentations": 2,
        "run.updates": 500_000,
        "run.update_first": True,
        "agent.first_update": 1001,  # a thousand random actions come first
    }


FIT = [
    (agent, preset, method)
    for agent, kind in AGENTS.items()
    for preset in kind.file.PRESETS
    for method, changes in METHODS.items()
    if changes.get("agent", {}).keys() <= {f.name for f in fields(kind.settings)}
    and method != "pretrained"  # which needs a run to begin with
    and (method != "late-ln" or kind.settings().normalisation == "none")  # BRO's are there
]


@pytest.mark.parametrize(("agent", "preset", "method"), FIT)
def test_every_preset_of_every_method_is_accepted(agent, preset, method):
    task = {"drq": "quadruped-walk"}.get(agent, TASKS[agent])
    configs.check(configs.build(agent, task, method, preset))


@pytest.mark.parametrize(
    ("agent", "task", "method", "field", "value"),
    [
        ("sac", "HalfCheetah-v4", "hl-gauss", "--method", "hl-gauss"),
        ("sac", "HalfCheetah-v4", "ln+resnet18", "--method", "resnet18"),
        ("bro", "dog-walk", "lnwd", "--method", "lnwd"),
        ("sac", "HalfCheetah-v9", "baseline", "--task", "HalfCheetah-v9"),
        ("drq", "HalfCheetah-v4", "baseline", "--task", "HalfCheetah-v4"),
        ("dqn", "cartpole-swingup", "baseline", "--task", "cartpole-swingup"),
        ("dqn", "atari-pung", "baseline", "--task", "atari-pung"),
        ("dqn", "minatar-asterix", "hl-gauss", "--method", "hl-gauss"),
        ("rainbow", "minatar-asterix", "baseline", "--agent", "rainbow"),
        ("classifier", "digit", "baseline", "--task", "digit"),
        ("classifier", "digits", "hl-gauss", "--method", "hl-gauss"),
        ("drq", "digits", "baseline", "--task", "digits"),
    ],
)
def test_what_an_agent_lacks_or_cannot_play_is_refused(agent, task, method, field, value):
    with pytest.raises(InputError) as error:
        configs.check(configs.build(agent, task, method))
    assert (error.value.field, error.value.value) == (field, value)


def test_of_sac_redo_and_reset_come_as_table_4_of_redo_has_them():
    asked = configs.build("sac", "HalfCheetah-v4", "redo+reset").interventions
    assert (asked.redo.tau, asked.redo.when.every, asked.reset.when.every) == (0, 200_000, 200_000)


def test_what_was_changed_of_the_presets_is_written_down():
    config = settled("cartpole-swingup", "redo", "tiny")
    assert configs.changed(replace(config, seed=3, device="cuda")) == []
    other = replace(config, agent=replace(config.agent, pad=2), run=replace(config.run, updates=9))
    other = changed(other, "redo", tau=0.2)
    told = ["interventions.redo.tau", "agent.pad", "run.updates"]
    assert configs.changed(other) == json.loads(configs.to_json(other))["changed"] == told


def test_action_repeat_and_camera_come_from_the_task():
    assert settled("cheetah-run").env.action_repeat == 4
    assert settled("quadruped-walk").env.camera == 2


@pytest.mark.parametrize(("task", "near"), [("cartpole-swinup", "swingup"), ("reacher", "reacher")])
def test_an_unknown_task_is_refused_with_the_near_ones(task, near):
    with pytest.raises(InputError, match=near) as error:
        configs.check(settled(task))
    assert error.value.field == "--task"
    assert error.value.value == task


ENCODERS = (
    ({"strides": (2, 1, 1, 1)}, 15),  # 15, 7, 5, 3, 1 pixels
    ({"strides": (2, 2, 1, 1)}, 23),  # 23, 11, 5, 3, 1
    ({"strides": (3,)}, 3),
    ({"encoder": "resnet18", "resnet_width": 4, "strides": ()}, 1),
    ({"encoder": "resnet18", "resnet_width": 1}, 5),
)


@pytest.mark.parametrize(("changes", "least"), ENCODERS)
def test_the_smallest_picture_that_is_accepted_is_the_smallest_that_the_encoder_takes(
    changes, least
):
    config = settled("cartpole-swingup", "baseline", "tiny")
    config = replace(config, agent=replace(config.agent, **changes))

    def sized(size):
        return replace(config, env=replace(config.env, size=size))

    configs.check(sized(least))
    with pytest.raises(InputError, match=f"{least} or more|or equal to {least}") as error:
        configs.check(sized(least - 1))
    assert error.value.field == "--env.size"

    critic = Critic(config.agent, (9, least, least), 1)

    def encoded(size):
        return critic.trunk(critic.encoder(torch.zeros(1, 9, size, size, dtype=torch.uint8)))

    assert encoded(least).isfinite().all()
    if least > 1:
        with pytest.raises((RuntimeError, ValueError)):
            encoded(least - 1)


def test_another_replay_ratio_keeps_the_number_of_agent_steps():
    """ReDo, Figures 7 and 10, or as Figure 26 the updates; and who names the updates has them."""
    usual = configs.build("dqn", "minatar-asterix", preset="laptop")
    for ratio in (0.25, 1, 4):
        made = configs.build("dqn", "minatar-asterix", f"replay-ratio-{ratio:g}+redo-0.1", "laptop")
        assert made.run.updates / made.agent.updates_per_step == usual.run.updates / 0.25
        assert made.interventions.redo.tau == 0.1
        assert replace(made, run=replace(made.run, updates=7)).run.updates == 7
        name = f"replay-ratio-{ratio:g}+same-updates"
        same = configs.build("dqn", "minatar-asterix", name, "laptop")
        assert same.run.updates == usual.run.updates and same.agent == made.agent
