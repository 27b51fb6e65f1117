import pytest

from videoattn.errors import InputError, unknown


@pytest.mark.parametrize(
    ("value", "choices", "text"),
    [
        ("mean", ("sum", "max"), "unknown fusion 'mean'; choose from sum, max"),
        ("smu", ("max", "sum"), "unknown fusion 'smu' (did you mean sum?); choose from max, sum"),
        ("SUM", ("max", "sum"), "unknown fusion 'SUM' (did you mean sum?); choose from max, sum"),
        ("sum", ["MAX", "SUM"], "unknown fusion 'sum' (did you mean SUM?); choose from MAX, SUM"),
        ("1", (1, 10), "unknown fusion '1' (did you mean 1?); choose from 1, 10"),
        (5, (1, 10), "unknown fusion 5; choose from 1, 10"),
        (None, iter("ab"), "unknown fusion None; choose from a, b"),
    ],
)
def test_what_is_unknown_is_told_with_the_choices(value, choices, text):
    error = unknown("fusion", value, choices)
    assert isinstance(error, InputError)
    assert str(error) == text
