"""No test is judged by the time that it takes: a busy machine must not fail it."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
