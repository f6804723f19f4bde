import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

__version__: str
__all__ = ["Error", "Explainer", "Explanation", "KernelExplainer", "Member", "gang", "map", "run"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Floats = npt.NDArray[np.float64]
_Place = str | os.PathLike[str]
# An array [rows, columns], a DataFrame, anything with the Arrow interface, a path or URI.
_Rows = Any
_Model = Callable[[Any], Any] | _Place
_Link = Literal["identity", "logit"]
_Method = Literal[
    "auto", "linear", "tree", "exact", "kernel", "permutation", "leverage", "msr"
]

class Error(RuntimeError):
    code: str
    def __init__(self, message: str, code: str = "internal") -> None: ...

class Explanation:
    values: _Floats
    base_values: _Floats | None
    data: _Floats | None
    display_data: npt.NDArray[Any] | None
    feature_names: list[str] | None
    output_names: list[str] | None
    lower_bounds: _Floats | None
    upper_bounds: _Floats | None
    compute_time: float | None
    def __init__(
        self,
        values: _Floats,
        base_values: _Floats | None = None,
        data: _Floats | None = None,
        display_data: npt.NDArray[Any] | None = None,
        feature_names: list[str] | None = None,
        output_names: list[str] | None = None,
        lower_bounds: _Floats | None = None,
        upper_bounds: _Floats | None = None,
        compute_time: float | None = None,
    ) -> None: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, item: Any) -> Explanation: ...

class Explainer:
    def __init__(
        self,
        model: _Model,
        background: _Rows | None = None,
        *,
        groups: Mapping[str, Iterable[str | int]] | _Place | None = None,
        link: _Link = "identity",
        method: _Method = "auto",
        output: Literal["probability", "margin"] = "probability",
        class_: str | int | None = None,
        weights: str | npt.ArrayLike | None = None,
        summarize: str | None = None,
        coalitions: Mapping[str, Any] | _Place | None = None,
        nsamples: int | Literal["auto"] = "auto",
        tolerance: float | None = None,
        max_coalitions: int = 65536,
        l1_reg: str = "none",
        tree_mode: Literal["interventional", "path"] = "interventional",
        clip: float = 0.0,
        on_error: Literal["fail", "row"] = "fail",
        seed: int = 0,
        feature_names: Sequence[object] | None = None,
        engine: str = "local",
        workers: int | str = 0,
        batch: int = 0,
    ) -> None: ...
    @property
    def plan(self) -> dict[str, Any]: ...
    @property
    def expected_value(self) -> float | _Floats: ...
    def __call__(self, rows: _Rows) -> Explanation: ...
    def shap_values(self, rows: _Rows) -> _Floats: ...
    def shap_interaction_values(self, rows: _Rows) -> _Floats: ...

class KernelExplainer:
    def __init__(
        self,
        model: Callable[[Any], Any],
        data: Any,
        feature_names: Sequence[object] | None = None,
        link: Any = "identity",
        **options: Any,
    ) -> None: ...
    @property
    def expected_value(self) -> float | _Floats: ...
    def shap_values(
        self,
        X: _Rows,
        nsamples: int | Literal["auto"] | None = None,
        l1_reg: str | Literal[False, 0] | None = None,
        silent: bool = True,
        **ignored: Any,
    ) -> _Floats: ...
    def __call__(
        self,
        X: _Rows,
        l1_reg: str | Literal[False, 0] | None = None,
        silent: bool = True,
        **ignored: Any,
    ) -> Explanation: ...

class Member:
    rank: int
    size: int
    address: str
    def exchange(self, message: bytes = b"") -> list[bytes]: ...

def gang(
    function: Callable[[Member], _Result],
    size: int,
    *,
    engine: str = "local",
    workers: int | str | None = None,
    attempts: int = 1,
    time_limit: float = 0.0,
) -> list[_Result]: ...
def map(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    engine: str = "local",
    workers: int | str = 0,
    memo: bool = True,
    time_limit: float = 0.0,
) -> list[_Result]: ...
def run(
    spec: Mapping[str, Any],
    out: _Place,
    *,
    engine: str = "local",
    workers: int | str = 0,
    batch: int = 0,
    memo: bool = True,
    progress: bool | None = None,
) -> dict[str, Any]: ...
