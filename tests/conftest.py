"""What every room's tests share."""

from hypothesis import settings

# A busy machine makes deadlines flaky, and no test here is about time.
settings.register_profile("project", deadline=None, max_examples=50)
settings.load_profile("project")
