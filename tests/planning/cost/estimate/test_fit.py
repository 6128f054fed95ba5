"""What fits on a machine, which way is taken, and what the sentences say."""

from dataclasses import replace

import pytest

from pruning.errors import PruningError
from pruning.planning.cost.estimate.fit import choose, fit, summary
from pruning.planning.cost.estimate.jobs import JOBS
from pruning.planning.cost.estimate.memory import BASE
from pruning.planning.cost.given.machine import Machine, Speeds
from pruning.planning.cost.given.published import PUBLISHED
from pruning.planning.cost.given.read import configured
from pruning.planning.cost.given.setting import Setting

SOURCE = configured(PUBLISHED["Llama-3.2-3B"], "a model")
SETTING = Setting(SOURCE.shape, tokens=2048)
GB = 10**9
LARGE, MIDDLE, SMALL = (Machine(n * GB, n * GB, 500 * GB) for n in (200, 16, 1))


def test_a_large_machine_holds_it_whole() -> None:
    found = fit("map", SETTING, LARGE)
    assert found.fits(found.whole)
    assert not found.should_stream
    assert found.refusal(False) is None
    assert not choose(SOURCE, ["map"], SETTING, LARGE, "auto")


def test_where_it_does_not_fit_it_is_streamed() -> None:
    found = fit("map", SETTING, MIDDLE)
    assert not found.fits(found.whole)
    assert found.should_stream
    assert choose(SOURCE, ["map"], SETTING, MIDDLE, "auto")


def test_asked_to_have_it_whole_it_says_what_streaming_would_take() -> None:
    with pytest.raises(
        PruningError, match=r"needs about \d.* GB, and this machine has 16.0 GB free. --stream"
    ):
        choose(SOURCE, ["map"], SETTING, MIDDLE, "no")
    why = fit("map", SETTING, MIDDLE).refusal(False, Speeds(1e11, 1e9, 1e9, 1e9))
    assert why is not None
    assert "--stream yes would take" in why
    assert why.endswith((" min.", " h.", " s."))


@pytest.mark.parametrize("stream", ["auto", "yes", "no"])
def test_what_fits_in_no_way_is_not_started(stream: str) -> None:
    with pytest.raises(PruningError, match="needs about"):
        choose(SOURCE, ["map"], SETTING, SMALL, stream)


def test_what_cannot_be_streamed_is_not() -> None:
    found = fit("map", SETTING, MIDDLE, streams=False)
    assert found.streamed is None
    assert not found.should_stream
    assert fit("recover", SETTING, MIDDLE).streamed is None


def test_a_full_disk_is_said() -> None:
    with pytest.raises(PruningError, match="the disk has 1.00 GB free"):
        choose(SOURCE, ["map"], SETTING, replace(LARGE, disk=GB), "no")


def test_a_gpu_has_its_own_memory() -> None:
    machine = replace(LARGE, device="cuda", device_memory=8 * GB, device_available=8 * GB)
    found = fit("map", SETTING, machine)
    why = found.refusal(False)
    assert why is not None
    assert "on the device cuda, which has 8.00 GB free" in why
    assert found.streamed is not None
    assert found.streamed.memory - BASE < 0.9 * 8 * GB
    assert found.should_stream


def test_a_summary_says_all() -> None:
    assert summary([fit(job, SETTING, LARGE) for job in JOBS]) == "All of them fit in memory."
    text = summary([fit(job, SETTING, MIDDLE) for job in JOBS])
    assert "Fits streamed: Sensitivity map" in text
    assert "Does not fit: Recovery" in text
