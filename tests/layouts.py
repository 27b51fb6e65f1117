"""Data sets laid out on disk, for the tests of the lists."""


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def listing(videos):
    return [(sample.name, sample.label) for sample in videos.samples]
