"""The job runner keeps going when a job fails, its process dies, or a node of the cluster goes away."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import engine_jobs
import psutil
import pytest

from openbasket.engine import Engine, run, stream
from openbasket.engine.jobs import Estimate
from openbasket.errors import ConfigError, UnknownNameError

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def cluster():
    """Two raylets of one core each beside a head that runs nothing."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed (pip install 'openbasket[ray]')")
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*filter(None, [before]), str(HERE)])
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=100 << 20)
    yield made
    made.shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(params=["in this process", "local", "ray"])
def engine(request):
    if request.param == "ray":
        return Engine("ray", request.getfixturevalue("cluster").address)
    return Engine(workers=1 if request.param == "in this process" else 2)


def test_outcomes_keep_the_order_and_record_errors(engine):
    outcomes = run(engine_jobs.square, range(6), describe="squares", engine=engine, quiet=True)
    assert [o.item for o in outcomes] == list(range(6))
    assert [o.result for o in outcomes] == [0, 1, 4, None, 16, 25]
    assert (outcomes[3].error, outcomes[3].kind) == ("ValueError: three is bad", "ValueError")
    assert "Traceback" in outcomes[3].details
    assert [o.error for o in outcomes if o.item != 3] == [None] * 5


def test_a_process_that_is_killed_costs_its_own_job_alone(tmp_path):
    items = [(tmp_path, n) for n in range(5)]
    outcomes = run(engine_jobs.die, items, describe="die", workers=2, quiet=True)
    assert [o.result for o in outcomes] == [None, 1, 2, 3, 4]
    assert "killed by SIGKILL" in (outcomes[0].error or "")
    begun = [len((tmp_path / f"{n}.txt").read_text().splitlines()) for n in range(5)]
    assert begun == [2, 2, 1, 1, 1]  # once more for the dead, never again for the others


def test_a_process_that_leaves_is_told_with_its_code():
    outcomes = run(engine_jobs.leave, [7, 7], describe="leave", workers=2, quiet=True)
    assert {o.error for o in outcomes} == {"its process ended with exit code 7, 2 times"}


def test_a_result_that_cannot_be_sent_is_an_error():
    outcomes = run(engine_jobs.unsendable, [1, 2], describe="send", workers=2, quiet=True)
    assert all("cannot be sent" in (o.error or "") for o in outcomes)


def test_outcomes_come_as_jobs_end_and_large_jobs_begin_first(tmp_path):
    items = [(tmp_path, 0, 0.1), (tmp_path, 1, 2.0), (tmp_path, 2, 0.1)]
    found = stream(
        engine_jobs.nap, items, describe="nap", quiet=True, engine=Engine(workers=2),
        size=lambda item: item[2],
    )  # fmt: skip
    assert [place for place, _ in found] == [0, 2, 1]


def program(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Run a script."""
    script = folder / "program.py"
    script.write_text("\n".join(("from openbasket.engine import run", *lines)))
    return subprocess.run(
        [sys.executable, str(script)],
        capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip


SQUARES = "print([o.result for o in run({}, [1, 2, 4, 5], describe='x', workers=2)], __file__)"


def test_a_script_needs_no_guard(tmp_path):
    done = program(tmp_path, "import engine_jobs", SQUARES.format("engine_jobs.square"))
    assert (done.returncode, done.stdout) == (0, f"[1, 4, 16, 25] {tmp_path}/program.py\n")


@pytest.mark.parametrize("function", ["own", "functools.partial(own)"])
def test_a_script_whose_own_function_is_called_needs_a_guard(tmp_path, function):
    lines = ("import functools", "def own(n):", "    return n * n")
    call = SQUARES.format(function)
    done = program(tmp_path, *lines, 'if __name__ == "__main__":', f"    {call}")
    assert (done.returncode, done.stdout) == (0, f"[1, 4, 16, 25] {tmp_path}/program.py\n")
    done = program(tmp_path, *lines, call)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("Traceback") == 1
    assert "if __name__ ==" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("items", "kinds"),
    [("[(Item(),), (Item(),)]", ["tuple", "tuple"]), ("[1, Item()]", ["int", "Item"])],
)
def test_items_of_a_script_are_known_to_its_processes(tmp_path, items, kinds):
    lines = (
        "class Item:", "    value = 3",
        "import engine_jobs",
        'if __name__ == "__main__":',
        f"    found = run(engine_jobs.kind, {items}, describe='x', workers=2)",
        "    print([(o.result, o.error) for o in found])",
    )  # fmt: skip
    done = program(tmp_path, *lines)
    told = [(kind, None) for kind in kinds]
    assert (done.returncode, done.stdout) == (0, f"{told}\n"), done.stderr


@pytest.mark.parametrize("given", [["-c"], ["-"]])
def test_a_program_without_a_file_uses_functions_of_modules_alone(tmp_path, given):
    def told(*lines: str) -> subprocess.CompletedProcess[str]:
        code = "\n".join(("from openbasket.engine import run", *lines)).replace(", __file__", "")
        return subprocess.run(
            [sys.executable, *given, *([code] if given == ["-c"] else [])],
            input=code if given == ["-"] else None,
            capture_output=True, text=True, timeout=120, check=False,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        )  # fmt: skip

    done = told("import engine_jobs", SQUARES.format("engine_jobs.square"))
    assert (done.returncode, done.stdout) == (0, "[1, 4, 16, 25]\n"), done.stderr
    done = told("def own(n):", "    return n * n", "", SQUARES.format("own"))
    assert done.returncode == 1
    assert "it has no file" in done.stderr.splitlines()[-1]


def test_processes_of_the_users_own_still_import_the_main_program(tmp_path):
    done = program(
        tmp_path,
        "import multiprocessing", "import engine_jobs",
        "def own(n):", "    return n + 1",
        'if __name__ == "__main__":',
        "    run(engine_jobs.square, [1, 2], describe='x', workers=2, quiet=True)",
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:",
        "        print(pool.map(own, [1, 2]))",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "[2, 3]\n"), done.stderr


def test_no_process_outlives_a_killed_run(tmp_path):
    code = (
        "import sys; from pathlib import Path; import engine_jobs\n"
        "from openbasket.engine import run\n"
        "items = [(Path(sys.argv[1]), n, 600.0) for n in range(2)]\n"
        "run(engine_jobs.nap, items, describe='nap', workers=2, quiet=True)\n"
    )
    paths = [str(HERE), *filter(None, sys.path)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=env)
    until = time.monotonic() + 120
    while len([p for p in tmp_path.glob("*.pid") if p.read_text()]) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    children = [psutil.Process(int(p.read_text())) for p in tmp_path.glob("*.pid")]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


def test_a_job_whose_node_dies_is_done_on_another(cluster, tmp_path):
    node = cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
    items = [(tmp_path, n, 3.0) for n in range(6)]
    found = stream(
        engine_jobs.nap, items, describe="nap", quiet=True, engine=Engine("ray", cluster.address)
    )
    results = [next(found)[1].result]
    cluster.remove_node(node, allow_graceful=False)
    results += [outcome.result for _, outcome in found]
    assert sorted(results) == list(range(6))


def test_no_jobs():
    assert run(engine_jobs.square, [], describe="nothing", quiet=True) == []


def test_engines_are_checked():
    with pytest.raises(UnknownNameError, match="local, ray"):
        Engine("rya")
    with pytest.raises(ConfigError, match="only 'ray' has one"):
        Engine(address="10.0.0.1:6379")
    with pytest.raises(ConfigError, match="at least 1"):
        Engine(workers=0)


# -- the time that is left ------------------------------------------------------------------


def played(sizes: list[float], at_once: int, per_unit_s: float) -> list[tuple[float, float]]:
    """(what was told, what was true) after each job, where every unit takes the same time."""
    estimate = Estimate(sizes, at_once, 0.0)
    free = [0.0] * at_once
    ends = []
    for job, size in enumerate(sizes):
        worker = free.index(min(free))
        free[worker] += size * per_unit_s
        ends.append((free[worker], job))
    last = max(free)
    told = []
    for now, job in sorted(ends):
        estimate.finish(job, now)
        left = estimate.remaining_s(now)
        assert left is not None
        told.append((left, last - now))
    return told


@pytest.mark.parametrize("at_once", [1, 8])
def test_the_time_left_is_true_although_jobs_differ(at_once):
    sizes = sorted(((7 * i) % 40 + 1.0 for i in range(400)), reverse=True)
    told = played(sizes, at_once, 2.5)
    for share in (0.05, 0.25, 0.5, 0.75):
        left, true = told[int(share * len(told))]
        assert left == pytest.approx(true, rel=0.05)
    assert told[-1] == (0, 0)


def test_the_time_left_counts_down_between_jobs_and_is_unknown_before_the_first():
    estimate = Estimate([1, 1, 1, 1], 1, 100.0)
    assert estimate.remaining_s(105.0) is None
    estimate.finish(0, 110.0)
    assert [estimate.remaining_s(now) for now in (110.0, 120.0, 200.0)] == [30.0, 20.0, 0.0]
