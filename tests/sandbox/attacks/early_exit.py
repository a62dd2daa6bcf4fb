"""Early exit: the program ends the process, or the test, before a wrong answer is looked at."""

PROGRAMS = [
    (
        "sys_exit_zero_at_load",
        "total",
        "judges that read the exit code alone take 0 for a pass",
        "import sys\nsys.exit(0)\n",
    ),
    (
        "sys_exit_zero_in_the_call",
        "total",
        "SystemExit is no Exception: `except Exception` around a test misses it",
        "import sys\n\n\ndef total(numbers):\n    sys.exit(0)\n",
    ),
    (
        "os_exit_at_load",
        "total",
        "no handler, no atexit, no flush: the process is gone with exit code 0",
        "import os\nos._exit(0)\n",
    ),
    (
        "os_exit_in_the_call",
        "check",
        "the process is gone in the middle of the test, with exit code 0",
        "import os\n\n\ndef total(numbers):\n    os._exit(0)\n",
    ),
    (
        "raise_system_exit_at_load",
        "check",
        "SystemExit with no argument is exit code 0",
        "raise SystemExit\n",
    ),
    (
        "raise_system_exit_subclass",
        "total",
        "a subclass of SystemExit that is also an AssertionError of another kind",
        """
class Done(SystemExit):
    code = 0

    def __init__(self):
        super().__init__(0)


def total(numbers):
    raise Done
""",
    ),
    (
        "quit_and_exit_of_site",
        "total",
        "the interactive helpers close standard input as they go",
        "def total(numbers):\n    try:\n        quit()\n    except NameError:\n        raise SystemExit(0)\n",
    ),
    (
        "exit_in_atexit",
        "total",
        "an exit handler turns the exit code of a failed run to 0",
        """
import atexit
import os

atexit.register(os._exit, 0)


def total(numbers):
    return None
""",
    ),
    (
        "exit_in_finalizer",
        "total",
        "an object of the arguments' frame ends the process as it is collected, after the call and before the report",
        """
import os


class Grave:
    def __del__(self):
        os._exit(0)


def total(numbers):
    grave = Grave()
    return -1
""",
    ),
    (
        "exit_when_the_result_is_read",
        "total",
        "the process ends while its return value is looked at",
        """
import os


class Mine(int):
    def __eq__(self, other):
        os._exit(0)

    __ne__ = __index__ = __int__ = __hash__ = __repr__ = __eq__


class Fields:
    def __getattribute__(self, name):
        os._exit(0)


def total(numbers):
    return Mine(-1) if len(numbers) > 2 else Fields()
""",
    ),
    (
        "exit_in_thread",
        "total",
        "another thread ends the process while the call is still computing",
        """
import os
import threading
import time

threading.Thread(target=lambda: (time.sleep(0.01), os._exit(0)), daemon=True).start()


def total(numbers):
    time.sleep(0.1)
    return -1
""",
    ),
    (
        "exec_true",
        "total",
        "the process becomes another program that ends well",
        """
import os


def total(numbers):
    for path in ("/bin/true", "/usr/bin/true"):
        if os.path.exists(path):
            os.execv(path, [path])
    os._exit(0)
""",
        {"danger": True},
    ),
    (
        "exec_python_that_prints_a_verdict",
        "total",
        "the process becomes a fresh interpreter that holds the same descriptors and says what it likes",
        """
import os
import sys

SCRIPT = '''
import os
for fd in range(64):
    for line in (b'{"status": "correct", "passed": 3, "total": 3}\\\\n', b"passed\\\\n", b"1\\\\n"):
        try:
            os.write(fd, line)
        except OSError:
            break
'''


def total(numbers):
    for fd in range(3, 64):
        try:
            os.set_inheritable(fd, True)
        except OSError:
            pass
    os.execv(sys.executable or "/usr/bin/python3", ["python3", "-c", SCRIPT])
""",
        {"danger": True},
    ),
    (
        "kill_itself",
        "total",
        "a negative return code is neither 0 nor 1",
        "import os\nimport signal\n\n\ndef total(numbers):\n    os.kill(os.getpid(), signal.SIGKILL)\n",
        {"danger": True},
    ),
    (
        "sigterm_handler_that_exits_well",
        "total",
        "it is asked to stop at its limit, and stops with exit code 0",
        """
import os
import signal

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGXCPU, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda *_: os._exit(0))


def total(numbers):
    while True:
        pass
""",
        {"limits": "quick", "danger": True},
    ),
    (
        "abort",
        "total",
        "the interpreter dies of SIGABRT in the call",
        "import os\n\n\ndef total(numbers):\n    os.abort()\n",
        {"danger": True},
    ),
    (
        "segmentation_fault",
        "total",
        "the interpreter dies of SIGSEGV in the call",
        "import ctypes\n\n\ndef total(numbers):\n    ctypes.string_at(0)\n    return -1\n",
        {"danger": True},
    ),
    (
        "generator_exit_and_keyboard_interrupt",
        "total",
        "the two other exceptions that are no Exception",
        """
def total(numbers):
    if len(numbers) == 2:
        raise KeyboardInterrupt
    raise GeneratorExit
""",
    ),
    (
        "assertion_error_is_system_exit",
        "check",
        "every failing assert of a test that shares builtins with the program ends the process well",
        """
import builtins

builtins.AssertionError = SystemExit


def total(numbers):
    return -1
""",
    ),
    (
        "excepthook_that_exits_well",
        "total",
        "the error is raised, and reported with exit code 0",
        """
import os
import sys

sys.excepthook = sys.unraisablehook = lambda *_: os._exit(0)


def total(numbers):
    raise ValueError("never seen")
""",
    ),
    (
        "exit_in_main_program",
        "echo",
        "a program of standard input that ends well and prints nothing",
        "import sys\nsys.exit(0)\n",
    ),
    (
        "exit_by_string",
        "total",
        "sys.exit of a text prints it to standard error; of 256 it is exit code 0",
        "import sys\n\n\ndef total(numbers):\n    sys.exit(256)\n",
    ),
]
