"""A gRPC service without generated code: echoes, counts, converses, fails, and tells what it was told."""
import json
import time
from concurrent import futures

import grpc


def echo(request, context):
    context.set_trailing_metadata([("x-sum", str(len(request)))])
    return request


def told(request, context):
    return json.dumps(dict((key, value) for key, value in context.invocation_metadata() if isinstance(value, str))).encode()


def fail(request, context):
    context.set_trailing_metadata([("x-why", "on-purpose")])
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")


def count(request, context):
    for number in range(int(request)):
        yield str(number).encode()


def converse(requests, context):
    for request in requests:
        yield b"heard " + request


def forever(request, context):
    while context.is_active():
        yield b"tick"
        time.sleep(0.1)


HANDLERS = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Told": grpc.unary_unary_rpc_method_handler(told),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Converse": grpc.stream_stream_rpc_method_handler(converse),
    "Forever": grpc.unary_stream_rpc_method_handler(forever),
}

server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("things.Things", HANDLERS),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"listening on 127.0.0.1:{port}", flush=True)
server.wait_for_termination()
