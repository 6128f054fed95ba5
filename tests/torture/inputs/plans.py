"""Bad plans: recipes, maps, plans as text, and files of other tools."""

import json
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.torture.inputs.mutate import Bad, Basis, as_json, mutated, spoilt

# Of these YAML says what they are itself, and PyYAML has an error of its own for each.
_TAGGED = (
    "!!int ''",
    "!!float x",
    "!!bool x",
    "!!timestamp x",
    "!!binary é",
    "!!set [a]",
    "!!omap x",
    "!!pairs {a: 1}",
    "!!python/object/apply:os.system [echo]",
    "!!python/name:os.system",
    "!unknown x",
    "2001-99-99",
    "0001-01-01T00:00:00+23:59",
    "{[a]: 1}",
    "{{a: 1}: 1}",
    "0b",
    "1__0",
    "1:99:99",
    "*nowhere",
    "&a [*a]",
    "&a {b: *a}",
    "<<: 5",
    "{<<: [1]}",
    "0x" + "f" * 20_000,
    "9" * 20_000,
    "\x07",
    "\t- x",
    "--- a\n--- b",
    "%YAML 9.9\n---\na",
)


def _laughing(random: Random) -> str:
    """YAML in which every line stands for ten of the one before."""
    depth = random.choice([6, 9, 30])
    form = random.choice(["[{}]", "{{{}}}"])
    lines = ["a0: &a0 [x, x]"]
    for level in range(1, depth):
        inner = [f"*a{level - 1}"] * 9
        named = (
            ", ".join(f"k{n}: {name}" for n, name in enumerate(inner)) if "{{" in form else ", ".join(inner)
        )
        lines.append(f"a{level}: &a{level} " + form.format(named))
    return "\n".join(lines) + "\n"


def _yaml(random: Random, right: str) -> tuple[str, bytes | None]:
    """What is wrong, and YAML that is it; None for what only `spoilt` can do."""
    way = random.randrange(6)
    if way == 0:
        return "", None
    if way == 1:
        return "aliases of aliases", (_laughing(random) + right).encode()
    if way == 2:
        depth = random.choice([500, 5_000])
        return "nested", (right + "notes: " + "[" * depth + "]" * depth).encode()
    if way == 3:
        tagged = random.choice(_TAGGED)
        key = random.choice(["notes", "name", "sparsity", "model", "version", "created"])
        return f"{key}: {tagged[:30]!r}", (right + f"\n{key}: {tagged}\n").encode()
    about, value = mutated(random, yaml.safe_load(right))
    # JSON is YAML, and holds what YAML's own writer would refuse.
    return about, json.dumps(value, default=str).encode()


def recipes(random: Random, folder: Path, basis: Basis) -> Bad:
    """A recipe that is wrong, met by everything that reads one."""
    path, right = folder / "recipe.yaml", basis.recipe.read_text()
    about, content = _yaml(random, right)
    if content is None:
        about, write = spoilt(random, right.encode())
        write(path, right.encode())
    else:
        path.write_bytes(content)
    commands = [
        ["check", str(basis.model), str(path)],
        ["forecast", str(basis.map), str(path)],
        ["export", str(basis.model), str(path), "--to", "recipe", "--out", str(folder / "out")],
    ]
    return Bad(f"recipe: {about}", commands)


def maps(random: Random, folder: Path, basis: Basis) -> Bad:
    """A map that is wrong, forecast and solved with."""
    path, right = folder / "map.json", basis.map.read_bytes()
    if random.random() < 0.2:
        about, write = spoilt(random, right)
        write(path, right)
    else:
        value: Any = json.loads(right)
        for _ in range(random.choice([1, 1, 3])):
            # Its tables have most places; what they are called should be met as often.
            name = random.choice(list(value))
            inner = {name: value[name]}
            about, inner = mutated(random, inner)
            value = {**{key: own for key, own in value.items() if key != name}, **inner}
        path.write_bytes(as_json(value))
    solved = ["solve", str(path), "--target", "sparsity=0.5", "--out", str(folder / "out.yaml")]
    return Bad(f"map: {about}", [["forecast", str(path), str(basis.recipe)], solved])


_PIECES = ("up", "down", "all", "qkv", "heads", "layers", "neurons", "kv_groups", "gat", "", "attn_out", "é")
_LAYERS = (
    "",
    "@0",
    "@0-2",
    "@2-0",
    "@-1",
    "@0-99999999999",
    "@1,1",
    "@",
    "@x",
    "@0-",
    "@１",
    "@0-2,",
    "@1e3",
)
_LEVELS = (
    "0.5",
    "1",
    "0.95",
    "nan",
    "inf",
    "-0.1",
    "1e-9",
    "",
    "=",
    "0x1",
    "½",
    "1_0",
    "٠.٥",
    "9" * 5000,
    "1e999",
)


def texts(random: Random, folder: Path, basis: Basis) -> Bad:
    """A plan as text that is wrong, or odd."""
    settings = [
        f"{random.choice(_PIECES)}{random.choice(_LAYERS)}{random.choice(['=', '=', '=', '', '=='])}"
        f"{random.choice(_LEVELS)}"
        for _ in range(random.choice([1, 2, 5]))
    ]
    if random.random() < 0.1:
        settings = ["up=0.5,down=0.1", "\x00", "up@" + "0," * 20_000 + "0=0.5"][random.randrange(3) :][:1]
    named = [word for setting in settings for word in ("--set", setting)]
    words = random.choice(
        [
            ["recipe", str(basis.model), *named, "--out", str(folder / "out.yaml")],
            [
                "recipe",
                str(basis.model),
                *named,
                "--protect",
                random.choice(_LAYERS)[1:],
                "--out",
                str(folder / "out.yaml"),
            ],
            [
                "sweep",
                str(basis.model),
                "--levels",
                random.choice(_LEVELS),
                "--layers",
                random.choice(_LAYERS)[1:],
                "--data",
                str(basis.text),
                "--out",
                str(folder / "out.json"),
            ],
        ]
    )
    return Bad(f"plan: {ascii(settings)[:60]}", [words])


_COMPRESSOR = """\
test_stage:
  obcq_modifiers:
    SparseGPTModifier:
      sparsity: 0.5
      mask_structure: "2:4"
      targets: ["re:.*mlp.*", "model.layers.0"]
      ignore: ["re:.*lm_head"]
"""
_MERGEKIT = """\
merge_method: passthrough
slices:
  - sources:
      - model: a/b
        layer_range: [0, 1]
  - sources:
      - model: a/b
        layer_range: [2, 3]
"""
_LISTS = ("0,1,2", "0-99999999999", "1-", "-1", "1,,2", "9" * 5000, "１", "0-2-3", "../x", "", " ", "0;1")


def imports(random: Random, folder: Path, basis: Basis) -> Bad:
    """A file of llm-compressor or mergekit, or a list of layers, that is wrong."""
    out = ["--data", str(basis.text), "--out", str(folder / "out.yaml")]
    if random.random() < 0.15:
        given = random.choice(_LISTS)
        return Bad(f"import: {given[:40]!r}", [["import", str(basis.model), *out, "--", given]])
    path, right = folder / "plan.yaml", random.choice([_COMPRESSOR, _MERGEKIT])
    if random.random() < 0.2:
        right = right.replace(
            "re:.*mlp.*", random.choice(["re:(a+)+$", "re:(", "re:" + "(" * 5000, "re:a{9999999999}"])
        )
        about, content = "a pattern", right.encode()
    else:
        about, content = _yaml(random, right)
    if content is None:
        about, write = spoilt(random, right.encode())
        write(path, right.encode())
    else:
        path.write_bytes(content)
    return Bad(f"import: {about}", [["import", str(basis.model), str(path), *out]])
