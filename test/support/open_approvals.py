"""Copies the one waiting run in a stopped Temporal server's list until there are as many as asked for."""

import sqlite3
import sys
import uuid

path, count = sys.argv[1], int(sys.argv[2])
with sqlite3.connect(path) as database:
    ((namespace, run, workflow),) = database.execute(
        "SELECT namespace_id, run_id, workflow_id FROM executions_visibility WHERE workflow_type_name = 'runPipeline'"
    )
    # Generated columns (hidden > 0) make themselves.
    columns = [
        name
        for _, name, *_, hidden in database.execute("PRAGMA table_xinfo(executions_visibility)")
        if hidden == 0 and name not in ("run_id", "workflow_id")
    ]
    names = ", ".join(columns)
    database.executemany(
        f"INSERT INTO executions_visibility (run_id, workflow_id, {names})"
        f" SELECT ?, ?, {names} FROM executions_visibility WHERE namespace_id = ? AND run_id = ?",
        ((str(uuid.UUID(int=index)), f"{workflow}-{index}", namespace, run) for index in range(1, count)),
    )
