"""A program of ours under what a unit allows: `python -m tests.deploy.confined UNIT… MODULE`, without systemd.

Strategy: of the sandbox, what a process can do to itself is done as systemd would: the filter of system calls and of
address families by libseccomp, MemoryDenyWriteExecute and NoNewPrivileges by prctl. What belongs to mounts and users
is left out.
"""

import ctypes
import errno
import re
import runpy
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 38, 65, 1
ALLOW, ERRNO, EQUAL = 0x7FFF0000, 0x00050000, 4
SECCOMP = "libseccomp.so.2"


class _Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def directives(*units: Path) -> list[tuple[str, str]]:
    """All `Name=value` of the [Service] sections, in order; an instance is not put in."""
    found = []
    for unit in units:
        section = ""
        for line in unit.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif section == "Service" and (match := re.fullmatch(r"(\w+)=(.*)", line)):
                found.append((match[1], match[2]))
    return found


def groups() -> dict[str, list[str]]:
    """The groups of system calls that this machine's systemd knows."""
    shown = subprocess.run(["systemd-analyze", "syscall-filter"], check=True, capture_output=True, text=True).stdout
    found: dict[str, list[str]] = {}
    for line in shown.splitlines():
        if line.startswith("@"):
            members = found[line] = []
        elif match := re.fullmatch(r"    ([@\w-]+)", line):
            members.append(match[1])
    return found


def allowed(values: list[str]) -> set[str]:
    """What a list of SystemCallFilter= comes to; systemd always adds @default."""
    known = groups()

    def calls(word: str) -> Iterator[str]:
        for member in known.get(word, [word]):
            yield from [member] if member == word else calls(member)

    found = set(calls("@default"))
    for value in values:
        named = {call for word in value.removeprefix("~").split() for call in calls(word)}
        found = found - named if value.startswith("~") else found | named
    return found


def confine(service: list[tuple[str, str]]) -> None:
    """Take away from this process what the directives take away."""
    libc, seccomp = ctypes.CDLL(None, use_errno=True), ctypes.CDLL(SECCOMP)
    permitted = allowed([value for name, value in service if name == "SystemCallFilter"])
    families = next(value for name, value in service if name == "RestrictAddressFamilies").split()
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError("no NoNewPrivileges")
    if ("MemoryDenyWriteExecute", "yes") in service:  # without effect on a kernel older than 6.3
        libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(seccomp.seccomp_init(ERRNO | errno.EPERM))
    for call in sorted(permitted - {"socket"}):
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            seccomp.seccomp_rule_add(rules, ALLOW, number, 0)
    number = seccomp.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        compare = _Compare(0, EQUAL, getattr(socket, family), 0)
        seccomp.seccomp_rule_add_array(rules, ALLOW, number, 1, ctypes.byref(compare))
    if seccomp.seccomp_load(rules):
        raise OSError("the filter of system calls is refused")


if __name__ == "__main__":
    *units, module = sys.argv[1:]
    confine(directives(*map(Path, units)))
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
