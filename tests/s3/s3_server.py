"""moto's S3 server on 127.0.0.1, for the tests of s3://. MOTO_BIN is the folder of its programs."""

import contextlib
import os
import pathlib
import socket
import subprocess
import time

SECRET = "HUSHHUSH"
# boto3 tries again while the server starts.
FILL = """
import boto3, botocore.config, pathlib, sys
config = botocore.config.Config(retries={"max_attempts": 20, "mode": "standard"})
s3 = boto3.client("s3", config=config)
s3.create_bucket(Bucket="rows")
for path in sys.argv[1:]:
    s3.upload_file(path, "rows", "adult/" + pathlib.Path(path).name)
"""
# A user who may do what the arguments say, with the server asking for signatures from then on.
ADD_USER = """
import boto3, json, sys, urllib.request, os
iam = boto3.client("iam", region_name="us-east-1")
iam.create_user(UserName="u")
statements = [{"Effect": "Allow", "Action": sys.argv[1:], "Resource": "*"}]
iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(
    {"Version": "2012-10-17", "Statement": statements}))
key = iam.create_access_key(UserName="u")["AccessKey"]
urllib.request.urlopen(urllib.request.Request(
    os.environ["AWS_ENDPOINT_URL"] + "/moto-api/reset-auth", data=b"0",
    headers={"Content-Type": "text/plain"}))
print(key["AccessKeyId"], key["SecretAccessKey"])
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(port):
    return {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_EC2_METADATA_DISABLED": "true"}


def _python(port, program, *arguments):
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [pathlib.Path(os.environ["MOTO_BIN"]) / "python", "-c", program, *map(str, arguments)],
        check=True, timeout=120, env={**clean, **environment(port)}, stdout=subprocess.PIPE,
        text=True).stdout


@contextlib.contextmanager
def moto(folder, *files):
    """A server with the files in the bucket `rows`, below adult/; gives its port."""
    port = free_port()
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with open(pathlib.Path(folder) / "moto.log", "wb") as log:
        server = subprocess.Popen(
            [pathlib.Path(os.environ["MOTO_BIN"]) / "moto_server", "-H", "127.0.0.1", "-p",
             str(port)], env=clean, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while server.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        _python(port, FILL, *files)
        yield port
    finally:
        server.terminate()
        server.wait()


def user_who_may(port, *actions):
    """The environment of a user who may do these, such as "s3:GetObject". From now on the server
    checks signatures."""
    key, secret = _python(port, ADD_USER, *actions).split()
    return {**environment(port), "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
