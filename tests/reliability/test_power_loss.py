"""The power fails: what was not synced is gone, be it content or names.

A run of the chain is traced (shim.c): each write, sync, rename, DuckDB's among them. From the trace
the disk is drawn up as a power loss at any point may leave it, in ways that POSIX allows: a file
has the content, a folder the names that it had at its last sync, or those of now, as nothing
forbids that either. A file or a folder is old or new as a whole here: that of several writes some
are lost and others not is not tried.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import duckdb
import pytest
from faults import Driver
from scene import STEPS, Scene

WAYS = ("only what was synced", "names, but no content", "content, but no names", "any of both")


@dataclass
class Node:
    """A file (bytes), a folder (name -> node) or a link (its target): as it is, and as synced."""

    now: bytes | dict | str
    disk: bytes | dict | str

    def write(self, offset: int, data: bytes) -> None:
        start = self.now[:offset].ljust(offset, b"\0")
        self.now = start + data + self.now[offset + len(data) :]

    def sync(self) -> None:
        self.disk = dict(self.now) if isinstance(self.now, dict) else self.now


class Disk:
    """The folder of the trials, to which the calls of a trace happen again."""

    def __init__(self, root: Path):
        self.root, self.nodes = root, {}
        self.top = self.scan(root)

    def scan(self, path: Path) -> Node:
        if path.is_symlink():
            return Node(str(path.readlink()), str(path.readlink()))
        found = self.nodes.get(path.stat().st_ino)
        if not found:
            if path.is_dir():
                names = {child.name: self.scan(child) for child in path.iterdir()}
                found = Node(names, dict(names))
            else:
                found = Node(path.read_bytes(), path.read_bytes())
            self.nodes[path.stat().st_ino] = found
        return found

    def folder(self, path: str) -> tuple[dict, str] | None:
        """The names in the folder of a path, and its own name there; None where it is elsewhere."""
        try:
            parts = Path(path).relative_to(self.root).parts
        except ValueError:
            return None
        if not parts:
            return None
        names = self.top.now
        for part in parts[:-1]:
            node = names[part]
            while isinstance(node.now, str):  # `current`, through which the entries lead
                node = names[node.now.split("/")[0]].now[node.now.split("/")[1]]
            names = node.now
        return names, parts[-1]

    def apply(self, op: str, inode: int, offset: int, data: bytes, path: str, other: str) -> None:
        if op in ("write", "truncate", "sync"):
            node = self.nodes.get(inode)
            if not node:
                return
            if op == "write":
                node.write(offset, data)
            elif op == "truncate":
                node.now = node.now[:offset].ljust(offset, b"\0")
            else:
                node.sync()
            return
        place = self.folder(path)
        if not place:
            return
        names, name = place
        if op in ("open", "create"):
            if name not in names or names[name] is not self.nodes.get(inode):
                names[name] = self.nodes[inode] = Node(b"", b"")
            elif op == "create":
                names[name].now = b""
        elif op == "mkdir":
            names[name] = self.nodes[inode] = Node({}, {})
        elif op == "mkfifo":  # what runs through it is on no disk
            names[name] = Node(b"", b"")
        elif op == "symlink":
            names[name] = Node(data.decode(), data.decode())
        elif op == "unlink":
            del names[name]
        else:
            onto, new_name = self.folder(other)
            onto[new_name] = names[name] if op == "link" else names.pop(name)

    def after_power_loss(self, way: str, random: Random) -> None:
        """Write what is left into the folder."""
        written: dict[int, Path] = {}
        shutil.rmtree(self.root)

        def put(node: Node, path: Path) -> None:
            if id(node) in written:
                os.link(written[id(node)], path)
                return
            names = isinstance(node.now, dict)
            newer = way == WAYS[1 if names else 2] or (way == WAYS[3] and random.random() < 0.5)
            content = node.now if newer else node.disk
            if isinstance(content, str):
                path.symlink_to(content)
            elif names:
                path.mkdir()
                for name, child in content.items():
                    put(child, path / name)
            else:
                path.write_bytes(content)
                written[id(node)] = path

        put(self.top, self.root)


def calls(trace: Path) -> Iterator[tuple]:
    with open(trace, "rb") as file:
        while head := file.readline():
            op, inode, offset, length, path, other = head.decode()[:-1].split("\t")
            data = file.read(int(length)) if op in ("write", "symlink") else b""
            yield op, int(inode), int(offset), data, path, other


def lose_power(scene: Scene, report, tmp_path: Path, way: str, points: int) -> None:
    if not scene.shim:
        pytest.skip("no C compiler for the shim, or no LD_PRELOAD")
    random = Random(WAYS.index(way))
    scene.put(STEPS[0])
    disk = Disk(scene.work.root)
    with Driver(scene.shim) as driver:
        done = driver.run("run_all", scene.work.environment, "call", trace=tmp_path / "trace")
    assert done.returncode == 0
    done_calls = list(calls(tmp_path / "trace"))
    assert {"write", "sync", "rename", "symlink"} <= {call[0] for call in done_calls}
    marks = {*random.sample(range(len(done_calls)), points - 1), len(done_calls) - 1}
    after = Counter()
    for at, call in enumerate(done_calls):
        disk.apply(*call)
        if at not in marks:
            continue
        disk.after_power_loss(way, random)
        what = f"{way}: {call[0]} {at} of {len(done_calls)} {call[4:]}"
        try:
            found = scene.in_chain(what)
        except (duckdb.IOException, AssertionError) as error:
            raise AssertionError(what) from error
        if at == len(done_calls) - 1:
            assert found == "new state", what  # what was reported done is on the disk
        after[found] += 1
    fault = f"power loss: kept is {way}"
    report(
        "A fault at every step", fault, "run_all", "(off)", "-", ", ".join(sorted(after)), points
    )


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_power_loss(scene, report, tmp_path, way):
    lose_power(scene, report, tmp_path, way, 15)
