"""Verify names whatever is not as it was written, and nothing else."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from collectors.services.archive.layout import MANIFEST, OWNER, SCHEMAS, Hour, folder_of
from collectors.services.archive.manifest import decode, encode
from collectors.services.archive.places import FolderPlace
from collectors.services.archive.verify import Found, Span, Verifier, plain
from tests.collectors.services.archive.benches import FORMS, HOUR, TOPICS, Bench, filled, problems_of

ANALYTICS = TOPICS.event("analytics").name


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    """Three hours of all events, several files in each."""
    made = Bench(tmp_path, max_file_bytes=3_000)
    filled(made.log, hours=3)
    await made.sweep_all()
    return made


def hour_folder(bench: Bench, number: int = 0) -> Path:
    """Of analytics."""
    return bench.folder / folder_of(ANALYTICS, Hour(HOUR.number + number))


def verified(bench: Bench, span: Span | None = None) -> Found:
    """What verify says of analytics."""
    return Verifier(FolderPlace(bench.folder), span).verify([ANALYTICS])


def a_file(bench: Bench, number: int = 1) -> Path:
    """Of an hour, from its middle."""
    return sorted(hour_folder(bench, number).glob("*.parquet"))[1]


def test_a_whole_archive_is_well(bench: Bench) -> None:
    """Counts, sums and bytes are those of what was archived; there is no problem and no note."""
    found = Verifier(FolderPlace(bench.folder)).verify(sorted(TOPICS.events()))
    assert (found.hours, found.records, found.undecodable) == (9, len(bench.log.all), 0)
    assert found.sums.nanos("analytics") == {"USD": 120 * 123_456_789}
    assert (found.problems, found.notes) == ([], [])
    assert found.size_bytes == sum(path.stat().st_size for path in bench.files("**/*.parquet"))
    assert plain(found)["problems"] == []


@pytest.mark.parametrize(("format_", "compression"), FORMS)
async def test_a_flipped_bit_anywhere_is_found(tmp_path: Path, format_: str, compression: str) -> None:
    """In each kind of file, at its beginning, its end and all between: one bit is enough, and the file is named."""
    bench = Bench(tmp_path, format=format_, compression=compression)
    bench.log.add("analytics", 0, [HOUR.start_ms + each for each in range(20)])
    await bench.sweep_all()
    for path in [*bench.files(f"{ANALYTICS}/**/*"), *bench.files(f"{SCHEMAS}/*"), *bench.files(f"{OWNER}*")]:
        whole = path.read_bytes()
        for at in {0, 5, len(whole) // 3, len(whole) // 2, len(whole) - 9, len(whole) - 1} & set(range(len(whole))):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
            found = problems_of(bench)
            if path.name != OWNER:
                assert any(where.endswith(path.name) for where, _ in found), (path.name, at)
        path.write_bytes(whole)
    assert problems_of(bench) == []


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize(("harm", "said"), [(Path.unlink, "missing"), (_truncate, "truncated"), (_lengthen, "longer")])
def test_missing_truncated_and_longer_files_are_named(bench: Bench, harm: Callable[[Path], None], said: str) -> None:
    """Each with the file, and nothing else is wrong then."""
    victim = a_file(bench)
    harm(victim)
    [problem] = problems_of(bench)
    assert problem.where.endswith(victim.name)
    assert said in problem.what


def test_an_extra_file_is_named_with_what_to_do(bench: Bench) -> None:
    """Where the manifest's own files hold its offsets it may be deleted; where not, it is only extra."""
    victim = a_file(bench)
    within = victim.with_name(f"{ANALYTICS}-0-0-{20:020}-{22:020}.parquet")
    shutil.copy(victim, within)
    shutil.copy(victim, victim.with_name("notes.txt"))
    found = {where.rpartition("/")[2]: what for where, what in problems_of(bench)}
    assert found.keys() == {within.name, "notes.txt"}
    assert "delete it" in found[within.name]
    assert "delete it" not in found["notes.txt"]


def test_a_file_of_another_hour_in_its_place_is_found(bench: Bench) -> None:
    """Sound files that changed places do not pass."""
    one, other = a_file(bench, 1), a_file(bench, 2)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert {where.rpartition("/")[2] for where, _ in problems_of(bench)} == {one.name, other.name}


@pytest.mark.parametrize("number", [0, 1])
def test_a_missing_hour_is_a_hole(bench: Bench, number: int) -> None:
    """A folder that is gone, first or in the middle, is known by the manifest behind it; the last one's cannot be."""
    shutil.rmtree(hour_folder(bench, number))
    [problem] = problems_of(bench)
    assert problem.where == folder_of(ANALYTICS, Hour(HOUR.number + number + 1))
    assert "follows" in problem.what


def test_a_missing_manifest_is_named(bench: Bench) -> None:
    """The hour's own, and the chain behind it."""
    (hour_folder(bench, 1) / MANIFEST).unlink()
    assert len(problems_of(bench)) == 2
    (hour_folder(bench, 2) / MANIFEST).unlink()
    found = verified(bench)
    assert found.problems == []  # that they ever were complete nothing tells any more
    assert len(found.notes) == 2


@pytest.mark.parametrize("field", ["records", "undecodable", "late", "size_bytes", "sums", "schemas"])
def test_a_manifest_that_lies_is_found(bench: Bench, field: str) -> None:
    """Also one with a good checksum: figures that are not its files', files' figures that are not their content's."""
    path = hour_folder(bench, 2) / MANIFEST
    manifest = decode(path.read_bytes())
    other: dict[str, object] = {"sums": {}, "schemas": ()}
    path.write_bytes(encode(msgspec.structs.replace(manifest, **{field: other.get(field, 7)})))
    assert any(where.endswith(MANIFEST) and field in what for where, what in problems_of(bench))
    lying = msgspec.structs.replace(manifest.files[0], **{field: other.get(field, 7)})
    changed = msgspec.structs.replace(manifest, files=(lying, *manifest.files[1:]))
    path.write_bytes(encode(msgspec.structs.replace(changed, **changed.add_up())))
    assert any(where.endswith(lying.name) for where, what in problems_of(bench))


def test_a_manifest_that_hides_a_hole_is_found(bench: Bench) -> None:
    """A file that is left out, with its manifest made anew to fit: offsets do not follow one another."""
    path = hour_folder(bench, 2) / MANIFEST
    manifest = decode(path.read_bytes())
    (hour_folder(bench, 2) / manifest.files[0].name).unlink()
    changed = msgspec.structs.replace(manifest, files=manifest.files[1:])
    path.write_bytes(encode(msgspec.structs.replace(changed, **changed.add_up())))
    [problem] = problems_of(bench)
    assert "does not follow" in problem.what


def test_a_rewritten_manifest_breaks_the_chain(bench: Bench) -> None:
    """Whoever rewrites an hour has to rewrite all that follow."""
    path = hour_folder(bench, 1) / MANIFEST
    manifest = decode(path.read_bytes())
    path.write_bytes(encode(msgspec.structs.replace(manifest, writer="mallory")))
    [problem] = problems_of(bench)
    assert "follows another manifest" in problem.what


def test_a_span_is_verified_alone(bench: Bench) -> None:
    """``--from`` and ``--to`` read these hours and no other; where it begins need not be the beginning."""
    shutil.rmtree(hour_folder(bench, 0))
    _truncate(a_file(bench, 2))
    span = Span(HOUR.number + 1, HOUR.number + 2)
    found = verified(bench, span)
    assert (found.hours, found.problems) == (1, [])


def test_schemas_are_part_of_it(bench: Bench) -> None:
    """Without the schemas its events are bytes: a missing or changed one is named."""
    for path in (bench.folder / SCHEMAS).iterdir():
        path.unlink()
    assert any(where.startswith(SCHEMAS) for where, _ in problems_of(bench))


def test_a_manifest_of_before_there_were_checksums_of_schemas(bench: Bench) -> None:
    """Its schemas are verified by the fingerprints that they are named by; what a registry numbered is said not to be,
    and is no damage. One that is changed is named all the same."""
    for path in bench.folder.glob(f"**/{MANIFEST}"):
        manifest = decode(path.read_bytes())
        path.write_bytes(encode(msgspec.structs.replace(manifest, schema_sha256={}, previous=None)))
    found = Verifier(FolderPlace(bench.folder))
    manifests = [decode(path.read_bytes()) for path in sorted(bench.folder.glob(f"**/{MANIFEST}"))]
    for each in manifests:
        found._schemas("hour", each)
        found._schemas("hour", msgspec.structs.replace(each, schemas=()))
    assert (found.found.problems, found.found.notes) == ([], [])
    place = FolderPlace(bench.folder)
    place.put(SCHEMAS, "0000002a.avsc", b"{}")
    for _ in range(2):
        found._schemas("hour", msgspec.structs.replace(manifests[0], schemas=("0000002a",)))
    [note] = found.found.notes
    assert "0000002a.avsc is not verified" in note
    [schema, *_] = manifests[0].schemas
    changed = bench.folder / SCHEMAS / f"{schema}.avsc"
    for text in (b"{", changed.read_bytes().replace(b"app_id", b"app_ix")):
        changed.write_bytes(text)
        found._schemas("hour", manifests[0])
    assert [what.partition(":")[0] for _, what in found.found.problems] == ["is changed"] * 2


def test_something_that_is_no_archive_is_said_so(tmp_path: Path) -> None:
    """Nothing at all is not well."""
    found = Verifier(FolderPlace(tmp_path)).verify([])
    assert [where for where, _ in found.problems] == [OWNER]


def test_progress_comes_to_its_end(bench: Bench) -> None:
    """One step for each hour, the last is the total."""
    steps: list[tuple[int, int]] = []
    Verifier(FolderPlace(bench.folder)).verify(
        sorted(TOPICS.events()), lambda done, total, _: steps.append((done, total))
    )
    assert steps == list(zip(itertools.count(1), [9] * 9, strict=False))
