"""Cases of parity: recorded outputs of the makers' code, with weights and inputs that `seeded` makes by name.

All cases are beside the checkout under shared/parity; the small part that the tests need everywhere is in `data`.
"""

import json
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
import zoo_seeded as seeded

from biosig.models.zoo import ENCODERS

WHOLE = Path(__file__).parents[4] / "shared" / "parity" / "zoo.npz"
DATA = Path(__file__).parent / "data"
FAMILIES = {
    "ecgfounder": "ecgfounder",
    "kim": "ecg-jepa-kim",
    "papagei": "papagei",
    "labram": "labram",
    "cbramod": "cbramod",
}
"""The cases' name of a family → its name in the registry."""


@cache
def archive(model):
    """The arrays of a family's cases, whole where they are at hand."""
    path = WHOLE if WHOLE.is_file() else DATA / f"{model}.npz"
    return np.load(path)


@cache
def cases(model):
    """The cases of a family that are at hand, by "net/case"."""
    z = archive(model)
    listed = json.loads(str(z["cases"]))
    return {f"{c['net']}/{c['case']}": c for c in listed if c["model"] == model}


@cache
def preparations(model):
    """The cases of preparation that are at hand, by name."""
    return {c["case"]: c for c in json.loads(str(archive(model)["prep"])) if c["model"] == model}


@lru_cache(maxsize=4)
def weights(model, net, seed=0, quiet="", table="seeded"):
    """A file's tensors by the makers' keys."""
    shapes = json.loads(str(archive(model)["shapes"]))[f"{model}/{net}"]
    return {k: torch.from_numpy(v) for k, v in seeded.state_dict(shapes, seed, quiet, table).items()}


def prepared(case):
    """The input (B, C, T) of a case: nothing more is to be done to it."""
    x = seeded.signal(**case["input"])
    if "take" in case:
        x = x[:, case["take"]]
    x = x * np.float32(case.get("times", 1)) / np.float32(case.get("divide", 1))
    found = archive(case["model"])[f"{case['model']}/{case['net']}/{case['case']}/digest"]
    assert (seeded.digest(x) == found).all()
    return x


def network(case):
    """The network with the case's weights, as the converter puts them in."""
    state = weights(case["model"], case["net"], case["seed"], case.get("quiet", ""), case.get("table", "seeded"))
    family = ENCODERS[FAMILIES[case["model"]]]
    sizes = family.of(state, "the case")
    net = sizes.build().eval()
    names = sizes.keys(state).names
    net.load_state_dict({**net.state_dict(), **{ours: state[theirs] for theirs, ours in names.items()}})
    return sizes, net


@torch.no_grad()
def outputs(case, x=None, channels=None):
    """Every stage of a case by its name; channels in the order of the array unless given."""
    _, net = network(case)
    x = prepared(case) if x is None else x
    channels = range(x.shape[1]) if channels is None else channels
    return {name: value.numpy() for name, value in net.stages(torch.from_numpy(x), list(channels))}


def error(found, case, name):
    """The largest difference from a recorded array, relative to its largest value."""
    return difference(found, archive(case["model"])[f"{case['model']}/{case['net']}/{case['case']}/{name}"], 1200)


def difference(found, recorded, limit):
    """The same for an array of which `limit` values at most were recorded, and any share of these kept."""
    mine = np.asarray(found).reshape(-1)
    mine = mine if recorded.size == mine.size else seeded.pick(mine, limit)
    mine = mine[:: -(-mine.size // recorded.size)]
    return float(np.abs(mine - recorded.reshape(-1)).max() / np.abs(recorded).max())
