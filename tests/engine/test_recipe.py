"""Recipes: what cannot be is refused, and every value counts in the digest."""

from dataclasses import fields, replace

import pytest

from videoattn.engine.recipe import Recipe, as_json, digest, dry_run, values
from videoattn.errors import InputError

RECIPE = Recipe(epochs=2, batch_size=8, lr=0.1)
OTHER = {
    "epochs": 3,
    "batch_size": 4,
    "lr": 0.2,
    "optimizer": "adamw",
    "momentum": 0.5,
    "weight_decay": 0.1,
    "accumulation": 2,
    "schedule": "linear",
    "plateau_patience": 1,
    "plateau_factor": 0.5,
    "clip_norm": 1.0,
    "precision": "bf16",
    "max_steps": 3,
}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"epochs": 0}, "epochs=0: at least 1"),
        ({"batch_size": -1}, "batch_size=-1: at least 1"),
        ({"max_steps": 0}, "max_steps=0: at least 1"),
        ({"accumulation": 3}, "batch_size=8 cannot be made of 3 equal batches"),
        ({"precision": "fp8"}, "unknown precision 'fp8'; choose from no, bf16, fp16"),
        ({"optimizer": "adam"}, "unknown optimizer 'adam' .did you mean adamw.*; choose from sgd, nesterov, adamw"),
        ({"schedule": "cosine"}, "unknown schedule 'cosine'; choose from plateau, linear, steps"),
        ({"schedule": "plateau 1"}, "schedule 'plateau 1': behind 'steps', and nowhere else"),
        ({"schedule": "steps"}, "schedule 'steps': behind 'steps'"),
        ({"schedule": "steps 2"}, "schedule 'steps 2': .* rising epochs from 1 to 1"),
        ({"schedule": "steps 5 3", "epochs": 9}, "schedule 'steps 5 3': .* rising"),
        ({"schedule": "steps 0"}, "schedule 'steps 0': .* rising"),
        ({"schedule": "steps 1.5"}, "schedule 'steps 1.5': epochs are expected"),
    ],
)
def test_impossible_values_are_named(changes, text):
    with pytest.raises(InputError, match=text):
        replace(RECIPE, **changes)


def test_a_dry_run_is_one_epoch_of_so_many_steps():
    recipe = replace(RECIPE, epochs=9, schedule="steps 3 6", clip_norm=1.0)
    assert dry_run(recipe, 3) == replace(RECIPE, epochs=1, max_steps=3, clip_norm=1.0)
    assert dry_run(recipe, 0) == recipe


def test_epochs_after_which_steps_lower_the_rate():
    assert replace(RECIPE, epochs=100, schedule="steps 40 80").milestones == (40, 80)
    assert (RECIPE.milestones, replace(RECIPE, schedule="linear").milestones) == ((), ())
    assert replace(RECIPE, accumulation=8).accumulation == 8


def test_dataclasses_become_plain_values():
    assert values({"a": [RECIPE, (1, None)], "b": "x"}) == {"a": [vars(RECIPE), (1, None)], "b": "x"}
    assert values(Recipe) is Recipe


def test_every_value_changes_the_digest():
    assert OTHER.keys() == {field.name for field in fields(Recipe)}
    digests = {digest(RECIPE), *(digest(replace(RECIPE, **{name: value})) for name, value in OTHER.items())}
    assert len(digests) == 1 + len(OTHER)


def test_the_digest_depends_on_the_values_alone():
    assert digest({"b": (1, 2), "a": RECIPE}) == digest({"a": replace(RECIPE), "b": [1, 2]})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})
    assert len(digest({})) == 10
    assert as_json({"b": 1, "a": (True, None)}) == '{\n "a": [\n  true,\n  null\n ],\n "b": 1\n}'


def test_what_has_no_canonical_form_is_refused():
    with pytest.raises(TypeError, match="has no JSON form"):
        digest({"a": {1, 2}})
    with pytest.raises(TypeError, match="has no JSON form"):
        digest(Recipe)
