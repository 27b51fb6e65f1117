"""The search of fusion weights: hand-computed cases, ties, and every candidate one by one."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from videoattn.errors import InputError
from videoattn.evaluation.fusion import compositions, fuse, fused_by_search, searched_weights

RGB = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
FLOW = torch.tensor([[0.0, 6.0], [4.0, 0.0]])


def test_two_streams_by_hand():
    # Both right where 3 s > 6 (1 - s) and 4 (1 - s) > s: 2/3 < s < 4/5.
    labels = torch.tensor([0, 0])
    assert searched_weights({"rgb": RGB, "flow": FLOW}, labels) == {"rgb": 0.7, "flow": 0.3}
    assert searched_weights({"flow": FLOW, "rgb": RGB}, labels) == {"flow": 0.3, "rgb": 0.7}
    # 1/4 steps: 3/4 is right twice. 1/2 steps: 1/2 and 0 are right once, and so is 1; 1/2 is the most equal.
    assert searched_weights({"rgb": RGB, "flow": FLOW}, labels, step=0.25) == {"rgb": 0.75, "flow": 0.25}
    assert searched_weights({"rgb": RGB, "flow": FLOW}, labels, step=0.5) == {"rgb": 0.5, "flow": 0.5}
    assert searched_weights({"rgb": RGB, "flow": FLOW}, labels, step=1) == {"rgb": 1.0, "flow": 0.0}


def test_a_stream_that_is_right_where_the_others_are_sure_and_wrong_gets_all():
    labels = torch.tensor([0, 1, 2])
    right = torch.eye(3)
    wrong = 100 * torch.eye(3).roll(1, 1)
    assert searched_weights({"rgb": right, "flow": wrong}, labels) == {"rgb": 1.0, "flow": 0.0}
    found = searched_weights({"flow": wrong, "idt": wrong.flip(1), "rgb": right}, labels)
    assert found == {"flow": 0.0, "idt": 0.0, "rgb": 1.0}


def test_ties_go_to_equal_weights_and_then_to_the_first():
    labels = torch.tensor([0, 1])
    good = torch.eye(2)
    assert searched_weights({"a": good, "b": good}, labels) == {"a": 0.5, "b": 0.5}
    assert searched_weights(dict.fromkeys("abcd", good), labels) == dict.fromkeys("abcd", 0.25)
    # 20 steps do not divide by 3, and of 7, 7, 6 in any order the first in the list has the most.
    assert searched_weights(dict.fromkeys("abc", good), labels) == {"a": 0.35, "b": 0.35, "c": 0.3}
    # Always wrong: the same.
    assert searched_weights({"a": good, "b": good}, 1 - labels) == {"a": 0.5, "b": 0.5}
    # Right outside of 1/4 < s < 3/4 alone: as near to one half from both sides.
    first, second = torch.tensor([[1.0, -2.0, 0.0]]), torch.tensor([[-2.0, 1.0, 0.0]])
    both, label = torch.cat([first, second]), torch.tensor([0, 1])
    found = searched_weights({"a": both, "b": both.flip(0)}, label, step=0.1)
    assert found == {"a": 0.7, "b": 0.3}
    swapped = torch.tensor([0, 0])
    found = searched_weights({"a": torch.cat([first, first]), "b": torch.cat([second, second])}, swapped, step=0.1)
    assert found == {"a": 0.7, "b": 0.3}


@settings(max_examples=25, deadline=None)
@given(
    streams=st.integers(2, 4),
    videos=st.integers(1, 6),
    classes=st.integers(1, 4),
    parts=st.sampled_from([1, 2, 5]),
    seed=st.integers(0, 99),
)
def test_no_candidate_is_better_and_none_as_good_is_more_equal(streams, videos, classes, parts, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = {f"s{i}": torch.randn(videos, classes, generator=generator) for i in range(streams)}
    labels = torch.randint(classes, (videos,), generator=generator)

    def right(weights):
        return (fuse(scores, weights).argmax(1) == labels).sum().item()

    best = searched_weights(scores, labels, step=1 / parts)
    assert list(best) == list(scores)
    assert sum(best.values()) == pytest.approx(1)
    assert all(weight * parts == pytest.approx(round(weight * parts)) for weight in best.values())
    spread = sum(weight**2 for weight in best.values())
    for numbers in itertools.product(range(parts + 1), repeat=streams):
        if sum(numbers) == parts:
            other = {s: n / parts for s, n in zip(scores, numbers, strict=True)}
            assert right(other) <= right(best)
            if right(other) == right(best):
                assert sum(weight**2 for weight in other.values()) >= spread - 1e-9
    assert searched_weights(dict(scores), labels.clone(), step=1 / parts) == best
    order = torch.randperm(videos, generator=generator)
    assert searched_weights({s: x[order] for s, x in scores.items()}, labels[order], step=1 / parts) == best


@pytest.mark.parametrize(("total", "parts", "number"), [(20, 2, 21), (20, 3, 231), (20, 4, 1771), (1, 3, 3)])
def test_candidates(total, parts, number):
    found = list(compositions(total, parts))
    assert len(found) == len(set(found)) == number
    assert all(sum(shares) == total and min(shares) >= 0 for shares in found)


@pytest.mark.parametrize(
    ("scores", "labels", "says"),
    [
        ({"rgb": RGB}, [0, 0], "scores of rgb: at least two streams"),
        ({}, [0, 0], "scores of no stream: at least two"),
        ({"rgb": RGB, "flow": FLOW[:1]}, [0, 0], r"'flow': \(1, 2\)} do not fit labels \(2,\)"),
        ({"rgb": RGB, "flow": FLOW}, [0, 0, 0], r"do not fit labels \(3,\)"),
        ({"rgb": RGB[:0], "flow": FLOW[:0]}, [], r"do not fit labels \(0,\)"),
        ({"rgb": RGB[0], "flow": FLOW[0]}, [0, 0], r"\(videos, classes\) and \(videos,\)"),
        ({"rgb": RGB, "flow": FLOW / 0}, [0, 0], "scores of flow are not finite"),
        ({"rgb": RGB, "flow": FLOW}, [0, 2], "labels from 0 to 2 do not fit 2 classes"),
        ({"rgb": RGB, "flow": FLOW}, [-1, 1], "labels from -1 to 1 do not fit 2 classes"),
    ],
)
def test_scores_that_do_not_fit_are_refused(scores, labels, says):
    with pytest.raises(InputError, match=says):
        searched_weights(scores, torch.tensor(labels))


@pytest.mark.parametrize("step", [0.0, -0.1, 0.3, 2.0, float("nan")])
def test_impossible_steps_are_refused(step):
    with pytest.raises(InputError, match=f"step={step}: 1 / step must be a whole number"):
        searched_weights({"rgb": RGB, "flow": FLOW}, torch.tensor([0, 0]), step=step)


def test_streams_of_other_scales_are_fused_alike():
    rng = torch.Generator().manual_seed(1)
    labels = torch.randint(3, (40,), generator=rng)
    truth = torch.nn.functional.one_hot(labels, 3).float()
    held_out = {name: truth + torch.randn(40, 3, generator=rng) for name in ("a", "b")}
    test = {name: torch.randn(7, 3, generator=rng) for name in ("a", "b")}
    fused, weights = fused_by_search(test, held_out, labels)
    by_hand = sum(weights[name] * test[name] / held_out[name].std() for name in ("a", "b"))
    torch.testing.assert_close(fused, by_hand)
    assert weights == searched_weights(
        {name: held_out[name] / held_out[name].double().std() for name in held_out}, labels
    )
    for factor in (1e-3, 50.0):
        scaled = [scores | {"b": factor * scores["b"]} for scores in (test, held_out)]
        other, same = fused_by_search(*scaled, labels)
        assert same == weights
        torch.testing.assert_close(other, fused, rtol=1e-4, atol=1e-5)


def test_a_stream_that_says_nothing_stays_as_it_is():
    labels = torch.tensor([0, 1])
    held_out = {"flat": torch.zeros(2, 2), "right": torch.eye(2)}
    fused, weights = fused_by_search({"flat": torch.ones(1, 2), "right": torch.tensor([[0.0, 1.0]])}, held_out, labels)
    assert weights == {"flat": 0.5, "right": 0.5}
    assert fused.argmax(1).tolist() == [1]
    with pytest.raises(InputError, match="test scores of right, held-out scores of flat, right"):
        fused_by_search({"right": torch.eye(2)}, held_out, labels)
