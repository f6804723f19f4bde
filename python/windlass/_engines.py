"""Engines of this process that are written in Python. Importing this registers them."""

from . import _windlass


def _start_ray(location, options, least, most):
    from .ray.session import start  # ray itself takes a second to import

    return start(location, options, least, most)


_windlass.register_engine("ray", _start_ray)
