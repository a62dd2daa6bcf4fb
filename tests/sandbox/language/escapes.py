"""Ways out of Python as it is, each a body of reach(), and harmless: they only ask what the operating system is called."""

PROGRAMS = {
    "import os": """
import os
return os.name
""",
    "import from os": """
from os import name
return name
""",
    "import of a submodule": """
import os.path
return os.name
""",
    "import by name": "return __import__('os').name",
    "import importlib": """
import importlib
return importlib.import_module('os').name
""",
    "module of a module": """
import re
return re.enum.sys.modules['os'].name
""",
    "module of typing": """
import typing
return typing.sys.modules['os'].name
""",
    "private module of a module": """
import random
return random._os.name
""",
    "private module of collections": """
import collections
return collections._sys.modules['os'].name
""",
    "submodule by from": """
from json import decoder
return decoder.scanner.re.enum.sys.modules['os'].name
""",
    "sys.modules": """
import sys
return sys.modules['os'].name
""",
    "sys._getframe": """
import sys
return sys._getframe().f_builtins['__import__']('os').name
""",
    "self of a builtin": "return print.__self__.__import__('os').name",
    "self of reduce": """
import functools
return functools.reduce.__self__.__spec__.loader and print.__self__.__import__('os').name
""",
    "globals of a function": """
import random
seed = random.Random.seed
return seed.__globals__['_os'].name
""",
    "globals by getattr": """
import random
seed = random.Random.seed
return getattr(seed, '__globals__')['_os'].name
""",
    "globals by getattr with a default": """
import random
seed = random.Random.seed
return getattr(seed, '__globals__', None)['_os'].name
""",
    "globals by another alphabet": """
import random
seed = random.Random.seed
return seed.__𝓰lobals__['_os'].name
""",
    "globals by attrgetter": """
import random
seed = random.Random.seed
import operator
return operator.attrgetter('__globals__')(seed)['_os'].name
""",
    "globals along a path": """
import random
seed = random.Random.seed
import operator
return operator.attrgetter('Random.seed.__globals__')(random)['_os'].name
""",
    "globals by methodcaller": """
import random
seed = random.Random.seed
import operator
return operator.methodcaller('__getattribute__', '__globals__')(seed)['_os'].name
""",
    "globals by getattribute": """
import random
seed = random.Random.seed
return object.__getattribute__(seed, '__globals__')['_os'].name
""",
    "globals by a pattern": """
import random
seed = random.Random.seed
match seed:
    case object(__globals__=found):
        return found['_os'].name
""",
    "globals by reduce": """
import random
seed = random.Random.seed
import functools
return functools.reduce(getattr, ['__globals__'], seed)['_os'].name
""",
    "globals by map": """
import random
seed = random.Random.seed
return [*map(getattr, [seed], ['__globals__'])][0]['_os'].name
""",
    "globals copied by update_wrapper": """
import random
seed = random.Random.seed

import functools
class Sink:
    def __setattr__(self, name, value):
        found.append(value)
found = []
functools.update_wrapper(Sink(), seed, ['__globals__'], [])
return found[0]['_os'].name
""",
    "globals copied by wraps": """
import random
seed = random.Random.seed

import functools
class Sink:
    pass
sink = functools.wraps(seed, assigned=['__globals__'], updated=[])(Sink())
return sink.__dict__['__globals__']['_os'].name
""",
    "globals by a copy": """
import random
seed = random.Random.seed

import copy
class Copied:
    def __reduce_ex__(self, protocol):
        return getattr, (seed, '__globals__')
return copy.copy(Copied())['_os'].name
""",
    "globals of its own function": """
def own():
    pass
b = own.__globals__['__builtins__']
return (b if isinstance(b, dict) else vars(b))['__import__']('os').name
""",
    "name of a string subclass": """
import random
seed = random.Random.seed

class Name(str):
    def startswith(self, *ignored):
        return False
return getattr(seed, Name('__globals__'))['_os'].name
""",
    "frame of a generator": """
g = (1 for _ in [1])
return g.gi_frame.f_builtins['__import__']('os').name
""",
    "frame of a generator by getattr": """
g = (1 for _ in [1])
return getattr(getattr(g, 'gi_frame'), 'f_builtins')['__import__']('os').name
""",
    "frames behind a running generator": """
g = (g.gi_frame.f_back for _ in [1])
return [*g][0].f_builtins['__import__']('os').name
""",
    "frame by a pattern": """
g = (1 for _ in [1])
match g:
    case object(gi_frame=f):
        return f.f_builtins['__import__']('os').name
""",
    "frame of a traceback": """
try:
    1 / 0
except Exception as error:
    return error.__traceback__.tb_frame.f_builtins['__import__']('os').name
""",
    "traceback of a context manager": """
class Catch:
    def __enter__(self):
        return self
    def __exit__(self, kind, error, trace):
        self.trace = trace
        return True
with Catch() as caught:
    1 / 0
return caught.trace.tb_frame.f_builtins['__import__']('os').name
""",
    "object of an AttributeError": """
import random
seed = random.Random.seed

try:
    '{0.__globals__[_os].nothing}'.format(seed)
except AttributeError as error:
    return error.obj.name
""",
    "object of an AttributeError by Formatter": """
import random
seed = random.Random.seed

import string
try:
    string.Formatter().get_field('0.__globals__[_os].nothing', [seed], {})
except AttributeError as error:
    return error.obj.name
""",
    "format": """
import random
seed = random.Random.seed
return '{0.__globals__[_os].name}'.format(seed)
""",
    "format by name": """
import random
seed = random.Random.seed
return '{x.__globals__[_os].name}'.format(x=seed)
""",
    "format_map": """
import random
seed = random.Random.seed
return '{x.__globals__[_os].name}'.format_map({'x': seed})
""",
    "format of the class": """
import random
seed = random.Random.seed
return str.format('{0.__globals__[_os].name}', seed)
""",
    "format by getattr": """
import random
seed = random.Random.seed
return getattr('{0.__globals__[_os].name}', 'format')(seed)
""",
    "format by map": """
import random
seed = random.Random.seed
return [*map(str.format, ['{0.__globals__[_os].name}'], [seed])][0]
""",
    "format by methodcaller": """
import random
seed = random.Random.seed
import operator
return operator.methodcaller('format', seed)('{0.__globals__[_os].name}')
""",
    "format of a subclass": """
import random
seed = random.Random.seed
class Text(str):
    def show(self, x):
        return super().format(x)
return Text('{0.__globals__[_os].name}').show(seed)
""",
    "format within a format": """
import random
seed = random.Random.seed
return '{0:{1.__globals__[_os].name}}'.format(Spec(), seed)
""",
    "format by Formatter": """
import random
seed = random.Random.seed
import string
return string.Formatter().format('{0.__globals__[_os].name}', seed)
""",
    "format by UserString": """
import random
seed = random.Random.seed
import collections
return collections.UserString('{0.__globals__[_os].name}').format(seed)
""",
    "field by Formatter": """
import random
seed = random.Random.seed
import string
return string.Formatter().get_field('0.__globals__[_os]', [seed], {})[0].name
""",
    "subclasses of object": """
return [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['name']
""",
    "mro by its method": """
return [c for c in int.mro()[1].__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['name']
""",
    "class made by type": """
Own = type('Own', (), {'__getattr__': lambda self, name: name})
return Own().posix
""",
    "class of a class": "return type(type(1))('Made', (), {'found': print.__self__.__import__('os').name}).found",
    "metaclass": """
import random
seed = random.Random.seed
class Meta(type):
    def __getattribute__(cls, name):
        return seed.__globals__['_os'].name
class Made(metaclass=Meta):
    pass
return Made.found
""",
    "code by eval": "return eval(\"__import__('os').name\")",
    "attribute by eval": """
import random
seed = random.Random.seed
return eval("seed.__globals__['_os'].name", {'seed': seed})
""",
    "guards replaced in eval": """
import random
seed = random.Random.seed
return eval('seed.x', {'seed': seed, '_getattr_': lambda a, b: 'posix'}, {'_getattr_': lambda a, b: 'posix'}) if True else 0
""",
    "code by exec": """
space = {}
exec('import os; name = os.name', space)
return space['name']
""",
    "code by compile": """
space = {}
exec(compile('import os; name = os.name', '', 'exec'), space)
return space['name']
""",
    "globals()": "return globals()['__builtins__'] and __import__('os').name",
    "vars of a module": """
import random
return vars(random)['_os'].name
""",
    "__builtins__": """
b = __builtins__
return (b if isinstance(b, dict) else vars(b))['__import__']('os').name
""",
    "file by open": """
with open('/proc/self/comm') as file:
    return file.read() and 'posix'
""",
    "file by the class of stdin": """
import sys
with type(sys.stdin.buffer.raw)('/proc/self/comm') as file:
    return file.read() and 'posix'
""",
    "file by io": """
import io
with io.open('/proc/self/comm') as file:
    return file.read() and 'posix'
""",
    "dict of a class": """
import random
seed = random.Random.seed
return random.Random.__dict__['seed'].__globals__['_os'].name
""",
    "hint evaluated": """
import typing
def hinted(x: "print.__self__.__import__('os').PathLike"):
    pass
return typing.get_type_hints(hinted)['x'] and 'posix'
""",
    "hint evaluated by singledispatch": """
import functools
@functools.singledispatch
def one(x):
    return ''
@one.register
def other(x: "print.__self__.__import__('os').PathLike"):
    return ''
return 'posix'
""",
    "class made by Enum": """
import enum
Made = enum.Enum('Made', {'a': 1, '__getattr__': lambda self, name: print.__self__.__import__('os').name})
return Made.a.found
""",
    "subprocess": """
import subprocess
return subprocess.os.name
""",
    "ctypes": """
import ctypes
return ctypes._os.name
""",
    "garbage collector": """
import gc
return [m for m in gc.get_objects() if type(m) is type(gc) and m.__name__ == 'os'][0].name
""",
    "inspect": """
import inspect
return inspect.os.name
""",
}
