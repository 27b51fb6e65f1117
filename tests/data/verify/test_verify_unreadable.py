"""Files over which decoding fails, hangs or dies: each costs itself alone."""

import os
import signal
import sys

from clips import encode, gray

from videoattn import cli
from videoattn.data.decode.decoder import Decoder
from videoattn.data.verify import inspect as module

# The decoder's process, in which opening a file of this name hangs, or kills the process.
FRAGILE = """
import os, signal
from videoattn.data.decode import child as decode_child
inspect = decode_child.Session.inspect
def fragile(self, path):
    if "hang" in path:
        signal.pause()
    if "crash" in path:
        os.kill(os.getpid(), signal.SIGSEGV)
    return inspect(self, path)
decode_child.Session.inspect = fragile
decode_child.main()
"""


class Fragile(Decoder):
    command = (sys.executable, "-P", "-c", FRAGILE)


def start_fragile(time_limit):
    module._decoder = Fragile(time_limit=time_limit)


def inspect_or_die(source, *, whole):
    """Stands for a worker whose process is killed over one of the videos."""
    if "die" in source.path.name:
        os.kill(os.getpid(), signal.SIGKILL)
    return inspect_in_worker(source, whole=whole)


inspect_in_worker = module._inspect


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_files_that_cannot_be_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_start", start_fragile)
    monkeypatch.setattr(module, "_inspect", inspect_or_die)
    clip = encode(tmp_path / "clip.avi", gray(40, 32, 32), codec="mpeg4").read_bytes()
    names = ("a/whole.avi", "a/hang.avi", "b/crash.avi", "b/die.avi")
    for number, name in enumerate(names):
        put(tmp_path / "set" / "train" / name, clip + bytes(number))
    put(tmp_path / "set/test/a/cut.avi", clip[: len(clip) * 3 // 4])
    put(tmp_path / "set/test/a/empty.avi", b"")
    put(tmp_path / "set/test/b/text.avi", b"no video\n" * 50)
    arguments = ["data", "verify", "folder", str(tmp_path / "set"), "--workers", "2", "--time-limit", "4"]
    assert cli.main(arguments) == 1
    told = capsys.readouterr()
    found = dict(line.strip().split(": ", 1) for line in told.out.splitlines() if line.startswith(f"  {tmp_path}"))
    found = {path.rpartition("/")[2]: reason for path, reason in found.items()}
    assert found.pop("text.avi").startswith("Invalid data found")
    assert 10 < int(found["cut.avi"].split()[0]) < 30
    assert found.pop("cut.avi").endswith(" of 40 frames")  # a warning alone
    assert found == {
        "hang.avi": "it did not decode within 4 s",
        "crash.avi": "the decoder died (SIGSEGV)",
        "die.avi": "the process that read it died",
        "empty.avi": "an empty file",
    }
    assert told.err.endswith("unreadable (5)\n")
    assert "readable: 2 of 7 (2 by pyav)" in told.out
