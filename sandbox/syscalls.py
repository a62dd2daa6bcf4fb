"""The system calls of Linux, in groups: what programs in a sandbox may call, what they may not, and why.

ALLOWED is complete: what is in neither table does not exist for a program in a container. A call under a condition
(clone, fcntl, personality, socket, socketpair) is in none of the groups, its condition is in the constants at the end.
"""

from __future__ import annotations

from errno import ENOSYS, EPERM

__all__ = [
    "ADDRESS_FAMILIES",
    "ALLOWED",
    "FILE_REQUESTS",
    "FORBIDDEN",
    "NEW_NAMESPACES",
    "NUMBERS",
    "PERSONALITIES",
    "TERMINAL_REQUESTS",
]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALLOWED: dict[str, frozenset[str]] = {
    "files and folders, within what the mounts and the modes of files let through": _names(
        """open openat creat close close_range read write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2
        lseek stat lstat fstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat getdents
        getdents64 getcwd chdir fchdir mkdir mkdirat rmdir rename renameat renameat2 link linkat unlink unlinkat symlink
        symlinkat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat umask truncate ftruncate fallocate
        fadvise64 readahead fsync fdatasync sync_file_range dup dup2 dup3 ioctl utime utimes futimesat
        utimensat sendfile copy_file_range getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
        mknod mknodat"""  # mknod: of pipes; devices need a capability
    ),
    "memory, counted by the container's limit": _names(
        """brk mmap munmap mremap mprotect madvise mincore msync mlock mlock2 munlock get_mempolicy membarrier"""
    ),
    "processes and threads, counted by the container's limit": _names(
        """fork vfork execve execveat exit exit_group wait4 waitid getpid getppid gettid getpgrp getpgid setpgid getsid
        setsid set_tid_address set_robust_list get_robust_list rseq futex futex_waitv futex_wake futex_wait
        futex_requeue sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_getscheduler
        sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority setpriority ioprio_get
        getrlimit setrlimit prlimit64 getrusage times arch_prctl prctl getcpu restart_syscall"""
    ),
    "signals, to processes of the same user": _names(
        """rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigqueueinfo
        rt_tgsigqueueinfo sigaltstack kill tkill tgkill pause alarm pidfd_open pidfd_send_signal signalfd signalfd4"""
    ),
    "users: the supervisor gives its privileges away by them": _names(
        """getuid geteuid getgid getegid getgroups getresuid getresgid setuid setgid setreuid setregid setresuid
        setresgid setgroups setfsuid setfsgid capget capset seccomp landlock_create_ruleset landlock_add_rule
        landlock_restrict_self"""
    ),
    "waiting": _names(
        """poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd
        eventfd2 pipe pipe2"""
    ),
    "time": _names(
        """time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep getitimer setitimer timer_create
        timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime"""
    ),
    "sockets; which ones can be made is a condition": _names(
        """bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt sendto recvfrom
        sendmsg recvmsg sendmmsg recvmmsg"""
    ),
    "questions": _names("""uname sysinfo getrandom"""),
}

# Each group: the calls, the error that they give, and why. EPERM says that it is forbidden; ENOSYS, that the kernel does
# not know the call, for those that libraries try first and do without.
FORBIDDEN: dict[str, tuple[frozenset[str], int, str]] = {
    "namespaces": (
        _names("unshare setns pivot_root chroot"),
        EPERM,
        "a user namespace of one's own opens most of the kernel to a process without privileges",
    ),
    "clone3": (
        _names("clone3"),
        ENOSYS,
        "its flags lie behind a pointer, where a filter cannot see new namespaces; C libraries fall back to clone",
    ),
    "mounting": (
        _names(
            """mount umount2 move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr statmount
            listmount quotactl quotactl_fd swapon swapoff"""
        ),
        EPERM,
        "what is mounted is the sandbox's walls",
    ),
    "rings of requests": (
        _names("io_uring_setup io_uring_enter io_uring_register io_setup io_destroy io_submit io_cancel io_getevents"),
        ENOSYS,
        "requests in a ring are never seen by a filter, and io_uring had more faults than any other call",
    ),
    "programs in the kernel": (
        _names("bpf perf_event_open userfaultfd"),
        EPERM,
        "a compiler, counters that tell what neighbours do, and a brake that makes races in the kernel easy to win",
    ),
    "other processes": (
        _names(
            """ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_getfd move_pages
            migrate_pages"""
        ),
        EPERM,
        "memory and files of another process are read and written by them",
    ),
    "keys": (
        _names("add_key request_key keyctl"),
        EPERM,
        "the kernel's key rings know no container: what one run leaves there, the next would find",
    ),
    "locks of whole files": (
        _names("flock"),
        EPERM,
        "it locks what can only be read, as the files that sandboxes under bubblewrap share: a word from one run to another",
    ),
    "System V IPC": (
        _names("shmget shmat shmctl shmdt msgget msgsnd msgrcv msgctl semget semop semtimedop semctl"),
        ENOSYS,
        "such objects outlive the process that made them and could carry messages from one run to another",
    ),
    "POSIX message queues": (
        _names("mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr"),
        ENOSYS,
        "as System V IPC; multiprocessing uses pipes and semaphores in files, which are counted and removed",
    ),
    "files in memory": (
        _names("memfd_create memfd_secret"),
        ENOSYS,
        "files that no limit of disk or file size counts, and that a program can be run from without a trace",
    ),
    "files by handle": (
        _names("name_to_handle_at open_by_handle_at"),
        EPERM,
        "a handle opens a file past every mount and folder that hides it",
    ),
    "openat2": (_names("openat2"), ENOSYS, "what it asks for lies behind a pointer; openat does the same"),
    "watching files": (
        _names(
            "fanotify_init fanotify_mark inotify_init inotify_init1 inotify_add_watch inotify_rm_watch lookup_dcookie"
        ),
        EPERM,
        "they tell when a neighbour touches a file",
    ),
    "moving pages between pipes": (
        _names("splice tee vmsplice"),
        EPERM,
        "the pages are shared, not copied, which was exploited more than once; no module of Python relies on them",
    ),
    "attributes of files": (
        _names("setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr"),
        EPERM,
        "memory that the limit of disk space does not count; shutil does without when they fail",
    ),
    "the machine": (
        _names(
            """reboot kexec_load kexec_file_load init_module finit_module delete_module syslog acct vhangup sethostname
            setdomainname iopl ioperm modify_ldt sync syncfs uselib ustat sysfs _sysctl create_module query_module
            get_kernel_syms nfsservctl"""
        ),
        EPERM,
        "they belong to whoever runs the machine, and sync makes all its disks wait",
    ),
    "the clock": (
        _names("settimeofday clock_settime adjtimex clock_adjtime"),
        EPERM,
        "time is the machine's, and deadlines rest on it",
    ),
    "scheduling": (
        _names(
            """sched_setscheduler sched_setparam sched_setattr sched_getattr ioprio_set mbind set_mempolicy
            set_mempolicy_home_node mlockall munlockall"""
        ),
        EPERM,
        "who runs first, and on which memory, is the supervisor's to say; libraries that ask for it go on without",
    ),
}

# clone() may not make these: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (NEWTIME is clone3's alone).
NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

# What personality() may be given: the question, and Linux' own. Others switch address randomisation off.
PERSONALITIES = (0xFFFFFFFF, 0x0)

# AF_UNIX, AF_INET, AF_INET6: servers and clients on the sandbox's own loopback. Netlink, packets, vsock, Bluetooth,
# crypto and some forty more are seldom used code in the kernel.
ADDRESS_FAMILIES = {"socket": (1, 2, 10), "socketpair": (1,)}

# What fcntl() may be asked: F_DUPFD to F_SETFL, F_SETLK to F_GETSIG, F_OFD_SETLK, F_OFD_SETLKW, F_DUPFD_CLOEXEC to
# F_GET_SEALS. Not who holds a lock, nor for a lease or word of what happens in a folder: these tell what a neighbour does
# with a file that both may read.
FILE_REQUESTS = (0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 37, 38, 1030, 1031, 1032, 1033, 1034)

# TIOCSTI and TIOCLINUX type into the terminal that the sandbox was started from.
TERMINAL_REQUESTS = (0x5412, 0x541C)

# Numbers of what a BPF program looks at, as name:x86_64:aarch64; a dash where the processor never had the call.
NUMBERS: dict[str, tuple[int | None, int | None]] = {
    name: (None if x86_64 == "-" else int(x86_64), None if aarch64 == "-" else int(aarch64))
    for name, x86_64, aarch64 in (
        entry.split(":")
        for entry in """
    unshare:272:97 setns:308:268 pivot_root:155:41 chroot:161:51 clone3:435:435 clone:56:220 mount:165:40
    umount2:166:39 move_mount:429:429 open_tree:428:428 open_tree_attr:467:467 fsopen:430:430 fsconfig:431:431
    fsmount:432:432 fspick:433:433 mount_setattr:442:442 statmount:457:457 listmount:458:458 quotactl:179:60
    quotactl_fd:443:443 swapon:167:224 swapoff:168:225 io_uring_setup:425:425 io_uring_enter:426:426
    io_uring_register:427:427 io_setup:206:0 io_destroy:207:1 io_submit:209:2 io_cancel:210:3 io_getevents:208:4
    bpf:321:280 perf_event_open:298:241 userfaultfd:323:282 ptrace:101:117 process_vm_readv:310:270
    process_vm_writev:311:271 process_madvise:440:440 process_mrelease:448:448 kcmp:312:272 pidfd_getfd:438:438
    move_pages:279:239 migrate_pages:256:238 flock:73:32 add_key:248:217 request_key:249:218 keyctl:250:219 shmget:29:194
    shmat:30:196 shmctl:31:195 shmdt:67:197 msgget:68:186 msgsnd:69:189 msgrcv:70:188 msgctl:71:187 semget:64:190
    semop:65:193 semtimedop:220:192 semctl:66:191 mq_open:240:180 mq_unlink:241:181 mq_timedsend:242:182
    mq_timedreceive:243:183 mq_notify:244:184 mq_getsetattr:245:185 memfd_create:319:279 memfd_secret:447:447
    name_to_handle_at:303:264 open_by_handle_at:304:265 openat2:437:437 fanotify_init:300:262 fanotify_mark:301:263
    inotify_init:253:- inotify_init1:294:26 inotify_add_watch:254:27 inotify_rm_watch:255:28 lookup_dcookie:212:18
    splice:275:76 tee:276:77 vmsplice:278:75 setxattr:188:5 lsetxattr:189:6 fsetxattr:190:7 removexattr:197:14
    lremovexattr:198:15 fremovexattr:199:16 reboot:169:142 kexec_load:246:104 kexec_file_load:320:294
    init_module:175:105 finit_module:313:273 delete_module:176:106 syslog:103:116 acct:163:89 vhangup:153:58
    sethostname:170:161 setdomainname:171:162 iopl:172:- ioperm:173:- modify_ldt:154:- sync:162:81 syncfs:306:267
    uselib:134:- ustat:136:- sysfs:139:- _sysctl:156:- create_module:174:- query_module:178:- get_kernel_syms:177:-
    nfsservctl:180:42 settimeofday:164:170 clock_settime:227:112 adjtimex:159:171 clock_adjtime:305:266
    sched_setscheduler:144:119 sched_setparam:142:118 sched_setattr:314:274 sched_getattr:315:275 ioprio_set:251:30
    mbind:237:235 set_mempolicy:238:237 set_mempolicy_home_node:450:450 mlockall:151:230 munlockall:152:231
    ioctl:16:29 fcntl:72:25 personality:135:92 socket:41:198 socketpair:53:199
    """.split()
    )
}
