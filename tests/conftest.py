"""No test is judged by the time that it takes, and Hypothesis tries the same examples in every run.

`pytest --hypothesis-profile search` draws new ones instead.
"""

from hypothesis import settings

settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("fixed")
