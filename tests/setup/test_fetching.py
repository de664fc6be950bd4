"""Fetching, against a real server on this machine that breaks, lies and forgets as servers do."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from waiting import until

from cnnjobs.cli.main import run
from cnnjobs.components.data import sources as data_sources
from cnnjobs.components.data.sources import SOURCES, Original
from cnnjobs.components.files import places
from cnnjobs.components.files.places import CIFAR_BATCHES, IDX_FILES, place_of
from cnnjobs.disk import locks
from cnnjobs.errors import FetchError, InputError, UnknownNameError
from cnnjobs.setup import downloads, fetching
from cnnjobs.setup.downloads import download
from cnnjobs.setup.fetching import fetch, find_items, writable_folder

CONTENT = bytes(range(256)) * 4000


@dataclass
class Site:
    """Server with its files, its behaviour, and the requests it got: path and range."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    resumes: bool = True
    tells_length: bool = True
    breaks_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    pause: threading.Event | None = None


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloads, "PAUSES_S", (0.0, 0.0, 0.0))
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            site.asked.append((self.path, asked))
            status = site.statuses.pop(0) if site.statuses else 200
            content = site.files.get(self.path)
            if status != 200 or content is None:
                self.send_error(status if status != 200 else 404)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and site.resumes else 0
            if start >= len(content) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if site.tells_length:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            rest = content[start:]
            if site.breaks_after:
                self.wfile.write(rest[: site.breaks_after.pop(0)])
                self.wfile.flush()
                if site.pause:
                    site.pause.wait(20)
                self.close_connection = True
                return
            self.wfile.write(rest)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Told:
    """Looks on and remembers."""

    starts: list[tuple[str, int, int | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    done: int = 0

    def started(self, file: str, url: str, done: int, total: int | None) -> None:
        assert url.startswith("http://127.0.0.1:")
        self.starts.append((file, done, total))

    def advanced(self, done: int) -> None:
        self.done = done

    def note(self, text: str) -> None:
        self.notes.append(text)


def original(site: Site, content: bytes = CONTENT, path: str = "some.mat", mirrors: int = 1) -> Original:
    """A file of the site by its MD5; the other mirrors are /1/..., /2/..."""
    urls = tuple(f"{site.url}/{number}/{path}" if number else f"{site.url}/{path}" for number in range(mirrors))
    site.files[f"/{path}"] = content
    return Original(path, urls, f"md5:{hashlib.md5(content).hexdigest()}", len(content) / 1e6)


def test_file_comes_whole(site: Site, tmp_path: Path) -> None:
    told = Told()
    download(original(site), tmp_path / "file", told)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert (told.starts, told.done, told.notes) == ([("some.mat", 0, len(CONTENT))], len(CONTENT), [])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_broken_download_goes_on_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.breaks_after = [300_000, 0, 0, 500_000]
    told = Told()
    download(original(site), tmp_path / "file", told)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == [None, *["bytes=300000-"] * 3, "bytes=800000-"]
    assert told.notes[0] == "some.mat: the connection broke at 300 kB of 1.0 MB; goes on"


def test_server_that_keeps_breaking_is_given_up_and_its_bytes_stay(site: Site, tmp_path: Path) -> None:
    site.breaks_after = [1000, *[0] * 20]
    with pytest.raises(FetchError, match=r"the connection broke at 1 kB of 1\.0 MB"):
        download(original(site), tmp_path / "file", Told())
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:1000]
    assert len(site.asked) == 4
    site.breaks_after = []
    download(original(site), tmp_path / "file", Told())
    assert site.asked[-1] == ("/some.mat", "bytes=1000-")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_server_that_cannot_go_on_begins_again(site: Site, tmp_path: Path) -> None:
    site.resumes = False
    (tmp_path / "file.part").write_bytes(CONTENT[:700])
    told = Told()
    download(original(site), tmp_path / "file", told)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert told.notes == ["some.mat: this server cannot go on in the middle; from the start"]


@pytest.mark.parametrize("before", [b"x" * 5000, CONTENT + b"x", b"x" * len(CONTENT)], ids=["less", "more", "as much"])
def test_bytes_that_do_not_fit_are_fetched_anew(site: Site, tmp_path: Path, before: bytes) -> None:
    (tmp_path / "file.part").write_bytes(before)
    told = Told()
    download(original(site), tmp_path / "file", told)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert len(told.notes) == 1


def test_whole_part_only_needs_its_name(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT)
    download(original(site), tmp_path / "file", Told())
    assert [asked for _, asked in site.asked] == [f"bytes={len(CONTENT)}-"]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_server_without_lengths(site: Site, tmp_path: Path) -> None:
    site.tells_length = False
    told = Told()
    download(original(site), tmp_path / "file", told)
    assert told.starts == [("some.mat", 0, None)]


def test_wrong_file_is_told_and_not_kept(site: Site, tmp_path: Path) -> None:
    wanted = original(site)
    site.files["/some.mat"] = b"<html>please log in</html>"
    found = hashlib.md5(site.files["/some.mat"]).hexdigest()
    with pytest.raises(FetchError) as raised:
        download(wanted, tmp_path / "file", Told())
    wrong = f"its MD5 is {found}, not {wanted.hash.removeprefix('md5:')}; it is a web page"
    assert str(raised.value) == f"{wanted.urls[0]}: another file is there: {wrong}"
    assert list(tmp_path.iterdir()) == []


def test_beginning_of_a_hash_is_enough_and_none_takes_anything_but_a_web_page(site: Site, tmp_path: Path) -> None:
    url = original(site).urls
    start = hashlib.sha256(CONTENT).hexdigest()[:8]
    download(Original("net.pth", url, f"sha256:{start}", None), tmp_path / "file", Told())
    with pytest.raises(FetchError, match="its SHA-256 is "):
        download(Original("net.pth", url, "sha256:00000000", None), tmp_path / "other", Told())
    download(Original("net.pth", url, "", None), tmp_path / "other", Told())
    site.files["/some.mat"] = b" <!doctype html>"
    with pytest.raises(FetchError, match="another file is there: it is a web page"):
        download(Original("net.pth", url, "", None), tmp_path / "third", Told())


def test_mirrors_are_asked_in_turn_and_all_are_told(site: Site, tmp_path: Path) -> None:
    wanted = original(site, mirrors=3)
    site.files = {"/2/some.mat": CONTENT, "/1/some.mat": b"another"}
    download(wanted, tmp_path / "file", Told())
    assert [path for path, _ in site.asked] == ["/some.mat", "/1/some.mat", "/2/some.mat"]
    site.files.pop("/2/some.mat")
    with pytest.raises(FetchError) as raised:
        download(wanted, tmp_path / "other", Told())
    lines = str(raised.value).split("\n")
    assert [line.partition(": ")[0] for line in lines] == list(wanted.urls)
    assert lines[0].endswith(": HTTP 404 Not Found")
    assert lines[2].endswith(": HTTP 404 Not Found")


def test_second_mirror_goes_on_with_what_the_first_gave(site: Site, tmp_path: Path) -> None:
    wanted = original(site, mirrors=2)
    site.files["/1/some.mat"] = CONTENT
    site.breaks_after = [500, 0, 0, 0, 0]
    download(wanted, tmp_path / "file", Told())
    assert site.asked[-1] == ("/1/some.mat", "bytes=500-")


def test_server_in_trouble_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.statuses = [503, 500]
    download(original(site), tmp_path / "file", Told())
    assert len(site.asked) == 3


def test_no_server(tmp_path: Path, site: Site) -> None:
    nowhere = Original("some.mat", ("http://127.0.0.1:9/some.mat", "http://no.such.host.invalid/some.mat"), "", None)
    with pytest.raises(FetchError) as raised:
        download(nowhere, tmp_path / "file", Told())
    first, second = str(raised.value).split("\n")
    assert first == "http://127.0.0.1:9/some.mat: no connection (Connection refused)"
    assert second.startswith("http://no.such.host.invalid/some.mat: no connection (")
    assert list(tmp_path.iterdir()) == []


def test_too_little_disk_is_told_before(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5000))
    with pytest.raises(FetchError, match=r"1.0 MB are to come, and 5 kB are free$"):
        download(original(site), tmp_path / "file", Told())


def tar_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def published(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    """Small archives of cifar10, mnist, svhn and emnist on the site in place of the real ones."""
    batches = {f"cifar-10-batches-py/{name}": name.encode() * 100 for name in CIFAR_BATCHES}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in places.Place("emnist", Path(), "emnist", "balanced").names:
            archive.writestr(f"gzip/{name}.gz", gzip.compress(name.encode()))
        archive.writestr("gzip/readme.txt", b"see the paper")
    own = {
        "cifar10": (original(site, tar_of(batches), "cifar-10-python.tar.gz"),),
        "mnist": tuple(original(site, gzip.compress(n.encode()), f"MNIST/raw/{n}.gz") for n in IDX_FILES),
        "svhn": tuple(original(site, n.encode() * 99, f"{n}_32x32.mat") for n in ("train", "test")),
        "emnist": (original(site, stream.getvalue(), "EMNIST/raw/gzip.zip"),),
    }
    monkeypatch.setattr(fetching, "SOURCES", own)
    monkeypatch.setattr(places, "DEBIAN_FASHION_MNIST", tmp_path / "debian")
    return site


def fetched(name: str, folder: Path) -> Path:
    (item,) = find_items([name], [folder])
    assert item.there is None
    return fetch(item, folder, Told())


@pytest.mark.parametrize("name", ["cifar10", "mnist", "svhn", "emnist"])
def test_data_sets_lie_where_they_are_looked_for(published: Site, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "data"
    assert fetched(name, folder) == place_of(name, [folder]).path
    assert not list(folder.glob(".*"))
    assert find_items([name], [folder])[0].there == place_of(name, [folder]).path
    place = place_of(name, [folder])
    for path in place.files:
        expected = path.name.removesuffix("_32x32.mat") * 99 if name == "svhn" else path.name
        assert path.read_bytes() == expected.encode() * (100 if name == "cifar10" else 1)


def test_interrupted_set_goes_on_with_the_next_file(published: Site, tmp_path: Path) -> None:
    published.statuses = [200, 200, 404]
    with pytest.raises(FetchError) as raised:
        fetched("mnist", tmp_path)
    assert place_of_or_none("mnist", tmp_path) is None
    lines = str(raised.value).split("\n")
    raw = tmp_path / "MNIST" / "raw"
    third, last = (f"{published.url}/MNIST/raw/{name}.gz" for name in IDX_FILES[2:])
    assert lines[:3] == [
        "mnist could not be fetched",
        f"  {third}: HTTP 404 Not Found",
        "give the same command again to go on where it stopped; without a network copy by hand first",
    ]
    assert lines[3].startswith(f"  {third} (")
    assert lines[4] == f"    to {raw / IDX_FILES[2]}.gz"
    assert lines[5].startswith(f"  {last} (")
    assert len(lines) == 7
    published.asked.clear()
    fetched("mnist", tmp_path)
    assert [path for path, _ in published.asked] == [f"/MNIST/raw/{name}.gz" for name in IDX_FILES[2:]]


def place_of_or_none(name: str, folder: Path) -> Path | None:
    (item,) = find_items([name], [folder])
    return item.there


def test_archive_that_was_copied_by_hand_needs_no_network(published: Site, tmp_path: Path) -> None:
    copied = tmp_path / "cifar-10-python.tar.gz"
    copied.write_bytes(published.files["/cifar-10-python.tar.gz"])
    assert fetched("cifar10", tmp_path) == tmp_path / "cifar-10-batches-py"
    assert published.asked == []
    assert copied.exists()


def test_wrong_copy_is_told_and_fetched_anew(published: Site, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"half of it")
    told = Told()
    (item,) = find_items(["cifar10"], [tmp_path])
    fetch(item, tmp_path, told)
    assert told.notes[0].startswith(f"{tmp_path}/cifar-10-python.tar.gz: its MD5 is ")
    assert place_of("cifar10", [tmp_path]).path == tmp_path / "cifar-10-batches-py"


def test_what_was_there_in_part_is_completed_and_other_files_stay(published: Site, tmp_path: Path) -> None:
    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    (batches / "test_batch").write_bytes(b"torn")
    (batches / "notes.txt").write_bytes(b"mine")
    fetched("cifar10", tmp_path)
    assert (batches / "test_batch").read_bytes() == b"test_batch" * 100
    assert (batches / "notes.txt").read_bytes() == b"mine"


def test_archive_without_the_files_changes_nothing(published: Site, tmp_path: Path) -> None:
    archive = tar_of({"cifar-10-batches-py/data_batch_1": b"alone"})
    fetching.SOURCES["cifar10"] = (original(published, archive, "cifar-10-python.tar.gz"),)
    with pytest.raises(FetchError, match=r"^cifar10: its archive does not hold what it should\n") as raised:
        fetched("cifar10", tmp_path)
    assert "no data_batch_2" in str(raised.value)
    assert not (tmp_path / "cifar-10-batches-py").exists()


def test_archive_that_leads_outside_is_refused(published: Site, tmp_path: Path) -> None:
    archive = tar_of({"../outside": b"boo"})
    fetching.SOURCES["cifar10"] = (original(published, archive, "cifar-10-python.tar.gz"),)
    with pytest.raises(FetchError, match=r"cannot be unpacked \(it holds \.\./outside, outside of its folder\)"):
        fetched("cifar10", tmp_path / "data")
    assert not list(tmp_path.rglob("outside"))


def test_second_fetch_at_the_same_time_is_refused(published: Site, tmp_path: Path) -> None:
    staging = tmp_path / ".cnnjobs-fetch-cifar10"
    staging.mkdir()
    with locks.hold(staging / "lock"), pytest.raises(FetchError, match="another process fetches it"):
        fetched("cifar10", tmp_path)


def test_nothing_is_left_where_nothing_came(published: Site, tmp_path: Path) -> None:
    published.files.clear()
    with pytest.raises(FetchError):
        fetched("svhn", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_weights_go_to_a_folder_of_their_own(published: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (item,) = find_items(["resnet18:IMAGENET1K_V1"], [tmp_path])
    assert item.originals[0].urls == ("https://download.pytorch.org/models/resnet18-f37072fd.pth",)
    assert (item.there, item.originals[0].hash) == (None, "sha256:f37072fd")
    path = tmp_path / "weights" / "resnet18-f37072fd.pth"
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    assert find_items(["resnet18:IMAGENET1K_V1"], [tmp_path])[0].there is None
    local = original(published, b"weights", "weights/resnet18-f37072fd.pth")
    assert fetch(fetching.Item(item.name, (local,), None), tmp_path, Told()) == path
    assert path.read_bytes() == b"weights"


def test_names_that_stand_for_nothing_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as raised:
        find_items(["cifar", "mnist", "resnet18:IMAGENET", "torchvision/resnet81"], [tmp_path])
    first, second, third = str(raised.value).split("\n")
    assert third.startswith("torchvision has no classifier `resnet81`; did you mean `resnet18`")
    assert first.startswith("nothing is to be had by the name `cifar`; did you mean `cifar10`? allowed: cifar10, ")
    assert first.endswith(", or weights, as torchvision/resnet18:IMAGENET1K_V1")
    assert second.startswith("model `resnet18` has no weights `IMAGENET`; did you mean `IMAGENET1K_V1`?")


def test_first_folder_that_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folders = [tmp_path / "file" / "data", tmp_path / "new" / "data"]
    assert writable_folder(folders, None) == folders[1]
    with pytest.raises(InputError, match="file/data: cannot be written; name another folder with --data-dir"):
        writable_folder(folders, folders[0])


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["cnnjobs", "fetch", *arguments])
    with pytest.raises(SystemExit) as stop:
        run()
    return int(stop.value.code or 0)


def test_command_fetches_several_and_goes_on_after_a_failure(
    published: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CNNJOBS_DATA", raising=False)
    del published.files["/cifar-10-python.tar.gz"]
    assert call(monkeypatch, "cifar10", "svhn", "fashion_mnist_mini", "svhn") == 1
    told = capsys.readouterr()
    assert told.err.startswith(
        f"error: cifar10 could not be fetched\n  {published.url}/cifar-10-python.tar.gz: HTTP 404"
    )
    assert f"    to {tmp_path}/data/cifar-10-python.tar.gz\n" in told.err
    assert told.out.splitlines() == [
        f"train_32x32.mat: from {published.url.removeprefix('http://')}, 0 kB",
        f"test_32x32.mat: from {published.url.removeprefix('http://')}, 0 kB",
        f"svhn: {tmp_path}/data",
        f"fashion_mnist_mini is there already: {places.BUNDLED}/fashion_mnist_mini",
    ]
    assert call(monkeypatch, "svhn") == 0
    assert "svhn is there already" in capsys.readouterr().out
    published.asked.clear()
    (tmp_path / "data" / "test_32x32.mat").write_bytes(b"damaged")
    assert call(monkeypatch, "svhn", "--force") == 0
    assert [path for path, _ in published.asked] == ["/test_32x32.mat"]


PROGRAM = """
import sys
from cnnjobs.components.data.sources import Original
from cnnjobs.setup import fetching
fetching.SOURCES["mnist"] = (Original("MNIST/raw/" + sys.argv[1], (sys.argv[2],), sys.argv[3], 1.0),)
from cnnjobs.cli.main import run
sys.argv = ["cnnjobs", "fetch", "mnist", "--data-dir", sys.argv[4]]
run()
"""


@pytest.mark.parametrize(("kill", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)], ids=["Ctrl-C", "killed"])
def test_command_that_is_stopped_goes_on_next_time(site: Site, tmp_path: Path, kill: signal.Signals, code: int) -> None:
    name = f"{IDX_FILES[0]}.gz"
    whole = original(site, os.urandom(600_000), name)
    site.breaks_after, site.pause = [300_000], threading.Event()
    command = [sys.executable, "-c", PROGRAM, name, whole.urls[0], whole.hash, str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    part = tmp_path / "data" / ".cnnjobs-fetch-mnist" / f"{name}.part"
    until(lambda: part.exists() and part.stat().st_size > 200_000)
    process.send_signal(kill)
    _, told = process.communicate()
    site.pause.set()
    assert process.returncode == code
    if kill == signal.SIGINT:
        assert told == "note: stopped; the same command goes on where it stands\n"
    there = part.stat().st_size
    assert 200_000 < there <= 300_000
    download(whole, part.with_suffix(""), Told())
    assert site.asked[-1] == (f"/{name}", f"bytes={there}-")


def test_urls_and_hashes_are_those_of_torchvision() -> None:
    """Its source is read, not imported: that takes seconds."""
    (package,) = importlib.util.find_spec("torchvision").submodule_search_locations  # type: ignore[union-attr,misc]
    modules = ("cifar", "mnist", "stl10", "svhn")
    text = "".join((Path(package) / "datasets" / f"{module}.py").read_text(encoding="utf-8") for module in modules)
    for published in SOURCES.values():
        for own in published:
            assert f'"{own.hash.removeprefix("md5:")}"' in text
            for url in own.urls:
                mirror = url.removesuffix(own.file)
                assert f'"{url}"' in text or (f'"{mirror}"' in text and f'"{own.file}"' in text), url
    assert set(SOURCES) == {*places._BELOW}


def test_sizes_in_words() -> None:
    sizes = [data_sources.in_megabytes(size) for size in (2640.4, 0.0281)]
    assert sizes == ["2640.4 MB", "28 kB"]
    assert SOURCES["cifar10"][0].described() == "170.5 MB, MD5 c58f30108f718f92721af3b95e74349a"
    assert Original("net.pth", (), "sha256:f37072fd", 44.66).described() == "44.7 MB, SHA-256 f37072fd..."
    assert Original("net.pth", (), "", None).described() == "its hash is not published"
