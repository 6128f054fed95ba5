"""The parts of a made-up model of two layers, for what is worked out by hand."""

from dataclasses import replace

from pruning.planning.cost.parts import Parts

# Two layers of 4 heads in 2 KV groups: 8 rows of queries, 4 of keys, 4 of values. 480 weights a layer.
SHAPES = {"qkv": (16, 8), "attn_out": (8, 8), "gate": (12, 8), "up": (12, 8), "down": (8, 12)}
PARTS = Parts(
    shapes={(layer, kind): shape for layer in (0, 1) for kind, shape in SHAPES.items()},
    embedding=800,
    head=800,
    tied=True,
    rest=40,
    weight_bytes=4,
    units={kind: {0: count, 1: count} for kind, count in (("neurons", 12), ("heads", 4), ("kv_groups", 2))},
)
UNTIED = replace(PARTS, tied=False)
# A bias for each row of qkv and up, and 8 weights of norms in each layer.
WITH_BIASES = replace(
    PARTS,
    rest=40 + 2 * (16 + 12 + 8),
    biases={(layer, kind): SHAPES[kind][0] for layer in (0, 1) for kind in ("qkv", "up")},
    norms={0: 8, 1: 8},
)
