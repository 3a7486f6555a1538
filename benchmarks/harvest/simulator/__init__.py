"""GitHub at 1.2 million repositories on a virtual clock, harvested by the real code."""
