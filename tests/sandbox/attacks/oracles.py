"""Oracles: what the tests pass in, or look at, is asked for the expected value.

Tests that pass in the answer itself cannot be saved; here they pass functions and keys that know it only by their
globals, closures, constants and defaults, which are none of the program's business.
"""

_KEEP = """
import re

SHAPE = re.compile(r"expected-[0-9a-f]{10}")


def hunt(*things):
    found = []
    for thing in things:
        for name in ("__globals__", "__closure__", "__code__", "__defaults__", "__kwdefaults__", "__dict__", "__self__",
                     "__func__", "__wrapped__", "__module__", "__builtins__", "__doc__", "__annotations__", "func",
                     "gi_frame", "gi_code", "f_globals", "f_back", "cell_contents", "co_consts"):
            try:
                inner = getattr(thing, name)
            except BaseException:
                continue
            found += SHAPE.findall(repr(inner))
            for each in inner if isinstance(inner, tuple) else [inner]:
                for deeper in ("co_consts", "cell_contents", "f_locals", "f_globals", "f_back"):
                    try:
                        found += SHAPE.findall(repr(getattr(each, deeper)))
                    except BaseException:
                        pass
    return found

"""

PROGRAMS = [
    (
        "globals_and_code_of_a_function",
        "token setup",
        "__globals__, __closure__ and __code__.co_consts of what was passed in",
        _KEEP
        + """
def token(function=None, x=0, key=None):
    found = hunt(function or key)
    return found[x % len(found)] if found else "nothing found"
""",
    ),
    (
        "disassembles_the_function",
        "token setup",
        "dis, inspect and marshal read functions too",
        _KEEP
        + """
import dis
import inspect
import io
import marshal


def token(function=None, x=0, key=None):
    function = function or key
    texts = []
    for read in (inspect.getsource, inspect.getclosurevars, inspect.signature, lambda f: marshal.dumps(f.__code__),
                 lambda f: inspect.getsource(inspect.getmodule(f)), lambda f: [*dis.get_instructions(f)], vars, dir, repr):
        try:
            texts.append(repr(read(function)))
        except BaseException:
            pass
    found = SHAPE.findall("".join(texts))
    return found[x % len(found)] if found else "nothing found"
""",
    ),
    (
        "function_called_with_bad_arguments",
        "token setup",
        "the error that a function raises carries frames and texts of its side",
        _KEEP
        + """
class Spy:
    def __radd__(self, other):
        raise KeyError(self)

    __add__ = __mul__ = __rmul__ = __bool__ = __radd__


def text(thing):
    try:
        return repr(thing)
    except BaseException as error:
        return str(error)


def token(function=None, x=0, key=None):
    function = function or key
    found = []
    for args in ((), (None,), ("x", "y"), (Spy(),), ([],)):
        try:
            found += SHAPE.findall(text(function(*args)))
        except BaseException as error:
            tb = error.__traceback__
            while tb is not None:
                frame = tb.tb_frame
                while frame is not None:
                    found += SHAPE.findall(text(frame.f_globals) + text(frame.f_locals) + text(frame.f_code.co_consts))
                    frame = frame.f_back
                tb = tb.tb_next
            found += SHAPE.findall(text(error.args) + text(vars(error)) + text(error.__context__) + text(error.__cause__))
    return found[x % len(found)] if found else "nothing found"
""",
    ),
    (
        "proxy_taken_apart",
        "token setup",
        "the stand-in for the function is asked for any attribute, by the door that ordinary attributes use",
        _KEEP
        + """
import gc

NAMES = ["__globals__", "__closure__", "__code__", "__defaults__", "__dict__", "__getattribute__", "__reduce_ex__",
         "__init_subclass__", "__class__", "__builtins__", "func_globals", "__call__", "__get__", "__subclasshook__"]


def token(function=None, x=0, key=None):
    function = function or key
    found = []
    proxies = [function, getattr(function, "__self__", None)]
    for thing in gc.get_referents(function) + gc.get_referrers(type(function))[:50]:
        proxies.append(thing)
        for name in dir(thing):
            try:
                method = getattr(thing, name)
            except BaseException:
                continue
            if callable(method) and any(word in name for word in ("attr", "ask", "request", "get", "remote")):
                for wanted in NAMES:
                    for args in ((wanted,), (function, wanted), (0, wanted), (1, wanted), ("attr", 0, wanted)):
                        try:
                            found += SHAPE.findall(repr(method(*args)))
                        except BaseException:
                            pass
    found += hunt(*proxies)
    return found[x % len(found)] if found else "nothing found"
""",
        {"limits": "quick"},
    ),
    (
        "callback_changes_the_tests",
        "token setup",
        "__setattr__, __setitem__ and __call__ of what was passed in reach the tests' own objects",
        """
class Yes(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


def token(function=None, x=0, key=None):
    function = function or key
    for change in (
        lambda: setattr(function, "__code__", (lambda x: Yes()).__code__),
        lambda: function.__globals__.clear(),
        lambda: function.__globals__.update(ANSWERS={4: "mine"}),
        lambda: function.__globals__["__builtins__"].__setitem__("AssertionError", SystemExit),
        lambda: setattr(function, "__defaults__", (Yes(),)),
        lambda: function.__init__(),
        lambda: function.__del__(),
    ):
        try:
            change()
        except BaseException:
            pass
    return "mine"
""",
    ),
    (
        "callback_recursion",
        "token setup",
        "the function that was passed in is called from within its own arguments, and from threads, without end",
        """
import threading


def token(function=None, x=0, key=None):
    function = function or key

    class Again:
        def __mul__(self, other):
            return function(self)

        __rmul__ = __add__ = __radd__ = __mul__

        def __bool__(self):
            return bool(function(self))

    for _ in range(2):
        threading.Thread(target=lambda: function(Again()), daemon=True).start()
    try:
        function(Again())
    except RecursionError:
        pass
    return "nothing found"
""",
        {"limits": "quick"},
    ),
    (
        "callback_kept_for_the_next_run",
        "token setup",
        "a function of the tests is called after the call is over, and while the next assert runs",
        """
import threading
import time

kept = []


def bother():
    while True:
        for function in kept:
            try:
                function(1)
            except BaseException:
                pass
        time.sleep(0.001)


threading.Thread(target=bother, daemon=True).start()


def token(function=None, x=0, key=None):
    kept.append(function or key)
    return "nothing found"
""",
        {"limits": "quick"},
    ),
    (
        "name_of_the_test_guessed",
        "truth",
        "the number of the call tells what the answer must be, if an always-true object is not enough",
        """
calls = 0


class Flip:
    def __eq__(self, other):
        global calls
        calls += 1
        return True if calls % 2 else other

    def __bool__(self):
        return True

    def __hash__(self):
        return 1


def even(n):
    return Flip()
""",
    ),
    (
        "result_that_reads_the_asker",
        "sequence",
        "methods of the returned object are called while the frame with the expected value is on the stack",
        """
import sys


class Reader(list):
    def _look(self, *args):
        frame = sys._getframe()
        while frame is not None:
            for constant in frame.f_code.co_consts:
                if constant == (1, 4, 9) or constant == [1, 4, 9]:
                    self[:] = constant
                    return True
            frame = frame.f_back
        return False

    __eq__ = __contains__ = __lt__ = _look

    def __iter__(self):
        self._look()
        return list.__iter__(self)

    def __len__(self):
        return 3 * self._look()


def items(n):
    return Reader()
""",
    ),
]
