"""One way to run property tests: no deadline, as a machine may be busy."""

from hypothesis import settings

settings.register_profile("course", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("course")
