"""An object store of the tests' own: a server process that speaks S3 on loopback, gone afterwards."""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from warehouse.address import S3Access

BUCKET = "ward"


@dataclass(frozen=True)
class ObjectStore:
    """A running server with one empty bucket, BUCKET."""

    access: S3Access
    client: Any  # of boto3, which gives it no type

    def objects(self) -> dict[str, bytes]:
        """What lies in the bucket, by key."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return {key: self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


@contextmanager
def running_store() -> Iterator[ObjectStore]:
    """Start a server, and stop it at the end."""
    with tempfile.NamedTemporaryFile(mode="w+") as log:
        # Into a file: a pipe that nobody reads would fill up and stop the server.
        command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]
        with subprocess.Popen(command, stderr=log) as server:
            try:
                access = S3Access("key", "secret", endpoint=_endpoint(server, Path(log.name)))
                client = boto3.client(
                    "s3",
                    endpoint_url=access.endpoint,
                    aws_access_key_id=access.key_id,
                    aws_secret_access_key=access.secret,
                    region_name=access.region,
                )
                client.create_bucket(Bucket=BUCKET)
                yield ObjectStore(access, client)
                client.close()
            finally:
                server.kill()


def _endpoint(server: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server listens, as its log says once it does: the system chose the port."""
    while server.poll() is None:
        match = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if match:
            return match.group()
        time.sleep(0.05)
    raise RuntimeError(f"the object store did not start: {log.read_text()}")
