"""What the process can do to its inputs, and what it may hold: tried in children that are then gone."""

import ctypes
import errno
import os
import resource
import unittest
from pathlib import Path

from espalier_trainer import sandbox

from .support import Folder, in_child


class Inputs(Folder):
    def setUp(self) -> None:
        super().setUp()
        for name in ("model", "data", "out"):
            (self.folder / name).mkdir()
        self.weights, self.rows_file = self.folder / "model" / "model.safetensors", self.folder / "data" / "train.jsonl"
        self.weights.write_text("weights")
        self.rows_file.write_text("rows")
        self.job = {"tasks": [{"model": str(self.folder / "model"), "train": str(self.rows_file), "out": str(self.folder / "out")}]}

    def by_python(self) -> dict:
        """By name what became of each: the error's name, or 'done'."""
        found: dict = {}
        tries = {
            "write": lambda: self.weights.write_text("other"),
            "append": lambda: self.rows_file.open("a"),
            "low write": lambda: os.open(self.weights, os.O_RDWR),
            "new file": lambda: (self.folder / "model" / "new.py").write_text("x"),
            "rename": lambda: self.weights.rename(self.folder / "out" / "taken"),
            "replace": lambda: os.replace(self.folder / "out" / "own", self.weights),
            "remove": lambda: self.rows_file.unlink(),
            "chmod": lambda: self.weights.chmod(0o777),
            "own output": lambda: (self.folder / "out" / "own").write_text("mine"),
            "read": lambda: self.weights.read_text(),
        }
        for name, attempt in tries.items():
            try:
                attempt()
                found[name] = "done"
            except Exception as error:
                found[name] = type(error).__name__
        return found

    def by_native_code(self) -> dict:
        """As a library does it, past every hook of Python's."""
        libc, found = ctypes.CDLL(None, use_errno=True), {}
        for name, call in {
            "native write": lambda: libc.open(os.fsencode(self.weights), os.O_WRONLY),
            "native remove": lambda: libc.unlink(os.fsencode(self.rows_file)),
            "native unmount": lambda: libc.umount2(os.fsencode(self.folder / "model"), 2),
        }.items():
            found[name] = errno.errorcode[ctypes.get_errno()] if call() < 0 else "done"
        return found

    def untouched(self) -> None:
        self.assertEqual((self.weights.read_text(), self.rows_file.read_text()), ("weights", "rows"))
        self.assertEqual(sorted(os.listdir(self.folder / "model")), ["model.safetensors"])

    def test_the_kernel_holds_them_read_only_where_it_gives_a_namespace(self) -> None:
        def action() -> dict | None:
            own = sandbox.Sandbox()
            own.enter()
            return {"held": own.protect(self.job), **self.by_python(), **self.by_native_code()} if own.namespace else None

        found = in_child(action)
        if found is None:
            self.skipTest("this machine gives no mount namespace")
        refused = ("write", "append", "low write", "new file", "rename", "replace", "remove", "chmod")
        self.assertEqual({name: found[name] for name in refused}, dict.fromkeys(refused, "InputsAreReadOnly"))
        self.assertEqual((found["held"], found["own output"], found["read"]), (True, "done", "done"))
        self.assertEqual((found["native write"], found["native remove"], found["native unmount"]), ("EROFS", "EROFS", "EPERM"))
        self.untouched()
        self.assertEqual((self.folder / "out" / "own").read_text(), "mine")
        self.weights.write_text("outside nothing is read-only")

    def test_without_a_namespace_what_python_would_change_is_refused(self) -> None:
        found = in_child(lambda: {"held": sandbox.Sandbox().protect(self.job), **self.by_python()})  # never entered
        self.assertEqual(found["held"], False)
        self.assertEqual({found[name] for name in ("write", "append", "new file", "rename", "remove", "chmod")}, {"InputsAreReadOnly"})
        self.assertEqual((found["own output"], found["read"]), ("done", "done"))
        self.untouched()

    def test_a_file_beside_outputs_is_held_by_itself(self) -> None:
        job = {"tasks": [{"model": str(self.folder / "model"), "train": str(self.folder / "out" / "rows.jsonl"), "out": str(self.folder / "out" / "here")}]}
        (self.folder / "out" / "rows.jsonl").write_text("x")
        self.assertEqual(sandbox.input_paths(job), sorted([(self.folder / "model").resolve(), (self.folder / "out" / "rows.jsonl").resolve()]))


class Limits(unittest.TestCase):
    def test_no_core_few_files_and_the_first_to_go_when_memory_is_out(self) -> None:
        def action() -> list:
            sandbox.Sandbox().enter()
            status = Path("/proc/self/status").read_text()
            return [
                resource.getrlimit(resource.RLIMIT_CORE),
                resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 4096,
                Path("/proc/self/oom_score_adj").read_text().strip(),
                "NoNewPrivs:\t1" in status,
            ]

        self.assertEqual(in_child(action), [[0, 0], True, "500", True])
