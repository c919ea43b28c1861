import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def settled_files() -> Iterator[None]:
    """Tests write their recordings just before the night: nothing waits for them to grow, unless a test says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PMFER_SOURCE_SETTLE_S", "0")
        yield


@pytest.fixture(autouse=True)
def unchanged_process() -> Iterator[None]:
    """The command line sets the umask and Prefect's environment for its process; a test must not pass them on."""
    before, umask = dict(os.environ), os.umask(0o022)
    yield
    os.umask(umask)
    os.environ.clear()
    os.environ.update(before)
