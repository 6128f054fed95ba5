"""Ways of pruning in words."""

from pruning.ui.text.methods import SMALLER, badge, method


def test_a_mixed_plan_is_named_by_its_parts() -> None:
    settings = ["neurons=0.2", "down=0.3", "layers@17=1", "heads@8-16,18=0.33", "up=0.1"]
    name = method("fisher", settings, {"structure": "mixed"})
    assert name.startswith("20 % of neurons · 30 % of ")
    assert "layer 17 dropped · 33 % of heads in 8–16, 18 · and 1 more" in name
    assert badge("mixed", None) == SMALLER
