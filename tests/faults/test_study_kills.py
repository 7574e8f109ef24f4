"""Study: the server is killed under load; what was acknowledged is there, once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import httpx
import pytest

from benchmarks import study_load


def check(found: dict) -> None:
    assert found["ratings"] == 10 * 2 * 5
    assert found["acknowledged"] == found["ratings"]
    assert found["lost"] == 0
    assert found["doubled"] == 0
    least, most = found["exposures"]
    assert most - least <= 1
    assert found["sent_again"] > 0, "no request met a dead server; the kills tested nothing"


@pytest.mark.slow
def test_kills_lose_nothing_with_sqlite(tmp_path):
    url = f"sqlite:///{tmp_path}/study.sqlite"
    check(asyncio.run(study_load.run(tmp_path, url, 10, 2, 2, 0.3)))


@pytest.mark.slow
def test_kills_lose_nothing_with_postgresql(tmp_path):
    if not study_load.BINARIES:
        pytest.skip("no PostgreSQL server here (on Debian: apt-get install postgresql)")
    with study_load.postgres(tmp_path) as url:
        check(asyncio.run(study_load.run(tmp_path, url, 10, 2, 2, 0.3)))


@pytest.mark.slow
def test_a_server_that_is_told_to_stop_answers_first(tmp_path):
    url = f"sqlite:///{tmp_path}/study.sqlite"
    study_load.open_study(tmp_path, url, 2).database.close()
    server = study_load.Server(tmp_path, url, 2)
    try:
        asyncio.run(server.ready())
        answer = httpx.get(f"http://127.0.0.1:{server.port}/")
        assert answer.status_code == 200
        assert "server" not in answer.headers
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) in (0, -signal.SIGTERM)
    finally:
        server.kill()
    log = (tmp_path / "server.log").read_text()
    assert '"event": "stopped"' in log
    assert "Traceback" not in log


def test_a_port_that_is_taken_is_told(tmp_path):
    import socket

    url = f"sqlite:///{tmp_path}/study.sqlite"
    study_load.open_study(tmp_path, url, 2).database.close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [
            sys.executable,
            study_load.__file__,
            "--serve",
            str(tmp_path),
            url,
            "2",
            "0.5",
            port,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "cannot be listened on: Address already in use" in done.stderr
