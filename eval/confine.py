"""Linux's walls, through libc: namespaces with a minimal root, Landlock, limits, seccomp.

See namespaces(7), pivot_root(2), landlock(7), seccomp(2). Only the standard library is imported:
this runs in the small interpreter that programs are forked from (eval/template.py).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

_CLONE_NEW = {
    "mount": 0x00020000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
_INNER_ID = 1000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID = 1, 2
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_MOUNT_SETATTR = 442
_SYS_LANDLOCK = 444  # create_ruleset; add_rule and restrict_self follow it
_SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CAP_VERSION = 0x20080522
_READ_FILE, _READ_FOLDER, _EXECUTE = 1 << 2, 1 << 3, 1 << 0
# Access rights that Landlock knows, by the version of its interface.
_LANDLOCK_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
# Not /tmp, where the Python environment itself may stand.
SCRATCH = "/scratch"
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


def python_paths() -> list[str]:
    """What a Python program needs to see of the file system: the interpreter and its libraries."""
    wanted = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    wanted |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    wanted |= {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo"}
    wanted |= {"/etc/ld.so.cache", *_DEVICES}
    there = sorted(path for path in wanted if path != "/" and Path(path).exists())
    return [path for path in there if not any(p != path and _within(path, p) for p in there)]


def enter_namespaces() -> None:
    """Leave the machine's users, processes, mounts, network, IPC and host name behind.

    The caller must fork: the child is process 1 of the new process namespace. Raises OSError.
    """
    uid, gid = os.getuid(), os.getgid()
    flags = 0
    for flag in _CLONE_NEW.values():
        flags |= flag
    _check(_libc.unshare(flags), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    # Not 0 inside: a program must not take itself for root.
    Path("/proc/self/uid_map").write_text(f"{_INNER_ID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{_INNER_ID} {gid} 1")


def enter_minimal_root(paths: Iterable[str]) -> None:
    """Make a read-only root that holds `paths`, and nothing else. No /proc.

    Needs a mount namespace. Raises OSError.
    """
    base = "/proc"  # a folder to build it on that is always there, and not needed any more
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", base, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    for path in paths:
        _bring(path, base)
    Path(f"{base}{SCRATCH}").mkdir()
    _make_read_only(base)
    os.chdir(base)
    machine = os.uname().machine
    _check(_libc.syscall(_SYS_PIVOT_ROOT[machine], b".", b"."), "pivot_root")
    # The old root now lies over the new one.
    _check(_libc.umount2(b".", _MNT_DETACH), "umount")
    os.chdir("/")


def mount_scratch(max_bytes: int) -> None:
    """An empty folder of limited size and number of files, at SCRATCH. Raises OSError."""
    options = f"size={max_bytes},nr_inodes=1024,mode=777"
    _mount("tmpfs", SCRATCH, "tmpfs", _MS_NOSUID | _MS_NODEV, options)


def empty_scratch(max_bytes: int) -> None:
    """A new scratch folder in place of a used one, however deep its folders go. Raises OSError."""
    with os.scandir(SCRATCH) as entries:
        if next(entries, None) is None:
            return
    _check(_libc.umount2(SCRATCH.encode(), _MNT_DETACH), f"umount {SCRATCH}")
    mount_scratch(max_bytes)


def landlock_version() -> int:
    """The version of the kernel's Landlock interface, 0 if there is none."""
    return max(0, int(_libc.syscall(_SYS_LANDLOCK, None, 0, 1)))


def landlock(paths: Iterable[str]) -> None:
    """Let this process and its children read `paths` and nothing else. Raises OSError."""
    version = landlock_version()
    known = max((v for v in _LANDLOCK_RIGHTS if v <= version), default=0)
    if not known:
        raise OSError("Landlock is not available")
    rights = ctypes.create_string_buffer(struct.pack("=Q", _LANDLOCK_RIGHTS[known]), 8)
    ruleset = _check(_libc.syscall(_SYS_LANDLOCK, rights, 8, 0), "landlock_create_ruleset")
    for path in paths:
        _landlock_allow(ruleset, path)
    no_new_privileges()
    _check(_libc.syscall(_SYS_LANDLOCK + 2, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def no_new_privileges() -> None:
    """No set-user-id program gives this process anything. Raises OSError."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def drop_capabilities() -> None:
    """Keep no capability, not even inside the own user namespace. Raises OSError."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAP_VERSION, 0), 8)
    nothing = ctypes.create_string_buffer(24)
    number = _SYS_CAPSET.get(os.uname().machine)
    if number is not None:
        _check(_libc.syscall(number, header, nothing), "capset")


def install_filter(program: bytes) -> None:
    """Put a seccomp filter on this process, for good. Raises OSError."""
    no_new_privileges()
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    buffer = ctypes.create_string_buffer(header, len(header))
    number = _SYS_SECCOMP[os.uname().machine]
    _check(_libc.syscall(number, 1, 0, buffer), "seccomp")  # SECCOMP_SET_MODE_FILTER


def limit_resources(*, cpu_s: float, memory_bytes: int, disk_bytes: int) -> None:
    """The kernel's own limits. Whoever watches from outside ends a program sooner and finer."""
    whole_s = int(cpu_s) + 2
    limits = {
        resource.RLIMIT_CPU: whole_s,
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: disk_bytes,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))


def die_with_parent() -> None:
    """Be killed when the parent ends. Set it after every change of credentials."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "pdeathsig")


def _bring(path: str, base: str) -> None:
    """Show `path` at the same place below `base`; a symbolic link stays one."""
    target = Path(f"{base}{path}")
    target.parent.mkdir(parents=True, exist_ok=True)
    if Path(path).is_symlink() and Path(path).resolve().is_relative_to("/usr"):
        target.symlink_to(Path(path).readlink())
        return
    if Path(path).is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    _mount(str(Path(path).resolve()), str(target), "", _MS_BIND | _MS_REC)


def _make_read_only(base: str) -> None:
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID, 0, 0, 0)
    buffer = ctypes.create_string_buffer(attributes, 32)
    arguments = (_AT_FDCWD, base.encode(), _AT_RECURSIVE, buffer, 32)
    _check(_libc.syscall(_SYS_MOUNT_SETATTR, *arguments), "mount_setattr")


def _landlock_allow(ruleset: int, path: str) -> None:
    rights = _READ_FILE | _EXECUTE | (_READ_FOLDER if Path(path).is_dir() else 0)
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor), 12)
    _check(_libc.syscall(_SYS_LANDLOCK + 1, ruleset, 1, rule, 0), f"landlock {path}")
    os.close(descriptor)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    arguments = [text.encode() or None for text in (source, target, kind)]
    flag = ctypes.c_ulong(flags)
    _check(_libc.mount(*arguments, flag, options.encode() or None), f"mount {target}")


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return int(result)


def _within(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")
