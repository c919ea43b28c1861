"""Whether ONNX Runtime is installed as it must be. Nothing of it is imported before it is asked for."""

from importlib.metadata import PackageNotFoundError, version

from pmfer.errors import ConfigurationError

# Both bring the folder `onnxruntime`: the one that was installed last is there, and who removes one breaks the other.
_OURS, _OTHER = "onnxruntime-gpu", "onnxruntime"
_REPAIR = f"run `pip uninstall {_OTHER} {_OURS}` and install the project again"


def require_runtime() -> None:
    """Make sure that ONNX Runtime can be imported.

    Raises:
        ConfigurationError: it is missing or not whole.
    """
    try:
        import onnxruntime

        _ = onnxruntime.InferenceSession
    except (ImportError, AttributeError):
        raise ConfigurationError(f"ONNX Runtime is not whole; {_REPAIR}") from None


def runtime_rival() -> str | None:
    """What is wrong where a second package of ONNX Runtime is installed, and what to do; None if there is none."""
    try:
        version(_OTHER)
    except PackageNotFoundError:
        return None
    return f"the package {_OTHER} is installed beside {_OURS} and may score on the CPU in its place; {_REPAIR}"
