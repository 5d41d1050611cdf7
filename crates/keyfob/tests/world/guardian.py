"""Runs a command in a session of its own and ends all of it when standard input closes.

A test process that is killed cannot clean up; the pipe it held closes all the same.
"""
import os
import signal
import subprocess
import sys
import threading

child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)


def end(number):
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


def watch():
    while sys.stdin.buffer.read(65536):
        pass
    end(signal.SIGTERM)
    try:
        child.wait(timeout=2)
    except subprocess.TimeoutExpired:
        pass
    end(signal.SIGKILL)


threading.Thread(target=watch, daemon=True).start()
code = child.wait()
end(signal.SIGKILL)
sys.exit(code if code >= 0 else 128 - code)
