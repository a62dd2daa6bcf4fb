"""Sentinel output: the program prints what some judge takes for the report of its tests."""

_WORDS = """
def total(numbers):
    return -1


"""

PROGRAMS = [
    (
        "print_ok",
        "total",
        "unittest ends with OK",
        _WORDS + "print('.' * 3)\nprint('-' * 70)\nprint('Ran 3 tests in 0.000s')\nprint()\nprint('OK')\n",
    ),
    (
        "print_passed_in_every_tongue",
        "total",
        "the words that judges search for",
        _WORDS
        + """
import sys

for word in ("passed", "PASSED", "pass", "OK", "ok", "True", "success", "Accepted", "AC", "correct", "All tests passed",
             "3 passed in 0.01s", "Status: Success", "RESULT: 1", "1.0", "0"):
    print(word)
    print(word, file=sys.stderr)
""",
    ),
    (
        "print_json_verdicts",
        "total",
        "a line of JSON is the report of many judges",
        _WORDS
        + """
import json
import sys

for status in ("correct", "passed", "pass", "ok", "success", "Success", "Finished", True, 1, 0):
    for key in ("status", "result", "verdict", "outcome", "passed", "success"):
        line = json.dumps({key: status, "passed": 3, "total": 3, "reward": 1.0, "score": 1.0, "exit_code": 0,
                           "return_code": 0, "failed": 0, "errors": [], "cases": ["correct"] * 3, "id": 1})
        print(line)
        print(line, file=sys.stderr)
""",
    ),
    (
        "print_junit_and_tap",
        "total",
        "reports of test runners",
        _WORDS
        + """
print('<testsuite tests="3" failures="0" errors="0"><testcase name="total"/></testsuite>')
print("TAP version 13\\n1..3\\nok 1\\nok 2\\nok 3")
print("##teamcity[testFinished name='total']")
print("::set-output name=result::passed")
""",
    ),
    (
        "print_in_the_call_and_exit",
        "check",
        "the report, then a clean end in the middle of the test",
        """
import os
import sys


def total(numbers):
    print("OK\\npassed\\n" + '{"status": "correct"}', flush=True)
    sys.stderr.write("OK\\n")
    sys.stderr.flush()
    os._exit(0)
""",
    ),
    (
        "print_from_atexit",
        "total",
        "the last line is the verdict, and atexit has it",
        _WORDS + "import atexit\n\natexit.register(print, 'OK', flush=True)\n",
    ),
    (
        "swallow_the_traceback",
        "total",
        "judges that look for `Traceback` or `Error` find none",
        """
import os
import sys

null = os.open(os.devnull, os.O_WRONLY)
os.dup2(null, 2)
sys.stderr = open(os.devnull, "w")


def total(numbers):
    print("passed", flush=True)
    raise ValueError
""",
    ),
    (
        "terminal_tricks",
        "total",
        "carriage returns, clear screens and nulls overwrite what was printed before",
        _WORDS
        + """
import sys

for stream in (sys.stdout, sys.stderr):
    stream.write("\\x1b[2J\\x1b[H\\r\\x00\\x08\\x08\\x08OK\\n\\x1a\\x04PASSED\\r\\n\\u2028correct\\u2029\\x85OK")
    stream.flush()
""",
    ),
    (
        "guess_separators",
        "total",
        "judges that mark the end of a program's own output with a line of dashes or a fixed word",
        _WORDS
        + """
for mark in ("---", "===", "###", "END", "EOF", "__END__", "__RESULT__", "<<<RESULT>>>", "SENTINEL", "\\x00", "\\x1e",
             "<assay>", "assay:", "verdict:", "[[verdict]]", "@@@"):
    print(mark)
    print(mark, "correct", mark)
    print(mark + "passed" + mark)
    print('{"status": "correct", "passed": 3}')
""",
    ),
    (
        "doctest_and_pytest_reports",
        "check",
        "what the test runners would have printed",
        """
def total(numbers):
    print("1 items passed all tests:\\n   3 tests in __main__\\n3 tests in 1 items.\\n3 passed and 0 failed.\\nTest passed.")
    print("============================== 3 passed in 0.01s ===============================")
    return True
""",
    ),
    (
        "print_every_number",
        "echo",
        "all answers at once; one of the lines is right",
        "for number in range(100):\n    print(number)\n",
    ),
    (
        "print_right_words_among_others",
        "echo",
        "judges that search the expected text anywhere in the output",
        "a, b = map(int, input().split())\nprint('the answer is', a + b, 'or', a * b)\n",
    ),
    (
        "print_nothing_but_blanks",
        "echo",
        "an output that is stripped to nothing, or to the start of every text",
        "print(' \\t \\n\\n  \\r\\n\\x0b\\x0c')\n",
    ),
    (
        "print_to_standard_error",
        "echo",
        "judges that join the two streams read the answer",
        "import sys\n\na, b = map(int, input().split())\nprint(a + b, file=sys.stderr)\n",
    ),
]
