"""Controlled synthetic data for the science of the modality gap. `synthgap.open(RUN)` gives a finished run back."""

__all__ = ["open"]


def __getattr__(name: str):
    if name == "open":  # brings torch, which `import synthgap` alone does without
        from synthgap.runs.loading import open

        return open
    raise AttributeError(f"module 'synthgap' has no attribute {name!r}")
