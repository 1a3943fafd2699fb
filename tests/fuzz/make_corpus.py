"""Writes the seeds of the corpus: python -m tests.fuzz.make_corpus. What was a fault once lies beside them."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, PngImagePlugin

from bench.execution.messages.outcome import Outcome
from bench.execution.messages.progress import Progress
from bench.results.schema import Status
from bench.study.load import shipped_studies
from bench.training.checkpoint import Checkpoint

_FOLDER = Path(__file__).parent / "corpus"


def _pixels(mode: str) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (6, 9, 4), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(values[:, :, 0].astype(np.uint16) * 16)
    if mode in ("I", "F"):
        return Image.fromarray(values[:, :, 0].astype(np.int32 if mode == "I" else np.float32))
    return Image.fromarray(values, "RGBA").convert("RGB").convert(mode) if mode != "RGBA" else Image.fromarray(values)


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _images() -> Iterator[tuple[str, bytes]]:
    for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16"):
        yield f"{mode.replace(';', '')}.png", _saved(_pixels(mode), "PNG")
    for mode in ("L", "RGB", "CMYK", "I;16", "I", "F"):
        for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate"):
            yield f"{mode.replace(';', '')}_{compression}.tif", _saved(_pixels(mode), "TIFF", compression=compression)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "upright"
    yield "turned.jpg", _saved(_pixels("RGB"), "JPEG", exif=exif)
    yield "gray.jpg", _saved(_pixels("L"), "JPEG")
    yield "cmyk.jpg", _saved(_pixels("CMYK"), "JPEG", progressive=True)
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="8"/>', zip=True)
    yield "xmp.png", _saved(_pixels("RGB"), "PNG", pnginfo=text)
    yield "clear.png", _saved(_pixels("RGB"), "PNG", transparency=(1, 2, 3))
    frames = [_pixels("P"), _pixels("L").convert("P")]
    yield "frames.gif", _saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield "frames.webp", _saved(frames[0].convert("RGB"), "WEBP", save_all=True, append_images=frames[1:])
    for kind in ("BMP", "PPM"):
        yield f"plain.{kind.lower()}", _saved(_pixels("RGB"), kind)


def _zips() -> Iterator[tuple[str, bytes]]:
    image = _saved(_pixels("RGB"), "PNG")
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    names = ("a/1.png", "a/ü.png", "b/1.png", "b/2.png")
    for method in methods:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.mkdir("a")
            for name in names:
                archive.writestr(name, image)
        yield f"method{method}.zip", buffer.getvalue()
    for title, odd in (("dots", "./a//{}"), ("backslash", "a\\{}"), ("deep", "set/train/a/{}")):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in ("1.png", "2.png"):
                archive.writestr(odd.format(name), image)
                archive.writestr(odd.replace("a", "b", 1).format(name), image)
        yield f"{title}.zip", buffer.getvalue()


def _csv() -> Iterator[tuple[str, bytes]]:
    yield "plain.csv", b"path,label\na.png,cat\na.png,cat\n"
    yield "split.csv", "path,label,split\na.png,é,train\nb.png,e\u0301,test\n".encode()
    yield "quoted.csv", b'\xef\xbb\xbf"path","label"\r\n"a.png","1"\r\n"./a.png","1.0"\r\n'
    yield "tabs.csv", b"path\tlabel\na.png\tnan\n"
    yield "utf16.csv", "path,label\na.png,1\n".encode("utf-16")


def _splits() -> Iterator[tuple[str, bytes]]:
    yield "plain.csv", b"name,split\na/1.png,train\na/2.png,validation\nb/1.png,test\n"
    yield "labels.csv", b"name,label,split\na/1.png,a,val\na/1.png,a,test\n"


def _yaml() -> Iterator[tuple[str, bytes]]:
    for name, text in shipped_studies().items():
        yield f"{name}.yaml", text.encode()
    yield (
        "odd.yaml",
        b"name: x\nmodels: [{name: vit_tiny, label: on}]\ndataset: {path: a.csv, labels: [no, yes, 010]}\n",
    )


def _settings() -> Iterator[tuple[str, bytes]]:
    for text in (
        "train.epochs=5",
        "models.vit_*.weights=none",
        "train.time_limit=2h",
        "seeds=[1, 2]",
        "dataset.limit=0x10",
    ):
        yield text.partition("=")[0].replace("*", "all"), text.encode()


def _messages() -> Iterator[tuple[str, bytes]]:
    yield "outcome.json", Outcome(status=Status.OK, metrics={"accuracy": 0.5}).model_dump_json().encode()
    yield "progress.json", Progress(phase="train", epoch=1.5).model_dump_json().encode()


def _checkpoints() -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        Checkpoint(path, "key", 0.0).save({"epoch": 3, "weights": {"a": torch.arange(3.0)}})
        yield "small.pt", path.read_bytes()


def _weights() -> Iterator[tuple[str, bytes]]:
    import safetensors.torch

    state = torch.nn.Sequential(torch.nn.Linear(3, 2)).state_dict()
    yield "small.safetensors", safetensors.torch.save(state, {"architecture": "small"})
    for name, content in (("plain", state), ("boxed", {"state_dict": state, "epoch": 3}), ("list", [1, 2])):
        for old in (False, True):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=not old)
            yield f"{name}_{'old' if old else 'zip'}.pth", buffer.getvalue()
    yield "index.json", json.dumps({"weight_map": {}}).encode()


def _folders() -> Iterator[tuple[str, bytes]]:
    """What decides on the changes to a run folder."""
    for number in ("1", "2", "3"):
        yield number, number.encode()


def main() -> None:
    """Write the seeds anew; faults that were stored beside them stay."""
    torch.manual_seed(0)
    for draw in (_images, _zips, _csv, _splits, _yaml, _settings, _messages, _checkpoints, _weights, _folders):
        folder = _FOLDER / draw.__name__.removeprefix("_")
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in draw():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
