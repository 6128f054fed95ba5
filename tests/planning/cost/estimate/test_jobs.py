"""The arithmetic of memory, disk and time: small shapes worked out by hand, and the engine's own sums."""

from dataclasses import replace

import pytest

from pruning.planning.cost.estimate import duration, memory, statistics
from pruning.planning.cost.estimate.disk import Disk, change_disk, export_disk, map_disk
from pruning.planning.cost.estimate.duration import Work
from pruning.planning.cost.estimate.jobs import JOBS, estimate
from pruning.planning.cost.estimate.statistics import half_length, kept_bytes
from pruning.planning.cost.given.machine import Speeds
from pruning.planning.cost.given.published import PUBLISHED
from pruning.planning.cost.given.setting import Setting
from pruning.planning.cost.given.shape import ModelShape, shape_of

# Two layers: qkv 16 x 8, attn_out 8 x 8, gate and up 32 x 8, down 8 x 32; a head of its own.
SHAPE = ModelShape(2, hidden=8, vocabulary=100, queries=8, keys_values=8, inner=32, weight_bytes=2)
SETTING = Setting(SHAPE)
BIG = Setting(shape_of(PUBLISHED["Llama-3.1-8B"]))


def test_weights_are_counted() -> None:
    layer = 16 * 8 + 8 * 8 + 3 * 32 * 8
    assert SHAPE.prunable == 2 * layer
    assert SHAPE.total == 2 * layer + 2 * 800 + 5 * 8
    assert SETTING.model_bytes == 4 * SHAPE.total


def test_streamed_a_layer_is_in_memory_and_tables_as_the_files_have_them() -> None:
    streamed = replace(SETTING, streamed=True)
    assert streamed.model_bytes == 4 * SHAPE.layer + 2 * 1600


def test_the_engine_works_in_the_pieces_that_are_counted() -> None:
    from pruning.engine.architecture import forward, spilled
    from pruning.engine.calibration import data, fisher, fisher_sums
    from pruning.engine.evaluation import metrics
    from pruning.engine.linalg import low_rank, symmetric
    from pruning.engine.recovery import losses
    from pruning.engine.sensitivity import group_costs
    from pruning.planning.cost.given import setting
    from pruning.tasks import recover
    from pruning.tasks.context import session

    pairs = [
        (statistics.SAMPLED, fisher_sums.SAMPLED_POSITIONS),
        (statistics.BAND, symmetric.BAND),
        (memory.COMPARED, metrics.CHUNK),
        (memory.MOST_LOGITS, metrics.MOST_LOGITS),
        (memory.SENT, fisher.CHUNK),
        (memory.BATCH, fisher.BATCH_TOKENS),
        (memory.RUN, forward.BATCH_TOKENS),
        (memory.LEARNT, losses.CHUNK),
        (memory.SPILL, spilled.KEPT_BYTES),
        (duration.ANCHORS, group_costs.ANCHORS),
        (duration.LEVELS, len(group_costs.LEVELS)),
        (duration.RANK, low_rank.SHARE),
        (setting.WINDOW, data.WINDOW),
        (setting.CALIBRATION, data.CALIBRATION_TOKENS),
        (setting.EVALUATION, data.EVALUATION_TOKENS),
        (setting.FITTING, session.FITTING_TOKENS),
        (setting.REFITTING, recover.FITTED_TOKENS),
    ]
    assert [counted for counted, _ in pairs] == [worked for _, worked in pairs]


def test_statistics_take_what_the_engine_keeps() -> None:
    import torch

    from pruning.engine.architecture.groups import find_groups
    from pruning.engine.calibration.data import WINDOW
    from pruning.engine.calibration.fisher import collect
    from tests.support.tiny import tiny_model

    model = tiny_model()
    windows = torch.randint(3, 380, (16, WINDOW), generator=torch.Generator().manual_seed(0))
    kept = collect(model, find_groups(model), windows).groups.kept  # type: ignore[attr-defined]
    tensors = {id(t): t for factors in kept.values() for t in vars(factors).values()}
    found = sum(tensor.nbytes for tensor in tensors.values())
    expected = kept_bytes(Setting(shape_of(model.config.to_dict())))
    assert expected == pytest.approx(found, rel=0.1)


def test_half_a_matrix_is_a_little_more_than_half() -> None:
    assert half_length(128) == 128 * 128
    assert half_length(256) == 128 * 256 + 128 * 128


def test_a_step_that_holds_more_sets_the_peak() -> None:
    found = estimate("map", SETTING)
    assert found.memory == max(found.steps.values())
    assert found.steps["load"] == memory.BASE + SETTING.model_bytes


@pytest.mark.parametrize("job", [job for job in JOBS if job != "recover"])
def test_streaming_takes_less_memory_and_no_less_disk_and_time(job: str) -> None:
    whole, streamed = estimate(job, BIG), estimate(job, replace(BIG, streamed=True))
    speeds = Speeds(1e11, 1e9, 1e9, 1e9)
    assert streamed.memory < whole.memory / 2
    assert streamed.disk.total >= whole.disk.total
    if job in ("map", "best"):  # of the others a streamed model is asked fewer things
        assert streamed.seconds(speeds) >= whole.seconds(speeds)


@pytest.mark.parametrize("job", JOBS)
def test_less_text_takes_less_of_everything(job: str) -> None:
    few, usual = estimate(job, replace(BIG, tokens=512)), estimate(job, BIG)
    assert few.memory <= usual.memory
    assert few.disk.total <= usual.disk.total
    if job not in ("map", "best"):  # with little text the covariances cannot be put in short
        assert few.work.operations < usual.work.operations


def test_with_too_little_text_groups_are_priced_by_whole_covariances() -> None:
    # 8,192 inputs in short are 1,365 rows, and 2,048 tokens price with 1,024 positions.
    narrow = replace(BIG, shape=replace(BIG.shape, inner=8192))
    few, usual = (duration.pricing(replace(narrow, tokens=tokens)).operations for tokens in (2048, None))
    assert few > 1.5 * usual


def test_an_export_has_a_second_process_beside_it() -> None:
    assert estimate("export", SETTING).beside == memory.BASE + 4 * SHAPE.total
    assert estimate("map", SETTING).beside == 0


def test_what_is_written_is_counted() -> None:
    streamed = replace(SETTING, streamed=True)
    assert map_disk(SETTING).meanwhile == 0
    assert map_disk(streamed).meanwhile == 5 * 4 * 8 * 4096
    assert change_disk(SETTING, updates=True) == Disk(0)
    assert change_disk(streamed, updates=False).meanwhile == SHAPE.prunable // 8 + 4 * SHAPE.prunable
    assert export_disk(SETTING).left >= 2 * SHAPE.total
    assert Disk(1, 5) + Disk(2, 3) == Disk(3, 5)


def test_time_is_work_over_speed() -> None:
    work = Work(operations=10, elements=6, read=4, written=2, seconds=1)
    assert work.at(Speeds(10, 6, 4, 2)) == 5
    assert (work + work).at(Speeds(10, 6, 4, 2)) == 10


def test_a_pass_counts_layers_and_head() -> None:
    tokens = 1000
    expected = duration.PASS * tokens * SHAPE.operations + tokens * 2 * 800
    assert duration.passes(SETTING, tokens).operations == expected
    streamed = duration.passes(replace(SETTING, streamed=True), tokens, calls=3)
    assert streamed.read == 3 * 2 * SHAPE.layers * SHAPE.layer
