import hashlib
import http.server
import threading
from pathlib import Path

import pytest

from striate.errors import StorageError
from striate.system.downloads import DownloadError, Published, fetch, file_digest

CONTENT = bytes(range(256)) * 4000


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; `manners` says how badly, and `asked` which ranges were asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.manners: set[str] = set()
        self.asked: list[str | None] = []
        self.breaks = 0

    def handle_error(self, request, client_address):
        """Say nothing of clients that hang up."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        manners = self.server.manners
        if "missing" in manners:
            self.send_error(404)
            return
        content = CONTENT[::-1] if "other content" in manners else CONTENT
        start = 0
        if asked and "ignores ranges" not in manners:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        rest = content[start:]
        self.send_header("Content-Length", str(len(rest)))
        if "endless" in manners:
            rest *= 10
        self.end_headers()
        if self.server.breaks > 0:
            self.server.breaks -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def published(*servers: Server, digest: str = "") -> Published:
    urls = tuple(f"http://127.0.0.1:{server.server_port}/set.gz" for server in servers)
    return Published("set.gz", urls, digest or f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", len(CONTENT))


def test_a_file_is_fetched_once_with_progress(server, tmp_path):
    told = []
    path = fetch(published(server), tmp_path / "new" / "folder", progress=lambda *step: told.append(step))
    assert path.read_bytes() == CONTENT
    assert told[-1] == ("fetching set.gz", len(CONTENT), len(CONTENT))
    assert fetch(published(server), tmp_path / "new" / "folder") == path
    assert len(server.asked) == 1
    assert [file.name for file in path.parent.iterdir()] == ["set.gz"]


def test_md5_digests_are_checked_too(server, tmp_path):
    digest = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    path = fetch(published(server, digest=digest), tmp_path)
    assert file_digest(path, "md5:") == digest


def test_a_broken_connection_is_taken_up_where_it_broke(server, tmp_path):
    server.breaks = 2
    assert fetch(published(server), tmp_path).read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert server.asked == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_a_later_call_goes_on_with_what_an_earlier_one_left(server, tmp_path):
    (tmp_path / "set.gz.part").write_bytes(CONTENT[:1000])
    assert fetch(published(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_file_of_unknown_size_is_fetched_and_taken_up(server, tmp_path):
    unknown = Published("set.gz", published(server).urls, published(server).digest[:20])
    server.breaks = 1
    told = []
    assert fetch(unknown, tmp_path, progress=lambda *step: told.append(step)).read_bytes() == CONTENT
    assert told[0][2] == told[-1][1] == told[-1][2] == len(CONTENT)
    assert server.asked == [None, f"bytes={len(CONTENT) // 2}-"]


@pytest.mark.parametrize("left", [CONTENT, CONTENT[::-1], CONTENT + b"more"])
def test_a_part_of_unknown_size_that_is_long_enough_is_judged_by_its_digest(left, server, tmp_path):
    (tmp_path / "set.gz.part").write_bytes(left)
    unknown = Published("set.gz", published(server).urls, published(server).digest)
    assert fetch(unknown, tmp_path).read_bytes() == CONTENT


def test_a_whole_part_needs_no_server(tmp_path):
    (tmp_path / "set.gz.part").write_bytes(CONTENT)
    assert fetch(Published("set.gz", ("http://127.0.0.1:1/x",), published().digest, len(CONTENT)), tmp_path).is_file()


def test_a_server_that_ignores_ranges_sends_it_all_again(server, tmp_path):
    server.manners = {"ignores ranges"}
    (tmp_path / "set.gz.part").write_bytes(b"x" * 1000)
    assert fetch(published(server), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * (len(CONTENT) + 5), b"x" * len(CONTENT)])
def test_what_was_left_and_is_wrong_is_fetched_anew(left, server, tmp_path):
    (tmp_path / "set.gz.part").write_bytes(left)
    assert fetch(published(server), tmp_path).read_bytes() == CONTENT


def test_a_wrong_digest_is_never_given_the_name(server, tmp_path):
    server.manners = {"other content"}
    with pytest.raises(DownloadError, match=r"127.0.0.1:.*: what it sends has not the published digest"):
        fetch(published(server), tmp_path)
    assert not (tmp_path / "set.gz").exists()
    server.manners = set()
    assert fetch(published(server), tmp_path).read_bytes() == CONTENT


def test_no_more_is_taken_than_was_published(server, tmp_path):
    server.manners = {"endless"}
    assert fetch(published(server), tmp_path).stat().st_size == len(CONTENT)


def test_the_next_address_is_tried(server, tmp_path):
    with Server() as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        other.manners = {"missing"}
        assert fetch(published(other, server), tmp_path).read_bytes() == CONTENT
        other.shutdown()
        thread.join()


def test_all_reasons_are_named(server, tmp_path):
    server.manners = {"missing"}
    nobody = Published("set.gz", ("http://127.0.0.1:1/x", *published(server).urls), published().digest, len(CONTENT))
    with pytest.raises(DownloadError, match=r"127.0.0.1:1: .*refused.*; 127.0.0.1:\d+: Not Found"):
        fetch(nobody, tmp_path)


def test_a_silent_server_is_given_up(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/x"
        with pytest.raises(DownloadError, match="timed out"):
            fetch(Published("x", (url,), "sha256:0", 10), tmp_path, timeout_s=0.1)


def test_a_folder_that_cannot_be_is_a_storage_error(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot write .*set.gz.part"):
        fetch(published(server), tmp_path / "file")


def test_two_at_once_fetch_it_once(server, tmp_path):
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(fetch(published(server), tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert len(paths) == 4
    assert len(server.asked) == 1
