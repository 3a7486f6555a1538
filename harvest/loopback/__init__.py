"""GitHub on loopback: the parts of GitHub that harvesting uses, served from this machine.

`server.Loopback` is the server, `catalog` finds what it serves, `faults` makes it misbehave.
"""
