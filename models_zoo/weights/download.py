"""Pretrained weights from a hub or a library's own server; without a network it fails at once, in one message."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub.errors
import torch
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

from models_zoo.errors import ModelZooError
from models_zoo.weights.source import WEIGHT_SUFFIXES

__all__ = ["fetch_hub", "fetch_url"]

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
PROBE_SECONDS = 5.0
# The hub's client reports what goes wrong on the way by its HTTP library's own errors, which are no OSError.
_HTTP_ERROR: type[Exception] = getattr(huggingface_hub.errors, "HTTPError", OSError)
_DOWNLOAD_ERRORS = (OSError, ValueError, huggingface_hub.errors.EntryNotFoundError, _HTTP_ERROR)


def fetch_hub(repository: str, revision: str | None = None) -> Path:
    """Return the weights file of a Hugging Face repository, from the local cache or the network.

    Raises:
        ModelZooError: where the hub is out of reach, or has no such repository or weights in it.
    """
    for name in HUB_FILES:
        cached = try_to_load_from_cache(repository, name, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
    source = f"hub:{repository}" + (f"@{revision}" if revision else "")
    if constants.HF_HUB_OFFLINE:
        raise _out_of_reach(source, "HF_HUB_OFFLINE is set")
    _probe(source, constants.ENDPOINT)
    failure: Exception | None = None
    for name in HUB_FILES:
        try:
            return Path(hf_hub_download(repository, name, revision=revision))
        except huggingface_hub.errors.EntryNotFoundError as error:
            failure = error
        except _DOWNLOAD_ERRORS as error:
            raise _not_fetched(source, error) from error
    raise ModelZooError(
        f"the repository of {source} holds neither {' nor '.join(HUB_FILES)}. Download its weights and give the path "
        f"of a file ({', '.join(WEIGHT_SUFFIXES)})."
    ) from failure


def fetch_url(url: str) -> Path:
    """Return the file at ``url`` from torch's own cache, downloading it at first use.

    Raises:
        ModelZooError: where the server is out of reach, or the file cannot be had or stored.
    """
    name = Path(urlsplit(url).path).name
    if not name.endswith(WEIGHT_SUFFIXES):
        raise ModelZooError(
            f"the library's own weights are at {url}, in a format that is not read here; give the path of a file "
            f"({', '.join(WEIGHT_SUFFIXES)}) instead."
        )
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.is_file():
        return path
    _probe(url, url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise _not_fetched(url, error) from error
    return path


def _probe(source: str, url: str) -> None:
    """Ask for one header, so that a machine without a network waits seconds and not the client's retries."""
    request = urllib.request.Request(url, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return  # an answer, whatever it is: the server is within reach
    except (OSError, ValueError) as error:
        raise _out_of_reach(source, str(getattr(error, "reason", error))) from error


def _out_of_reach(source: str, why: str) -> ModelZooError:
    host = urlsplit(source).hostname if "://" in source else urlsplit(constants.ENDPOINT).hostname
    proxy = "" if not os.environ.get("HTTPS_PROXY") else " (through the proxy that HTTPS_PROXY names)"
    return ModelZooError(
        f"the pretrained weights {source} are not on this machine and {host} is out of reach{proxy}: {why}. "
        f"Give a local file instead, weights: PATH ({', '.join(WEIGHT_SUFFIXES)}), or weights: none to start from "
        "random ones, or download them on a machine with a network."
    )


def _not_fetched(source: str, error: Exception) -> ModelZooError:
    text = " ".join(str(error).split())[:300]
    return ModelZooError(
        f"the pretrained weights {source} could not be downloaded: {type(error).__name__}: {text}. Check the name, or "
        f"give the path of a file ({', '.join(WEIGHT_SUFFIXES)})."
    )
