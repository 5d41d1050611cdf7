"""grpcio as a client of the service of `grpc_api.py` behind keyfob.

Arguments: where keyfob is, a token that may, one that may not, and one whose session is ended when `ready` was printed.
"""
import json
import sys
import time

import grpc

address, good, other, ending = sys.argv[1:]
channel = grpc.insecure_channel(address)


def bearer(token):
    return [("authorization", f"Bearer {token}")]


def code(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def method(name):
    return f"/things.Things/{name}"


echo = channel.unary_unary(method("Echo"))
for size in [0, 1, 70_000, 3_000_000]:
    answer, call = echo.with_call(b"x" * size, metadata=bearer(good))
    assert len(answer) == size, size
    assert dict(call.trailing_metadata())["x-sum"] == str(size)

numbers = list(channel.unary_stream(method("Count"))(b"1000", metadata=bearer(good)))
assert numbers == [str(number).encode() for number in range(1000)]


# Each message waits for the answer to the one before: nothing may be held back on the way.
def one_by_one(heard):
    for number in range(20):
        while len(heard) < number:
            time.sleep(0.001)
        yield str(number).encode()


heard = []
for message in channel.stream_stream(method("Converse"))(one_by_one(heard), metadata=bearer(good), timeout=30):
    heard.append(message)
assert heard == [b"heard " + str(number).encode() for number in range(20)]

fail = channel.unary_unary(method("Fail"))
try:
    fail(b"", metadata=bearer(good))
    sys.exit("it does not fail")
except grpc.RpcError as error:
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not today"), error
    assert dict(error.trailing_metadata())["x-why"] == "on-purpose"

forged = bearer(good) + [("x-auth-user", "root"), ("x_auth_user", "root"), ("x-forwarded-for", "10.0.0.1")]
told = json.loads(channel.unary_unary(method("Told"))(b"", metadata=forged))
assert told["x-auth-user"] == "ada" and told["x-forwarded-for"] == "127.0.0.1", told
assert "authorization" not in told and "x_auth_user" not in told and "root" not in told.values(), told

assert code(lambda: channel.unary_unary(method("Nothing"))(b"", metadata=bearer(good))) == grpc.StatusCode.UNIMPLEMENTED
assert code(lambda: echo(b"", metadata=bearer(other))) == grpc.StatusCode.UNAUTHENTICATED
assert code(lambda: echo(b"")) == grpc.StatusCode.UNAUTHENTICATED
assert code(lambda: echo(b"", metadata=bearer("no.such.token"))) == grpc.StatusCode.UNAUTHENTICATED

forever = channel.unary_stream(method("Forever"))
late = forever(b"", metadata=bearer(good), timeout=0.5)
assert code(lambda: list(late)) == grpc.StatusCode.DEADLINE_EXCEEDED

stream = forever(b"", metadata=bearer(ending), timeout=60)
assert next(stream) == b"tick"
print("ready", flush=True)
sys.stdin.readline()
ended = time.monotonic()
assert code(lambda: list(stream)) not in (grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED)
assert time.monotonic() - ended < 10, "a stream outlives its session"
print("done", flush=True)
