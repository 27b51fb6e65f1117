"""A decoder that hangs, dies, is interrupted, or is forked."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clips import has_ended, numbers

from videoattn.data.decode import decoder as decode
from videoattn.data.decode import process as decode_process
from videoattn.data.decode.decoder import Decoder, UnreadableVideo
from videoattn.errors import RunError

# A child that answers as the test wants: it is ready, then runs the line given for each request.
FAKE = """
import json, os, signal, socket, struct
link = socket.socket(fileno=0)
def answer(head, data=None):
    text = json.dumps(head).encode()
    length = struct.pack("!I", len(text))
    if data is None:
        link.sendall(length + text)
        return
    memory = os.memfd_create("frames")
    os.write(memory, data)
    socket.send_fds(link, [length], [memory])
    link.sendall(text)
answer({{"ready": True}})
for line in link.makefile("rb"):
    request = json.loads(line)
    if request["do"] == "inspect" and not {inspect}:
        found = {{"frames": 3, "height": 2, "width": 2, "fps": 1.0, "timed": False, "plain": True}}
        answer(found)
    elif request["do"] == "check":
        answer({{}})
    elif request.get("decoder") == "pyav":
        answer({{}}, bytes(range(12)))
    else:
        {act}
"""
HANG, DIE, HALF = "signal.pause()", "os.kill(os.getpid(), signal.SIGSEGV)", "link.sendall(b'ab'); signal.pause()"


def fake(act: str, *, at_inspect: bool) -> type[Decoder]:
    class Fake(Decoder):
        command = (sys.executable, "-c", FAKE.format(inspect=at_inspect, act=act))

    return Fake


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (HANG, "it did not decode within 0.3 s"),
        (HALF, "it did not decode within 0.3 s"),
        (DIE, "the decoder died (SIGSEGV)"),
    ],
)
def test_a_decoder_that_hangs_or_dies_is_replaced(tmp_path, act, reason):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"data")
    with fake(act, at_inspect=True)(time_limit=0.3) as decoder:
        with pytest.raises(UnreadableVideo) as caught:
            decoder.info(path)
        assert caught.value.reason == reason
        assert decoder._child is None
        with pytest.raises(UnreadableVideo) as caught:
            decoder.frames(path, [0])  # remembered: the new child is not asked
        assert caught.value.reason == reason
        assert decoder._child.alive()


@pytest.mark.parametrize("act", [HANG, HALF, DIE])
def test_pyav_takes_over_where_decord_hangs_or_dies(tmp_path, act):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"data")
    with fake(act, at_inspect=False)(time_limit=2.0, backend="decord") as decoder:
        assert decoder.info(path).decoder == "decord"
        for _ in range(2):
            assert decoder.frames(path, [1]).ravel().tolist() == list(range(12))
            assert decoder.info(path).decoder == "pyav"


def test_a_child_that_cannot_start_stops_the_run(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"data")

    class Broken(Decoder):
        command = (sys.executable, "-c", "import no_such_module")

    class Absent(Decoder):
        command = ("/no/such/python",)

    for kind in (Broken, Absent):
        with pytest.raises(RunError, match=r"the video decoder does not start: .*(no_such_module|No such file)"):
            kind().info(path)


def child_of(decoder: Decoder) -> int:
    return decoder._child.process.pid


def test_a_killed_child_is_started_again(clips):
    with Decoder() as decoder:
        decoder.info(clips["decord"])
        before = child_of(decoder)
        os.kill(before, signal.SIGKILL)
        assert numbers(decoder.frames(clips["decord"], [7, 2])) == [7, 2]
        assert child_of(decoder) != before
        assert decoder.info(clips["decord"]).frames == 24
    assert has_ended(before)


def test_an_interrupt_leaves_no_answer_under_way(clips, monkeypatch):
    with Decoder() as decoder:
        assert numbers(decoder.frames(clips["pyav"], [7])) == [7]
        with monkeypatch.context() as patch:
            patch.setattr(decode_process.Child, "_receive", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                decoder.frames(clips["pyav"], [3])
        assert numbers(decoder.frames(clips["pyav"], [5])) == [5]


def test_the_child_is_replaced_after_some_files(clips, monkeypatch):
    monkeypatch.setattr(decode, "_RECYCLE", 3)
    pids = []
    with Decoder(backend="decord") as decoder:
        for index in range(8):
            path = clips[("decord", "pyav")[index % 2]]
            assert numbers(decoder.frames(path, [index])) == [index]
            pids.append(child_of(decoder))
    assert len(set(pids)) == 3
    assert all(has_ended(pid) for pid in pids)
    with Decoder() as decoder:  # PyAV does not leak
        for path in [*clips.values()] * 4:
            decoder.info(path)
            assert child_of(decoder) == decoder._child.process.pid
        assert decoder._opened == 8


def test_the_child_is_light(decoder, clips):
    decoder.info(clips["decord"])
    assert "torch" not in Path(f"/proc/{child_of(decoder)}/maps").read_text()


OWNER = """
import sys
from videoattn.data.decode.decoder import Decoder
decoder = Decoder()
decoder.info(sys.argv[1])
print(decoder._child.process.pid, flush=True)
sys.stdin.read()
"""


def test_the_child_ends_with_its_owner(clips):
    root = Path(decode.__file__).parents[3]
    command = [sys.executable, "-c", OWNER, str(clips["decord"])]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        pid = int(owner.stdout.readline())
        os.kill(pid, 0)
        owner.kill()
    assert has_ended(pid)


def read_in_fork(decoder: Decoder, path: Path, index: int, answers) -> None:
    answers.put((numbers(decoder.frames(path, [index, 0])), child_of(decoder)))


def test_forked_daemons_have_children_of_their_own(clips):
    context = multiprocessing.get_context("fork")
    with Decoder() as decoder:
        decoder.info(clips["decord"])
        own = child_of(decoder)
        answers = context.SimpleQueue()
        workers = [
            context.Process(target=read_in_fork, args=(decoder, clips["decord"], 9, answers), daemon=True)
            for _ in range(2)
        ]
        for worker in workers:
            worker.start()
        got = [answers.get() for _ in workers]
        for worker in workers:
            worker.join()
        assert [read for read, _ in got] == [[9, 0], [9, 0]]
        assert len({own, *(pid for _, pid in got)}) == 3
        assert not any(Path(f"/proc/{pid}").exists() for _, pid in got)  # nor left as zombies
        assert numbers(decoder.frames(clips["pyav"], [4])) == [4]
        assert child_of(decoder) == own


def test_frames_in_use_are_not_written_over(clips):
    with Decoder() as decoder:
        taken = [decoder.frames(clips["pyav"], [index, index]) for index in range(6)]
        views = [decoder.frames(clips["pyav"], [index, index + 1])[1] for index in range(6)]
        assert [numbers(frames) for frames in taken] == [[index, index] for index in range(6)]
        assert numbers(np.stack(views)) == list(range(1, 7))
    assert numbers(np.stack(views)) == list(range(1, 7))  # nor taken away with the child


def test_memory_is_used_again_where_nothing_in_it_is_in_use(clips):
    with Decoder() as decoder:
        places = set()
        for index in range(6):
            frames = decoder.frames(clips["pyav"], [index, index + 1])
            places.add(frames.__array_interface__["data"][0])
            del frames
    assert len(places) == 1


def numbers_later(frames, go, answers) -> None:
    go.wait(60)
    answers.put(numbers(frames))


def test_a_forked_copy_has_the_frames_it_was_forked_with(clips):
    context = multiprocessing.get_context("fork")
    with Decoder() as decoder:
        frames = decoder.frames(clips["pyav"], [3, 4])
        go, answers = context.Event(), context.SimpleQueue()
        worker = context.Process(target=numbers_later, args=(frames, go, answers), daemon=True)
        worker.start()
        del frames
        assert numbers(decoder.frames(clips["pyav"], [9, 10])) == [9, 10]
        go.set()
        assert answers.get() == [3, 4]
        worker.join()


def test_many_frames_come_in_pieces(clips, monkeypatch):
    monkeypatch.setattr(decode, "PIECE", 5 * 64 * 64 * 3)
    with Decoder() as decoder:
        assert numbers(decoder.frames(clips["decord"], range(24))) == list(range(24))
        assert numbers(decoder.frames(clips["decord"], [23, 1, 1, 9, 8, 7, 20])) == [23, 1, 1, 9, 8, 7, 20]


def test_closing_ends_the_child(clips):
    decoder = Decoder()
    decoder.info(clips["decord"])
    pid = child_of(decoder)
    decoder.close()
    assert not Path(f"/proc/{pid}").exists()
    decoder.close()


def test_decoders_and_errors_can_be_pickled(clips):
    with pickle.loads(pickle.dumps(Decoder(time_limit=3.0, backend="decord"))) as copy:
        assert (copy.time_limit, copy.backend) == (3.0, "decord")
        assert copy.info(clips["decord"]).frames == 24
    error = pickle.loads(pickle.dumps(UnreadableVideo(Path("a.mp4"), "why")))
    assert (error.path, error.reason, str(error)) == (Path("a.mp4"), "why", "a.mp4: why")
