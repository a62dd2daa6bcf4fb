"""Programs of standard input and output, in all the ways that people write them."""

# ruff: noqa: E501 -- short programs stand on one line

SUMS = [("3 4\n", "7\n"), ("10 20\n", "30\n"), ("-1 1\n", "0\n")]

PROGRAMS = [
    ("by_input", "correct", "the usual way", "a, b = map(int, input().split())\nprint(a + b)\n", SUMS),
    (
        "by_sys_stdin",
        "correct",
        "the whole of the input at once",
        "import sys\n\nprint(sum(map(int, sys.stdin.read().split())))\n",
        SUMS,
    ),
    (
        "by_the_buffer",
        "correct",
        "bytes in, bytes out",
        "import sys\n\nsys.stdout.buffer.write(b'%d\\n' % sum(map(int, sys.stdin.buffer.readline().split())))\n",
        SUMS,
    ),
    ("by_open_0", "correct", "the descriptor opened as a file", "print(sum(map(int, open(0).read().split())))\n", SUMS),
    (
        "by_raw_descriptors",
        "correct",
        "os.read and os.write",
        "import os\n\nos.write(1, str(sum(map(int, os.read(0, 1000).split()))).encode() + b'\\n')\n",
        SUMS,
    ),
    (
        "by_lines_of_stdin",
        "correct",
        "iteration over lines",
        "import sys\n\nfor line in sys.stdin:\n    print(sum(map(int, line.split())))\n",
        [("1 2\n3 4\n", "3\n7\n"), ("5 6", "11\n"), ("", "")],
    ),
    (
        "by_fileinput",
        "correct",
        "fileinput reads standard input where no file is named",
        "import fileinput\n\nfor line in fileinput.input():\n    print(line.rstrip()[::-1])\n",
        [("abc\ndef\n", "cba\nfed\n")],
    ),
    (
        "by_readline_partial",
        "correct",
        "sys.stdin.readline under the name of input, output joined",
        "import sys\n\ninput = sys.stdin.readline\nn = int(input())\nprint('\\n'.join(str(int(input()) ** 2) for _ in range(n)))\n",
        [("3\n1\n2\n3\n", "1\n4\n9\n")],
    ),
    (
        "inside_a_main_guard",
        "correct",
        "the guard does run here",
        "import sys\n\n\ndef main():\n    print(sum(map(int, input().split())))\n    return 0\n\n\nif __name__ == '__main__':\n    sys.exit(main())\n",
        SUMS,
    ),
    (
        "ends_by_sys_exit",
        "correct",
        "sys.exit(0), sys.exit() and quit are ends like any other",
        "import sys\n\na, b = map(int, input().split())\nprint(a + b)\nsys.exit(0 if a > 5 else None)\n",
        SUMS,
    ),
    (
        "ends_by_exit_1",
        "crashed",
        "right output, but exit code 1",
        "import sys\n\nprint(sum(map(int, input().split())))\nsys.exit(1)\n",
        SUMS,
    ),
    (
        "right_then_raises",
        "crashed",
        "right output, then an exception",
        "print(sum(map(int, input().split())))\nraise RuntimeError('after')\n",
        SUMS,
    ),
    (
        "ends_by_os_exit",
        "correct",
        "os._exit after a flush",
        "import os\n\nprint(sum(map(int, input().split())), flush=True)\nos._exit(0)\n",
        SUMS,
    ),
    (
        "ends_by_os_exit_unflushed",
        "incorrect",
        "os._exit before the buffer was written: a pipe shows nothing",
        "import os\n\nprint(sum(map(int, input().split())))\nos._exit(0)\n",
        SUMS,
    ),
    (
        "no_line_end_at_the_end",
        "correct",
        "the last line is not ended",
        "print(sum(map(int, input().split())), end='')\n",
        SUMS,
    ),
    (
        "blanks_at_the_ends_of_lines",
        "correct",
        "blanks, tabs and carriage returns at the end of each line, blank lines at the end",
        "for word in input().split():\n    print(word, end=' \\t\\r\\n')\nprint()\nprint('   ')\n",
        [("a b\n", "a\nb\n"), ("c\n", "c\n")],
    ),
    (
        "blanks_at_the_starts_of_lines",
        "incorrect",
        "indentation is no blank at the end",
        "print('  ' + input())\n",
        [("a\n", "a\n")],
    ),
    (
        "line_missing",
        "incorrect",
        "one line too few",
        "n = int(input())\nfor i in range(n - 1):\n    print(i)\n",
        [("3\n", "0\n1\n2\n")],
    ),
    (
        "line_too_many",
        "incorrect",
        "one line too many",
        "n = int(input())\nfor i in range(n + 1):\n    print(i)\n",
        [("3\n", "0\n1\n2\n")],
    ),
    (
        "lines_joined",
        "incorrect",
        "words right, lines wrong",
        "n = int(input())\nprint(*range(n))\n",
        [("3\n", "0\n1\n2\n")],
    ),
    (
        "prompt_printed",
        "incorrect",
        "input() prints its prompt on standard output",
        "print(sum(map(int, input('two numbers: ').split())))\n",
        SUMS,
    ),
    (
        "megabyte_of_output",
        "correct",
        "a megabyte of right lines, while the input is not read to its end",
        "n = int(input())\nfor i in range(n):\n    print(i)\n",
        [("150000\n" + "unread\n" * 50_000, "".join(f"{i}\n" for i in range(150_000)))],
    ),
    (
        "megabyte_through_and_through",
        "correct",
        "input and output as long as each other: neither pipe may block the other",
        "import sys\n\nfor line in sys.stdin:\n    sys.stdout.write(line.upper())\n    sys.stdout.flush()\n",
        [("abcdefghi\n" * 50_000, "ABCDEFGHI\n" * 50_000)],
    ),
    (
        "megabyte_wrong_in_one_line",
        "incorrect",
        "one line of many",
        "n = int(input())\nfor i in range(n):\n    print(i if i != 99_999 else 0)\n",
        [("100000\n", "".join(f"{i}\n" for i in range(100_000)))],
    ),
    (
        "input_not_read",
        "correct",
        "what the program does not read is its own business",
        "print('hello')\n",
        [("x" * 300_000, "hello\n")],
    ),
    (
        "input_too_short",
        "crashed",
        "EOFError",
        "input()\nprint(input())\n",
        [("one\n", "two\n")],
    ),
    (
        "printed_by_a_thread",
        "correct",
        "a thread that is no daemon prints after the main program has ended",
        """
import threading
import time


def later(text):
    time.sleep(0.05)
    print(text)


threading.Thread(target=later, args=(input(),)).start()
""",
        [("late\n", "late\n")],
    ),
    (
        "printed_at_exit",
        "correct",
        "exit handlers are part of the program",
        "import atexit\n\natexit.register(print, 'bye')\nprint(input())\n",
        [("hi\n", "hi\nbye\n")],
    ),
    (
        "unicode_through",
        "correct",
        "UTF-8 whatever the locale",
        "line = input()\nprint(line[::-1], len(line))\n",
        [("na\u00efve \U0001f600\n", "\U0001f600 ev\u00efan 7\n")],
    ),
    (
        "floats_within_tolerance",
        "correct",
        "more digits than expected",
        "print(1 / 3)\nprint('x', 2e6 + 1)\n",
        [("", "0.333333\nx 2000000\n")],
        {"tolerance": 1e-5},
    ),
    (
        "floats_beyond_tolerance",
        "incorrect",
        "too few digits",
        "print(round(1 / 3, 2))\n",
        [("", "0.333333\n")],
        {"tolerance": 1e-5},
    ),
    (
        "floats_without_tolerance",
        "incorrect",
        "no tolerance was asked for",
        "print(1 / 3)\n",
        [("", "0.333333\n")],
    ),
    (
        "nan_within_no_tolerance",
        "incorrect",
        "nan is near nothing, infinity only near itself",
        "print('nan')\n",
        [("", "1.0\n")],
        {"tolerance": 1e9},
    ),
    (
        "recursion_in_a_thread",
        "correct",
        "the habit of contests: a large stack and a high limit",
        """
import sys
import threading

sys.setrecursionlimit(1 << 20)
threading.stack_size(64 << 20)


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)


def main():
    print(depth(int(input())))


thread = threading.Thread(target=main)
thread.start()
thread.join()
""",
        [("20000\n", "20000\n")],
    ),
    (
        "each_case_is_a_fresh_run",
        "correct",
        "nothing is remembered from case to case",
        """
import os

seen = os.path.exists("seen")
open("seen", "w").close()
print("again" if seen else "first", input())
""",
        [("a\n", "first a\n"), ("b\n", "first b\n"), ("c\n", "first c\n")],
        {"unplain": "plain runs would share a folder"},
    ),
    (
        "wrong_in_the_last_case",
        "incorrect",
        "negative numbers come last",
        "a, b = map(int, input().split())\nprint(abs(a) + abs(b))\n",
        SUMS,
    ),
]
