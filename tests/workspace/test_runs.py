"""The workspace as a list of runs: found again, noted, measured on disk, taken away with care."""

from pathlib import Path

import pytest

from pruning.errors import PruningError
from pruning.workspace import results
from pruning.workspace import runs as library
from pruning.workspace.runs import Run
from pruning.workspace.store import Store
from tests.support import synthetic


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def of_kind(store: Store, kind: str) -> list[Run]:
    return [run for run in library.runs(store) if run.kind == kind]


def request(task: str, reference: str = "demo", **arguments: object) -> dict:
    return {"task": task, "model": {"reference": reference, "dtype": "float32"}, "arguments": arguments}


def put_files(store: Store, run: Run) -> tuple[Path, Path, Path]:
    """The files of a map, as the task that draws it leaves them."""
    names = {"fingerprint": run.key["fingerprint"], "data_fingerprint": run.value["data_fingerprint"]}
    drawn = store.file("map", run.key, ".json")
    statistics, gradients = (store.file(kind, names, ".safetensors") for kind in ("statistics", "gradients"))
    drawn.write_text("{}")
    statistics.write_bytes(bytes(1000))
    gradients.write_bytes(bytes(500))
    return drawn, statistics, gradients


def put_export(store: Store, folder: Path) -> Run:
    table = synthetic.sensitivity_map()
    synthetic.put_export(store, table, ["up=0.5"], folder)
    [run] = of_kind(store, "export")
    return run


def test_everything_made_is_found_again_by_another_process(store: Store, tmp_path: Path) -> None:
    synthetic.put_all(store)
    put_export(store, store.exports() / "half")
    library.annotate(store, of_kind(store, "map")[0], "the first one")
    again = library.runs(Store(tmp_path / "home"))
    assert again == library.runs(store)
    assert [run.made for run in again] == sorted((run.made for run in again), reverse=True)
    kinds = [run.kind for run in again]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "export": 1,
        "sweep": 1,
        "measure": 4,
        "map": 1,
        "baseline": 1,
    }
    assert all((run.reference, run.criterion, run.data) == ("demo", "fisher", "demo") for run in again)
    assert len({run.id for run in again}) == len(again)
    assert next(run for run in again if run.kind == "map").note == "the first one"


def test_points_of_one_model_criterion_and_text_are_one_sweep(store: Store) -> None:
    table = synthetic.put_map(store)
    synthetic.put_points(store, table, 29, "down")
    synthetic.put_points(store, table, 3, "up")
    synthetic.put_points(store, synthetic.sensitivity_map(criterion="wanda"), 3, "up")
    found = {run.criterion: len(run.value["points"]) for run in of_kind(store, "sweep")}
    assert found == {"fisher": 6, "wanda": 3}


def test_jobs_that_ended_badly_are_runs_too(store: Store) -> None:
    for state in ("failed", "cancelled", "done", "running"):
        job = store.add_job(request("measure", settings=["up=0.5"], criterion="wanda"), "somebody")
        store.update_job(job, state=state, error="The disk is full." if state == "failed" else None)
    found = of_kind(store, "job")
    assert {run.value["state"] for run in found} == {"failed", "cancelled"}
    assert all((run.settings, run.criterion) == (("up=0.5",), "wanda") for run in found)
    library.delete(store, found[0])
    assert [run.id for run in of_kind(store, "job")] == [found[1].id]


def test_a_model_that_nobody_looked_at_has_no_name(store: Store) -> None:
    synthetic.put_measure(store, synthetic.sensitivity_map(), ["up=0.5"])
    [run] = library.runs(store)
    assert run.reference is None
    synthetic.put_model(store, "/models/mine")
    [run] = library.runs(store)
    assert run.reference == "/models/mine"


def test_a_note_is_changed_and_taken_away(store: Store) -> None:
    synthetic.put_all(store)
    run = of_kind(store, "sweep")[0]
    library.annotate(store, run, " good ")
    assert of_kind(store, "sweep")[0].note == "good"
    synthetic.put_points(store, synthetic.sensitivity_map(), 5, "gate")
    assert of_kind(store, "sweep")[0].note == "good", "more points leave the note alone"
    library.annotate(store, run, "")
    assert of_kind(store, "sweep")[0].note == ""
    assert store.find("note") == []


def test_a_deleted_map_takes_its_statistics_along_with_the_last_of_its_text(store: Store) -> None:
    synthetic.put_map(store)
    synthetic.put_map(store, criterion="wanda")
    first, second = of_kind(store, "map")
    library.annotate(store, first, "gone soon")
    drawn, statistics, gradients = put_files(store, first)
    assert library.files(store, first) == [drawn]
    library.delete(store, first)
    assert not drawn.exists()
    assert statistics.exists(), "the other map's criterion needs them"
    library.delete(store, second)
    assert not statistics.exists()
    assert not gradients.exists()
    assert library.runs(store) == []
    assert store.find("note") == []


def test_a_deleted_recovery_takes_its_weights(store: Store) -> None:
    key = {
        "fingerprint": synthetic.FINGERPRINT,
        "data": "demo",
        "criterion": "fisher",
        "settings": ["up=0.5"],
        "recovery": {"steps": 300},
    }
    store.put("recovery", key, {**key, "finished": False, "steps": 120})
    weights = store.file("recovery", key, ".safetensors")
    weights.write_bytes(bytes(100))
    [run] = of_kind(store, "recovery")
    assert run.options == {"recovery": {"steps": 300}}
    assert library.files(store, run) == [weights]
    library.delete(store, run)
    assert not weights.exists()
    assert library.runs(store) == []


def test_a_deleted_sweep_takes_all_its_points(store: Store) -> None:
    synthetic.put_all(store)
    synthetic.put_points(store, synthetic.sensitivity_map(criterion="wanda"), 3, "up")
    library.delete(store, next(run for run in of_kind(store, "sweep") if run.criterion == "fisher"))
    assert [run.criterion for run in of_kind(store, "sweep")] == ["wanda"]
    assert len(of_kind(store, "measure")) == 3


def test_a_deleted_export_takes_its_folder(store: Store) -> None:
    folder = store.exports() / "half"
    run = put_export(store, folder)
    assert library.files(store, run) == [folder]
    library.delete(store, run)
    assert not folder.exists()
    assert list(store.exports().iterdir()) == [], "nothing half-removed stays"
    assert of_kind(store, "export") == []


@pytest.mark.parametrize("place", ["outside", "link", "through a link", "relative", "all of it"])
def test_nothing_outside_the_workspace_is_ever_removed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    outside = tmp_path / "outside" / "half"
    outside.mkdir(parents=True)
    monkeypatch.chdir(store.exports())
    (store.exports() / "link").symlink_to(outside.parent, target_is_directory=True)
    folder = {
        "outside": outside,
        "link": store.exports() / "link",
        "through a link": store.exports() / "link" / "half",
        "relative": Path("here"),
        "all of it": store.exports(),
    }[place]
    run = put_export(store, folder)
    assert library.files(store, run) == []
    library.delete(store, run)
    assert (folder / "model.safetensors").exists()
    assert of_kind(store, "export") == []


@pytest.mark.parametrize("state", ["queued", "running"])
def test_nothing_is_taken_from_under_a_job(store: Store, state: str) -> None:
    synthetic.put_all(store)
    job = store.add_job(request("measure"), "somebody")
    store.update_job(job, state=state)
    for kind in ("map", "sweep"):
        with pytest.raises(PruningError, match="about demo is under way"):
            library.delete(store, of_kind(store, kind)[0])
        assert of_kind(store, kind)
    store.update_job(job, state="done")
    library.delete(store, of_kind(store, "map")[0])
    assert not of_kind(store, "map")


def test_a_job_about_another_model_is_no_reason_to_wait(store: Store) -> None:
    synthetic.put_all(store)
    other = {"reference": "other", "dtype": "float32"}
    store.put("inspect", other, {**other, "fingerprint": "0123"})
    store.add_job(request("map", "other"), "somebody")
    library.delete(store, of_kind(store, "map")[0])
    assert not of_kind(store, "map")


def test_a_written_model_that_a_job_reads_stays(store: Store) -> None:
    folder = store.exports() / "half"
    run = put_export(store, folder)
    job = store.add_job(request("inspect", str(folder)), "somebody")
    with pytest.raises(PruningError, match="is under way"):
        library.delete(store, run)
    assert (folder / "model.safetensors").exists()
    store.cancel_queued(job)
    library.delete(store, run)
    assert not folder.exists()


def test_storage_counts_what_is_on_the_disk(store: Store) -> None:
    synthetic.put_all(store)
    put_files(store, of_kind(store, "map")[0])
    put_export(store, store.exports() / "half")
    seen = library.storage(store)
    assert seen.maps == 1502
    assert seen.exports == library.size_of(store.exports() / "half") > 0
    assert seen.database >= (store.root / "prunescope.db").stat().st_size


def test_a_newcomer_needs_an_inspection_and_a_map(store: Store) -> None:
    assert results.ready_map(store, "demo") is None
    synthetic.put_map(store)
    assert results.ready_map(store, "demo") is None
    synthetic.put_model(store)
    ready = results.ready_map(store, "demo")
    assert ready is not None
    assert ready["value"]["fingerprint"] == synthetic.FINGERPRINT
