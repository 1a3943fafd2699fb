from __future__ import annotations

import argparse
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from models_zoo import ModelZooError
from models_zoo.networks.builder import build
from models_zoo.weights.checkpoint import fill, lift_to_float32, read_checkpoint, without_classifier, without_prefixes
from models_zoo.weights.source import parse_weights


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


class Touch:
    """Pickles as a call that would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("suffix", [".pth", ".bin", ".pt"])
def test_a_hostile_pickle_is_refused_and_does_not_run(tmp_path: Path, suffix: str) -> None:
    file, trace = tmp_path / f"evil{suffix}", tmp_path / "ran"
    torch.save({"state_dict": small().state_dict(), "extra": Touch(trace)}, file)
    with pytest.raises(ModelZooError, match="could run code: refused"):
        build("resnet18", num_classes=2, image_size=64, weights=file)
    file.write_bytes(pickle.dumps(Touch(trace)))
    with pytest.raises(ModelZooError, match=r"refused|cannot be read"):
        read_checkpoint(file)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x80\x02}q\x00.", b"PK\x03\x04" + b"\0" * 40])
def test_files_that_are_no_weights(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"broken{suffix}"
    file.write_bytes(content)
    with pytest.raises(ModelZooError, match="broken"):
        read_checkpoint(file)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_is_cut_short(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"cut{suffix}"
    state = {"a": torch.zeros(1000)}
    torch.save(state, file) if suffix == ".pth" else save_file(state, file)
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(ModelZooError, match="cut short"):
        read_checkpoint(file)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"model": state, "epoch": 3, "optimizer": {"lr": 0.1}},
        lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}},
        lambda state: {"state_dict": {}, "model_ema": {f"_orig_mod.module.{k}": v for k, v in state.items()}},
        lambda state: {f"backbone.net.{k}": v for k, v in state.items()} | {"head.weight": torch.zeros(2, 4)},
        lambda state: {"net": state, "acc": 93.1, "epoch": 4},
        lambda state: {"model_state": {f"module.{k}": v for k, v in state.items()}, "optimizer_state": {"lr": 1}},
        lambda state: {"weights_of_mine": state},
        lambda state: {"state_dict": {f"model.{k}": v for k, v in state.items()} | {"loss.weight": torch.ones(2)}},
        lambda state: {"state_dict_ema": {}, "state_dict": state},
    ],
)
def test_boxes_and_prefixes_come_off(tmp_path: Path, wrap: Any) -> None:
    state = small().state_dict()
    file = tmp_path / "w.pth"
    torch.save(wrap(state), file)
    assert set(without_prefixes(read_checkpoint(file).state, state)[0]) == set(state)


@pytest.mark.parametrize("name", ["w.ckpt", "w.pth.tar", "w.pt", "W.PTH"])
def test_the_usual_names_of_weights_are_taken(tmp_path: Path, name: str) -> None:
    torch.save(small().state_dict(), tmp_path / name)
    assert parse_weights(tmp_path / name).path == tmp_path / name
    assert set(read_checkpoint(tmp_path / name).state) == set(small().state_dict())


def test_which_of_several_states_was_taken_is_told(tmp_path: Path) -> None:
    plain, averaged = small().state_dict(), {key: value * 2 for key, value in small().state_dict().items()}
    torch.save({"state_dict": plain, "state_dict_ema": averaged}, tmp_path / "w.pth")
    found = read_checkpoint(tmp_path / "w.pth")
    assert all(torch.equal(found.state[key], value) for key, value in averaged.items())
    assert found.notes == [
        "the averaged weights of the file were taken (state_dict_ema), not those beside them (state_dict)"
    ]


def test_what_lies_beside_the_network_is_told(tmp_path: Path) -> None:
    own = small().state_dict()
    state = {f"model.{key}": value for key, value in own.items()} | {"criterion.weight": torch.ones(3)}
    assert without_prefixes(state, own)[1] == ["criterion.weight"]
    decoder = {f"encoder.{key}": value for key, value in own.items()} | {f"decoder.{n}": torch.ones(1) for n in own}
    assert len(without_prefixes(decoder, own)[1]) == len(own)
    strange = {f"encoder.x{n}": torch.ones(1) for n in range(5)} | {f"decoder.{n}": torch.ones(1) for n in range(5)}
    assert without_prefixes(strange, own) == (strange, [])


def test_a_compressed_file_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    whole, packed = tmp_path / "whole.pth", tmp_path / "packed.pth"
    torch.save({"a": torch.zeros(2**22)}, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))
    with pytest.raises(ModelZooError, match=r"it is compressed: [\d,]+ bytes would unpack to 16,\d"):
        read_checkpoint(packed)


def test_a_prefix_that_the_network_has_itself_stays() -> None:
    own = {"backbone.0.weight": torch.zeros(1), "head.weight": torch.zeros(1)}
    assert without_prefixes(dict(own), own)[0] == own
    assert set(without_prefixes({f"module.{key}": value for key, value in own.items()}, own)[0]) == set(own)


def test_a_file_is_read_for_what_it_is_whatever_its_suffix(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "w.pth")
    assert torch.equal(read_checkpoint(tmp_path / "w.pth")[0]["a"], torch.ones(2))


def test_a_program_is_refused_by_name(tmp_path: Path) -> None:
    torch.save(argparse.Namespace(lr=1), tmp_path / "args.pth")
    with pytest.raises(ModelZooError, match=r"more than tensors \(argparse\.Namespace\).*could run code: refused"):
        read_checkpoint(tmp_path / "args.pth")
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(str(tmp_path / "script.pt"))  # type: ignore[no-untyped-call]
    with pytest.raises(ModelZooError, match=r"more than tensors \(TorchScript\)"):
        read_checkpoint(tmp_path / "script.pt")


def test_a_view_that_claims_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1, dtype=torch.float16).expand(10**6, 10**6)}, tmp_path / "bomb.pth")
    with pytest.raises(ModelZooError, match="claims 2,000,000,000,000 bytes"):
        read_checkpoint(tmp_path / "bomb.pth")


def test_many_views_of_one_storage_are_refused(tmp_path: Path) -> None:
    """Each fits into the file; in float32 they would be a hundred times as large."""
    one = torch.zeros(2**16, dtype=torch.float16)
    torch.save({f"a{n}": one for n in range(100)}, tmp_path / "views.pth")
    with pytest.raises(ModelZooError, match=r"its tensors claim 13,107,200 bytes, the file has \d"):
        read_checkpoint(tmp_path / "views.pth")


def test_sets_of_unknown_names_are_named(tmp_path: Path) -> None:
    state = {"weight": torch.zeros(2)}
    torch.save({"generator": state, "discriminator": state, "epoch": 3}, tmp_path / "gan.pth")
    with pytest.raises(ModelZooError, match=r"several sets of weights \(generator, discriminator\), and nothing tells"):
        read_checkpoint(tmp_path / "gan.pth")


def test_sparse_tensors_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.eye(2).to_sparse()}, tmp_path / "sparse.pth")
    with pytest.raises(ModelZooError, match=r"sparse or quantized tensors \(a\)"):
        read_checkpoint(tmp_path / "sparse.pth")


def test_floats_are_lifted_and_counts_are_not() -> None:
    state = {"a": torch.ones(2, dtype=torch.float16), "b": torch.ones(2, dtype=torch.bfloat16), "n": torch.tensor(3)}
    lifted, met = lift_to_float32(state)
    assert (lifted["a"].dtype, lifted["b"].dtype, lifted["n"].dtype) == (torch.float32, torch.float32, torch.int64)
    assert met == ["bfloat16", "float16"]


def test_the_classifier_alone_is_dropped() -> None:
    state = {"fc.weight": torch.zeros(1), "fc2.weight": torch.zeros(1), "mask_token": torch.zeros(1)}
    kept, dropped = without_classifier(state, ("fc",))
    assert list(kept) == ["fc2.weight"]
    assert dropped == ["fc.weight", "mask_token"]


def test_what_does_not_fit_is_listed_and_nothing_is_loaded() -> None:
    module = small()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    state = {key: value + 1 for key, value in before.items() if key != "1.running_var"}
    state["0.weight"] = torch.zeros(5, 3)
    state |= {f"more.{n}": torch.zeros(1) for n in range(40)}
    with pytest.raises(ModelZooError) as caught:
        fill(module, state, source="w.pth", model="small")
    text = str(caught.value)
    assert "1 missing: 1.running_var" in text
    assert "40 unexpected: more.0, " in text
    assert "more.39" not in text
    assert "1 of another shape: 0.weight 5x3 in the file, 4x3 in the model" in text
    assert "Use the model that the file was saved from" in text
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weight: weight.to(torch.int8), "1 of another kind of number: 0.weight integer in the file, float"),
        (lambda weight: weight.to(torch.complex64), "0.weight complex in the file, float in the model"),
        (lambda weight: weight * float("nan"), "1 with values that are infinite or not a number: 0.weight"),
    ],
)
def test_numbers_that_no_network_can_use(change: Any, message: str) -> None:
    state = small().state_dict()
    state["0.weight"] = change(state["0.weight"])
    with pytest.raises(ModelZooError, match=message):
        fill(small(), state, source="w.pth", model="small")


def test_batch_counts_may_be_missing() -> None:
    module, other = small(), small()
    state = {key: value for key, value in other.state_dict().items() if "num_batches" not in key}
    fill(module, state, source="old.pth", model="small")
    assert torch.equal(module.get_parameter("0.weight"), other.get_parameter("0.weight"))


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "resnet34.safetensors"
    save_file(build("resnet34", num_classes=2, image_size=64).module.backbone.state_dict(), file)
    with pytest.raises(ModelZooError, match=r"do not fit the model 'resnet18'.*unexpected"):
        build("resnet18", num_classes=2, image_size=64, weights=file)
    with pytest.raises(ModelZooError, match="do not fit the model 'vit_tiny_p16'"):
        build("vit_tiny_p16", num_classes=2, image_size=64, weights=file)
