"""A plan says the same as text, as a recipe and as an address."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pruning.planning.recipe.mask_options import DEFAULT, for_plan
from pruning.planning.recipe.plan import (
    Group,
    Plan,
    format_layers,
    format_settings,
    parse_layers,
    parse_settings,
)
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.ui.data.session import Choice, Pin, from_address, parse, to_address
from tests.properties.plans import plans

MODEL, DATA = ModelEntry(reference="demo", fingerprint="f"), DataEntry(name="demo")


@given(plans())
def test_as_settings_and_in_one_line(case: tuple[list[Group], Plan]) -> None:
    groups, plan = case
    text = format_settings(plan, groups)
    assert parse_settings(text, groups) == plan
    assert parse(",".join(text), groups) == plan
    assert format_settings(parse_settings(text, groups), groups) == text


@given(plans())
def test_as_a_recipe(case: tuple[list[Group], Plan]) -> None:
    groups, plan = case
    options = for_plan(DEFAULT, {kind for _, kind in plan})
    recipe = Recipe.from_plan(plan, groups, MODEL, DATA, "fisher", options)
    back = Recipe.loads(recipe.dumps())
    assert back == recipe
    assert back.to_plan(groups) == plan
    assert back.options() == options


@given(plans(), st.lists(plans(), max_size=3), st.text(max_size=12))
def test_as_an_address(
    case: tuple[list[Group], Plan], pinned: list[tuple[list[Group], Plan]], name: str
) -> None:
    groups, plan = case
    pins = tuple(Pin(name, ",".join(format_settings(other, others))) for others, other in pinned)
    own = tuple(format_settings(plan, groups))
    choice = Choice(model="a:b/c", settings=own, locks=("gate", "3"), pins=pins)
    written = to_address(choice).items()
    params = {key: [value] if isinstance(value, str) else value for key, value in written}
    back = from_address(params)
    assert back == choice
    assert parse_settings(back.settings, groups) == plan


@given(st.sets(st.integers(0, 200), min_size=1))
@settings(max_examples=200)
def test_layers_as_ranges(layers: set[int]) -> None:
    assert parse_layers(format_layers(layers)) == sorted(layers)
