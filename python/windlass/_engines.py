"""Engines, and hosts of services, that are written in Python. Importing this registers them."""

from . import _windlass


def _start_ray(location, options, least, most):
    from .ray.session import start  # ray itself takes a second to import

    return start(location, options, least, most)


def _serve_on_ray(*arguments):
    from .ray.serve import run

    run(*arguments)


_windlass.register_engine("ray", _start_ray)
_windlass.register_service_host("ray", _serve_on_ray)
