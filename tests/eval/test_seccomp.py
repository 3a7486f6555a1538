"""The filter's decisions, by running its instructions here."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.seccomp import build_filter, supported

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PID = 1234


def decide(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """What the kernel would answer: a classic BPF machine with four instructions."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    code = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    at = accumulator = 0
    while True:
        operation, if_true, if_false, value = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x06:
            return value
        else:
            holds = {
                0x15: accumulator == value,
                0x25: accumulator > value,
                0x45: bool(accumulator & value),
            }[operation]
            at += if_true if holds else if_false


def x86(number: int, *arguments: int, writable: bool = True) -> int:
    program = build_filter("x86_64", PID, writable=writable)
    return decide(program, ARCH["x86_64"], number, *arguments)


@pytest.mark.parametrize(
    "call, expected",
    [
        ((0,), ALLOW),  # read
        ((41, 2, 1, 0), EPERM),  # socket
        ((57,), EPERM),  # fork
        ((59,), EPERM),  # execve
        ((101,), EPERM),  # ptrace
        ((272,), EPERM),  # unshare
        ((425,), EPERM),  # io_uring_setup
        ((435,), ENOSYS),  # clone3
        ((437,), ENOSYS),  # openat2
        ((440,), ENOSYS),  # newer than the list
        ((0x40000000,), ENOSYS),  # x32
        ((56, 0x10000), ALLOW),  # clone of a thread
        ((56, 17), EPERM),  # clone of a process
        ((62, PID, 9), ALLOW),  # kill itself
        ((62, 1, 9), EPERM),
        ((62, 0xFFFFFFFF, 9), EPERM),
        ((234, PID, PID, 6), ALLOW),  # tgkill, as abort() does
        ((234, 1, 1, 6), EPERM),
        ((302, 0), ALLOW),  # prlimit64 of itself
        ((302, PID), ALLOW),
        ((302, 1), EPERM),
        ((72, 3, 4), ALLOW),  # fcntl F_SETFL
        ((72, 3, 8), EPERM),  # F_SETOWN
        ((72, 3, 10), EPERM),  # F_SETSIG
        ((72, 3, 15), EPERM),  # F_SETOWN_EX
    ],
)
def test_calls_on_x86_64(call, expected):
    assert x86(*call) == expected


@pytest.mark.parametrize(
    "call, expected",
    [
        ((257, -100 & 0xFFFFFFFFFFFFFFFF, 0, 0o2000000), ALLOW),  # openat, reading
        ((257, 3, 0, 1), EPERM),
        ((257, 3, 0, 2), EPERM),
        ((257, 3, 0, 0o100), EPERM),
        ((2, 0, 0), ALLOW),  # open
        ((2, 0, 0o1000), EPERM),
        ((87,), EPERM),  # unlink
        ((90,), EPERM),  # chmod
    ],
)
def test_files_can_only_be_changed_where_they_are_ones_own(call, expected):
    assert x86(*call, writable=False) == expected
    assert x86(*call, writable=True) == ALLOW


def test_calls_on_aarch64():
    program = build_filter("aarch64", PID, writable=False)
    arch = ARCH["aarch64"]
    assert decide(program, arch, 63) == ALLOW  # read
    assert decide(program, arch, 198) == EPERM  # socket
    assert decide(program, arch, 220, 17) == EPERM  # clone
    assert decide(program, arch, 56, 3, 0, 1) == EPERM  # openat, writing


@given(st.integers(0, 2**32 - 1), st.sampled_from(["x86_64", "aarch64"]))
def test_another_architectures_call_kills(number, machine):
    program = build_filter(machine, PID, writable=True)
    other = ARCH["aarch64" if machine == "x86_64" else "x86_64"]
    assert decide(program, other, number) == KILL
    assert decide(program, ARCH[machine], number) in (ALLOW, EPERM, ENOSYS)


def test_an_unknown_machine_is_known_to_be_unknown():
    assert supported("x86_64") and supported("aarch64") and not supported("riscv64")
