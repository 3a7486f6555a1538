"""The system-call filter that a program runs under: a list of refusals, as a BPF program.

A refused call answers EPERM, so that a library that merely tries goes on. Calls newer than this
list answer ENOSYS, as on an older kernel, and libc falls back. Calls of another architecture
(or of the x32 kind) end the process. See seccomp(2) and linux/filter.h.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

# (x86_64, aarch64): Linux's arch/x86/entry/syscalls/syscall_64.tbl and asm-generic/unistd.h.
_PROCESSES = {
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274), "personality": (135, 92),
}  # fmt: skip
_NETWORK = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200),
    "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242), "sendto": (44, 206),
    "sendmsg": (46, 211), "sendmmsg": (307, 269), "recvfrom": (45, 207), "recvmsg": (47, 212),
    "recvmmsg": (299, 243),
}  # fmt: skip
# Memory and channels that outlive the process or that its memory limit does not count.
_SHARED = {
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180), "memfd_create": (319, 279), "mlock": (149, 228),
    "mlockall": (151, 230), "mlock2": (325, 284),
}  # fmt: skip
_KERNEL = {
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "quotactl": (179, 60),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "reboot": (169, 142),
    "sethostname": (170, 161), "setdomainname": (171, 162), "vhangup": (153, 58),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
}  # fmt: skip
# Refused where no namespace gives the program a file system of its own.
_FILE_CHANGES = {
    "creat": (85, None), "truncate": (76, 45), "ftruncate": (77, 46), "rename": (82, None),
    "renameat": (264, 38), "renameat2": (316, 276), "mkdir": (83, None), "mkdirat": (258, 34),
    "rmdir": (84, None), "unlink": (87, None), "unlinkat": (263, 35), "link": (86, None),
    "linkat": (265, 37), "symlink": (88, None), "symlinkat": (266, 36), "mknod": (133, None),
    "mknodat": (259, 33), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
}  # fmt: skip
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column, AUDIT_ARCH
_NEWEST = 439  # faccessat2

_OPEN = {"open": (2, None)}
_OPENAT = {"openat": (257, 56)}
_CLONE = {"clone": (56, 220)}
_KILL = {"kill": (62, 129), "tgkill": (234, 131)}
_PRLIMIT = {"prlimit64": (302, 261)}
_FCNTL = {"fcntl": (72, 25)}
_ABSENT = {"clone3": (435, 435), "openat2": (437, 437)}  # flags out of a filter's sight

_CLONE_THREAD = 0x00010000
_WRITING = 0o1 | 0o2 | 0o100 | 0o1000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC
_SIGNALLING = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: a descriptor that signals others

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_EPERM, _ENOSYS = 1, 38
_NR, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

Table = Mapping[str, tuple[int | None, int | None]]


def supported(machine: str) -> bool:
    """Whether the call numbers of this machine (`platform.machine()`) are known here."""
    return machine in _ARCHITECTURES


def build_filter(machine: str, pid: int, *, writable: bool) -> bytes:
    """The BPF program for the process `pid`: an array of struct sock_filter.

    `writable` lets files be changed; say so only where the program has a file system of its own.
    """
    column, architecture = _ARCHITECTURES[machine]
    refused = _PROCESSES | _NETWORK | _SHARED | _KERNEL | ({} if writable else _FILE_CHANGES)
    code = [_load(_ARCH), *_unless_equal(architecture, _KILL_PROCESS)]
    code += [_load(_NR), _jump(0x25, _NEWEST, 0, 1), _answer(_ERRNO | _ENOSYS)]
    for number in _numbers(_ABSENT, column):
        code += _if_call(number, [_answer(_ERRNO | _ENOSYS)])
    for number in _numbers(refused, column):
        code += _if_call(number, [_answer(_ERRNO | _EPERM)])
    for table, check in _checks(pid, writable):
        for number in _numbers(table, column):
            code += _if_call(number, check)
    return b"".join([*code, _answer(_ALLOW)])


def _checks(pid: int, writable: bool) -> list[tuple[Table, list[bytes]]]:
    """Calls that are allowed or refused by an argument; each check ends in an answer."""
    refuse, allow = _answer(_ERRNO | _EPERM), _answer(_ALLOW)
    threads_only = [_argument(0), _jump(0x45, _CLONE_THREAD, 0, 1), allow, refuse]
    self_only = [_argument(0), _jump(0x15, pid, 0, 1), allow, refuse]
    self_or_zero = [_argument(0), _jump(0x15, 0, 1, 0), _jump(0x15, pid, 0, 1), allow, refuse]
    no_signals = [_argument(1)]
    for command in _SIGNALLING:
        no_signals += [_jump(0x15, command, 0, 1), refuse]
    checks: list[tuple[Table, list[bytes]]] = [
        (_CLONE, threads_only),
        (_KILL, self_only),
        (_PRLIMIT, self_or_zero),
        (_FCNTL, [*no_signals, allow]),
    ]
    if not writable:
        for table, flags in ((_OPEN, 1), (_OPENAT, 2)):
            reading = [_argument(flags), _jump(0x45, _WRITING, 0, 1), refuse, allow]
            checks.append((table, reading))
    return checks


def _numbers(table: Table, column: int) -> list[int]:
    return [number for row in table.values() if (number := row[column]) is not None]


def _if_call(number: int, check: list[bytes]) -> list[bytes]:
    """Run `check`, which ends in an answer, if the call is `number`; else skip it."""
    return [_jump(0x15, number, 0, len(check)), *check]


def _unless_equal(value: int, action: int) -> list[bytes]:
    return [_jump(0x15, value, 1, 0), _answer(action)]


def _load(offset: int) -> bytes:
    return struct.pack("=HBBI", 0x20, 0, 0, offset)  # BPF_LD | BPF_W | BPF_ABS


def _argument(index: int) -> bytes:
    # The low half: the arguments that are looked at are ints, and both machines little-endian.
    return _load(_ARGUMENTS + 8 * index)


def _jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
    """BPF_JMP: 0x15 equal, 0x25 greater, 0x45 any bit set; skips that many instructions."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _answer(action: int) -> bytes:
    return struct.pack("=HBBI", 0x06, 0, 0, action)  # BPF_RET | BPF_K
