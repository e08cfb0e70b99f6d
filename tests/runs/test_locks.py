"""One process at a time in a run folder."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from rdbound.runs.run_folder import LOCK, locked

HOLD = """
import sys, time
from pathlib import Path
from rdbound.runs.run_folder import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_refused_and_told_who_is_there(tmp_path):
    with locked(tmp_path):
        with pytest.raises(ValueError, match="is in use by process") as error, locked(tmp_path):
            pass
        assert f"process {os.getpid()} on {socket.gethostname()};" in str(error.value)
        assert str(tmp_path) in str(error.value)
    with locked(tmp_path):
        pass


def test_a_lock_dies_with_its_process(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        refused = pytest.raises(ValueError, match=f"in use by process {holder.pid} on")
        with refused, locked(tmp_path):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        pass


def test_an_error_releases_it(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    with locked(tmp_path):
        pass
