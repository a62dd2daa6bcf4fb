"""What a recipe says is what is run; and what is wrong with it is told with the place, the key and the remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from assay.grpo.recipe import Recipe, RecipeError, load_recipe
from assay.grpo.recipe_file import Source, as_yaml, shipped_recipes

from assay import CodeVerifier, MathVerifier, Problem, Reward, Status, ThinkFormat

SMALL = """\
model_name_or_path: tiny
learning_rate: 5e-4
dynamic_sampling: off
data:
  name: sums
  eval_count: 20
reward:
  - {verifier: math, weight: 1}
  - {verifier: think, weight: 0.2}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    return file


def complaint(file: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as raised:
        load_recipe(file, overrides).problems()
    return str(raised.value).replace(str(file), "FILE")


# ---- reading


def test_values_are_read_as_yaml_1_2_has_them(small: Path) -> None:
    recipe = load_recipe(small, ["max_kl=", "report_to=[]", "beta=4e-2", "data.digits=[1,3]", "prompt.think=true"])
    assert recipe.settings.learning_rate == 5e-4
    assert recipe.settings.dynamic_sampling == "off"  # YAML 1.1 says false
    assert recipe.settings.max_kl is None
    assert recipe.settings.report_to == []
    assert recipe.settings.beta == 0.04
    assert recipe.data.digits == (1, 3)
    assert recipe.prompt.think is True


def test_numbers_are_decimal(small: Path, tmp_path: Path) -> None:
    settings = load_recipe(small, ["weight_decay=010", "max_steps=1e3", "seed=-0", "log_completions=0"]).settings
    assert (settings.weight_decay, settings.max_steps, settings.seed, settings.log_completions) == (10, 1000, 0, 0)
    words = load_recipe(
        small, ["stop_strings=['010', '0x1f', '1:30', '1_000', '0b1', '2020-01-01', '=', '<<', '~', 'null']"]
    )
    again = tmp_path / "again.yaml"
    again.write_text(as_yaml(words.as_dict()))
    assert load_recipe(again) == words


def test_none_switches_off_what_can_be_off(small: Path) -> None:
    for none in ("none", "null", ""):
        recipe = load_recipe(
            small, [f"{name}={none}" for name in ("max_kl", "min_p", "data.largest", "data.eval_name")]
        )
        assert (recipe.settings.max_kl, recipe.settings.min_p, recipe.data.largest) == (None, None, None)
    small.write_text(SMALL + "steps_per_generation: none\nscale_rewards: none\n")
    settings = load_recipe(small, ["prompt.system=none", "reward.math.name=none"]).settings
    assert (settings.steps_per_generation, settings.scale_rewards) == (None, "none")
    assert "expected a number, not 'none'" in complaint(small, "beta=none")


def test_overrides_go_into_sections_and_lists_by_index_and_by_name(small: Path) -> None:
    recipe = load_recipe(small, ["reward.1.weight=0.5", "reward.math.form=evaluated", "eval.k=[1, 8]"])
    assert [part.weight for part in recipe.reward] == [1, 0.5]
    assert recipe.reward[0].form == "evaluated"
    assert recipe.eval.k == [1, 8]


def test_a_resolved_recipe_is_a_recipe_again(small: Path, tmp_path: Path) -> None:
    overrides = ["adam_epsilon=1e-08", "stop_strings=['5e-4', 'off', 'true', 'a: b']", "data.kinds=[sum, word]"]
    recipe = load_recipe(small, [*overrides, "lora_target_modules=[q_proj]", "prompt.template='#1 {prompt}\n'"])
    again = tmp_path / "again.yaml"
    again.write_text(as_yaml(recipe.as_dict()))
    assert load_recipe(again) == recipe
    json.dumps(recipe.as_dict())


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_recipes_that_come_with_assay_are_right(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.settings.output_dir == f"out/{name}"
    assert recipe.data.name == name
    recipe.settings.prompts_per_generation()


def test_the_recipes_are_there() -> None:
    assert sorted(shipped_recipes()) == ["gsm8k", "mbpp", "sums"]


def test_reading_a_recipe_needs_no_torch() -> None:
    code = "import sys; from assay.grpo.recipe import load_recipe; load_recipe('sums').problems(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ---- what is wrong

WRONG = [
    (["max_step=10"], "'max_step=10': max_step: there is no such setting; did you mean max_steps?"),
    (["digits=3"], "'digits=3': digits: there is no such setting; it belongs into data: data.digits"),
    (["data.digit=3"], "'data.digit=3': data.digit: there is no such key; did you mean digits?"),
    (["data.name=gsm9k"], "'data.name=gsm9k': data.name: there is no data set 'gsm9k'; did you mean gsm8k?"),
    (["data.name=math500", "data.digits=3"], "'data.digits=3': data.digits: it is for sums, not for math500"),
    (["learning_rate=fast"], "'learning_rate=fast': learning_rate: expected a number, not 'fast'"),
    (["learning_rate=0"], "learning_rate: expected a number above 0, not 0"),
    (["max_steps=1.5"], "max_steps: expected a whole number, not 1.5"),
    (["use_peft=3"], "use_peft: expected true or false, not 3"),
    (["max_steps=true"], "max_steps: expected a number, not True"),
    (["learning_rate=true"], "learning_rate: expected a number, not True"),
    (["log_completions=true"], "log_completions: expected a number, not True"),
    (["data.count=true"], "data.count: expected a number, not True"),
    (["reward.math.weight=true"], "reward.0.weight: expected a number, not True"),
    (["stop_strings=['']"], "stop_strings.0: expected a text that is not empty, not ''"),
    (["lora_dropout=1"], "lora_dropout: expected a number below 1, not 1"),
    (["seed=9223372036854775808"], "seed: expected a number below 9223372036854775808"),
    (["output_dir=''"], "output_dir: expected a text that is not empty"),
    (["max_steps"], "'max_steps': expected key=value"),
    (["max_steps=[1"], "is not valid YAML"),
    (["max_steps.x=2"], "'max_steps.x=2': max_steps: expected a whole number"),
    (["learning_rate.x=2"], "learning_rate is 0.0005, which has nothing inside"),
    (["loss_type=drgrpo"], "not 'drgrpo'; did you mean dr_grpo?"),
    (["loss_type=cispo"], "cispo needs epsilon_high"),
    (["num_generations=3"], "'num_generations=3': 8 completions are sampled at one time"),
    (["data=3"], "data: expected `key: value` lines, not 3"),
    (["data={}"], "data: it has to be given, as in `data: {name: sums}`"),
    (["reward=[]"], "reward: it has to be given, as in `reward: [{verifier: math}]`"),
    (["reward=math"], "reward: expected a list"),
    (["reward=[{weight: 1}]"], "expected an entry such as {verifier: math, weight: 1}"),
    (
        ["reward.0.verifier=maths"],
        "reward.0: expected a verifier among 'math', 'think', 'code', 'module:name', not 'maths'",
    ),
    (["reward.math.extrakt=boxed"], "reward.0.extrakt: there is no such key; did you mean extract?"),
    (["reward.math.extract=box"], "reward.0.extract: expected 'boxed' or 'lenient', not 'box'; did you mean boxed?"),
    (["reward.code.weight=1"], "the list has no entry 'code'; entries are math, think"),
    (["reward.0.weight=-1"], "expected a number of at least 0, not -1"),
    (["reward.0.weight=0", "reward.1.weight=0"], "the weights are all 0"),
    (["reward.0.gate=true", "reward.1.gate=true"], "one verifier can be the gate, not several"),
    (["prompt.template=x"], "'prompt.template=x': prompt.template: expected a text with {prompt} in it, not 'x'"),
    (["eval.k=[8]", "eval.samples=4"], "'eval.samples=4': eval.samples: expected at least 8"),
    (["data.kinds=[su]"], "kinds must be among sum, difference, product, word, not su"),
    (["data.digits=1", "data.count=500"], "used up in the train split"),
    (["data.name=missing.jsonl"], "no data set is called 'missing.jsonl', and there is no such file"),
    (["data.eval_path=x"], "data.eval_path: it goes with data.eval_name"),
]


@pytest.mark.parametrize(("overrides", "words"), WRONG, ids=[" ".join(overrides) for overrides, _ in WRONG])
def test_what_is_wrong_is_told(small: Path, overrides: list[str], words: str) -> None:
    assert words in complaint(small, *overrides)


def test_the_line_of_the_file_is_told(small: Path) -> None:
    small.write_text(SMALL.replace("eval_count: 20", "eval_count: many"))
    assert complaint(small).startswith("FILE line 6: data.eval_count: expected a whole number, not 'many'")
    small.write_text(SMALL.replace("verifier: think", "verifier: thinking"))
    assert complaint(small).startswith("FILE line 9: reward.1: expected a verifier")
    small.write_text(SMALL + "learning_rate: 1e-3\n")
    assert complaint(small) == "FILE line 10: learning_rate stands here again, first on line 2"
    small.write_text(SMALL + "x: [1\n")
    assert complaint(small).startswith("FILE line 11: not valid YAML")
    small.write_text("- 1\n")
    assert complaint(small).startswith("FILE: expected `key: value` lines")
    small.write_text(SMALL.replace("model_name_or_path: tiny\n", ""))
    assert complaint(small) == "FILE: model_name_or_path: it has to be given"


def test_several_faults_are_told_together(small: Path) -> None:
    said = complaint(small, "max_steps=x", "beta=-1").splitlines()
    assert len(said) == 2
    assert said[0].startswith("'max_steps=x'")
    assert said[1].startswith("'beta=-1'")


def test_every_fault_is_told(small: Path) -> None:
    small.write_text(SMALL + "max_step: 3\nlearning_rat: 1\nnum_generations: four\nbeta: -1\nepsilon: x\n")
    small.write_text(small.read_text().replace("eval_count: 20", "eval_cout: 20"))
    assert [line.split(": ")[:2] for line in complaint(small).splitlines()] == [
        ["FILE line 10", "max_step"],
        ["FILE line 11", "learning_rat"],
        ["FILE line 12", "num_generations"],
        ["FILE line 14", "epsilon"],
        ["FILE line 13", "beta"],
        ["FILE line 6", "data.eval_cout"],
    ]


def test_a_check_of_several_keys_names_the_one_that_was_said(small: Path) -> None:
    assert complaint(small, "num_generations=7").startswith(
        "'num_generations=7': 8 completions are sampled at one time"
    )
    small.write_text(SMALL + "num_generations: 7\n")
    assert complaint(small).startswith("FILE line 10: 8 completions")
    assert complaint(small, "per_device_train_batch_size=9").startswith(
        "'per_device_train_batch_size=9': 9 completions"
    )
    assert complaint(small, "num_generations=8", "loss_type=cispo").startswith("'loss_type=cispo': loss_type cispo")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"it comes with gsm8k, mbpp, sums; did you mean sums\?"):
        load_recipe("sum")
    with pytest.raises(RecipeError, match=r"folder without a recipe\.yaml"):
        load_recipe(tmp_path)


def test_aliases_and_tags_of_yaml_are_no_way_out(small: Path) -> None:
    small.write_text(SMALL + "stop_strings: !!python/object/apply:os.system ['echo owned']\n")
    assert "not valid YAML" in complaint(small)


# ---- problems


def rows(tmp_path: Path, count: int) -> Path:
    file = tmp_path / "rows.jsonl"
    with open(file, "w") as out:
        for number in range(count):
            print(json.dumps({"id": number, "question": f"What is {number} + 1?", "answer": str(number + 1)}), file=out)
    return file


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"foo": "q 0", "answer": "0"}, "no prompt found; fields are foo, answer; name it with data.prompt_field"),
        ({"prompt": " ", "answer": "0"}, "the prompt in 'prompt' is empty"),
        ({"prompt": None, "answer": "0"}, "'prompt' is null"),
        ({"foo": "q 0", "tests": ["assert f(1) == 1"], "entry_point": "f"}, "no prompt found"),
        (
            {"prompt": "q 0", "foo": "0"},
            "no reference found; fields are prompt, foo; name it with data.reference_field",
        ),
    ],
)
def test_a_row_that_asks_nothing_is_an_error(small: Path, tmp_path: Path, row: dict[str, Any], words: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n")
    said = complaint(small, f"data.name={file}", "data.eval_count=0")
    assert said.startswith(f"data: {file}, line 1: {words}")


def test_held_out_problems_of_a_file_are_not_trained_on(small: Path, tmp_path: Path) -> None:
    overrides = [f"data.name={rows(tmp_path, 50)}", "data.eval_count=10"]
    recipe = load_recipe(small, overrides)
    train, held_out = recipe.problems(), recipe.eval_problems()
    assert (len(train), len(held_out)) == (40, 10)
    assert not {problem.id for problem in train} & {problem.id for problem in held_out}
    assert load_recipe(small, overrides).eval_problems() == held_out
    others = load_recipe(small, [*overrides, "data.seed=1"]).eval_problems()
    assert others != held_out
    assert [problem.id for problem in held_out] != [str(number) for number in range(10)]  # drawn, not the first
    assert "holds all of them out" in complaint(small, *overrides[:1], "data.eval_count=50")


def test_what_evaluation_shares_with_training_leaves_training(small: Path, tmp_path: Path) -> None:
    file = rows(tmp_path, 12)
    other = tmp_path / "other.jsonl"
    other.write_text("".join(file.read_text().splitlines(keepends=True)[:5]).replace("What is", "What  is"))
    recipe = load_recipe(small, [f"data.name={file}", f"data.eval_name={other}", "data.eval_count=100"])
    assert len(recipe.problems()) == 7
    assert recipe.notices() == [
        "5 problems are in the held-out set too and are not trained on: 7 are left",
        "5 problems are held out; there are no 100 (data.eval_count)",
    ]


def test_a_file_is_found_beside_the_recipe(small: Path, tmp_path: Path) -> None:
    rows(tmp_path, 30)
    assert len(load_recipe(small, ["data.name=rows.jsonl"]).problems()) == 10


def test_sums_are_disjoint_and_as_many_as_asked(small: Path) -> None:
    recipe = load_recipe(small, ["data.count=300", "data.eval_count=50"])
    facts = [{tuple(sorted(p.meta["operands"])) for p in some} for some in (recipe.problems(), recipe.eval_problems())]
    assert (len(recipe.problems()), len(recipe.eval_problems())) == (300, 50)
    assert not facts[0] & facts[1]


def test_no_evaluation_takes_nothing_away(small: Path, tmp_path: Path) -> None:
    recipe = load_recipe(small, [f"data.name={rows(tmp_path, 12)}", "data.eval_count=0"])
    assert (len(recipe.problems()), len(recipe.eval_problems())) == (12, 0)
    assert (
        len(load_recipe(small, [f"data.name={rows(tmp_path, 12)}", "data.eval_count=2", "data.count=5"]).problems())
        == 5
    )


def test_verifiers_that_do_not_fit_the_problems(small: Path, tmp_path: Path) -> None:
    assert "code runs tests, and problem" in complaint(small, "reward=[{verifier: code}]")
    tested = tmp_path / "tested.jsonl"
    tested.write_text('{"id": 1, "text": "add", "code": "def f(a): return a", "test_list": ["assert f(1) == 1"]}\n')
    overrides = [f"data.name={tested}", "data.eval_count=0"]
    assert "problem 1 has none: its responses are judged by tests, with code" in complaint(small, *overrides)
    load_recipe(small, [*overrides, "reward=[{verifier: code}]"]).problems()


# ---- reward


def test_the_reward_is_what_the_parts_say(small: Path) -> None:
    recipe = load_recipe(small, ["reward.math.extract=lenient", "reward.math.gate=true", "reward.think.open='[T]'"])
    with recipe.open_reward() as reward:
        math, think = reward.verifiers
        assert isinstance(math, MathVerifier)
        assert isinstance(think, ThinkFormat)
        assert (math.extract, think.open, reward.weights, reward.gate) == ("lenient", "[T]", (1.0, 0.2), "math")
        assert reward.score("[T]x</think> the answer is 3", "3").reward == 1.0
        assert reward.score("[T]x</think> the answer is 4", "3").reward == 0.0  # the gate


def test_prefill_tells_the_verifiers_that_thinking_has_begun(small: Path) -> None:
    for overrides, prefilled in (
        ([], False),
        (['prompt.prefill="<think>\\n"'], True),
        (['prompt.prefill="<think>\\n"', "reward.think.prefilled=false"], False),
        (["reward.think.prefilled=true"], True),
    ):
        with load_recipe(small, overrides).open_reward() as reward:
            assert reward.verifiers[1].prefilled is prefilled  # type: ignore[attr-defined]


def test_code_is_judged_in_the_sandbox_that_is_named(monkeypatch: pytest.MonkeyPatch, small: Path) -> None:
    from assay.sandbox import opening

    opened: list[Any] = []

    class Box:
        workers, backend = 1, "docker"

        def judge(self, *_: Any) -> Any: ...

        def close(self) -> None:
            opened.append("closed")

    def open_sandbox(*given: Any, **named: Any) -> Box:
        opened.append((given, named))
        return Box()

    monkeypatch.setattr(opening, "open_sandbox", open_sandbox)
    part = "{verifier: code, sandbox: docker, credit: fraction, cpu_seconds: 2, memory_mib: 64, workers: 3}"
    with load_recipe(small, [f"reward=[{part}]"]).open_reward() as reward:
        (code,) = reward.verifiers
        assert isinstance(code, CodeVerifier)
        assert code.credit == "fraction"
    said = str(opened[0])
    assert "'docker'" in said
    assert "cpu_seconds=2" in said
    assert "memory_bytes=67108864" in said
    assert opened[-1] == "closed"


def test_two_of_a_kind_need_names(small: Path) -> None:
    said = complaint(small, "reward=[{verifier: math}, {verifier: math}]")
    assert "two verifiers are named 'math'" in said
    assert "{verifier: ..., name: math2}" in said
    load_recipe(small, ["reward=[{verifier: math}, {verifier: math, name: second}]"]).open_reward().close()


OWN = """\
from assay import Score, Status
from assay.verifiers.verifier import Verifier
class Short(Verifier):
    name = "short"
    def score(self, response, problem):
        return Score(float(len(response) < 5), Status.CORRECT)
class Nameless(Verifier):
    def score(self, response, problem):
        return Score(1.0, Status.CORRECT)
class Loose:
    name = "loose"
    def score(self, response, problem):
        return Score(1.0, Status.CORRECT)
def Raises():
    raise RuntimeError("boom")
"""


def test_a_verifier_of_ones_own(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_rewards.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe = load_recipe(small, ["reward=[{verifier: 'my_rewards:Short', name: brief}]"])
    with recipe.open_reward() as reward:
        assert reward.score("abc", "x").reward == 1.0
        assert reward.leading == "brief"
    for verifier in ("my_rewards:Long", "no_such_module:Short", "my_rewards:Score"):
        with pytest.raises(RecipeError, match=r"reward: .*gave no verifier|Score"):
            load_recipe(small, [f"reward=[{{verifier: '{verifier}'}}]"]).open_reward()
    twins = load_recipe(small, ["reward=[{verifier: 'my_rewards:Short'}, {verifier: math, name: short}]"])
    with pytest.raises(RecipeError, match="two verifiers are named 'short'"):
        twins.open_reward()


def test_a_verifier_is_found_beside_the_recipe_and_here(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for number, folder in enumerate((tmp_path, here)):
        (folder / f"own_{number}.py").write_text(OWN)
        before = list(sys.path)
        recipe = load_recipe(small, [f"reward=[{{verifier: 'own_{number}:Short'}}]"])
        recipe.problems()
        recipe.open_reward().close()
        assert sys.path == before  # for that import alone
    (here / "json.py").write_text("raise RuntimeError")
    assert "no attribute 'Short'" in complaint(
        small, "reward=[{verifier: 'json:Short'}]"
    )  # what is installed goes first


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Loose", "gave Loose, which is no verifier: expected a subclass of assay.verifiers.verifier.Verifier"),
        ("Nameless", "gave Nameless, which is no verifier"),
        ("Raises", "gave no verifier: RuntimeError: boom"),
    ],
)
def test_what_is_no_verifier_is_told(small: Path, tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "no_verifiers.py").write_text(OWN)
    recipe = load_recipe(small, [f"reward=[{{verifier: math}}, {{verifier: 'no_verifiers:{name}'}}]"])
    with pytest.raises(RecipeError, match=words):
        recipe.open_reward()


def test_what_is_not_there_is_told_before_the_run(small: Path, tmp_path: Path) -> None:
    said = complaint(small, "reward=[{verifier: 'no_such_module:Short'}]")
    assert "No module named 'no_such_module'; modules are looked for in Python's path, beside the recipe" in said
    assert "gave Score, which is no verifier" in complaint(small, "reward=[{verifier: 'assay:Score'}]")
    (tmp_path / "broken_module.py").write_text("def :")
    assert "gave no verifier: SyntaxError" in complaint(small, "reward=[{verifier: 'broken_module:Short'}]")
    for model in (tmp_path / "gone", "./gone", "~/gone", "a/b/c"):
        said = complaint(small, f"model_name_or_path={model}")
        assert said.startswith(f"model_name_or_path: there is no folder {model}; give its whole path")
    load_recipe(small, [f"model_name_or_path={tmp_path}"]).problems()


# ---- prompts


class Tokenizer:
    """Writes messages as `role:content|`, and a token is a letter; 0 comes first unless special tokens are left out."""

    def __init__(self, template: str | None = "yes", ending: str = "assistant:") -> None:
        self.chat_template = template
        self.ending = ending
        self.asked: dict[str, Any] = {}

    def apply_chat_template(self, messages: list[dict[str, str]], **asked: Any) -> str:
        self.asked = asked
        return "".join(f"{message['role']}:{message['content']}|" for message in messages) + self.ending

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [0] * add_special_tokens + [ord(letter) for letter in text]}


def text(recipe: Recipe, tokenizer: Tokenizer) -> str:
    return "".join(map(chr, recipe.encode(Problem("p", "1 + {x} = ?", ("2",)), tokenizer)))


def test_prompts_by_the_chat_template(small: Path) -> None:
    tokenizer = Tokenizer()
    assert text(load_recipe(small), tokenizer) == "user:1 + {x} = ?|assistant:"
    assert tokenizer.asked["add_generation_prompt"] is True
    overrides = [
        "prompt.system=Be brief.",
        "prompt.think=true",
        "prompt.template='Q: {prompt} A:'",
        "prompt.prefill='<think>'",
        "prompt.chat_template_kwargs={enable_thinking: false}",
        "reward.think.close='</t>'",
    ]
    said = text(load_recipe(small, overrides), tokenizer)
    assert said.startswith("system:Be brief.\n\n")
    assert "<think>" in said.split("|")[0]
    assert "</t>" in said.split("|")[0]
    assert said.endswith("|user:Q: 1 + {x} = ? A:|assistant:<think>")
    assert tokenizer.asked["enable_thinking"] is False


def test_prompts_as_plain_text_get_the_first_token(small: Path) -> None:
    recipe = load_recipe(small, ["prompt.chat=false", "prompt.system=S", "prompt.prefill=P"])
    assert text(recipe, Tokenizer(None)) == "\0S\n\n1 + {x} = ?P"


def test_chat_templates_that_do_not_fit(small: Path) -> None:
    with pytest.raises(RecipeError, match=r"set prompt\.chat=false"):
        text(load_recipe(small), Tokenizer(None))
    thinking = Tokenizer(ending="assistant:<think>\n")
    with pytest.raises(RecipeError, match="ends the prompt with <think>"):
        text(load_recipe(small), thinking)
    told = load_recipe(small, ["reward.think.prefilled=true", "reward.math.prefilled=true"])
    assert text(told, thinking).endswith("<think>\n")
    own = load_recipe(small).with_reward(Reward([(ThinkFormat(prefilled=True), 1.0)]))
    assert text(own, thinking).endswith("<think>\n")  # it was made to know


def test_a_reward_made_in_python_takes_the_place_of_the_recipes(small: Path) -> None:
    recipe = load_recipe(small)
    reward = Reward([(MathVerifier(extract="lenient"), 1.0), (ThinkFormat(), 0.5)], gate="math")
    other = recipe.with_reward(reward)
    assert other.open_reward() is reward
    assert other.problems() == recipe.problems()
    assert [(part.name, part.weight, part.gate) for part in other.reward] == [
        ("math", 1.0, True),
        ("think_format", 0.5, False),
    ]
    with recipe.open_reward() as own:
        assert own is not reward


def test_a_template_without_system_messages(small: Path) -> None:
    jinja2 = pytest.importorskip("jinja2")

    class Strict(Tokenizer):
        def apply_chat_template(self, messages: list[dict[str, str]], **asked: Any) -> str:
            if messages[0]["role"] == "system":
                raise jinja2.TemplateError("System role not supported")
            return super().apply_chat_template(messages, **asked)

    assert text(load_recipe(small), Strict())
    with pytest.raises(RecipeError, match=r"System role not supported.*prompt\.template"):
        text(load_recipe(small, ["prompt.think=true"]), Strict())


def test_a_source_knows_its_places() -> None:
    source = Source("f", "a: 1\nb:\n  - c: 2\n")
    source.override("b.0.c=3")
    assert source.data == {"a": 1, "b": [{"c": 3}]}
    assert source.where(("b", 0, "c")) == "'b.0.c=3'"
    assert source.where(("a",)) == "f line 1"
    assert source.where(("z",)) == "f"


def test_statuses_reach_the_reward(small: Path) -> None:
    with load_recipe(small).open_reward() as reward:
        assert reward.score("<think>a</think> \\boxed{3}", "3").status is Status.CORRECT
