"""Which stages a request goes through, read from its arguments and from what the workspace has already."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pruning.errors import PruningError
from pruning.jobs.asked import LEVELS, UPDATES, Asked, Stages
from pruning.jobs.stages import Course, Stage
from pruning.model_files.checkpoint import demo_folder
from pruning.planning.recipe.guide_claims import BY_NAME as TECHNIQUES
from pruning.planning.recipe.guide_claims import Technique
from pruning.planning.recipe.mask_options import MIXED, MaskOptions
from pruning.planning.recipe.plan import UNIT_KINDS
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.training import Training
from pruning.workspace import results
from pruning.workspace.store import Store
from pruning.workspace.task_registry import BY_NAME as TASKS

START, LOAD = Stage("start"), Stage("load")
TEXT = (Stage("text"), Stage("dense"))
MEASURED = (Stage("evaluate"), Stage("questions"), Stage("prompts"))
# What a job leaves for those that follow it.
ONCE = frozenset({"start", "load", "text", "dense", "statistics", "gradients"})
CAPABILITIES, RACES = 6, 16
CALIBRATION_PLANS, UNIT_PLANS = {MIXED: 9, "unstructured": 6}, 3


def course_of(request: Mapping[str, Any], store: Store) -> Course:
    """The stages of a request, from a cold start; of a task that is not known here one without a name."""
    task = request.get("task")
    row = TASKS.get(str(task))
    make = None if row is None else _COURSES.get(row.name)
    course = Course(after=(Stage(""),))
    if make is not None:
        # What cannot be understood is for the task to say.
        with suppress(PruningError, AttributeError, KeyError, TypeError, ValueError):
            course = make(Asked.of(request, store))
    return Course((*_begin(request, store), *course.before), course.rounds, course.after)


def _begin(request: Mapping[str, Any], store: Store) -> Stages:
    """Until the model is loaded: it may have to be fetched and unpacked first."""
    model = request.get("model") or {}
    reference, dtype = str(model.get("reference") or ""), str(model.get("dtype") or "float32")
    if not reference or results.inspected(store, reference, dtype) is not None:
        return START, LOAD
    if reference == "demo":
        there = demo_folder().is_dir()
        return (START, LOAD) if there else (START, Stage("fetch"), Stage("convert"), LOAD)
    if reference.endswith(".gguf"):
        return START, Stage("convert"), LOAD
    return (START, LOAD) if Path(reference).expanduser().exists() else (START, Stage("fetch"), LOAD)


# ---- parts that several tasks have -------------------------------------------------------------------


def _map(asked: Asked, criterion: str, levels: int) -> Stages:
    priced = "fisher" if criterion in UPDATES else criterion
    inputs = asked.inputs(priced, statistics=True)
    return (*TEXT, *inputs, Stage("price", levels), Stage("price_units"), Stage("time_forward"))


def _map_if_missing(asked: Asked, criterion: str) -> Stages:
    there = results.best_map(asked.store, asked.subject, "fisher" if criterion in UPDATES else criterion)
    return () if there is not None else _map(asked, criterion, LEVELS)


def _change(asked: Asked, criterion: str, masks: MaskOptions, recovered: bool = False) -> Stages:
    """What it takes to choose weights or units, and to fit those that are kept."""
    if recovered or masks.structure == "layers":
        return (Stage("choose", 0.2),)
    if masks.structure == MIXED:
        # Layers are passed over before the walk begins.
        inputs = asked.inputs("fisher" if criterion in UPDATES else criterion)
        return (*inputs, Stage("choose"), Stage("layerwise"))
    if masks.whole:
        return (*asked.inputs(criterion), Stage("refit" if masks.compensate else "choose"))
    if criterion in UPDATES:
        return (Stage(criterion),)
    return (*asked.inputs(criterion), Stage("choose"))


def _pruned(asked: Asked) -> Stages:
    return _change(asked, asked.criterion, asked.masks, asked.arguments.get("recovery") is not None)


def _training(asked: Asked, training: Training) -> Stages:
    windows = training.steps * training.batch * training.accumulate
    stages = [Stage("prepare")]
    # Of how much text there is nothing is known here: what is read is 2¹⁸ tokens at most, in windows of 256.
    written = training.lacking(896)
    if written:
        stages.append(Stage("self_written", written))
    if training.fits_first():
        stages.append(Stage("fit"))
    return (*stages, Stage("train", windows), Stage("recovered"))


def _latency(asked: Asked) -> Stages:
    return (Stage("race", RACES), Stage("kernels"))


# ---- one for each task -------------------------------------------------------------------------------


def _best(asked: Asked) -> Course:
    change = _change(asked, *_best_change(asked))
    return Course((*_search(asked), *asked.dense_answers(), *change, *MEASURED))


def _best_change(asked: Asked) -> tuple[str, MaskOptions]:
    """The criterion and the options of the best recipe."""
    structure = asked.masks.structure
    return ("corrected" if structure == "unstructured" else "fisher"), MaskOptions(structure=structure)


def _search(asked: Asked) -> Stages:
    structure = asked.masks.structure
    if structure == "unstructured":
        return _map(asked, "fisher", LEVELS)
    if structure == "layers":
        return (Stage("text"), Stage("drop_layers", _trials(asked)), Stage("dense"))
    return _map_if_missing(asked, "fisher")


def _trials(asked: Asked) -> float:
    count = round(float(asked.arguments.get("sparsity") or asked.arguments.get("best") or 0.1) * asked.layers)
    return asked.layers + 4.0 * max(0, count - 1)


def _recipe(asked: Asked) -> Course:
    if asked.arguments.get("best") is None:
        return Course()
    return Course(_search(asked))


def _sweep(asked: Asked) -> Course:
    layers, kinds = asked.arguments.get("layers"), asked.arguments.get("kinds")
    groups = asked.groups
    if layers is not None:
        groups = groups * len(layers) // asked.layers
    if kinds is not None and asked.facts is not None:
        groups = groups * len(kinds) // len({group["kind"] for group in asked.facts["groups"]})
    name = "points_updated" if asked.criterion in UPDATES else "points"
    return Course((*TEXT, *asked.inputs(asked.criterion), Stage(name, max(1, groups * asked.levels()))))


def _calibrate(asked: Asked) -> Course:
    structure = str(asked.arguments.get("structure") or MIXED)
    first = _map_if_missing(asked, "fisher" if structure in UNIT_KINDS else asked.criterion)
    plans = CALIBRATION_PLANS.get(structure, UNIT_PLANS)
    last = 2 if structure == MIXED else 1
    change = (*_change(asked, asked.criterion, MaskOptions(structure=structure))[-last:], *MEASURED)
    rounds = ((*asked.dense_answers(), *change), *(change,) * (plans - 1))
    return Course(first or (*TEXT, *asked.inputs(asked.criterion)), rounds)


def _solve(asked: Asked) -> Course:
    structure = asked.masks.structure
    if structure != "unstructured":
        timed = any("speedup" in str(target) for target in asked.arguments.get("targets") or ())
        return Course((*_map_if_missing(asked, "fisher"), *(_latency(asked) if timed else ())))
    return Course(_map_if_missing(asked, asked.criterion))


def _generate(asked: Asked) -> Course:
    prompts = max(1, len(asked.arguments.get("prompts") or ()))
    plans = max(1, len(asked.arguments.get("plans") or ()))
    tokens = prompts * int(asked.arguments.get("max_new_tokens") or 40)
    change = _pruned(asked)
    rounds = ((*change, Stage("answer", tokens)), *((change[-1], Stage("answer", tokens)),) * (plans - 1))
    return Course((Stage("text"), Stage("answer", tokens)), rounds)


def _recover(asked: Asked) -> Course:
    change: Stages = (Stage("choose"),)
    if asked.criterion != "movement":
        change = (*_change(asked, asked.criterion, asked.masks), Stage("evaluate"))
    return Course((*TEXT, *change, *_training(asked, Training.of(asked.arguments.get("recovery") or {}))))


def _progressive(asked: Asked) -> Course:
    recovery = asked.arguments.get("recovery")
    change = _change(asked, asked.criterion, asked.masks)
    rung: Stages = (change[-1], *MEASURED)
    if recovery is not None:
        rung += (Stage("evaluate"), *_training(asked, Training.of(recovery)))
    rounds = ((*asked.dense_answers(), *rung), *(rung,) * (asked.levels() - 1))
    return Course((*TEXT, *change[:-1]), rounds)


def _lottery(asked: Asked) -> Course:
    training = Training.of(asked.arguments.get("recovery") or {})
    return Course((*TEXT, _networks(training, int(asked.arguments.get("rounds") or 3))))


def _networks(training: Training, rounds: int) -> Stage:
    return Stage("train", (rounds + 2) * training.steps * training.batch * training.accumulate)


def _early_exit(asked: Asked) -> Course:
    return Course((*TEXT, *_pruned(asked), Stage("exits")))


def _quantize(asked: Asked) -> Course:
    copies = Stage("quantize", max(1, len(asked.arguments.get("methods") or ()) or 2))
    if not asked.arguments.get("settings"):
        return Course((*TEXT, copies))
    cut = (Stage("copy"),) if asked.masks.whole else ()
    return Course((*TEXT, copies, *_pruned(asked), Stage("evaluate"), *cut, copies))


def _impact(asked: Asked) -> Course:
    steps = int(asked.arguments.get("lottery_steps") or 0)
    only = asked.arguments.get("only") or TECHNIQUES
    chosen = [technique for name, technique in TECHNIQUES.items() if name in only]
    chosen = [technique for technique in chosen if steps or not technique.training]
    chosen.sort(key=lambda technique: technique.effort)
    rounds = [_row(asked, technique, steps) for technique in chosen]
    if rounds:
        rounds[0] = (*MEASURED, *rounds[0])
    return Course((*TEXT, *asked.dense_answers()), tuple(rounds))


def _row(asked: Asked, technique: Technique, steps: int) -> Stages:
    if technique.training:
        return (_networks(Training.of({"steps": max(1, steps)}), 2),)
    masks = MaskOptions(structure=technique.structure, compensate=technique.compensate or not technique.whole)
    search = _map(asked, "fisher", LEVELS)[2:] if technique.best else ()
    return (*search, *_change(asked, technique.criterion, masks), *MEASURED, Stage("copy"), Stage("race", 8))


def _first_look(asked: Asked) -> Course:
    answers = 2 * int(asked.arguments.get("max_new_tokens") or 40)
    # An eighth of the text that a measurement fits to, and half of what it is made on.
    walk = (*asked.inputs("fisher"), Stage("choose"), Stage("refit", 1 / 8))
    found = _map_if_missing(asked, "fisher") or (Stage("text"), Stage("dense", 1 / 2))
    said = Stage("answer", answers / 2)
    return Course((*found, said, *walk, Stage("evaluate", 1 / 2), said))


def _export(asked: Asked) -> Course:
    recipe = Recipe.from_dict(asked.arguments["recipe"])
    masks = recipe.options()
    change = _change(asked, recipe.criterion, masks, recipe.recovery is not None)
    written = (Stage("save"), Stage("verify"))
    if asked.measured(recipe):
        return Course((Stage("text"), *change, *written))
    return Course((*TEXT, *asked.dense_answers(), *change, *MEASURED, *written))


def _capabilities(asked: Asked) -> Course:
    # One half of it is reading, the other pricing level by level.
    part = (Stage("capability", 0.5 + 0.5 * asked.levels() / LEVELS),)
    return Course((Stage("text"), *asked.inputs("fisher")), (part,) * CAPABILITIES)


_COURSES: Mapping[str, Callable[[Asked], Course]] = MappingProxyType(
    {
        "inspect": lambda asked: Course(),
        "first_look": _first_look,
        "diff": lambda asked: Course((Stage("text"), Stage("diff"))),
        "import": lambda asked: Course(),
        "text": lambda asked: Course((Stage("text"),)),
        "baseline": lambda asked: Course((*TEXT, Stage("questions"), Stage("times"))),
        "latency": lambda asked: Course(_latency(asked)),
        "outliers": lambda asked: Course((Stage("text"), *asked.inputs("wanda"), Stage("outliers"))),
        "map": lambda asked: Course(_map(asked, asked.criterion, asked.levels())),
        "sweep": _sweep,
        "capabilities": _capabilities,
        "measure": lambda asked: Course((*TEXT, *asked.dense_answers(), *_pruned(asked), *MEASURED)),
        "calibrate": _calibrate,
        "best": _best,
        "solve": _solve,
        "recipe": _recipe,
        "export": _export,
        "generate": _generate,
        "recover": _recover,
        "progressive": _progressive,
        "lottery": _lottery,
        "early_exit": _early_exit,
        "quantize": _quantize,
        "impact": _impact,
    }
)
