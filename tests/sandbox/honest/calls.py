"""Calls: arguments of every kind, changed in place, passed twice; state between calls; functions passed in."""

# ruff: noqa: E501 -- short programs stand on one line

PROGRAMS = [
    (
        "argument_changed_in_place",
        "correct",
        "the test looks at its own list after the call",
        "def sort_in_place(xs):\n    xs.sort()\n",
        [
            "xs = [3, 1, 2]\nassert sort_in_place(xs) is None\nassert xs == [1, 2, 3]",
            "ys = xs = [2, 1]\nsort_in_place(xs)\nassert ys == [1, 2]",
        ],
    ),
    (
        "argument_changed_deep_within",
        "correct",
        "a dict of lists, a set and a bytearray are changed",
        """
def change(box):
    box["rows"][0].append(9)
    box["seen"].add(2)
    box["raw"][0] = 255
    del box["gone"]
    box["new"] = {"a": [1]}
""",
        [
            "row = [1]\nbox = {'rows': [row], 'seen': {1}, 'raw': bytearray(b'a'), 'gone': 0}\nchange(box)\n"
            "assert row == [1, 9]\nassert box == {'rows': [[1, 9]], 'seen': {1, 2}, 'raw': bytearray(b'\\xff'), 'new': {'a': [1]}}",
        ],
    ),
    (
        "argument_that_must_not_be_changed",
        "incorrect",
        "the answer is right, the argument spoiled: the second assert sees it",
        "def largest(xs):\n    xs.sort()\n    return xs.pop()\n",
        ["xs = [3, 1, 2]\nassert largest(xs) == 3\nassert xs == [3, 1, 2]"],
    ),
    (
        "argument_spoiled_for_the_next_assert",
        "incorrect",
        "the tests share one list",
        "def smallest(xs):\n    xs.sort(reverse=True)\n    return xs.pop()\n",
        "assert smallest(shared) == 1\nassert smallest(shared) == 1",
        {"setup": "shared = [3, 1, 2]"},
    ),
    (
        "argument_returned",
        "correct",
        "the list that comes back is the list that went in",
        "def same(xs):\n    xs.append(1)\n    return xs\n",
        ["xs = []\nassert same(xs) is xs\nassert xs == [1]"],
    ),
    (
        "copy_returned",
        "correct",
        "the list that comes back is another",
        "def copied(xs):\n    return xs[:]\n",
        ["xs = [1]\nys = copied(xs)\nassert ys == xs and ys is not xs", "ys.append(2)\nassert xs == [1]"],
    ),
    (
        "same_list_twice",
        "correct",
        "one list passed as two arguments is one list in the solution",
        "def pour(a, b):\n    a.append(5)\n    return b[-1], a is b\n",
        ["xs = [1]\nassert pour(xs, xs) == (5, True)\nassert xs == [1, 5]", "assert pour([1], [2]) == (2, False)"],
    ),
    (
        "same_list_twice_within_one",
        "correct",
        "rows of a grid that are one row",
        "def mark(grid):\n    grid[0][0] = 1\n    return grid\n",
        ["grid = [[0] * 2] * 2\nassert mark(grid) == [[1, 0], [1, 0]]", "assert mark([[0], [0]]) == [[1], [0]]"],
    ),
    (
        "returned_list_changed_by_the_test",
        "correct|unverifiable",
        "the solution keeps the list that it returned, and the test changes it",
        "kept = []\n\n\ndef log(x):\n    kept.append(x)\n    return kept\n",
        ["xs = log(1)\nxs.append(99)\nassert log(2) == [1, 99, 2]"],
    ),
    (
        "returned_list_is_fresh_each_time",
        "correct",
        "what the test does to one result must not be in the next",
        "def row(n):\n    return [0] * n\n",
        [
            "xs = row(2)\nxs.append(1)\nassert row(2) == [0, 0]",
            "xs[0] = 7\nassert row(2) == [0, 0] and xs == [7, 0, 1]",
        ],
    ),
    (
        "default_that_is_remembered",
        "incorrect",
        "a mutable default: the first call is right, the second not",
        "def collect(x, into=[]):\n    into.append(x)\n    return into\n",
        "assert collect(1) == [1]\nassert collect(2) == [2]",
    ),
    (
        "memo_between_calls",
        "correct",
        "a cache in a global dict, filled by the first call",
        """
memo = {0: 0, 1: 1}


def fib(n):
    if n not in memo:
        memo[n] = fib(n - 1) + fib(n - 2)
    return memo[n]
""",
        "assert fib(300) == 222232244629420445529739893461909967206666939096499764990979600\nassert fib(10) == 55\nassert fib(0) == 0",
    ),
    (
        "counter_between_calls",
        "correct",
        "a global statement, a closure and a class attribute count the calls",
        """
count = 0


def make():
    inner = 0

    def step():
        nonlocal inner
        inner += 10
        return inner
    return step


step = make()


class Tally:
    seen = 0


def tick():
    global count
    count += 1
    Tally.seen += 100
    return count + step() + Tally.seen
""",
        "assert tick() == 111\nassert tick() == 222\nassert tick() == 333",
    ),
    (
        "state_that_makes_the_last_wrong",
        "incorrect",
        "each assert alone is right; in one process the third is not",
        "calls = []\n\n\ndef twice(x):\n    calls.append(x)\n    return 2 * x + (len(calls) > 2)\n",
        "assert twice(1) == 2\nassert twice(2) == 4\nassert twice(3) == 6",
    ),
    (
        "keywords_and_defaults",
        "correct",
        "positional-only, keyword-only, *args and **kwargs",
        "def f(a, /, b=2, *args, c, d=4, **more):\n    return a, b, args, c, d, more\n",
        """
assert f(1, c=3) == (1, 2, (), 3, 4, {})
assert f(1, 5, 6, 7, c=3, e=8) == (1, 5, (6, 7), 3, 4, {'e': 8})
assert f(*[1, 2], **{'c': 0, 'a': 9}) == (1, 2, (), 0, 4, {'a': 9})
""",
    ),
    (
        "too_few_parameters",
        "crashed",
        "the tests pass two arguments",
        "def add(a):\n    return a\n",
        "assert add(1, 2) == 3",
    ),
    (
        "function_passed_in",
        "correct",
        "lambdas, methods, builtins and functions of the setup as arguments",
        "def apply(f, xs, key=None):\n    return sorted(map(f, xs), key=key)\n",
        """
assert apply(lambda x: x * x, [3, -2]) == [4, 9]
assert apply(str.upper, ['b', 'a']) == ['A', 'B']
assert apply(abs, [-3, 2], key=lambda x: -x) == [3, 2]
assert apply(triple, [1]) == [3]
assert apply({1: 'x', 2: 'y'}.get, [1, 2]) == ['x', 'y']
""",
        {"setup": "def triple(x):\n    return 3 * x"},
    ),
    (
        "function_passed_in_that_remembers",
        "correct",
        "the test counts how often its function is called, and with what",
        "def visit(xs, seen):\n    for x in xs:\n        if x:\n            seen(x)\n",
        [
            "calls = []\nvisit([1, 0, 2], calls.append)\nassert calls == [1, 2]",
            "visit([3], calls.append)\nassert len(calls) == 3",
        ],
    ),
    (
        "function_passed_in_that_raises",
        "correct",
        "the solution catches what the test's function raises, or lets it through",
        """
def guarded(f):
    try:
        return f()
    except ZeroDivisionError as error:
        return str(error)
""",
        [
            "assert guarded(lambda: 1 / 0) == 'division by zero'",
            "try:\n    guarded(lambda: {}['k'])\n    assert False\nexcept KeyError as error:\n    assert error.args == ('k',)",
        ],
    ),
    (
        "function_passed_in_and_given_back",
        "correct",
        "composition, decoration, the same function back",
        "def compose(*fs):\n    def run(x):\n        for f in fs:\n            x = f(x)\n        return x\n    return run if len(fs) > 1 else fs[0]\n",
        "assert compose(lambda x: x + 1, lambda x: x * 2)(3) == 8\nassert compose(len)('abc') == 3\nassert compose(double) is double",
        {"setup": "def double(x):\n    return 2 * x"},
    ),
    (
        "iterators_passed_in",
        "correct",
        "an iterator is used up as far as the solution went",
        "def take(it, n):\n    it = iter(it)\n    return [next(it) for _ in range(n)]\n",
        [
            "it = iter([1, 2, 3, 4])\nassert take(it, 2) == [1, 2]\nassert next(it) == 3",
            "assert take((x * x for x in range(10)), 3) == [0, 1, 4]",
            "assert take(itertools.count(5), 2) == [5, 6]",
            "assert take(map(str, [1, 2]), 1) == ['1']",
        ],
        {"setup": "import itertools"},
    ),
    (
        "objects_of_the_test_passed_in",
        "correct|unverifiable",
        "a class that the setup defines; the solution reads and sets attributes and builds a list of them",
        "def reverse(node):\n    previous = None\n    while node:\n        node.next, previous, node = previous, node, node.next\n    return previous\n",
        [
            "head = Node(1, Node(2, Node(3)))\nback, values = reverse(head), []\n"
            "while back:\n    values.append(back.value)\n    back = back.next\nassert values == [3, 2, 1]",
        ],
        {
            "setup": "class Node:\n    def __init__(self, value, next=None):\n        self.value = value\n        self.next = next"
        },
    ),
    (
        "recursion_through_the_entry_point",
        "correct",
        "it calls itself by its name, nine hundred deep",
        "def depth(n):\n    return 0 if n == 0 else 1 + depth(n - 1)\n",
        "assert depth(900) == 900\nassert depth(0) == 0",
    ),
    (
        "recursion_with_a_higher_limit",
        "correct",
        "it raises the limit itself",
        "import sys\n\nsys.setrecursionlimit(10_000)\n\n\ndef depth(n):\n    return 0 if n == 0 else 1 + depth(n - 1)\n",
        "assert depth(5000) == 5000",
    ),
    (
        "recursion_without_end",
        "crashed",
        "RecursionError in the call",
        "def depth(n):\n    return 1 + depth(n - 1)\n",
        "assert depth(3) == 3",
    ),
    (
        "random_inputs",
        "correct",
        "the test makes its inputs with a seed, and its expected values with a function of its own",
        "def sort(xs):\n    return xs if len(xs) < 2 else sort([x for x in xs[1:] if x < xs[0]]) + [xs[0]] + sort([x for x in xs[1:] if x >= xs[0]])\n",
        [
            "rng = random.Random(7)\nfor _ in range(50):\n    xs = [rng.randint(0, 99) for _ in range(20)]\n    assert sort(xs[:]) == sorted(xs)"
        ],
        {"setup": "import random"},
    ),
    (
        "random_inputs_wrong_for_few",
        "incorrect",
        "equal elements are lost: most inputs are judged right",
        "def sort(xs):\n    return sorted(set(xs))\n",
        [
            "rng = random.Random(7)\nfor _ in range(50):\n    xs = [rng.randint(0, 999) for _ in range(20)]\n    assert sort(xs[:]) == sorted(xs)"
        ],
        {"setup": "import random"},
    ),
    (
        "seed_shared_with_the_test",
        "correct|unverifiable",
        "the test seeds the generator that the solution draws from",
        "import random\n\n\ndef draw(n):\n    return [random.randint(1, 6) for _ in range(n)]\n",
        [
            "random.seed(5)\nfirst = draw(5)\nrandom.seed(5)\nassert draw(5) == first",
            "random.seed(3)\nwanted = [random.randint(1, 6) for _ in range(3)]\nrandom.seed(3)\nassert draw(3) == wanted",
        ],
        {"setup": "import random"},
    ),
    (
        "floats_within_a_tolerance",
        "correct",
        "isclose, differences, rounding",
        "import math\n\n\ndef area(r):\n    return math.pi * r * r\n",
        "assert math.isclose(area(2), 12.566370614359172, rel_tol=1e-9)\nassert abs(area(1) - 3.14159) < 1e-4\nassert round(area(1), 2) == 3.14",
        {"setup": "import math"},
    ),
    (
        "check_function_with_loops",
        "correct",
        "a check of the HumanEval kind: loops, helpers, messages",
        "def primes(n):\n    return [p for p in range(2, n) if all(p % q for q in range(2, p))]\n",
        ["check(primes)"],
        {
            "setup": "METADATA = {'author': 'nobody'}\n\n\ndef is_prime(p):\n    return p > 1 and all(p % q for q in range(2, p))\n\n\n"
            "def check(candidate):\n    for n in range(30):\n        assert candidate(n) == [p for p in range(n) if is_prime(p)], f'primes below {n}'\n"
            "    assert True, 'this prints if this assert fails (also good for debugging!)'\n",
            "entry_point": "primes",
        },
    ),
    (
        "wrong_only_in_the_last_assert",
        "incorrect",
        "off by one at the edge that is tested last",
        "def days(month):\n    return 31 if month in (1, 3, 5, 7, 8, 10) else 28 if month == 2 else 30\n",
        "assert days(1) == 31\nassert days(2) == 28\nassert days(4) == 30\nassert days(12) == 31",
    ),
    (
        "right_type_wrong_order",
        "incorrect",
        "as sets they are equal",
        "def both(a, b):\n    return list(set(b) | set(a))[::-1]\n",
        "assert both([1], [2]) == [1, 2]",
    ),
    (
        "prints_the_answer",
        "incorrect",
        "it returns None",
        "def add(a, b):\n    print(a + b)\n",
        "assert add(1, 2) == 3",
    ),
    (
        "wrong_name",
        "crashed|incorrect",
        "the function is there under another name",
        "def addition(a, b):\n    return a + b\n",
        "assert add(1, 2) == 3",
        {"entry_point": "add"},
    ),
    (
        "iterator_class_with_an_end",
        "correct",
        "the tests want StopIteration of a class of the solution, by next(), by for and by __next__",
        """
class Countdown:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.n == 0:
            raise StopIteration
        self.n -= 1
        return self.n
""",
        [
            "assert list(Countdown(3)) == [2, 1, 0] and [*zip(Countdown(2), 'ab')] == [(1, 'a'), (0, 'b')]",
            "c = Countdown(1)\nassert next(c) == 0\ntry:\n    next(c)\n    assert False\nexcept StopIteration:\n    pass",
            "assert next(Countdown(0), 'end') == 'end'",
        ],
    ),
    (
        "context_manager_that_suppresses",
        "correct|unverifiable",
        "a with block of the test raises what the solution is there to swallow",
        """
class ignoring:
    def __init__(self, *kinds):
        self.kinds = kinds

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.error = error
        return kind is not None and issubclass(kind, self.kinds)
""",
        [
            "with ignoring(KeyError) as it:\n    {}['k']\nassert isinstance(it.error, KeyError)",
            "try:\n    with ignoring(KeyError):\n        1 / 0\n    assert False\nexcept ZeroDivisionError:\n    pass",
        ],
    ),
]
