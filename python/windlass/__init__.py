"""Windlass explains, tunes and trains machine-learning models on as many hands as there are.

    explainer = windlass.Explainer(model.predict_proba, background, link="logit", class_=1)
    explanation = explainer(rows)       # a shap.Explanation where shap is installed

Explainer, Explanation: Shapley values of a model's predictions, for callables and models by name.
KernelExplainer: shap.KernelExplainer by changing one import.
gang: a function that several workers run at the same time.
map: a function over many items, each result remembered.
run: `windlass run`, a job from its spec.
Error: the one exception type.
"""

import hashlib  # noqa: F401 (first: Arrow brings an OpenSSL, which Python's own must not meet)
import importlib

from ._error import Error

# Where each public name lives; imported when it is first used, so that `import windlass` costs
# nothing and the command's host process loads only what it needs.
_PLACES = {
    "Explainer": "._explain",
    "Explanation": "._explanation",
    "KernelExplainer": "._explain",
    "Member": "._gang",
    "gang": "._gang",
    "map": "._map",
    "run": "._map",
}

__all__ = ["Error", *_PLACES]


def __getattr__(name):
    # By importlib: `from . import x` would come here again, for ever.
    if name == "__version__":
        return importlib.import_module("._windlass", __name__).version()
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_PLACES, "__version__"])
