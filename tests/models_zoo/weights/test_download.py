"""Downloads without a network: the cache first, then one quick message. Nothing here leaves the machine."""

from __future__ import annotations

import http.server
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from models_zoo import ModelZooError
from models_zoo.networks.builder import build
from models_zoo.weights import download as downloads

ENDPOINT = constants.ENDPOINT


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A hub at a closed port, and empty caches."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "torch"))


@pytest.mark.parametrize("weights", ["default", "hub:timm/resnet18.a1_in1k", "hub:timm/resnet18.a1_in1k@main"])
def test_without_a_network_it_fails_at_once_with_what_to_do(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with pytest.raises(ModelZooError, match=r"out of reach.*weights: PATH") as caught:
        build("resnet18", num_classes=2, image_size=64, weights=weights)
    assert sum(waits) < 20
    assert "hub:timm/resnet18" in str(caught.value)


def test_offline_mode_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelZooError, match="HF_HUB_OFFLINE is set"):
        downloads.fetch_hub("timm/resnet18.a1_in1k")


def test_torchvision_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(ModelZooError, match=r"download\.pytorch\.org is out of reach: no route to host"):
        build("torchvision:resnet18", num_classes=2, image_size=64, weights="default")


def test_a_cached_file_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = build("torchvision:resnet18", num_classes=2, image_size=64, seed=5)
    cache = tmp_path / "torch" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(source.module.get_submodule("backbone.net").state_dict(), cache / "resnet18-f37072fd.pth")
    built = build("torchvision:resnet18", num_classes=3, image_size=64, weights="default")
    read, cached = (model.module.get_parameter("backbone.net.conv1.weight") for model in (built, source))
    assert torch.equal(read, cached)
    assert built.provenance["source"].startswith("https://download.pytorch.org/")


def test_a_model_without_default_weights_is_reported() -> None:
    with pytest.raises(ModelZooError, match="has no default weights"):
        build(_without_weights(), num_classes=2, image_size=64, weights="default")


def _without_weights() -> str:
    import timm

    with_weights = {name.partition(".")[0] for name in timm.list_pretrained()}
    return "timm:" + next(name for name in timm.list_models("resnet*") if name not in with_weights)


class Empty(http.server.BaseHTTPRequestHandler):
    """A server that is there and has nothing."""

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def empty_server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_has_nothing(empty_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelZooError, match="could not be downloaded"):
        downloads.fetch_url(f"{empty_server}/weights.pth")
    assert not list((tmp_path / "torch").rglob("*.pth"))
    monkeypatch.setattr(downloads, "hf_hub_download", _at(empty_server))
    monkeypatch.setattr(downloads, "_probe", lambda *_: None)
    monkeypatch.setattr(constants, "ENDPOINT", ENDPOINT)  # the client puts the server's address in its place
    with pytest.raises(ModelZooError, match=r"could not be downloaded|holds neither"):
        downloads.fetch_hub("no/such")


def _at(endpoint: str) -> object:
    def download(repository: str, name: str, revision: str | None = None) -> str:
        return str(huggingface_hub.hf_hub_download(repository, name, revision=revision, endpoint=endpoint))

    return download


def test_a_downloaded_file_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = build("vit_tiny_p16", num_classes=2, image_size=64, seed=5)
    save_file(source.module.backbone.net.state_dict(), tmp_path / "model.safetensors")  # type: ignore[union-attr]
    monkeypatch.setattr(downloads, "_probe", lambda *_: None)
    monkeypatch.setattr(downloads, "hf_hub_download", lambda *_, **__: str(tmp_path / "model.safetensors"))
    built = build("vit_tiny_p64", num_classes=2, image_size=128, weights="default")
    assert built.provenance["source"] == "hub:timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    assert built.provenance["patch_resampled"]["to"] == 64
    assert built.mean == (0.5, 0.5, 0.5)


def test_a_revision_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = build("vit_tiny_p16", num_classes=2, image_size=64)
    save_file(source.module.backbone.net.state_dict(), tmp_path / "model.safetensors")  # type: ignore[union-attr]
    monkeypatch.setattr(downloads, "_probe", lambda *_: None)
    monkeypatch.setattr(downloads, "hf_hub_download", lambda *_, **__: str(tmp_path / "model.safetensors"))
    weights = "hub:timm/deit_tiny_patch16_224.fb_in1k@refs/pr/1"
    built = build("vit_tiny_p16", num_classes=2, image_size=64, weights=weights)
    assert built.provenance["source"] == weights
    assert built.provenance["normalization"] == "timm deit_tiny_patch16_224.fb_in1k"


def test_a_format_that_is_not_read_is_reported() -> None:
    with pytest.raises(ModelZooError, match="in a format that is not read here"):
        downloads.fetch_url("https://storage.example.org/weights.npz")
