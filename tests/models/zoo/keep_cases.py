"""Cut out of the recorded cases what the tests need everywhere: ``python tests/models/zoo/keep_cases.py MODEL …``.

Vectors stay whole; of what lies between them one value in six stays, which a wrong layer does not hide from.
"""

import json
import sys

import numpy as np
from zoo_cases import DATA, WHOLE

STEP = 6
WHOLLY = ("digest", "vector", "alone", "sorted", "pooled", "mean", "logits")


def main(models):
    """Write `data/MODEL.npz` for each model."""
    z = np.load(WHOLE)
    cases, shapes, prep = (json.loads(str(z[name])) for name in ("cases", "shapes", "prep"))
    for model in models:
        kept = {
            "cases": json.dumps([c for c in cases if c["model"] == model]),
            "shapes": json.dumps({net: of for net, of in shapes.items() if net.split("/")[0] == model}),
            "prep": json.dumps([c for c in prep if c["model"] == model]),
        }
        for name in z.files:
            if name.startswith((f"{model}/", f"prep/{model}/")) and not name.endswith("/input"):
                kept[name] = z[name] if name.endswith(WHOLLY) else z[name].reshape(-1)[::STEP]
        np.savez_compressed(DATA / f"{model}.npz", **kept)


if __name__ == "__main__":
    main(sys.argv[1:])
