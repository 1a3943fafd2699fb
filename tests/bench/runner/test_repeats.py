"""Further rounds of the inference profile, with children that write profiles of known speed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.errors import RunError
from bench.execution import local
from bench.execution.process.exit_status import classify_exit
from bench.results.notice import Notice, verbatim
from bench.results.run import Run
from bench.results.schema import CellResult, Status
from bench.runner.events import Event, RoundDone
from bench.runner.study import run_study
from bench.study.schema import Study

Child = Callable[[str], None]

PROFILE = """
number = job["round"]
def profile(seconds):
    timing = {"batch_size": 1, "seconds": [seconds] * 40}
    return {"profiles": [{"backend": "eager", "cold_start_seconds": 1, "batches": [timing]}]}
with open(ORDER, "a") as file:
    file.write(f"{cell['model']['name']} {number}\\n")
"""


@pytest.fixture
def order(tmp_path: Path) -> Path:
    return tmp_path / "order"


def _study(rounds: int, models: tuple[str, ...] = ("resnet18", "resnet34")) -> Study:
    return Study.model_validate(
        {
            "name": "small",
            "dataset": {"source": "synthetic", "count": 60, "image_size": 32, "classes": 2},
            "models": list(models),
            "regimes": ["scratch"],
            "measure": {"training": False, "rounds": rounds},
        }
    )


def _script(order: Path, last: str) -> str:
    return PROFILE.replace("ORDER", repr(str(order))) + last


def _results(run: Run) -> dict[str, CellResult]:
    return {result.label: result for result in run.results()}


DRIFT = "write_outcome(**profile(0.01 * (1 + len(open({order!r}).readlines()))))"


def test_all_models_take_turns_so_that_drift_slows_them_alike(child: Child, tmp_path: Path, order: Path) -> None:
    """Each process is slower than the one before by the same amount: a machine that grows warm."""
    child(_script(order, DRIFT.format(order=str(order))))
    events: list[Event] = []
    run = run_study(_study(3), out=tmp_path / "r", on_event=events.append)
    names = ("resnet18", "resnet34")
    assert order.read_text().splitlines() == [f"{name} {number}" for number in range(3) for name in names]
    rounds = [(event.cell.label, event.number, event.of) for event in events if isinstance(event, RoundDone)]
    assert rounds == [(name, number, 3) for number in (2, 3) for name in names]
    latency = {label: result.inference.latency_p50_ms for label, result in _results(run).items()}
    assert latency == {"resnet18": 40, "resnet34": 50}  # one step apart, not three
    for result in run.results():
        assert result.status is Status.OK
        assert result.profiles[0].batches[0].rounds == (40, 40, 40)
        assert result.inference.latency_p99_ms is not None
        unstable = result.profiles[0].batches[0].unstable
        assert unstable is not None
        assert unstable.values["rounds"] == 3
        assert [made.lost for made in result.rounds] == [None, None]
        assert sorted(path.name for path in run.cell_folder(result.id).iterdir()) == ["log.txt", "result.json"]


def test_more_rounds_join_a_run_that_is_there_and_a_second_call_makes_none(
    child: Child, tmp_path: Path, order: Path
) -> None:
    child(_script(order, "write_outcome(**profile(0.01))"))
    run_study(_study(1), out=tmp_path / "r")
    for expected in (4, 4):
        run = run_study(_study(2), out=tmp_path / "r")
        assert len(order.read_text().splitlines()) == expected
    assert [len(result.rounds) for result in run.results()] == [1, 1]
    assert yaml.safe_load((run.path / "study.yaml").read_text())["measure"]["rounds"] == 2


@pytest.mark.parametrize(
    ("fault", "lost"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL); time.sleep(60)", Notice.of("killed_by_signal", signal="SIGKILL")),
        (
            "open(folder + '/outcome.json', 'w').write('{')",
            Notice.of("broken_outcome", reason="Invalid JSON: EOF while parsing an object at line 1 column 1"),
        ),
        ("sys.exit('no compiler')", verbatim("no compiler")),
    ],
)
def test_a_round_that_fails_leaves_the_result_and_is_noted(
    child: Child, tmp_path: Path, order: Path, fault: str, lost: Notice
) -> None:
    script = (
        f"if number == 1 and cell['model']['name'] == 'resnet34':\n    {fault}\nelse: write_outcome(**profile(0.01))"
    )
    child(_script(order, script))
    results = _results(run_study(_study(3), out=tmp_path / "r"))
    assert [made.lost for made in results["resnet18"].rounds] == [None, None]
    first, second = results["resnet34"].rounds
    assert first.lost == Notice.of("round_failed", status="failed", reason=lost)
    assert second.lost is None
    assert results["resnet34"].status is Status.OK
    assert results["resnet34"].profiles[0].batches[0].rounds == (40, 40)


def test_a_run_that_is_stopped_in_a_round_resumes_with_it(
    child: Child, tmp_path: Path, order: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child(_script(order, "write_outcome(**profile(0.01))"))
    calls = []

    def stop(*arguments: Any) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return classify_exit(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(local, "classify_exit", stop)
        with pytest.raises(KeyboardInterrupt):
            run_study(_study(2), out=tmp_path / "r")
    run = Run(tmp_path / "r")
    assert {label: len(result.rounds) for label, result in _results(run).items()} == {"resnet18": 1, "resnet34": 0}
    run_study(_study(2), out=tmp_path / "r")
    assert {label: len(result.rounds) for label, result in _results(run).items()} == {"resnet18": 1, "resnet34": 1}
    assert not list(run.path.rglob("round"))


def test_a_full_disk_in_a_round_stops_the_run_and_leaves_the_result(child: Child, tmp_path: Path, order: Path) -> None:
    child(_script(order, "os._exit(74) if number else write_outcome(**profile(0.01))"))
    with pytest.raises(RunError, match="could not write its files"):
        run_study(_study(2), out=tmp_path / "r")
    assert {result.status for result in Run(tmp_path / "r").results()} == {Status.OK}


def test_what_has_no_profile_or_a_cut_one_is_left_out(child: Child, tmp_path: Path, order: Path) -> None:
    script = (
        "if cell['model']['name'] == 'resnet18': write_outcome()\n"
        "else: write_outcome(**profile(0.01)); progress = open(folder + '/progress.json', 'w'); "
        "progress.write(json.dumps({'phase': 'inference'})); progress.close(); os._exit(1)"
    )
    child(_script(order, script))
    run = run_study(_study(2), out=tmp_path / "r")
    assert len(order.read_text().splitlines()) == 2
    assert [len(result.rounds) for result in run.results()] == [0, 0]


def test_a_result_from_before_there_were_rounds_can_be_read(child: Child, tmp_path: Path, order: Path) -> None:
    child(_script(order, "write_outcome(**profile(0.01))"))
    run = run_study(_study(1), out=tmp_path / "r")
    path = run.cell_folder(run.plan()[0].id) / "result.json"
    stored = json.loads(path.read_text())
    del stored["rounds"]
    assert CellResult.from_json(json.dumps(stored), str(path)).rounds == ()


def test_a_head_of_neighbors_has_one_round(child: Child, tmp_path: Path, order: Path) -> None:
    """Its training images are in the process that trained it alone."""
    child(_script(order, "write_outcome(**profile(0.01))"))
    study = _study(3, models=("resnet18",))
    training = {"measure": study.measure.model_copy(update={"training": True})}
    knn = {"train": study.train.model_copy(update={"head": "knn"}), "regimes": ("frozen",)}
    run_study(study.model_copy(update=training | knn), out=tmp_path / "run")
    assert order.read_text().splitlines() == ["resnet18 0"]
