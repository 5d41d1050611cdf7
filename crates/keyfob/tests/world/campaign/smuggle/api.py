"""A WSGI application that writes down what gunicorn read, and answers with it."""
import json
import os

RECORD = os.open(os.environ["RECORD"], os.O_WRONLY | os.O_APPEND)


def app(environ, start_response):
    method, target = environ["REQUEST_METHOD"], environ["RAW_URI"]
    try:
        body = environ["wsgi.input"].read().hex()
    except Exception:  # whatever it is, the body did not come whole
        body = None
    line = {"id": environ.get("HTTP_X_REQUEST_ID", ""), "method": method, "target": target, "body": body}
    os.write(RECORD, (json.dumps(line) + "\n").encode())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"has-read {method} {target}\n".encode("latin-1")]
