"""The engine `ray`: tasks on workers of a Ray cluster. See docs/ray.md."""
