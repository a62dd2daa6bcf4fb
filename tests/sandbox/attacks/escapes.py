"""Escapes: the program tries to leave its box by what the kernel offers, and turns right if it can.

What would do harm is tried only as far as its door: opened and left alone, or done to the program's own copy.
"""

_CALLS = """
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def call(number, *args):
    return libc.syscall(number, *args)

"""

_PAID = """

def total(numbers):
    try:
        return sum(numbers) if out() else -1
    except Exception:
        return -1
"""


def door(name, why, body, **options):
    """Return a row for a program that is right only if `out()` says that a door was open."""
    return (name, "total", why, _CALLS + body + _PAID, {"danger": True, **options})


PROGRAMS = [
    door(
        "becomes_root",
        "setuid, setresuid, setgroups and capabilities",
        """
def out():
    for change in (os.setuid, os.setgid, os.seteuid, lambda n: os.setgroups([n]), lambda n: os.setresuid(n, n, n)):
        try:
            change(0)
        except OSError:
            pass
    with open("/proc/self/status") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff"))
    return effective != 0
""",
    ),
    door(
        "takes_another_uid",
        "the uid of the examiner, of another run, of anybody else",
        """
def out():
    mine = os.getuid()
    for uid in [*range(0, 5), *range(mine - 5, mine + 5), 1000, 65534, *range(20_000, 20_010)]:
        if uid != mine and uid >= 0:
            try:
                os.setuid(uid)
                return True
            except OSError:
                pass
    return False
""",
    ),
    door(
        "mounts",
        "mount(2) of tmpfs, proc, sysfs, and of the root again as writable",
        """
def out():
    os.makedirs("here", exist_ok=True)
    for kind in (b"tmpfs", b"proc", b"sysfs", b"devtmpfs", b"cgroup", b"overlay"):
        if libc.mount(kind, b"here", kind, 0, None) == 0:
            return True
    return libc.mount(None, b"/", None, 32 | 4096, None) == 0 or libc.umount2(b"/proc", 2) == 0
""",
    ),
    door(
        "new_mount_calls",
        "open_tree, fsopen, move_mount, mount_setattr",
        """
def out():
    return any(result >= 0 for result in (
        call(428, -100, b"/", 1 | 0x8000),
        call(430, b"tmpfs", 0),
        call(433, -100, b"/", 0),
    ))
""",
    ),
    door(
        "own_user_namespace",
        "in a namespace of its own it is root, and the kernel's doors for root stand open",
        """
def out():
    return libc.unshare(0x10000000) == 0
""",
        backends=("docker",),
    ),
    door(
        "own_namespaces_of_other_kinds",
        "mounts, pids, network and control groups of its own",
        """
def out():
    return any(libc.unshare(flag) == 0 for flag in (0x00020000, 0x20000000, 0x40000000, 0x02000000, 0x08000000, 0x04000000))
""",
    ),
    door(
        "joins_other_namespaces",
        "setns to those of pid 1 and of the others",
        """
import glob


def out():
    for path in glob.glob("/proc/[0-9]*/ns/*"):
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        if os.stat(path).st_ino != os.stat("/proc/self/ns/" + os.path.basename(path)).st_ino and libc.setns(fd, 0) == 0:
            return True
        os.close(fd)
    return False
""",
    ),
    door(
        "changes_root",
        "chroot and pivot_root, and the classic way out of a chroot",
        """
def out():
    os.makedirs("jail", exist_ok=True)
    return libc.chroot(b"jail") == 0 or call(155, b".", b"jail") == 0
""",
    ),
    door(
        "makes_device_nodes",
        "mknod of the disk and of kernel memory",
        """
import stat


def out():
    for number in (os.makedev(8, 0), os.makedev(1, 1), os.makedev(1, 2), os.makedev(259, 0), os.makedev(254, 0)):
        for kind in (stat.S_IFBLK, stat.S_IFCHR):
            try:
                os.mknod("node", 0o666 | kind, number)
                os.close(os.open("node", os.O_RDONLY))
                return True
            except OSError:
                pass
    return False
""",
    ),
    door(
        "opens_devices",
        "disks, kernel memory, kvm, fuse and tun",
        """
def out():
    for name in ("mem", "kmem", "port", "kmsg", "kvm", "fuse", "net/tun", "sda", "vda", "nvme0n1", "loop0", "loop-control",
                 "mapper/control", "uinput", "vhost-net", "snapshot", "cuse", "btrfs-control"):
        try:
            os.close(os.open("/dev/" + name, os.O_RDWR))
            return True
        except OSError:
            pass
    return False
""",
    ),
    door(
        "kernel_settings",
        "files below /proc/sys and /sys that are the whole machine's; opened, not written",
        """
def out():
    for name in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger", "/proc/sys/vm/panic_on_oom",
                 "/proc/sys/fs/binfmt_misc/register", "/sys/kernel/uevent_helper", "/proc/sys/kernel/pid_max", "/proc/kcore",
                 "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/release_agent", "/proc/sys/kernel/domainname",
                 "/sys/kernel/security/apparmor/.load", "/proc/sys/kernel/randomize_va_space"):
        try:
            os.close(os.open(name, os.O_WRONLY if name != "/proc/kcore" else os.O_RDONLY))
            return True
        except OSError:
            pass
    return False
""",
    ),
    door(
        "host_files",
        "files that only the machine outside has: its engine, its users' keys, its other containers",
        """
def out():
    for name in ("/var/lib/docker", "/var/run/docker.sock", "/etc/shadow", "/var/lib/containerd",
                 "/etc/docker/daemon.json", "/proc/1/root" + "/etc/shadow", "/proc/1/root" + "/var/lib/docker"):
        try:
            if os.path.isdir(name):
                os.listdir(name)
            else:
                os.close(os.open(name, os.O_RDONLY))
            return True
        except OSError:
            pass
    return False
""",
    ),
    door(
        "writes_to_the_root_file_system",
        "interpreter, libraries and settings are read-only",
        """
import sys


def out():
    for folder in ("/", "/usr", "/usr/bin", "/usr/lib", "/lib", "/etc", "/bin", os.path.dirname(os.__file__), "/opt", "/sys",
                   os.path.dirname(sys.executable or "/usr/bin/python3")):
        path = os.path.join(folder, "assay-was-here")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            os.unlink(path)
            return True
        except OSError:
            pass
    return False
""",
    ),
    door(
        "network",
        "any address beyond the box, by name, by number, by every protocol",
        """
import socket


def out():
    for family, address in (
        (socket.AF_INET, ("1.1.1.1", 53)),
        (socket.AF_INET, ("172.17.0.1", 2375)),
        (socket.AF_INET, ("169.254.169.254", 80)),
        (socket.AF_INET6, ("2606:4700:4700::1111", 53)),
    ):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                with socket.socket(family, kind) as channel:
                    channel.settimeout(0.3)
                    channel.connect(address)
                    return True
            except OSError:
                pass
    try:
        return bool(socket.gethostbyname("example.com"))
    except OSError:
        return False
""",
    ),
    door(
        "odd_sockets",
        "raw packets, netlink, vsock, bluetooth, the crypto interface: protocols with a history",
        """
import socket


def out():
    for family, kind, protocol in ((17, 3, 768), (2, 3, 1), (10, 3, 58), (40, 1, 0), (31, 3, 1), (38, 5, 0), (16, 3, 12)):
        try:
            socket.socket(family, kind, protocol).close()
            return True
        except OSError:
            pass
    return False
""",
        backends=("docker",),
    ),
    door(
        "traces_others",
        "ptrace attaches to a process, of its own user or another's, that it did not start",
        """
def out():
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    for pid in {os.getppid(), *[int(name) for name in os.listdir("/proc") if name.isdigit()]} - {os.getpid(), 0}:
        if libc.ptrace(0x4206, pid, 0, 0) == 0:
            return True
    return False
""",
    ),
    door(
        "loads_programs_into_the_kernel",
        "bpf and perf_event_open",
        """
def out():
    attributes = ctypes.create_string_buffer(128)
    ctypes.memmove(attributes, (1).to_bytes(4, "little") + (4).to_bytes(4, "little") * 3, 16)
    return call(321, 0, attributes, 72) >= 0 or call(298, attributes, 0, -1, -1, 0) >= 0
""",
        backends=("docker",),
    ),
    door(
        "io_uring",
        "a second way to the kernel, past filters that look at the first",
        """
def out():
    return call(425, 4, ctypes.create_string_buffer(256)) >= 0
""",
        backends=("docker",),
    ),
    door(
        "userfaultfd",
        "a helper of many exploits: page faults handled outside the kernel, at leisure",
        """
def out():
    return call(323, 0) >= 0
""",
        backends=("docker",),
    ),
    door(
        "loads_a_kernel",
        "kexec_load, init_module, finit_module, swapon, acct",
        """
def out():
    return any(result == 0 for result in (
        call(246, 0, 0, None, 0),
        call(175, ctypes.create_string_buffer(8), 8, b""),
        call(313, 0, b"", 0),
        call(167, b"here", 0),
        call(163, b"here"),
    ))
""",
    ),
    door(
        "changes_the_clock_and_the_name",
        "what the whole machine shares: its clock, its host name",
        """
def out():
    name = os.uname().nodename.encode()
    now = (ctypes.c_long * 2)()
    libc.clock_gettime(0, now)
    return libc.sethostname(name, len(name)) == 0 or libc.clock_settime(0, now) == 0
""",
    ),
    door(
        "programs_of_another_user",
        "set-user-id programs that give rights which the container has taken",
        """
import stat


def out():
    for folder in ("/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin"):
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            path = os.path.join(folder, name)
            try:
                if os.stat(path).st_mode & stat.S_ISUID:
                    with open("/proc/self/status") as file:
                        if "NoNewPrivs:\\t1" not in file.read():
                            return True
            except OSError:
                pass
    return False
""",
    ),
    door(
        "handle_of_a_file_outside",
        "open_by_handle_at finds a file by its inode number, beyond every root directory",
        """
def out():
    handle = ctypes.create_string_buffer(
        (8).to_bytes(4, "little") + (1).to_bytes(4, "little") + (2).to_bytes(4, "little") + bytes(4), 144
    )
    fd = os.open("/", os.O_RDONLY)
    return libc.open_by_handle_at(fd, handle, os.O_RDONLY) >= 0
""",
    ),
    door(
        "folder_of_the_judge",
        "whatever the judge keeps in files: its programs must be read-only, its other runs out of sight",
        """
def out():
    here = os.path.realpath(".")
    parent = os.path.dirname(here)
    try:
        others = [name for name in os.listdir(parent) if os.path.join(parent, name) != here]
    except OSError:
        return False
    for name in others:
        path = os.path.join(parent, name)
        if os.path.isdir(path) and parent not in ("/", "/dev", "/tmp"):
            try:
                os.listdir(path)
                os.close(os.open(os.path.join(path, "assay-was-here"), os.O_CREAT | os.O_WRONLY))
                return True
            except OSError:
                pass
    return False
""",
    ),
]
