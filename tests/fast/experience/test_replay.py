"""The replay against a naive one that keeps every transition whole."""

from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fast.errors import InputError
from fast.experience import replay
from fast.experience.replay import Batch, Replay

SHAPE = (3, 2, 2)
ACTIONS = 2
PICTURES, CONTROLS = Box(0, 255, SHAPE, np.uint8), Box(-1, 1, (ACTIONS,))


def new(capacity: int, stack: int, steps_per_episode: int, device: str = "cpu", **how) -> Replay:
    how = {"discount": 0.5} | how  # exact in floats
    return Replay(capacity, PICTURES, CONTROLS, stack=stack, device=device,
                  steps_per_episode=steps_per_episode, **how)  # fmt: skip


def picture(number: int) -> np.ndarray:
    """A frame unlike those of all other numbers below 251."""
    return ((np.arange(12) + 13 * number) % 251).astype(np.uint8).reshape(SHAPE)


class Naive:
    """Keeps stacks as they were seen, and which of the frames the ring has not yet overwritten."""

    def __init__(self, capacity: int, frame_stack: int, slots: int):
        self.transitions: deque = deque(maxlen=capacity)
        self.alive: deque[int] = deque(maxlen=slots)
        self.stacked: deque[int] = deque(maxlen=frame_stack)

    def begin(self, frame: int) -> None:
        self.alive.append(frame)
        self.stacked.extend([frame] * self.stacked.maxlen)

    def add(self, action: np.ndarray, reward: float, terminated: bool, frame: int) -> None:
        before = list(self.stacked)
        self.alive.append(frame)
        self.stacked.append(frame)
        step = (before, action, reward, 1.0 - terminated, list(self.stacked))
        self.transitions.append(step)

    def sampleable(self) -> list:
        return [t for t in self.transitions if {*t[0], *t[4]} <= {*self.alive}]


def everything(buffer: Replay) -> Batch:
    return buffer._gather(torch.arange(buffer._oldest, buffer._added))


def assert_equal(batch: Batch, expected: list) -> None:
    def stacked(frames: list[int]) -> np.ndarray:
        return np.concatenate([picture(frame) for frame in frames])

    assert len(batch.obs) == len(expected)
    for row, (before, action, reward, mask, after) in enumerate(expected):
        np.testing.assert_array_equal(batch.obs[row], stacked(before))
        np.testing.assert_array_equal(batch.next_obs[row], stacked(after))
        np.testing.assert_array_equal(batch.action[row], action)
        assert batch.reward[row] == np.float32(reward)
        assert batch.discount[row] == 0.5 * mask


def steps(lengths: list[tuple[int, bool]]) -> Iterator[tuple | int]:
    """A life of a buffer: a number begins an episode, a tuple is a step of it."""
    frame = 0
    for length, terminated in lengths:
        yield frame
        for step in range(length):
            frame += 1
            end = terminated and step == length - 1
            yield np.array([frame, -frame], np.float32) / 7, frame / 3, end, frame
        frame += 1


sizes = st.tuples(st.integers(1, 12), st.integers(1, 4), st.integers(1, 6))
episodes = st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=14)


@settings(deadline=None, max_examples=40)
@given(sizes, episodes)
@example((5, 3, 4), [(1, False)] * 14)
@example((5, 4, 1), [(8, True)] * 14)
def test_after_every_step_the_replay_holds_what_a_naive_one_holds(
    size: tuple[int, int, int], lengths: list[tuple[int, bool]]
) -> None:
    capacity, frame_stack, steps_per_episode = size
    buffer = new(capacity, frame_stack, steps_per_episode)
    naive = Naive(capacity, frame_stack, buffer.slots)
    for event in steps(lengths):
        if isinstance(event, int):
            buffer.begin(picture(event))
            naive.begin(event)
        else:
            action, reward, terminated, frame = event
            buffer.add(action, reward, terminated, picture(frame))
            naive.add(action, reward, terminated, frame)
        expected = naive.sampleable()
        assert len(buffer) == len(expected)
        assert_equal(everything(buffer), expected)
        # What can be sampled is the newest part, without a gap.
        assert expected == list(naive.transitions)[len(naive.transitions) - len(expected) :]


@settings(deadline=None, max_examples=60)
@given(sizes, episodes, st.sampled_from([1, 2, 3, 10]))
def test_n_steps_are_a_naive_sum_that_ends_with_the_episode_and_with_what_was_added(
    size: tuple[int, int, int], lengths: list[tuple[int, bool]], n: int
) -> None:
    """At every moment of a life: short episodes, terminals, time limits, a wrapped ring."""
    capacity, frame_stack, steps_per_episode = size
    buffer = new(capacity, frame_stack, steps_per_episode, n_step=n)
    one_step = new(capacity, frame_stack, steps_per_episode)
    life: list[tuple[int, float, bool]] = []  # episode, reward, terminated, ever since the start
    episode = 0
    for event in steps(lengths):
        if isinstance(event, int):
            episode += 1
            for held in (buffer, one_step):
                held.begin(picture(event))
            continue
        action, reward, terminated, frame = event
        life.append((episode, float(round(reward)), terminated))  # sums are exact
        for held in (buffer, one_step):
            held.add(action, life[-1][1], terminated, picture(frame))
        assert len(buffer) == len(one_step)
        batch, single = everything(buffer), everything(one_step)
        assert torch.equal(batch.obs, single.obs) and torch.equal(batch.action, single.action)
        for row, t in enumerate(range(buffer._oldest, buffer._added)):
            ahead = [step for step in life[t : t + n] if step[0] == life[t][0]]
            assert batch.reward[row] == sum(0.5**i * r for i, (_, r, _) in enumerate(ahead))
            assert batch.discount[row] == (0 if ahead[-1][2] else 0.5 ** len(ahead))
            assert torch.equal(batch.next_obs[row], single.next_obs[row + len(ahead) - 1])


def test_vectors_are_kept_in_their_own_type() -> None:
    buffer = Replay(3, Box(-np.inf, np.inf, (2,), np.float32), CONTROLS, discount=0.9)
    buffer.begin(np.array([0, 0.5], np.float32))
    buffer.add(np.zeros(ACTIONS), 1.0, False, np.array([1, 1.5], np.float32))
    batch = buffer.sample(1, torch.Generator())
    assert batch.obs.tolist() == [[0, 0.5]] and batch.next_obs.tolist() == [[1, 1.5]]
    assert batch.obs.dtype == torch.float32
    assert batch.discount == torch.tensor([0.9])
    with pytest.raises(InputError, match="float32"):
        buffer.add(np.zeros(ACTIONS), 1.0, False, np.zeros(2))


@settings(deadline=None, max_examples=40)
@given(sizes, st.lists(st.integers(0, 5), max_size=14))
@example((7, 1, 3), [0] * 14)
@example((5, 3, 4), [0] * 14)  # needs every slot
def test_with_full_length_episodes_exactly_the_newest_capacity_can_be_sampled(
    size: tuple[int, int, int], longer: list[int]
) -> None:
    capacity, frame_stack, steps_per_episode = size
    buffer = new(capacity, frame_stack, steps_per_episode)
    added = 0
    for event in steps([(steps_per_episode + more, False) for more in longer]):
        if isinstance(event, int):
            buffer.begin(picture(event))
        else:
            buffer.add(*event[:3], picture(event[3]))
            added += 1
        assert len(buffer) == min(added, capacity)


def fill(buffer: Replay, lengths: list[tuple[int, bool]]) -> list[tuple]:
    """Adds the episodes step by step; returns them as `extend` takes them."""
    whole: list[tuple[list, list, list, list]] = []
    for event in steps(lengths):
        if isinstance(event, int):
            buffer.begin(picture(event))
            whole.append(([picture(event)], [], [], []))
        else:
            buffer.add(*event[:3], picture(event[3]))
            for column, value in zip(whole[-1], (picture(event[3]), *event[:3]), strict=True):
                column.append(value)
    return [
        (np.stack(frames), np.stack(actions), np.array(rewards), ends[-1])
        for frames, actions, rewards, ends in whole
    ]


def assert_same(one: Batch, other: Batch) -> None:
    for field in Batch._fields:
        assert torch.equal(getattr(one, field), getattr(other, field)), field


@settings(deadline=None, max_examples=25)
@given(sizes, episodes)
def test_extend_by_an_episode_equals_adding_its_steps(
    size: tuple[int, int, int], lengths: list[tuple[int, bool]]
) -> None:
    capacity, frame_stack, steps_per_episode = size
    one = new(capacity, frame_stack, steps_per_episode)
    other = new(capacity, frame_stack, steps_per_episode)
    for episode in fill(one, lengths):
        other.extend(*episode)
    assert len(one) == len(other)
    assert_same(everything(one), everything(other))


@settings(deadline=None, max_examples=25)
@given(sizes, episodes)
def test_the_newest_episodes_that_hold_slots_frames_rebuild_the_replay(
    size: tuple[int, int, int], lengths: list[tuple[int, bool]]
) -> None:
    capacity, frame_stack, steps_per_episode = size
    buffer = new(capacity, frame_stack, steps_per_episode)
    newest: deque = deque()
    for episode in reversed(fill(buffer, lengths)):
        newest.appendleft(episode)
        if sum(len(frames) for frames, *_ in newest) >= buffer.slots:
            break
    rebuilt = new(capacity, frame_stack, steps_per_episode)
    for episode in newest:
        rebuilt.extend(*episode)
    samples = [b.sample(16, torch.Generator().manual_seed(3)) for b in (buffer, rebuilt)]
    assert_same(*samples)


def filled(device: str = "cpu") -> Replay:
    buffer = new(10, 3, 4, device)
    fill(buffer, [(4, False), (4, True), (2, True), (4, False)])
    return buffer


def test_a_sample_is_uniform_over_what_can_be_sampled_and_drawn_by_the_generator_alone() -> None:
    buffer = filled()
    assert len(buffer) == 10
    drawn = torch.randint(10, (200,), generator=torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == set(range(10))
    torch.manual_seed(5)
    sampled = buffer.sample(200, torch.Generator().manual_seed(0))
    whole = everything(buffer)
    assert_same(sampled, Batch(*(column[drawn] for column in whole)))
    torch.manual_seed(6)
    assert_same(sampled, buffer.sample(200, torch.Generator().manual_seed(0)))


def test_a_sample_has_the_types_and_shapes_that_are_said() -> None:
    batch = filled().sample(5, torch.Generator())
    assert batch.obs.shape == batch.next_obs.shape == (5, 9, 2, 2)
    assert batch.obs.dtype == batch.next_obs.dtype == torch.uint8
    assert batch.action.shape == (5, ACTIONS)
    assert batch.reward.shape == batch.discount.shape == (5,)
    assert batch.action.dtype == batch.reward.dtype == batch.discount.dtype == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_draws_the_transitions_that_the_cpu_draws() -> None:
    samples = [
        filled(device).sample(64, torch.Generator().manual_seed(1)) for device in ("cpu", "cuda")
    ]
    assert samples[1].obs.is_cuda
    assert_same(samples[0], Batch(*(column.cpu() for column in samples[1])))


@given(sizes)
@settings(deadline=None, max_examples=20)
def test_the_memory_said_before_is_the_memory_taken(size: tuple[int, int, int]) -> None:
    capacity, frame_stack, steps_per_episode = size
    buffer = new(capacity, frame_stack, steps_per_episode)
    held = [buffer._frame, buffer._action, buffer._reward, buffer._mask, buffer._now, buffer._first]
    said = Replay.bytes(capacity, 12, ACTIONS, frame_stack, steps_per_episode)
    assert said == sum(tensor.nbytes for tensor in held)


def test_the_papers_replay_takes_2_1_gigabytes() -> None:
    assert round(Replay.bytes(100_000, 3 * 84 * 84, 6, 3, 500) / 1e9, 1) == 2.1
    assert replay.slots(100_000, 3, 500) == 100_000 + 200 + 3


@pytest.mark.parametrize("setting", ["capacity", "stack", "steps_per_episode", "n_step"])
def test_a_size_below_one_is_refused(setting: str) -> None:
    size = {"capacity": 4, "stack": 3, "steps_per_episode": 2, "n_step": 1} | {setting: 0}
    with pytest.raises(InputError, match=setting):
        new(**size)


@pytest.mark.parametrize(
    ("action", "frame"),
    [
        (np.zeros(1), picture(1)),
        (np.zeros((1, ACTIONS)), picture(1)),
        (np.zeros(ACTIONS), picture(1)[:1]),
        (np.zeros(ACTIONS), picture(1).astype(np.float32)),
    ],
)
def test_a_step_of_another_shape_or_type_is_refused_and_changes_nothing(
    action: np.ndarray, frame: np.ndarray
) -> None:
    buffer = filled()
    before = everything(buffer)
    with pytest.raises(InputError, match="accepted"):
        buffer.add(action, 0.0, False, frame)
    assert_same(before, everything(buffer))


def test_an_episode_whose_parts_do_not_fit_together_is_refused() -> None:
    frames = np.stack([picture(0), picture(1)])
    for count in (0, 2):
        with pytest.raises(InputError, match="T \\+ 1"):
            filled().extend(frames, np.zeros((count, ACTIONS)), np.zeros(count), False)


def test_calls_out_of_order_are_refused() -> None:
    buffer = new(4, 3, 2)
    with pytest.raises(RuntimeError, match="begin"):
        buffer.add(np.zeros(ACTIONS), 0.0, False, picture(0))
    buffer.begin(picture(0))
    with pytest.raises(RuntimeError, match="no step yet"):
        buffer.begin(picture(1))
    with pytest.raises(RuntimeError, match="no transition"):
        buffer.sample(1, torch.Generator())
    buffer.add(np.zeros(ACTIONS), 0.0, True, picture(1))
    with pytest.raises(RuntimeError, match="begin"):
        buffer.add(np.zeros(ACTIONS), 0.0, False, picture(2))


@pytest.mark.parametrize(
    ("action", "reward", "field"),
    [
        ([0.0, 0.0], np.nan, "reward"),
        ([0.0, 0.0], -np.inf, "reward"),
        ([0.0, 0.0], 1e39, "reward"),  # infinite as float32
        ([0.0, np.nan], 0.0, "action"),
    ],
)
def test_a_step_that_float32_cannot_hold_is_refused_and_leaves_the_buffer_as_it_was(
    action: list[float], reward: float, field: str
) -> None:
    buffer = new(4, 2, 4)
    buffer.begin(picture(0))
    buffer.add(np.ones(ACTIONS), 1.0, False, picture(1))
    before = everything(buffer)
    with pytest.raises(InputError, match=f"{field}: .* finite"):
        buffer.add(np.array(action), reward, False, picture(2))
    after = everything(buffer)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    buffer.add(np.ones(ACTIONS), 1.0, False, picture(2))
    expected = np.concatenate([picture(1), picture(2)])
    np.testing.assert_array_equal(everything(buffer).next_obs[-1], expected)


def test_a_sum_of_rewards_reads_no_memory_that_was_never_written() -> None:
    """Of n steps those that there are not yet count 0 times, and 0 * NaN is NaN."""
    torch.use_deterministic_algorithms(True)  # then new memory is filled with NaN
    try:
        assert torch.empty(3).isnan().all()
        buffer = new(10, 1, 10, n_step=4)
        buffer.begin(picture(0))
        for step in range(3):
            buffer.add(np.zeros(ACTIONS, np.float32), 2.0, False, picture(step + 1))
        batch = everything(buffer)
    finally:
        torch.use_deterministic_algorithms(False)
    assert batch.reward.tolist() == [3.5, 3.0, 2.0]
    assert batch.discount.tolist() == [0.125, 0.25, 0.5]
