"""What YAML 1.1 reads otherwise than it looks, numbers past all limits, and whose mistake it was: file or option."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import StudyError
from bench.study.load import load_study

CSV = "dataset: {source: csv, path: x.csv, labels: "


def _message(tmp_path: Path, text: str, *settings: str) -> str:
    path = tmp_path / "study.yaml"
    path.write_text(f"name: a\nmodels: [resnet18]\n{text}\n", encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        load_study(path, settings=settings)
    message = str(caught.value).replace(str(path), "FILE")
    assert len(message) < 3000
    return message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{CSV}[no, x]}}", "FILE, line 3: dataset.labels.0: YAML reads no as true or false: write 'no' in quotes."),
        (f"{CSV}\n  [a,\n  yes]}}", "FILE, line 5: dataset.labels.1: YAML reads yes as true or false"),
        (f"{CSV}[a, 3]}}", "dataset.labels.1: YAML reads 3 as a number: write '3' in quotes."),
        (f"{CSV}[a, 1.50]}}", "YAML reads 1.50 as a number: write '1.50' in quotes."),
        (f"{CSV}[a, 2026-01-01]}}", "YAML reads 2026-01-01 as a date: write '2026-01-01' in quotes."),
        (f"{CSV}[a, ~]}}", "YAML reads ~ as nothing: write '~' in quotes."),
        (f"{CSV}[010, a]}}", "FILE, line 3: invalid YAML: 010 is a number to base 8, 8: write 8, or '010' in quotes"),
        ("train: {epochs: 1:30}", "1:30 is a number to base 60, 90: write 90"),
        ("train: {lr: 1:30.5}", "1:30.5 is a number to base 60, 90.5: write that"),
        ("train: {epochs: 1e3}", "train.epochs: YAML reads 1e3 as a text: write 1000"),
        ("train: {augment: off}", "train.augment: YAML reads off as true or false: write a text; choose from none,"),
        ("on: 3", "FILE, line 3: invalid YAML: YAML does not take the key on for a text: write it in quotes."),
        ("? [a]\n: 1", "line 3: invalid YAML: a key is a text, not a list or a mapping."),
        (f"train: {{epochs: 0x{'f' * 9000}}}", "FILE, line 3: invalid YAML: a number of 9,002 digits."),
        (f"train: {{epochs: {'9' * 9000}}}", "a number of 9,000 digits"),
        (f"seeds: {'[' * 5000}", "lists or mappings lie in one another too deeply"),
        ("x: " + "y" * 300_000, "is larger than 250 kB: not a study"),
        ("".join(f"k{n}: 1\n" for n in range(15_000)), "FILE, line 3: k0: unknown key."),
        (f"seeds: [{', '.join('7' for _ in range(9000))}]", "names something twice: 7"),
        (f"seeds: [{', '.join(map(str, range(20_001)))}]", "the study has 20,001 cells, more than 20,000"),
        (f"{'k' * 900}: 1", "unknown key"),
        ("train: {epochs: yes}", "FILE, line 3: train.epochs: this is a number: YAML reads yes as true or false"),
        ("seeds: [0, on]", "FILE, line 3: seeds.1: this is a number: YAML reads on as true or false"),
        ("prices: {cpu: true}", "FILE, line 3: prices.cpu: this is a number: YAML reads true as true or false"),
        ("description: 2001-13-45", "FILE, line 3: invalid YAML: 2001-13-45 looks like a date and is none (month must"),
        ('description: "\\ud800"', "FILE, line 3: invalid YAML: a text holds half of a surrogate pair"),
        ('"\\ud800": 1', "FILE, line 3: invalid YAML: a text holds half of a surrogate pair"),
    ],
    ids=lambda value: value[:24],
)
def test_a_trap_is_told_at_its_place(tmp_path: Path, text: str, message: str) -> None:
    if "cells" in message:
        path = tmp_path / "study.yaml"
        path.write_text(f"name: a\nmodels: [resnet18]\n{text}\n")
        with pytest.raises(StudyError, match=message):
            load_study(path).cells("f", "s", {})
        return
    assert message in _message(tmp_path, text)


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    message = _message(tmp_path, "".join(f"k{n}: 1\n" for n in range(5000)))
    assert message.count("\n") == 10
    assert message.endswith("(and 4,990 more)")
    models = tmp_path / "models.yaml"
    models.write_text("name: a\nmodels:\n" + "".join(f"- mdl{n}\n" for n in range(5000)))
    with pytest.raises(StudyError, match="unknown model 'mdl9'"):
        load_study(models)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.epochs=many", "--set train.epochs: train.epochs: Input should be a valid integer"),
        ("train.epoch=3", "--set train.epoch: train.epoch: unknown key. Did you mean 'epochs'?"),
        ("split.test=0.95", "--set split.test: split: test and validation"),
        ("train.epochs=yes", "--set train.epochs: train.epochs: this is a number: YAML reads yes as true or false"),
        ('description="\\ud800"', "the value is invalid YAML (a text holds half of a surrogate pair"),
        ("models=[resnt18]", "--set models: models.0: unknown model 'resnt18'"),
        ("models.resnet18.label=on", "--set models.resnet18.label: models.0.label: YAML reads on as true or false"),
        ("models.0.weights=no.pth", "--set models.0.weights: models.0: weights: there is no file"),
        ("dataset.labels=[a, no]", "--set dataset.labels: dataset.labels.1: YAML reads no as true or false"),
        (f"train.epochs=0x{'f' * 9000}", "the value is invalid YAML (a number of 9,002 digits)"),
        (f"name={'x' * 30_000}", "a value of 30,000 characters; write it into a study file"),
    ],
    ids=lambda value: value[:24],
)
def test_a_mistake_of_an_option_is_told_as_the_option_s(tmp_path: Path, setting: str, message: str) -> None:
    told = _message(tmp_path, "split: {test: 0.2}", setting)
    assert message in told
    assert "FILE" not in told
