"""What an explainer gives: shap's own Explanation where shap is installed, else a twin of it."""

import importlib.util

import numpy

# Of these, every axis is that of `values` (base_values: without that of the features).
_OF_VALUES = ("values", "data", "display_data", "lower_bounds", "upper_bounds")


class Explanation:
    """Attributions of some rows, as shap.Explanation has them.

    values: [rows, groups] or [rows, groups, outputs]; base_values: [rows] or [rows, outputs];
    data: [rows, groups]; feature_names: [groups]; output_names: [outputs] or None; lower_bounds,
    upper_bounds: as values, the 95 % intervals of methods that sample, else None.

    explanation[i], explanation[a:b], explanation[:, g], explanation[..., k] and names instead of
    numbers for groups and outputs take parts of it.
    """

    def __init__(self, values, base_values=None, data=None, display_data=None, feature_names=None,
                 output_names=None, lower_bounds=None, upper_bounds=None, compute_time=None):
        self.values = values
        self.base_values = base_values
        self.data = data
        self.display_data = display_data
        self.feature_names = feature_names
        self.output_names = output_names
        self.lower_bounds = lower_bounds
        self.upper_bounds = upper_bounds
        self.compute_time = compute_time

    @property
    def shape(self):
        """That of `values`."""
        return self.values.shape

    def __len__(self):
        return len(self.values)

    def __repr__(self):
        return (
            f".values =\n{self.values!r}\n\n.base_values =\n{self.base_values!r}\n\n"
            f".data =\n{self.data!r}"
        )

    def __getitem__(self, item):
        item = item if isinstance(item, tuple) else (item,)
        if Ellipsis in item:
            at = item.index(Ellipsis)
            fill = self.values.ndim - len(item) + 1
            item = item[:at] + (slice(None),) * fill + item[at + 1 :]
        item = item + (slice(None),) * (self.values.ndim - len(item))
        if isinstance(item[1], str):
            item = (item[0], list(self.feature_names).index(item[1]), *item[2:])
        if len(item) > 2 and isinstance(item[2], str):
            item = (*item[:2], list(self.output_names).index(item[2]))
        part = Explanation.__new__(Explanation)
        part.compute_time = self.compute_time
        for name in _OF_VALUES:
            whole = getattr(self, name)
            setattr(part, name, None if whole is None else whole[item[: whole.ndim]])
        base = self.base_values
        part.base_values = None if base is None else base[(item[0], *item[2:])[: base.ndim]]
        names = self.feature_names
        part.feature_names = names if names is None else _part(names, item[1])
        names = self.output_names
        part.output_names = names if names is None or len(item) < 3 else _part(names, item[2])
        return part


def _part(names, item):
    part = numpy.asarray(names, dtype=object)[item]
    return part if isinstance(part, str) else list(part)


def explanation_class():
    """shap.Explanation where shap is installed, else ours."""
    if importlib.util.find_spec("shap") is None:
        return Explanation
    try:
        import shap
    except ImportError:  # installed, but not with what it needs
        return Explanation
    return shap.Explanation
