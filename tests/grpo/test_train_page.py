"""Is the example of docs/train.md true? It is run, with a smaller model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from assay.grpo.metrics import read_rows
from assay.grpo.recipe import Recipe, load_recipe

PAGE = Path(__file__).resolve().parents[2] / "docs" / "train.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the pages are in the checkout")


def test_the_example_from_python(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    smaller = ["max_steps=2", f"model_name_or_path={tiny_model}", "dtype=float32", "max_completion_length=8"]
    smaller += ["num_generations=4", "per_device_train_batch_size=4", "gradient_accumulation_steps=1", "report_to=[]"]
    smaller += ["data.count=8", "data.eval_count=2", "eval.k=[]", "prompt.chat=true", "max_prompt_length=none"]
    code = found[1].replace('"max_steps=10"', ", ".join(map(repr, smaller)))
    assert code != found[1]
    exec(compile(code, PAGE.name, "exec"), {"__name__": "page"})
    folder = Path("out/vowels")
    assert str(folder / "adapter") in capsys.readouterr().out
    assert all(list(row["score"]["parts"]) == ["vowels"] for row in read_rows(folder / "completions.jsonl"))
    (part,) = load_recipe(folder / "recipe.yaml").reward
    assert (part.verifier, part.name, part.weight) == ("page:Vowels", "vowels", 1.0)


def test_a_recipe_of_plain_data() -> None:
    recipe = Recipe(settings={"model_name_or_path": "tiny"}, data={"name": "sums"}, reward=[{"verifier": "math"}])
    assert recipe.settings.max_steps == 100
    assert recipe.problems()
