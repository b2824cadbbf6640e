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

SMALL = {
    "ecgfounder": "small/ordinary",
    "kim": "two/ordinary",
    "papagei": "s-two/odd-101",
    "labram": "two/ordinary",
    "cbramod": "two/ordinary",
}
"""A case of each family whose net is quick to build."""
HERE = [model for model in SMALL if FAMILIES[model] in ENCODERS]


@cache
def archive(model):
    """The arrays of a family's cases, of all where these are at hand."""
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


def state_of(case):
    """The tensors of a case's file, by the makers' keys."""
    return weights(case["model"], case["net"], case["seed"], case.get("quiet", ""), case.get("table", "seeded"))


def network(case):
    """The network with the case's weights, as the converter puts them in."""
    state = state_of(case)
    family = ENCODERS[FAMILIES[case["model"]]]
    sizes = family.of(state, "the case")
    net = sizes.build().eval()
    names = sizes.keys(state).names
    net.load_state_dict(
        {**net.state_dict(), **{ours: state[theirs] for theirs, ours in names.items() if theirs in state}}
    )
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
    """The same for an array of which `limit` values at most were recorded, and one in so many of these kept."""
    mine = np.asarray(found).reshape(-1)
    mine = mine if recorded.size == mine.size else seeded.pick(mine, limit)
    mine = mine[:: -(-mine.size // recorded.size)]
    return float(np.abs(mine - recorded.reshape(-1)).max() / np.abs(recorded).max())


def channels(case):
    """The numbers of a case's channels in the contract."""
    if "leads" in case:
        return case["leads"]
    (contract,) = ENCODERS[FAMILIES[case["model"]]]().contract().values()
    if contract.missing != "subset" or contract.aliases:
        return list(range(len(case["names"]) if "names" in case else 1))
    folded = [name.upper() for name in contract.ch_names]
    return [folded.index(name.upper()) for name in case["names"]]


KEPT = {
    "ecgfounder": (("small/ordinary", "small/odd-1001", "small/shuffled", "small/batch"), ("filtered", "stretched")),
    "kim": (("two/ordinary", "two/leads", "two/shuffled", "two/batch", "two/quiet"), ("resampled", "squeezed")),
    "papagei": None,
    "labram": None,
    "cbramod": None,
}
"""The cases, and those of preparation, that are in `data`, None = all; few of large nets, so that tests are quick."""
STEP = 6
WHOLLY = ("digest", "vector", "alone", "sorted", "pooled", "mean", "logits")
"""Arrays of which all values are kept; of the others one in `STEP`, which a wrong layer does not hide from."""


def keep(model):
    """Write the small part of a family's cases to `data`; run this file to do so for all."""
    z = np.load(WHOLE)
    listed, prepared = ([c for c in json.loads(str(z[of])) if c["model"] == model] for of in ("cases", "prep"))
    if KEPT[model]:
        keys, preps = KEPT[model]
        listed = [c for c in listed if f"{c['net']}/{c['case']}" in keys]
        prepared = [c for c in prepared if c["case"] in preps]
    starts = [f"{model}/{c['net']}/{c['case']}/" for c in listed] + [f"prep/{model}/{c['case']}/" for c in prepared]
    nets = {f"{model}/{c['net']}" for c in [*listed, *prepared] if "net" in c}
    shapes = {k: v for k, v in json.loads(str(z["shapes"])).items() if k in nets}
    texts = {"cases": json.dumps(listed), "prep": json.dumps(prepared), "shapes": json.dumps(shapes)}
    arrays = {}
    for key in z.files:
        if key.startswith(tuple(starts)) and not key.endswith("/input"):
            arrays[key] = z[key] if key.endswith(WHOLLY) else z[key].reshape(-1)[::STEP]
    np.savez_compressed(DATA / f"{model}.npz", **arrays, **{key: np.array(text) for key, text in texts.items()})


if __name__ == "__main__":
    for each in KEPT:
        keep(each)
