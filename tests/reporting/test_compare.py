"""Runs against each other: rows that agree, rows that differ."""

import numpy as np
import pytest
from measured import measured

from videoattn import published
from videoattn.cli import main
from videoattn.reporting import compare
from videoattn.reporting.compare import AGREES, DIFFERS, compared_rows, comparison


def test_rows_agree_or_differ_beyond_what_seeds_allow():
    ours = {"a": [0.7, 0.72, 0.71, 0.7, 0.69], "b": [1.0, 1.0, 0.3, 1.0, 1.0], "c": [0.9] * 5, "own": [0.5] * 5}
    theirs = {"a": [0.71, 0.7, 0.7], "b": [1.0, 1.0, 1.0], "c": [0.5, 0.52, 0.51, 0.5, 0.5], "other": [0.5] * 5}
    one, other = measured("cma", ours), measured("cma", theirs)
    assert compared_rows(one, other) == {"a": AGREES, "b": AGREES, "c": DIFFERS}
    text = comparison(one, other, ("here", "there"))
    assert text.endswith("1 of 3 rows differ: c")
    assert "| a     | 70.4 [" in text
    assert comparison(one, one, ("here", "there")).endswith("all 4 rows agree")
    assert comparison(one, measured("cma", {"d": [0.5]}), ("x", "y")) == "x and y have no row in common."


def test_runs_that_differ_by_chance_alone_seldom_show_a_row_that_differs():
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(20):
        one, other = (
            measured("cma", {str(row): rng.binomial(2000, rng.beta(40, 10, 5)) / 2000 for row in range(10)})
            for _ in range(2)
        )
        alarms += DIFFERS in compared_rows(one, other).values()
    assert alarms <= 3  # of 20 at 5%: four or more in 2 of 100 tries


def test_the_level_is_shared_by_the_rows(monkeypatch):
    levels = []
    monkeypatch.setattr(compare, "difference_interval", lambda *given: levels.append(given[3]) or (0.0, 0.0))
    one = measured("cma", {str(row): [0.5] for row in range(10)})
    compared_rows(one, one)
    assert levels == [pytest.approx(0.995)] * 10


def test_other_recipes_are_named_and_not_held_against_the_published_run(monkeypatch, tmp_path):
    one, other = measured("cma", {"a": [0.7] * 3}, recipe={"x": 1, "seeds": [0]}), measured("cma", {"a": [0.7] * 5})
    assert comparison(one, other, ("here", "there")).endswith("all 1 rows agree; the recipes differ in x")
    monkeypatch.setattr(published, "reference", lambda paper, study: (tmp_path / "published", other))
    monkeypatch.setattr(published, "run_report", lambda folder: "")
    one.save(tmp_path / "run")
    assert "published" not in published.summary(tmp_path / "run")
    other.save(tmp_path / "run")
    assert "against the published run:" in published.summary(tmp_path / "run")


def test_the_command(tmp_path, capsys):
    measured("cma", {"a": [0.7] * 3}).save(tmp_path / "one")
    measured("cma", {"a": [0.2] * 3}).save(tmp_path / "two")
    measured("aia", {"a": [0.2] * 3}).save(tmp_path / "three")
    main(["runs", "compare", str(tmp_path / "one"), str(tmp_path / "two")])
    assert capsys.readouterr().out.endswith("1 of 1 rows differ: a\n")
    assert main(["runs", "compare", str(tmp_path / "one"), str(tmp_path / "three")]) == 2
    assert "are runs of different studies" in capsys.readouterr().err
