"""The step that Prefect takes before it makes a deployment of prefect.yaml."""

from pmfer.errors import ConfigurationError


def require_variables(**given: str) -> None:
    """Refuse a deployment whose parameters would be empty, because Prefect puts nothing in the place of a variable.

    Args:
        given: the variables that prefect.yaml reads, by their names.

    Raises:
        ConfigurationError: one has no value.
    """
    for name in ("PMFER_SOURCE", "PMFER_DATA_DIR"):
        if not given.get(name):
            raise ConfigurationError(f"{name} is not set; use `pmfer deploy`, or set it before `prefect deploy`")
