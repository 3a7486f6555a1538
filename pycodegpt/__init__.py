"""The front door: `python -m pycodegpt --help`. It imports the stages; nothing imports it."""

__version__ = "0.1.0"
