"""Moto's server, which speaks the S3 protocol over HTTP, in a process of its own; what it holds is gone when it ends.

It is no store of anybody's: credentials, permissions and how long a write takes to be seen are not as they are there.

    python -m tests.servers.s3

prints its URL and ends when its input does.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # it ships no types

from tests.servers.loopback import serve_until_input_ends

REPOSITORY = Path(__file__).parents[2]
BUCKET, REGION = "clearmark", "eu-west-1"
# It believes whoever shows any; what shows none is refused by the client itself.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST", "AWS_SECRET_ACCESS_KEY": "a-secret-access-key/of+tests"}


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    url: str
    process: subprocess.Popen[str]

    def blob_url(self, prefix: str = "", *, bucket: str = BUCKET) -> str:
        """The setting that names a place in it."""
        return f"s3://{bucket}/{prefix}?endpoint={self.url}&region={REGION}"

    def client(self) -> Any:
        """A client to look with, as an operator would."""
        return boto3.client(
            "s3", endpoint_url=self.url, region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It takes connections for the block, and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A store on loopback with one empty bucket, for as long as the block lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.s3"], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        server = S3Server(url=process.stdout.readline().strip(), process=process)
        client = server.client()
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        client.close()
        yield server
    finally:
        process.communicate(timeout=30)


def _serve() -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    serve_until_input_ends(f"http://{host}:{port}")


if __name__ == "__main__":
    _serve()
