"""model.tar.gz: packed the same each time, and what SageMaker would refuse of one packed elsewhere."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer import archive, storage
from deployer.aws import Failure


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of two files, and what is not part of it."""
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "model.json").write_text('{"a": 1}')
    (folder / "code/größe.txt").write_text("x" * 100_000)
    (folder / ".gitkeep").touch()
    (folder / ".git").mkdir()
    (folder / ".git/config").touch()
    (folder / "empty").mkdir()
    return folder


def packed(*entries: tuple[str, bytes | None, bytes]) -> io.BytesIO:
    """An archive of entries: a name, the content of a file, or else a type of entry that leads to `target`."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content, kind in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, "target", len(content or b"")
            tar.addfile(entry, io.BytesIO(content or b""))
    return io.BytesIO(file.getvalue())


# --- packing ---------------------------------------------------------------------------------------------------------
def test_the_same_files_are_the_same_bytes(model: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.tar.gz", tmp_path / "second.tar.gz"
    digest = archive.pack(model, first)
    for at, path in enumerate(sorted(model.rglob("*"))):
        os.utime(path, (at, at))
        path.chmod(0o700)
    assert archive.pack(model, second) == digest
    assert first.read_bytes() == second.read_bytes()


def test_the_hash_is_the_one_that_older_projects_made(tmp_path: Path) -> None:
    """So what was uploaded is not uploaded again."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.json").write_text("{}")
    digest = archive.pack(tmp_path / "model", tmp_path / "x.tar.gz")
    assert digest == "d3b7396433babf8fc270906a1e13f69d24bdf2f8df3a19d4389d6a727aa28ecb"


def test_other_files_have_another_hash(model: Path, tmp_path: Path) -> None:
    changes: list[Callable[[], object]] = [
        lambda: (model / "model.json").write_text('{"a": 2}'),
        lambda: (model / "model.json").rename(model / "other.json"),
        lambda: (model / "more").touch(),
    ]
    found = [archive.pack(model, tmp_path / "x.tar.gz")]
    for change in changes:
        change()
        found.append(archive.pack(model, tmp_path / "x.tar.gz"))
    assert len(set(found)) == len(found)


def test_an_archive_holds_the_files_and_nothing_that_a_dot_hides(model: Path, tmp_path: Path) -> None:
    archive.pack(model, tmp_path / "x.tar.gz")
    with tarfile.open(tmp_path / "x.tar.gz") as tar:
        assert tar.getnames() == ["code/größe.txt", "model.json"]
        assert {(entry.mtime, entry.uid, entry.uname) for entry in tar} == {(0, 0, "")}
        content = tar.extractfile("model.json")
        assert content and content.read() == b'{"a": 1}'


def test_what_was_packed_here_has_no_fault(model: Path, tmp_path: Path) -> None:
    archive.pack(model, tmp_path / "x.tar.gz")
    with (tmp_path / "x.tar.gz").open("rb") as file:
        assert archive.find_fault(file) is None


# --- faults ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "kind", "fault"),
    [
        ("link", tarfile.SYMTYPE, "link is a link (to target)"),
        ("hard", tarfile.LNKTYPE, "hard is a link (to target)"),
        ("pipe", tarfile.FIFOTYPE, "pipe is neither a file nor a folder"),
        ("disk", tarfile.BLKTYPE, "disk is neither a file nor a folder"),
        ("/etc/passwd", tarfile.REGTYPE, "/etc/passwd leads out of the archive"),
        ("a/../../b", tarfile.REGTYPE, "a/../../b leads out of the archive"),
    ],
)
def test_what_sagemaker_refuses_is_named(name: str, kind: bytes, fault: str) -> None:
    assert archive.find_fault(packed(("model.json", b"{}", tarfile.REGTYPE), (name, None, kind))) == fault


def test_folders_and_names_with_dots_are_no_fault() -> None:
    entries = [("a", None, tarfile.DIRTYPE), ("./a/..b", b"", tarfile.REGTYPE), ("a/c..", b"", tarfile.REGTYPE)]
    assert archive.find_fault(packed(*entries)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        packed(("a", os.urandom(9999), tarfile.REGTYPE)).getvalue()[:5000],
        b"PK\x03\x04" + b"\0" * 99,
    ],
    ids=["empty", "a text", "cut off", "a zip"],
)
def test_what_is_no_whole_archive_is_said_to_be_none(content: bytes) -> None:
    fault = archive.find_fault(io.BytesIO(content))
    assert fault and fault.startswith("this is not a whole .tar.gz: ")


def test_an_empty_archive_is_a_fault() -> None:
    assert archive.find_fault(packed()) == "there is nothing in it"


# --- what is packed --------------------------------------------------------------------------------------------------
def test_a_model_has_to_have_files(tmp_path: Path, model: Path) -> None:
    storage.require_model(model)
    (tmp_path / "none/.git").mkdir(parents=True)
    (tmp_path / "none/.git/config").touch()
    for folder in (tmp_path / "none", tmp_path / "missing"):
        with pytest.raises(Failure, match="There is no model in "):
            storage.require_model(folder)


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("model.json"), os.mkfifo], ids=["link", "pipe"])
def test_links_and_pipes_are_refused_by_name(model: Path, make: Callable[[Path], object]) -> None:
    make(model / "code/odd")
    with pytest.raises(Failure, match=r"(?s)links or special files.*\./code/odd"):
        storage.require_model(model)


@pytest.mark.parametrize(
    ("name", "safe"), [("a b.csv", "a_b.csv"), ("größe.csv", "gr____e.csv"), ("x/ok-1.csv", "ok-1.csv")]
)
def test_names_in_s3_have_plain_characters(name: str, safe: str) -> None:
    assert storage.safe_name(name) == safe


@pytest.mark.parametrize(
    ("place", "parts"), [("s3://b/k/x", ("b", "k/x")), ("s3://b/", ("b", "")), ("s3://b", ("b", ""))]
)
def test_a_place_in_s3_is_a_bucket_and_a_key(place: str, parts: tuple[str, str]) -> None:
    assert storage.split(place) == parts
