"""What mypy --strict must understand of the package's stubs: see stub_test.py."""

import numpy as np
import windlass


def model(rows: np.ndarray) -> np.ndarray:
    total: np.ndarray = rows.sum(axis=1)
    return total


def square(x: int) -> int:
    return x * x


rows = np.ones((4, 3))
explainer = windlass.Explainer(
    model, rows, groups={"both": [0, 1], "third": ["2"]}, weights=[1, 2, 3, 4], nsamples=100)
explanation: windlass.Explanation = explainer(rows)
names: list[str] | None = explanation[:, 0].feature_names
values: np.ndarray = explainer.shap_values(rows)
kernel = windlass.KernelExplainer(model, rows, link="logit")
more: np.ndarray = kernel.shap_values(rows, nsamples="auto")
squares: list[int] = windlass.map(square, range(3))
ran: dict[str, object] = windlass.run({"kind": "explain"}, "out")
try:
    windlass.Explainer("xgboost:model.ubj", tree_mode="path")
except windlass.Error as error:
    code: str = error.code
windlass.Explainer(model, rows, method="no such")  # type: ignore[arg-type]
