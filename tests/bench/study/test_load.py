from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import DataError, StudyError
from bench.study.load import load_study, shipped_studies

MINIMAL = "name: mine\nmodels: [resnet18]\n"


def _write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_studies_are_valid() -> None:
    assert set(shipped_studies()) == {
        "quickstart",
        "blood-cells",
        "blood-cells-frozen",
        "blood-cells-finetune",
        "vit-vs-cnn",
        "cpu-vs-gpu",
        "patch-size",
        "inference",
    }
    for name in shipped_studies():
        assert load_study(name).name == name


def test_blood_cells_is_the_papers_grid() -> None:
    study = load_study("blood-cells")
    names = {entry.name for entry in study.models}
    assert {"vit_small_p32", "vit_small_p64", "vit_small_p128"} <= names
    assert any(n.startswith("resnet") for n in names)
    assert any(n.startswith("vgg") for n in names)
    assert study.regimes == ("frozen",)
    assert study.devices == ("cpu", "cuda")
    assert study.train.epochs == 20
    assert study.split.test == 0.2
    reported = study.published[0]
    assert reported.confusion is not None
    total = sum(map(sum, reported.confusion))
    hits = sum(row[i] for i, row in enumerate(reported.confusion))
    assert total == 3419
    assert hits / total == pytest.approx(reported.accuracy, abs=5e-5)


def test_a_minimal_study_has_every_default(tmp_path: Path) -> None:
    study = load_study(_write(tmp_path, MINIMAL))
    assert [entry.name for entry in study.models] == ["resnet18"]
    assert study.devices == ("cpu",)
    assert study.train.batch_size == 32


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name: mine\nmodels: [resnet18]\ntrain: {epoch: 3}\n", ["line 3", "train.epoch", "Did you mean 'epochs'"]),
        ("name: mine\nmodels: [resnet18]\nmodel: x\n", ["line 3", "Did you mean 'models'"]),
        ("name: mine\nmodels:\n  - resnet19\n", ["line 3", "models.0", "resnet18"]),
        ("name: mine\nmodels:\n  - {name: vit_tiny_p16, image_size: 50}\n", ["line 3", "48", "64"]),
        ("name: mine\nmodels: [resnet18]\ntrain:\n  epochs: many\n", ["line 4", "train.epochs", "'many'"]),
        ("name: mine\nmodels: [resnet18]\nregimes: [frosen]\n", ["line 3", "regimes.0", "Did you mean 'frozen'"]),
        ("name: mine\nmodels: [resnet18]\nbudget: {time_limit: soon}\n", ["line 3", "budget.time_limit", "6h"]),
        (
            "name: mine\nmodels: [resnet18]\ndevices: [gpu]\n",
            ["line 3", "devices.0", "unknown device 'gpu'", "cpu, cuda, mps and xpu"],
        ),
        (
            "name: mine\nmodels: [resnet18]\ndataset: {source: foldr}\n",
            ["line 3", "dataset.source", "choose from folder, zip, pbc", "Did you mean 'folder'"],
        ),
        ("name: mine\nmodels: [resnet18]\nregimes: frozen\n", ["line 3", "regimes", "a list"]),
        ("name: mine\nmodels: [resnet18]\nbudget: [1]\n", ["line 3", "budget", "time_limit, memory_limit"]),
        ("name: mine\nmodels: []\n", ["line 2", "the list is empty"]),
        ("name: mine\nmodels: [resnet18]\nseeds: [0, 0]\n", ["seeds", "twice"]),
        ("name: mine\nmodels: [resnet18, resnet18]\n", ["resnet18", "label"]),
        ("name: mine\nmodels: [{name: resnet18, weights: no.pth}]\n", ["no.pth", "there is no file"]),
        ("name: mine\n", ["models", "needed"]),
        ("- a\n- b\n", ["a study is a mapping"]),
        ("", ["an empty file"]),
        ("name: [\n", ["invalid YAML", "line"]),
        ("name: a\nname: b\n", ["duplicate key 'name'", "line 2"]),
        ("a: &x [1]\nb: *x\n", ["aliases"]),
        ("name: !!python/object/apply:os.system ['true']\n", ["invalid YAML"]),
        ("name: ../../etc\nmodels: [resnet18]\n", ["line 1", "name"]),
    ],
)
def test_a_mistake_is_reported_by_line_and_key(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(_write(tmp_path, text))
    for part in parts:
        assert part in str(caught.value)


def test_deep_nesting_is_no_crash(tmp_path: Path) -> None:
    with pytest.raises(StudyError):
        load_study(_write(tmp_path, "name: " + "[" * 5000))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(StudyError, match="is not text"):
        load_study(path)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(StudyError, match="Did you mean 'quickstart'"):
        load_study("quickstrat")


def test_settings_change_keys() -> None:
    study = load_study("quickstart", settings=["train.epochs=2", "seeds=[0, 1]", "budget.time_limit=5m"])
    assert (study.train.epochs, study.seeds, study.budget.time_limit) == (2, (0, 1), 300)


def test_settings_reach_models_by_name_label_and_pattern(tmp_path: Path) -> None:
    weights = tmp_path / "vit.safetensors"
    weights.write_bytes(b"x")
    study = load_study("blood-cells", settings=[f"models.vit_*.weights={weights}", "models.resnet18.weights=none"])
    by_name = {entry.name: entry.weights for entry in study.models}
    assert by_name["vit_small_p64"] == str(weights)
    assert by_name["resnet18"] == "none"
    assert by_name["vgg16"] is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.epochs", "key=value"),
        ("train.epoch=3", "Did you mean 'epochs'"),
        ("models.resnet99.weights=none", "no model of this study"),
        ("name.first=x", "holds a string"),
        ("train.epochs=[", "invalid YAML"),
    ],
)
def test_a_wrong_setting_is_reported(setting: str, message: str) -> None:
    with pytest.raises(StudyError, match="--set") as caught:
        load_study("quickstart", settings=[setting])
    assert message in str(caught.value)


@pytest.mark.parametrize("number", ["²", "٠", "9" * 5000, "-1"])
def test_what_is_no_number_of_a_model_is_reported(number: str) -> None:
    with pytest.raises(StudyError, match="no model of this study has that name"):
        load_study("quickstart", settings=[f"models.{number}.weights=none"])


@pytest.mark.parametrize("key", ["split.file", "dataset.path", "models.0.weights"])
def test_a_path_with_a_null_character_is_reported(key: str) -> None:
    with pytest.raises(StudyError, match="cannot hold a null character"):
        load_study("blood-cells", settings=[f'{key}="a\\0b"'])


@pytest.mark.parametrize("label", ["[a] x", "1", "r*"])
def test_a_label_is_found_as_it_is_before_it_is_a_number_or_pattern(tmp_path: Path, label: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"name: mine\nmodels:\n  - {{name: resnet18, label: '{label}'}}\n  - resnet34\n")
    study = load_study(path, settings=[f"models.{label}.weights=none"])
    assert [entry.weights for entry in study.models] == ["none", None]


def test_data_takes_the_place_of_synthetic_images(tmp_path: Path) -> None:
    study = load_study("quickstart", data=tmp_path)
    assert study.dataset.kind == "folder"
    assert study.dataset.path == tmp_path
    assert load_study("blood-cells", data=tmp_path).dataset.kind == "pbc"


def test_data_that_is_not_there() -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        load_study("vit-vs-cnn", data="nowhere.zip")


def test_paths_in_a_file_are_meant_from_that_file(tmp_path: Path) -> None:
    path = _write(tmp_path, MINIMAL + "dataset: {source: folder, path: images}\n")
    assert load_study(path).dataset.path == tmp_path / "images"


def test_a_wrong_device_of_the_command_line_is_reported_once_and_as_such() -> None:
    with pytest.raises(StudyError) as caught:
        load_study("quickstart", devices=["gpu"])
    assert str(caught.value).startswith("--device: devices.0: unknown device 'gpu'")
    assert "\n" not in str(caught.value)
