"""Downloads from a real HTTP server on loopback that fails, stalls, truncates and lies."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from bench.data.download import Remote, fetch, fetch_remote, remotes
from bench.errors import DataError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
MD5 = "md5:" + hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


class Server(ThreadingHTTPServer):
    """Plays one trick from ``tricks`` for each request, and is honest when there are none left."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.tricks: list[str] = []
        self.ranges: list[str | None] = []
        self.resumes = True
        self.let_go = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        trick = server.tricks.pop(0) if server.tricks else "honest"
        if trick.isdigit():
            self.send_error(int(trick))
            return
        data, start = server.content, 0
        wanted = self.headers.get("Range")
        if wanted and server.resumes and self.headers.get("If-Range") == self._tag():
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= len(data) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if trick != "no length":
            self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", self._tag())
        self.end_headers()
        body = data[start:]
        if trick == "lie":
            body = bytes(reversed(body))
        if trick in ("truncate", "stall"):
            body = body[: len(body) // 3]
        self.wfile.write(body)
        self.wfile.flush()
        if trick == "stall":
            server.let_go.wait(20)

    def _tag(self) -> str:
        return '"' + hashlib.sha256(self.server.content).hexdigest()[:16] + '"'


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.let_go.set()
    server.shutdown()
    server.server_close()
    thread.join()


def _remote(server: Server, known: str | None = MD5) -> Remote:
    return Remote("cells", server.url, "cells.bin", known, "https://example.org/cells")


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_an_honest_server(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    got = fetch_remote(_remote(server), tmp_path, progress=lambda *state: seen.append(state))
    assert got.path.read_bytes() == CONTENT
    assert (got.checked, got.downloaded) == (True, True)
    assert got.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert seen[-1] == ("cells", len(CONTENT), len(CONTENT))
    assert len(seen) > 5
    assert _names(tmp_path) == {"cells.bin"}
    again = fetch_remote(_remote(server), tmp_path)
    assert not again.downloaded
    assert len(server.ranges) == 1


@pytest.mark.parametrize("trick", ["500", "503", "429", "truncate", "stall"])
def test_failures_that_pass_are_survived(server: Server, tmp_path: Path, trick: str) -> None:
    server.tricks = [trick, trick]
    got = fetch_remote(_remote(server), tmp_path, timeout=2 if trick == "stall" else 60, pause=0.01)
    assert got.path.read_bytes() == CONTENT
    assert len(server.ranges) == 3
    assert _names(tmp_path) == {"cells.bin"}


def test_it_resumes_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.tricks = ["truncate", "truncate"]
    fetch_remote(_remote(server), tmp_path, pause=0.01)
    starts = [int(wanted[6:-1]) for wanted in server.ranges[1:] if wanted]
    assert len(starts) == 2
    assert 0.9 < starts[0] / (len(CONTENT) / 3) <= 1
    assert 0.9 < starts[1] / (starts[0] + (len(CONTENT) - starts[0]) / 3) <= 1


def test_a_later_call_resumes_too(server: Server, tmp_path: Path) -> None:
    server.tricks = ["truncate"]
    with pytest.raises(DataError, match=r"9\d\d,\d{3} bytes are kept\. Run the command again"):
        fetch_remote(_remote(server), tmp_path, retries=0)
    assert _names(tmp_path) == {"cells.bin.part", "cells.bin.part.tag"}
    assert fetch_remote(_remote(server), tmp_path).path.read_bytes() == CONTENT
    assert str(server.ranges[1]).startswith("bytes=9")


def test_a_file_that_changed_meanwhile_is_begun_anew(server: Server, tmp_path: Path) -> None:
    server.tricks = ["truncate"]
    with pytest.raises(DataError):
        fetch_remote(_remote(server), tmp_path, retries=0)
    server.content = CONTENT[::-1]
    known = "md5:" + hashlib.md5(server.content, usedforsecurity=False).hexdigest()
    assert fetch_remote(_remote(server, known), tmp_path).path.read_bytes() == server.content


def test_a_server_that_cannot_resume_is_survived(server: Server, tmp_path: Path) -> None:
    server.resumes = False
    server.tricks = ["truncate"]
    assert fetch_remote(_remote(server), tmp_path, pause=0.01).path.read_bytes() == CONTENT


def test_a_wrong_part_from_before_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cells.bin.part").write_bytes(b"x" * 1000)
    tag = '"' + hashlib.sha256(CONTENT).hexdigest()[:16] + '"'
    (tmp_path / "cells.bin.part.tag").write_text(tag)
    assert fetch_remote(_remote(server), tmp_path).path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_a_lie_about_the_content_is_never_kept(server: Server, tmp_path: Path) -> None:
    server.tricks = ["lie"] * 9
    with pytest.raises(DataError, match=r"not the known file \(its hash differs\), so nothing was kept"):
        fetch_remote(_remote(server), tmp_path, pause=0.01)
    assert _names(tmp_path) == set()


def test_a_good_file_is_not_replaced_by_a_lie(server: Server, tmp_path: Path) -> None:
    fetch_remote(_remote(server), tmp_path)
    (tmp_path / "cells.bin").write_bytes(b"damaged")
    server.tricks = ["honest"]
    assert fetch_remote(_remote(server), tmp_path).path.read_bytes() == CONTENT


def _leave(folder: Path, part: bytes, tag: bytes) -> None:
    (folder / "cells.bin.part").write_bytes(part)
    (folder / "cells.bin.part.tag").write_bytes(tag)


def test_a_whole_part_is_not_loaded_again(server: Server, tmp_path: Path) -> None:
    tag = b'"' + hashlib.sha256(CONTENT).hexdigest()[:16].encode() + b'"'
    _leave(tmp_path, CONTENT, tag)
    seen: list[tuple[str, int, int]] = []
    got = fetch_remote(_remote(server), tmp_path, progress=lambda *state: seen.append(state))
    assert got.path.read_bytes() == CONTENT
    assert (server.ranges, seen) == ([f"bytes={len(CONTENT)}-"], [])
    assert _names(tmp_path) == {"cells.bin"}
    got.path.unlink()
    for wrong in (CONTENT[::-1], CONTENT + b"x"):
        _leave(tmp_path, wrong, tag)
        assert fetch_remote(_remote(server), tmp_path, pause=0.01).path.read_bytes() == CONTENT
        got.path.unlink()


@pytest.mark.parametrize("tag", [b"\xff\xfe", "é".encode(), b'"a\x00b"', b"a\nb", b""])
def test_a_damaged_tag_begins_anew(server: Server, tmp_path: Path, tag: bytes) -> None:
    _leave(tmp_path, CONTENT[:1000], tag)
    assert fetch_remote(_remote(server), tmp_path).path.read_bytes() == CONTENT
    assert server.ranges == [None]


def test_without_a_length_the_hash_decides(server: Server, tmp_path: Path) -> None:
    server.tricks = ["no length"]
    assert fetch_remote(_remote(server), tmp_path).path.read_bytes() == CONTENT


@pytest.mark.parametrize("status", ["404", "403"])
def test_a_refusal_is_not_asked_again(server: Server, tmp_path: Path, status: str) -> None:
    server.tricks = [status] * 9
    with pytest.raises(DataError, match=rf"answers {status} .*by hand from https://example\.org/cells"):
        fetch_remote(_remote(server), tmp_path, pause=0.01)
    assert len(server.ranges) == 1
    assert _names(tmp_path) == set()


def test_no_server_is_reported(tmp_path: Path) -> None:
    remote = Remote("cells", "http://127.0.0.1:9/file", "cells.bin", MD5, "https://example.org")
    with pytest.raises(DataError, match=r"failed 2 times, at last with: \[Errno \d+\] Connection refused\."):
        fetch_remote(remote, tmp_path, retries=1, pause=0.01, timeout=60)
    assert _names(tmp_path) == set()


def _zip_of(count: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for index in range(count):
            archive.writestr(f"a/{index}.png", CONTENT[index * 1000 : (index + 1) * 1000])
    return out.getvalue()


def test_without_a_known_hash_the_first_download_counts(server: Server, tmp_path: Path) -> None:
    server.content = _zip_of(50)
    got = fetch_remote(_remote(server, None), tmp_path)
    assert not got.checked
    assert (tmp_path / "cells.bin.sha256").read_text().strip() == got.sha256
    assert not fetch_remote(_remote(server, None), tmp_path).downloaded
    got.path.unlink()
    server.content = _zip_of(51)
    with pytest.raises(DataError, match="not the known file"):
        fetch_remote(_remote(server, None), tmp_path)


def test_without_a_known_hash_half_a_zip_is_never_kept(server: Server, tmp_path: Path) -> None:
    server.content = _zip_of(50)[:-3000]
    with pytest.raises(DataError, match="not a whole zip"):
        fetch_remote(_remote(server, None), tmp_path)
    assert not (tmp_path / "cells.bin").exists()
    assert not (tmp_path / "cells.bin.part").exists()


def test_two_at_once_do_no_harm(server: Server, tmp_path: Path) -> None:
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: got.append(fetch_remote(_remote(server), tmp_path).path.read_bytes()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [CONTENT] * 3
    assert len(server.ranges) == 1


def test_a_folder_that_cannot_be_written_is_reported(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        fetch_remote(_remote(server), tmp_path / "file" / "folder")


def test_an_interrupted_download_leaves_no_file(server: Server, tmp_path: Path) -> None:
    def stop(_name: str, here: int, _total: int) -> None:
        if here > 10**6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_remote(_remote(server), tmp_path, progress=stop)
    assert len(server.ranges) == 1
    assert "cells.bin" not in _names(tmp_path)
    assert fetch_remote(_remote(server), tmp_path).path.read_bytes() == CONTENT
    assert server.ranges[1]


def test_the_sets_and_their_hashes() -> None:
    known = remotes()
    assert known["bloodmnist"].hash == "md5:7053d0359d879ad8a5505303e11de1dc"
    assert known["bloodmnist_224"].hash == "md5:b718ff6835fcbdb22ba9eacccd7b2601"
    assert known["bloodmnist_224"].url == "https://zenodo.org/records/10519652/files/bloodmnist_224.npz?download=1"
    assert known["pbc"].hash is None
    assert len(known) == 1 + 11 * 4
    with pytest.raises(DataError, match="Did you mean 'bloodmnist'"):
        fetch("bloodmnits")
