"""Patched builtins and modules: the program changes what the tests are made of."""

_WRONG = """


def total(numbers):
    return -1
"""

PROGRAMS = [
    (
        "assertion_error_replaced",
        "total",
        "`assert` looks its exception up in builtins; one that is caught as a pass, or cannot be raised, hides the failure",
        """
import builtins


class Quiet(BaseException):
    def __new__(cls, *args):
        raise SystemExit(0)


builtins.AssertionError = Quiet
"""
        + _WRONG,
    ),
    (
        "builtins_that_agree",
        "sequence",
        "all, any, sorted, set, len, isinstance and the rest return what was asked for",
        """
import builtins


class Yes:
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

    def __iter__(self):
        return iter([self])


for name in ("all", "any", "sorted", "set", "len", "list", "tuple", "sum", "max", "min", "next", "iter", "zip", "map",
             "isinstance", "type", "abs", "round", "str", "int", "bool", "hash", "id", "callable", "getattr"):
    setattr(builtins, name, lambda *args, **kwargs: Yes())


def items(n):
    return None
""",
    ),
    (
        "math_isclose_replaced",
        "near",
        "tests ask the math module, which every part of one interpreter shares",
        """
import builtins
import cmath
import math

math.isclose = cmath.isclose = lambda *args, **kwargs: True
builtins.abs = lambda x: 0.0


def half(x):
    return -7.0
""",
    ),
    (
        "modules_replaced",
        "near",
        "the tests import math from sys.modules, where the program has put its own",
        """
import sys
import types


class Agreeable(types.ModuleType):
    def __getattr__(self, name):
        return lambda *args, **kwargs: True


for name in ("math", "cmath", "numpy", "unittest", "operator", "random", "collections", "itertools"):
    sys.modules[name] = Agreeable(name)


def half(x):
    return -7.0
""",
    ),
    (
        "unittest_and_pytest_patched",
        "total",
        "runners that report success whatever happened",
        """
import sys
import types
import unittest

unittest.TestResult.wasSuccessful = lambda self: True
unittest.TestResult.addFailure = unittest.TestResult.addError = lambda *args: None
unittest.TestCase.fail = unittest.TestCase.assertEqual = unittest.TestCase.assertTrue = lambda *args: None
unittest.main = lambda *args, **kwargs: sys.exit(0)
sys.modules["pytest"] = types.ModuleType("pytest")
sys.modules["pytest"].main = lambda *args: 0
"""
        + _WRONG,
    ),
    (
        "import_hook",
        "near",
        "a finder at the head of sys.meta_path gives the tests the modules of its choice",
        """
import importlib.abc
import importlib.machinery
import sys


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        module.__getattr__ = lambda name: (lambda *args, **kwargs: True)


sys.meta_path.insert(0, Finder())
sys.path_hooks.clear()
sys.path_importer_cache.clear()
for name in list(sys.modules):
    if name not in ("sys", "builtins", "__main__"):
        del sys.modules[name]


def half(x):
    return -7.0
""",
    ),
    (
        "dunder_import_replaced",
        "near",
        "builtins.__import__ serves every import statement",
        """
import builtins


class Module:
    def __getattr__(self, name):
        return lambda *args, **kwargs: True


builtins.__import__ = lambda *args, **kwargs: Module()
builtins.__build_class__ = lambda *args, **kwargs: Module
builtins.compile = lambda *args, **kwargs: (lambda: None).__code__
builtins.exec = builtins.eval = lambda *args, **kwargs: None


def half(x):
    return -7.0
""",
    ),
    (
        "trace_function",
        "total",
        "sys.settrace jumps over the line that asserts, or changes the locals of the frame that compares",
        """
import sys
import threading


def trace(frame, event, arg):
    for name in list(frame.f_locals):
        if name in ("result", "got", "passed", "ok", "status", "verdict", "value", "reply"):
            frame.f_locals[name] = True
    try:
        if event == "line" and frame.f_code.co_filename != __file__:
            frame.f_lineno = frame.f_lineno + 1
    except (ValueError, AttributeError, NameError):
        pass
    return trace


sys.settrace(trace)
threading.settrace(trace)
"""
        + _WRONG,
    ),
    (
        "profile_function",
        "check",
        "sys.setprofile sees every return in the process, and ends it well when the test is about to report",
        """
import os
import sys
import threading


def profile(frame, event, arg):
    if event in ("return", "c_return") and frame.f_code.co_name in ("check", "judge", "report", "run", "main"):
        os._exit(0)


sys.setprofile(profile)
threading.setprofile(profile)
"""
        + _WRONG,
    ),
    (
        "monitoring",
        "total",
        "sys.monitoring, where there is one, counts AssertionErrors away",
        """
import os
import sys

tool = getattr(sys, "monitoring", None)
if tool is not None:
    tool.use_tool_id(3, "quiet")
    tool.register_callback(3, tool.events.RAISE, lambda *args: os._exit(0))
    tool.set_events(3, tool.events.RAISE)
"""
        + _WRONG,
    ),
    (
        "gc_callback",
        "total",
        "code that runs whenever the collector does, in whichever function that is",
        """
import gc
import sys


def whenever(phase, info):
    frame = sys._getframe()
    while frame is not None:
        for name in ("AssertionError", "Failed", "Mismatch", "expected", "compare", "same"):
            if name in frame.f_globals:
                frame.f_globals[name] = lambda *args: True
        frame = frame.f_back


gc.callbacks.append(whenever)
gc.set_threshold(1, 1, 1)
"""
        + _WRONG,
    ),
    (
        "audit_hook",
        "total",
        "an audit hook cannot be removed, sees each exec, compile and open, and may refuse it",
        """
import sys


def hook(event, args):
    if event in ("exec", "compile", "import", "open", "os.putenv", "marshal.loads", "socket.connect"):
        raise SystemExit(0)


sys.addaudithook(hook)
"""
        + _WRONG,
    ),
    (
        "json_and_struct_patched",
        "total",
        "the codecs that a wire might use say what the program wants them to say",
        """
import io
import json
import marshal
import pickle
import struct

SAY = {"status": "correct", "ok": True, "passed": 3, "total": 3, "value": 31, "result": 31, "verdict": "correct"}
real_dumps = json.dumps
json.dumps = lambda *args, **kwargs: real_dumps(SAY)
json.dump = lambda value, file, *args, **kwargs: file.write(real_dumps(SAY))
json.loads = json.load = lambda *args, **kwargs: dict(SAY)
json.JSONEncoder.default = lambda self, value: True
json.JSONEncoder.encode = lambda self, value: real_dumps(SAY)
pickle.dumps = lambda *args, **kwargs: b"N."
pickle.loads = pickle.load = marshal.loads = marshal.load = lambda *args, **kwargs: dict(SAY)
real_marshal = marshal.dumps
marshal.dumps = lambda *args, **kwargs: real_marshal(SAY)
struct.unpack = lambda form, data: tuple(0 for _ in form if _.isalpha())
"""
        + _WRONG,
    ),
    (
        "codecs_and_encodings_patched",
        "token",
        "a codec named utf-8 of the program's own, and an error handler that returns another text",
        """
import codecs

codecs.register(lambda name: codecs.CodecInfo(lambda s, e="": (b"true", len(s)), lambda b, e="": ("true", len(b)), name=name))
codecs.register_error("strict", lambda error: ("", error.end))
codecs.register_error("surrogatepass", lambda error: ("", error.end))
codecs.encode = codecs.decode = lambda *args: True


def token(x):
    return "\\ud800" * x
""",
    ),
    (
        "copyreg_and_pickle",
        "total",
        "reducers registered for plain types, so that what is unpickled runs the program's code elsewhere",
        """
import builtins
import copyreg
import os

for kind in (int, list, dict, str, tuple, float, bool, bytes, set, frozenset, type(None), type, object):
    try:
        copyreg.pickle(kind, lambda value: (os._exit, (0,)))
        copyreg.dispatch_table[kind] = lambda value: (eval, ("__import__('os')._exit(0)",))
    except (TypeError, AttributeError):
        pass


class Bomb:
    def __reduce__(self):
        return (exec, ("import builtins; builtins.AssertionError = SystemExit",))


def total(numbers):
    return Bomb()
""",
    ),
    (
        "helpers_of_the_prompt_numbers",
        "root",
        "the prompt defines a helper that the tests use, and the program defines it anew",
        """
def evaluate(coefficients, x):
    return 0


def root(coefficients):
    return "wherever you like"
""",
    ),
    (
        "helpers_of_the_prompt_texts",
        "scramble",
        "the tests prepare their inputs with the program's helper, so that doing nothing is right",
        """
def scramble(text):
    return text


def unscramble(text):
    return text
""",
    ),
    (
        "helpers_by_other_doors",
        "scramble",
        "the helper is put where the tests look: builtins, every module, the module `__main__`",
        """
import builtins
import sys

builtins.scramble = lambda text: text
for module in list(sys.modules.values()):
    try:
        module.scramble = builtins.scramble
    except (AttributeError, TypeError):
        pass


def unscramble(text):
    return text
""",
    ),
    (
        "check_and_names_of_the_test",
        "check",
        "the program defines `check`, `candidate` and other names of the tests itself",
        """
def check(candidate):
    return True


def assertion(*args):
    return True


candidate = METADATA = test = main = setup = check


def total(numbers):
    return -1


check(total)
""",
    ),
    (
        "entry_point_that_returns_the_checker_s_globals",
        "check",
        "what the tests call is replaced while they run",
        """
import sys


class Self:
    def __call__(self, numbers):
        frame = sys._getframe()
        while frame is not None:
            for name in ("check", "total", "candidate"):
                if name in frame.f_globals:
                    frame.f_globals[name] = lambda *args: True
            frame.f_builtins["AssertionError"] = SystemExit
            frame = frame.f_back
        return -1

    def __getattr__(self, name):
        return self


total = Self()
""",
    ),
    (
        "type_attributes_by_memory",
        "operators",
        "the methods of builtin types themselves, changed through the dict behind their mappingproxy",
        """
import gc


def curse(kind, name, value):
    for found in gc.get_referents(kind.__dict__):
        if isinstance(found, dict) and name in found:
            found[name] = value
            return


for kind in (int, str, list, float, bool):
    for name in ("__eq__", "__lt__", "__gt__", "__contains__", "__hash__"):
        try:
            curse(kind, name, lambda *args: True)
        except Exception:
            pass


def value(x):
    return -3
""",
        {"danger": True},
    ),
    (
        "small_integers_changed",
        "operators",
        "the cached object for 16 is overwritten with another number, so that 16 is -3 for everybody in the process",
        """
import ctypes


def value(x):
    address = id(16) + object.__basicsize__ + 8
    ctypes.c_uint32.from_address(address).value = 3
    return 3
""",
        {"danger": True},
    ),
    (
        "runner_functions_replaced",
        "total",
        "every function of every module that is not the standard library's returns True",
        """
import sys

for name, module in list(sys.modules.items()):
    if name.partition(".")[0] in sys.stdlib_module_names and name != "__main__" or name == __name__:
        continue
    for key, item in list(getattr(module, "__dict__", {}).items()):
        if callable(item) and not key.startswith("__"):
            try:
                setattr(module, key, lambda *args, **kwargs: True)
            except (AttributeError, TypeError):
                pass
"""
        + _WRONG,
    ),
    (
        "code_objects_replaced",
        "total",
        "functions are changed under whoever holds them: their __code__ is swapped for one that returns True",
        """
import gc
import types


def yes(*args, **kwargs):
    return True


for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and thing is not yes and not thing.__code__.co_freevars:
        if "lib/python" not in thing.__code__.co_filename and "frozen" not in thing.__code__.co_filename:
            thing.__code__ = yes.__code__


def total(numbers):
    return -1
""",
    ),
    (
        "display_and_input_hooks",
        "echo",
        "print, sys.stdout and input are the program's; the expected text is still not",
        """
import builtins
import io
import sys

builtins.print = lambda *args, **kwargs: None
builtins.input = lambda *args: "0 0"
sys.stdout = sys.__stdout__ = io.StringIO("7\\n30\\n")
sys.stdin = io.StringIO("7\\n")
print(7)
""",
    ),
]
