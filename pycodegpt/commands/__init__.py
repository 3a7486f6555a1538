"""One module a stage: arguments in, a stage called, a result shown."""
