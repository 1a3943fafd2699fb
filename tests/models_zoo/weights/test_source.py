from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from models_zoo import ModelZooError, weights_hash
from models_zoo.weights.source import parse_weights


def test_the_forms(tmp_path: Path) -> None:
    file = tmp_path / "my weights.safetensors"
    file.write_bytes(b"x")
    assert parse_weights("none").kind == "none"
    assert parse_weights("default").kind == "default"
    assert parse_weights(file).path == file
    hub = parse_weights("hub:timm/vit_small_patch16_224.augreg_in1k@main")
    assert (hub.hub, hub.revision) == ("timm/vit_small_patch16_224.augreg_in1k", "main")


@pytest.mark.parametrize("weights", ["", "imagenet", "hub:", "hub:one", "hub:a/b/c", "weights.npz", "a/b", "None"])
def test_an_unknown_form_lists_the_forms(weights: str) -> None:
    with pytest.raises(ModelZooError, match="hub:OWNER/REPOSITORY"):
        parse_weights(weights)


def test_a_missing_file_is_reported_with_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(ModelZooError, match=r"weights file .* not found") as caught:
        parse_weights(tmp_path / "absent.pth")
    assert str(tmp_path) in str(caught.value)


def test_a_folder_is_reported_as_one(tmp_path: Path) -> None:
    (tmp_path / "dir.pth").mkdir()
    for folder in (tmp_path, tmp_path / "dir.pth"):
        with pytest.raises(ModelZooError, match="is a folder"):
            parse_weights(folder)


def test_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    file.write_bytes(bytes(range(256)) * 9000)
    assert weights_hash(file) == hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(ModelZooError, match="cannot be read"):
        weights_hash(tmp_path)
