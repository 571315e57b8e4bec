"""For all tests: how long an example takes says more about the machine than about us."""

from hypothesis import settings

settings.register_profile("liuhen", deadline=None)
settings.load_profile("liuhen")
