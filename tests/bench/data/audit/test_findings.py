from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.data.audit.findings import audit, find_leaks
from bench.data.audit.near_duplicates import near_pairs
from bench.data.audit.scan import ImageInfo, perceptual_hash
from bench.data.prepare import prepare
from bench.data.sources.synthetic.drawing import draw_cell
from bench.data.sources.synthetic.traits import KINDS
from bench.data.split.assign import SPLITS
from bench.data.split.subset import join
from bench.results.dataset import DatasetManifest, DuplicateGroup, NearPair, Split
from bench.results.notice import Notice
from bench.study.dataset import DatasetSpec, DuplicatePolicy, SplitSpec
from reports.text.messages import word

MakeFolder = Callable[..., Path]


def _jpeg(pixels: np.ndarray, quality: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def test_the_planted_truth_of_the_real_set_is_found(pbc_zip: Path) -> None:
    report = audit(DatasetSpec(source="pbc", path=pbc_zip))
    found = report.findings
    assert found.images == 2241
    assert found.readable == 2240
    assert [entry.name for entry in found.unreadable] == ["neutrophil/.DS_169665.jpg"]
    assert found.exact_pairs == 5
    assert all(group.same_bytes for group in found.exact)
    assert [group.names for group in found.conflicting] == [("eosinophil/EO_225902.jpg", "neutrophil/BNE_191112.jpg")]
    assert found.sizes == {"360x363": 2178, "366x369": 35, "360x360": 26, "361x360": 1}
    assert found.near_pairs == 0
    assert found.would_leak
    assert found.imbalance == pytest.approx(1.0, abs=0.01)


def test_the_real_set_is_split_without_a_leak(pbc_zip: Path) -> None:
    manifest = prepare(DatasetSpec(source="pbc", path=pbc_zip, limit=400, image_size=32), SplitSpec())
    reasons = {entry.name: entry.notice for entry in manifest.dropped}
    assert len(reasons) == 7
    assert {"eosinophil/EO_225902.jpg", "neutrophil/BNE_191112.jpg", "neutrophil/.DS_169665.jpg"} <= set(reasons)
    assert manifest.leaks == []
    assert manifest.limited_from == 2234
    assert all(sum(counts.values()) == 50 for counts in manifest.counts.values())
    assert Notice.of("patient_unknown") in manifest.warnings
    assert reasons["neutrophil/.DS_169665.jpg"] == Notice.of("not_an_image")


@pytest.fixture
def flawed(make_folder: MakeFolder) -> Path:
    """Six images of each class, then: an exact copy, a contradiction, a near copy, an odd one, a broken one."""
    root = make_folder(8)
    one, two = root / "blue cell", root / "célula"
    (one / "copy.png").write_bytes((one / "000.png").read_bytes())
    (two / "contradiction.png").write_bytes((one / "001.png").read_bytes())
    pixels = draw_cell(KINDS[1], 200, np.random.default_rng(77), 0.3)
    (two / "near_a.jpg").write_bytes(_jpeg(pixels, 95))
    (two / "near_b.jpg").write_bytes(_jpeg(pixels, 60))
    Image.fromarray(pixels[:, :, 0]).resize((50, 41)).save(one / "odd.png")
    (one / "broken.png").write_bytes((one / "002.png").read_bytes()[:300])
    return root


def test_a_class_without_images_is_counted(make_folder: MakeFolder) -> None:
    root = make_folder()
    (root / "empty").mkdir()
    assert audit(DatasetSpec(path=root)).findings.class_counts == {"blue cell": 6, "célula": 6, "empty": 0}


def test_a_set_whose_own_name_is_no_text_is_audited_and_stored(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder().rename(os.fsdecode(os.fsencode(str(tmp_path)) + b"/set\xe9"))
    manifest = prepare(DatasetSpec(path=root, image_size=16))
    assert manifest.card.name == "set\\udce9"
    assert DatasetManifest.from_json(manifest.to_json()) == manifest


def test_why_an_image_cannot_be_read_is_kept_for_the_next_run(flawed: Path, tmp_path: Path) -> None:
    spec = DatasetSpec(path=flawed, image_size=16)
    first, again = (prepare(spec, cache_dir=tmp_path / "cache") for _ in range(2))
    assert first.audit.unreadable[0].notice.code == "damaged_image"
    assert again.audit == first.audit


def test_every_flaw_is_found(flawed: Path) -> None:
    found = audit(DatasetSpec(path=flawed)).findings
    assert [entry.name for entry in found.unreadable] == ["blue cell/broken.png"]
    assert {group.names for group in found.exact} == {
        ("blue cell/000.png", "blue cell/copy.png"),
        ("blue cell/001.png", "célula/contradiction.png"),
    }
    assert [(pair.first, pair.second) for pair in found.near] == [("célula/near_a.jpg", "célula/near_b.jpg")]
    odd = {entry.name: entry.notice for entry in found.odd}
    size = Notice.of("odd_size", size="50x41", usual="40x40")
    mode = Notice.of("odd_mode", mode="L", usual="RGB")
    assert odd["blue cell/odd.png"] == Notice.of("several", parts=(size, mode))
    assert word(odd["blue cell/odd.png"]) == "50x41 instead of 40x40; mode L instead of RGB"
    assert found.odd_images == 3
    assert found.class_counts == {"blue cell": 10, "célula": 11}


@pytest.mark.parametrize("exact", ["keep_one", "same_side", "ignore"])
@pytest.mark.parametrize("conflicting", ["drop", "keep"])
@pytest.mark.parametrize("near", ["same_side", "report"])
def test_the_policy_decides(flawed: Path, exact: str, conflicting: str, near: str) -> None:
    policy = DuplicatePolicy.model_validate({"exact": exact, "conflicting": conflicting, "near": near})
    leaked: set[tuple[str, str]] = set()
    for seed in range(6):
        manifest = prepare(DatasetSpec(path=flawed, image_size=16, duplicates=policy), SplitSpec(seed=seed))
        assert ("blue cell/copy.png" in manifest.names) == (exact != "keep_one")
        assert ("célula/contradiction.png" in manifest.names) == (conflicting == "keep")
        assert ("blue cell/001.png" in manifest.names) == (conflicting == "keep")
        assert "blue cell/broken.png" not in manifest.names
        leaked.update(manifest.leaks)
    assert (("blue cell/000.png", "blue cell/copy.png") in leaked) == (exact == "ignore")
    assert (("célula/near_a.jpg", "célula/near_b.jpg") in leaked) == (near == "report")
    assert ("blue cell/001.png", "célula/contradiction.png") not in leaked


def test_of_copies_in_a_given_split_the_one_in_the_test_set_stays(make_folder: MakeFolder) -> None:
    root = make_folder(5, ("train/a", "train/b", "val/a", "val/b", "test/a", "test/b"))
    copied = root / "test" / "a" / "copy.png"
    copied.write_bytes((root / "train" / "a" / "000.png").read_bytes())
    manifest = prepare(DatasetSpec(path=root, image_size=16, duplicates=DuplicatePolicy(conflicting="keep")))
    assert "test/a/copy.png" in manifest.names
    assert "train/a/000.png" not in manifest.names
    assert manifest.split_method == "official"


def test_images_that_are_all_alike_are_not_chained_together(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for index in range(40):
            shade = 100 + index + (60 if label == "b" else 0)
            Image.new("RGB", (20, 20), (shade, shade, shade)).save(tmp_path / label / f"{index}.png")
    manifest = prepare(DatasetSpec(path=tmp_path, image_size=16))
    assert {"too_many_near_pairs", "near_chain_too_long"} & {warning.code for warning in manifest.warnings}
    assert any("look alike" in word(warning) for warning in manifest.warnings)
    assert len(manifest.names) == 80


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Two classes of 300 copies of one white tile each, and ten other images."""
    rng = np.random.default_rng(0)
    out = io.BytesIO()
    Image.new("RGB", (16, 16), "white").save(out, "PNG")
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for index in range(300):
            (tmp_path / label / f"tile_{index:04d}.png").write_bytes(out.getvalue())
        for index in range(10):
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(tmp_path / label / f"{index}.png")
    return tmp_path


def test_many_copies_of_one_image_are_counted_and_not_listed_pair_by_pair(copies: Path) -> None:
    found = audit(DatasetSpec(path=copies)).findings
    assert found.exact_pairs == 600 * 599 // 2
    per_side = (120, 60, 420)  # of the 600 in test, validation and training, within what ten other images move
    wanted = (600**2 - sum(count**2 for count in per_side)) // 2
    assert found.would_leak_pairs == pytest.approx(wanted, rel=0.05)
    assert len(found.would_leak) == 1000
    assert len(found.model_dump_json()) < 200_000


@pytest.mark.parametrize("conflicting", ["drop", "keep"])
def test_what_is_reported_of_many_copies_is_short(copies: Path, conflicting: str) -> None:
    policy = DuplicatePolicy.model_validate({"conflicting": conflicting, "exact": "ignore"})
    manifest = prepare(DatasetSpec(path=copies, image_size=16, duplicates=policy))
    assert len(manifest.to_json()) < 700_000
    assert max(len(warning.model_dump_json()) for warning in manifest.warnings) < 700
    assert max(len(word(warning)) for warning in manifest.warnings) < 300
    if conflicting == "drop":
        shown = [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2)]
        named = [Notice.of("image_labeled", name=f"{label}/tile_{n:04d}.png", label=label) for label, n in shown]
        expected = Notice.of("conflicting_pixels", names=(*named, Notice.of("and_more", count=595)))
        assert len(manifest.dropped) == 600
        assert all(entry.notice == expected for entry in manifest.dropped)
        assert word(expected) == (
            "the same pixels carry different labels: a/tile_0000.png (a), b/tile_0000.png (b), a/tile_0001.png (a), "
            "b/tile_0001.png (b), a/tile_0002.png (a) and 595 more"
        )
    assert manifest.leak_pairs == 0


def test_copies_in_two_splits_of_a_given_file_are_counted(copies: Path) -> None:
    lines = [f"{label}/tile_{row:04d}.png,{'test' if row < 100 else 'train'}" for label in "ab" for row in range(300)]
    lines += [f"{label}/{row}.png,train" for label in "ab" for row in range(10)]
    (copies / "split.csv").write_text("name,split\n" + "\n".join(lines))
    policy = DuplicatePolicy(conflicting="keep")
    manifest = prepare(DatasetSpec(path=copies, image_size=16, duplicates=policy), SplitSpec(file=copies / "split.csv"))
    tiles = Counter(split for name, split in zip(manifest.names, manifest.splits, strict=True) if "tile" in name)
    assert manifest.leak_pairs == (600**2 - sum(count**2 for count in tiles.values())) // 2
    assert len(manifest.leaks) == 1000
    leaks = [warning for warning in manifest.warnings if warning.code == "split_leaks"]
    assert [leak.values["count"] for leak in leaks] == [manifest.leak_pairs]
    assert word(leaks[0]).startswith(f"{manifest.leak_pairs} pairs of duplicates")


@given(st.lists(st.lists(st.sampled_from([*SPLITS, None]), min_size=2, max_size=6), max_size=5))
def test_leaks_are_the_pairs_in_different_splits(groups: list[list[Split | None]]) -> None:
    exact, split_of = [], {}
    for number, splits in enumerate(groups):
        names = [f"{number}/{row}" for row in range(len(splits))]
        split_of.update({name: where for name, where in zip(names, splits, strict=True) if where})
        exact.append(DuplicateGroup(names=tuple(names), labels=("a",) * len(names), same_bytes=True))
    near = [NearPair(first="0/0", second="x", first_label="a", second_label="a", distance=1)]
    split_of["x"] = "test"
    pairs = [pair for group in exact for pair in combinations(group.names, 2)]
    wanted = [(a, b) for a, b in pairs if a in split_of and b in split_of and split_of[a] != split_of[b]]
    wanted += [("0/0", "x")] if split_of.get("0/0", "test") != "test" else []
    assert find_leaks(split_of, exact, near) == (wanted, len(wanted))


def _facts(codes: list[int]) -> list[ImageInfo]:
    return [ImageInfo(str(index), phash=code) for index, code in enumerate(codes)]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=40), st.integers(0, 16), st.data())
def test_near_pairs_are_those_that_differ_in_few_bits(codes: list[int], threshold: int, data: st.DataObject) -> None:
    for _ in range(min(5, len(codes))):
        flips = data.draw(st.sets(st.integers(0, 63), max_size=20))
        codes.append(data.draw(st.sampled_from(codes)) ^ sum(1 << bit for bit in flips))
    pairs, total = near_pairs(_facts(codes), threshold, most=10**6)
    wanted = {
        (str(a), str(b), (codes[a] ^ codes[b]).bit_count())
        for b in range(len(codes))
        for a in range(b)
        if (codes[a] ^ codes[b]).bit_count() <= threshold
    }
    assert set(pairs) == wanted
    assert total == len(wanted)


def test_near_pairs_reach_over_blocks_and_are_cut_to_the_closest() -> None:
    codes = [0] + [0xFFFF_FFFF_0000_0000 + (index << 8) * 0x1111 for index in range(700)] + [1]
    pairs, total = near_pairs(_facts(codes), 1, most=1)
    assert total >= 1
    assert len(pairs) == 1


def test_past_the_limit_the_closest_pairs_of_every_block_are_kept() -> None:
    rng = np.random.default_rng(0)
    one, other = (int(code) for code in rng.integers(0, 2**63, 2))
    codes = [one ^ (1 << int(bit)) for bit in rng.integers(0, 64, 300)]  # all within two bits of each other
    codes += [other, other ^ 1, one ^ 3, one ^ 1]
    pairs, total = near_pairs(_facts(codes), 2, most=50)
    every, same = near_pairs(_facts(codes), 2, most=10**6)
    assert (len(every), total) == (same, same)
    assert pairs == every[:50]
    assert [distance for _, _, distance in every] == sorted(distance for _, _, distance in every)


@settings(deadline=None)
@given(st.integers(0, 30))
def test_the_hash_survives_compression_and_distinguishes_cells(seed: int) -> None:
    one, other = (draw_cell(KINDS[seed % 8], 120, np.random.default_rng([seed, k]), 0.5) for k in (0, 1))
    again = Image.open(io.BytesIO(_jpeg(one, 70)))
    smaller = Image.fromarray(one).resize((100, 100))
    code = perceptual_hash(Image.fromarray(one))
    assert (code ^ perceptual_hash(again)).bit_count() <= 4
    assert (code ^ perceptual_hash(smaller)).bit_count() <= 6
    assert (code ^ perceptual_hash(Image.fromarray(other))).bit_count() > 4


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(16, 400), st.integers(16, 400))
def test_the_hash_is_that_of_imagehash(seed: int, width: int, height: int) -> None:
    """Of images that are not so thin that half of their frequencies are 0 up to rounding."""
    rng = np.random.default_rng(seed)
    noise = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    cell = Image.fromarray(draw_cell(KINDS[seed % 8], 90, rng, 0.5)).resize((width, height))
    for image in (noise, cell):
        small = image.reduce(max(1, min(width, height) // 64))
        wanted = np.packbits(imagehash.phash(small).hash.ravel()).tobytes()
        assert perceptual_hash(image) == int.from_bytes(wanted, "big")


def test_join_follows_chains() -> None:
    assert join(6, [(4, 3), (3, 1), (5, 0)]) == [0, 1, 2, 1, 1, 0]
