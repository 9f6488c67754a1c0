"""model.tar.gz: packing is reproducible, and archives that SageMaker would refuse are detected."""

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
    """A model of two files, with hidden files and an empty folder, which are not part of it."""
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
    """An archive of entries: name, content (of a file) and type. Links point to `target`."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content, kind in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, "target", len(content or b"")
            tar.addfile(entry, io.BytesIO(content or b""))
    return io.BytesIO(file.getvalue())


# --- packing ---------------------------------------------------------------------------------------------------------
def test_packing_is_reproducible(model: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.tar.gz", tmp_path / "second.tar.gz"
    digest = archive.pack(model, first)
    for at, path in enumerate(sorted(model.rglob("*"))):
        os.utime(path, (at, at))
        path.chmod(0o700)
    assert archive.pack(model, second) == digest
    assert first.read_bytes() == second.read_bytes()


def test_the_hash_is_the_same_as_in_older_projects(tmp_path: Path) -> None:
    """So that models uploaded before are not uploaded again."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.json").write_text("{}")
    digest = archive.pack(tmp_path / "model", tmp_path / "x.tar.gz")
    assert digest == "d3b7396433babf8fc270906a1e13f69d24bdf2f8df3a19d4389d6a727aa28ecb"


def test_the_hash_changes_with_content_name_and_number_of_files(model: Path, tmp_path: Path) -> None:
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


def test_an_archive_leaves_out_hidden_files(model: Path, tmp_path: Path) -> None:
    archive.pack(model, tmp_path / "x.tar.gz")
    with tarfile.open(tmp_path / "x.tar.gz") as tar:
        assert tar.getnames() == ["code/größe.txt", "model.json"]
        assert {(entry.mtime, entry.uid, entry.uname) for entry in tar} == {(0, 0, "")}
        content = tar.extractfile("model.json")
        assert content and content.read() == b'{"a": 1}'


def test_our_own_archives_have_no_problem(model: Path, tmp_path: Path) -> None:
    archive.pack(model, tmp_path / "x.tar.gz")
    with (tmp_path / "x.tar.gz").open("rb") as file:
        assert archive.find_problem(file) is None


# --- problems --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "kind", "problem"),
    [
        ("link", tarfile.SYMTYPE, "link is a link (to target)"),
        ("hard", tarfile.LNKTYPE, "hard is a link (to target)"),
        ("pipe", tarfile.FIFOTYPE, "pipe is neither a file nor a folder"),
        ("disk", tarfile.BLKTYPE, "disk is neither a file nor a folder"),
        ("/etc/passwd", tarfile.REGTYPE, "/etc/passwd is a path outside the archive"),
        ("a/../../b", tarfile.REGTYPE, "a/../../b is a path outside the archive"),
    ],
)
def test_entries_that_sagemaker_refuses_are_named(name: str, kind: bytes, problem: str) -> None:
    assert archive.find_problem(packed(("model.json", b"{}", tarfile.REGTYPE), (name, None, kind))) == problem


def test_folders_and_names_with_dots_are_accepted() -> None:
    entries = [("a", None, tarfile.DIRTYPE), ("./a/..b", b"", tarfile.REGTYPE), ("a/c..", b"", tarfile.REGTYPE)]
    assert archive.find_problem(packed(*entries)) is None


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
def test_an_incomplete_archive_is_detected(content: bytes) -> None:
    problem = archive.find_problem(io.BytesIO(content))
    assert problem and problem.startswith("it is not a complete .tar.gz: ")


def test_an_empty_archive_is_a_problem() -> None:
    assert archive.find_problem(packed()) == "it is empty"


# --- the model folder ------------------------------------------------------------------------------------------------
def test_a_model_folder_needs_files(tmp_path: Path, model: Path) -> None:
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
def test_special_characters_in_names_are_replaced(name: str, safe: str) -> None:
    assert storage.safe_name(name) == safe


@pytest.mark.parametrize(
    ("uri", "parts"), [("s3://b/k/x", ("b", "k/x")), ("s3://b/", ("b", "")), ("s3://b", ("b", ""))]
)
def test_an_s3_uri_is_split_into_bucket_and_key(uri: str, parts: tuple[str, str]) -> None:
    assert storage.split(uri) == parts
