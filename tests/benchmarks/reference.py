"""The plain way to train a frozen Vision Transformer, as published notebooks do it: what the harness is compared with.

ImageFolder, random_split, a DataLoader with 2 workers that decodes every image in every epoch, timm's ViT with a new
head, all other parameters frozen, fp32, metrics on all predictions in each epoch.

    python tests/benchmarks/reference.py FOLDER [--epochs 20] [--regime frozen] [--model vit_base_patch32_224]

prints a line of JSON: seconds of the start, of each epoch, and images per second.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import timm
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, cohen_kappa_score
from torch import nn
from torch.utils.data import DataLoader, Subset, random_split
from torchvision import transforms
from torchvision.datasets import ImageFolder

Batches = DataLoader[tuple[torch.Tensor, torch.Tensor]]


def loaders(folder: str, size: int, batch_size: int) -> tuple[Batches, Batches, int]:
    """Loaders of 80 % for training and 20 % for testing, and the number of classes."""
    steps = [transforms.Resize((size, size)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    images = ImageFolder(folder, transforms.Compose(steps))
    count = int(0.8 * len(images))
    train, test = random_split(images, [count, len(images) - count])
    return (
        DataLoader(train, batch_size, shuffle=True, num_workers=2),
        DataLoader(test, batch_size, num_workers=2),
        len(images.classes),
    )


def epoch(model: nn.Module, loader: Batches, optimizer: torch.optim.Optimizer | None) -> dict[str, float]:
    """One pass, training where there is an optimizer; loss, accuracy, balanced accuracy and kappa."""
    model.train(optimizer is not None)
    predicted, shown, losses = [], [], []
    with torch.set_grad_enabled(optimizer is not None):
        for images, labels in loader:
            logits = model(images)
            loss = nn.functional.cross_entropy(logits, labels)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            losses.append(loss.item())
            predicted.extend(logits.argmax(1).tolist())
            shown.extend(labels.tolist())
    return {
        "loss": sum(losses) / len(losses),
        "accuracy": accuracy_score(shown, predicted),
        "balanced_accuracy": balanced_accuracy_score(shown, predicted),
        "kappa": cohen_kappa_score(shown, predicted),
    }


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--model", default="vit_base_patch32_224")
    parser.add_argument("--regime", choices=["frozen", "scratch"], default="frozen")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    asked = parser.parse_args()

    started = time.perf_counter()
    train, test, classes = loaders(asked.folder, asked.image_size, asked.batch_size)
    model: Any = timm.create_model(asked.model, pretrained=False, num_classes=classes)
    if asked.regime == "frozen":
        model.requires_grad_(False)
        model.get_classifier().requires_grad_(True)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    ready = time.perf_counter()
    seconds, train_seconds = [], []
    for _ in range(asked.epochs):
        begun = time.perf_counter()
        epoch(model, train, optimizer)
        train_seconds.append(time.perf_counter() - begun)
        epoch(model, test, None)
        seconds.append(time.perf_counter() - begun)
    assert isinstance(train.dataset, Subset)
    rate = len(train.dataset) / min(train_seconds)
    found = {"start_seconds": ready - started, "epoch_seconds": seconds, "train_images_per_second": rate}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
