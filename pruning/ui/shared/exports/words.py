"""What the forms of an export are called, and their states: a word and a sign, never a colour alone."""

from __future__ import annotations

from pruning.planning.exports.targets import Light
from pruning.ui.text import format
from pruning.ui.text.sizes import FORM

WHAT_FORM = {
    "hf": "Any program opens it. Zeros take as much room as other numbers.",
    "compact": "One bit a weight and the values that stay. Prunescope opens it; others need it unpacked.",
    "gguf": "A file for llama.cpp, which opens it before it is called done.",
    "onnx": "A graph for onnxruntime, which runs it before it is called done.",
    "recipe": "What was decided, in YAML, with what was measured.",
    "script": "A short Python file that prunes the model anew, to the very bits.",
    "report": "One HTML file: a first screen for everybody, then all figures, answers and how to repeat it.",
    "llm-compressor": "The same levels for llm-compressor, which chooses the weights itself.",
}
# What number formats of GGUF are.
WHAT_NUMBERS = {
    "f32": "32 bits",
    "f16": "16 bits",
    "bf16": "16 bits, wide range",
    "q8_0": "8 bits",
    "q4_0": "4 bits",
    "q4_k": "4 bits, finer scales",
}
# What is written in words and not as a model.
IN_WORDS = ("recipe", "script", "report", "llm-compressor")
_STATE = {
    "loads": ("green", "check_circle", "loads"),
    "bundled code": ("orange", "code", "loads with bundled code"),
    "cannot": ("red", "block", "cannot"),
}


def badge(light: Light) -> str:
    """A form with its state, in one badge."""
    colour, icon, word = _STATE[light.state]
    return f":{colour}-badge[:material/{icon}: {FORM[light.target]}: {word}]"


def numbers(light: Light, size: str) -> str:
    """A number format of GGUF with its bits, and its size or that the plan is not for it."""
    return f"{light.target} · {WHAT_NUMBERS[light.target]} · {'not of this plan' if refused(light) else size}"


def refused(light: Light) -> bool:
    """Whether a form cannot be written."""
    return light.state == "cannot"


def about(light: Light) -> str:
    """What a form is, and whether it is not for the plan in view."""
    return f"{WHAT_FORM[light.target]}{f' {sign(light)} Not of this plan.' if refused(light) else ''}"


def sign(light: Light) -> str:
    """The sign of a state by itself."""
    return f":material/{_STATE[light.state][1]}:"


def kl_change(before: float, after: float) -> str:
    """What another plan costs, by forecast."""
    return f"forecast KL {format.kl(before)} → {format.kl(after)}"
