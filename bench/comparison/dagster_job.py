"""The training in Dagster: as one op, and as one op an epoch whose stored outputs are the checkpoints.

The daemon and its code server live on; a run whose process dies is retried by `run_retries` from the failed op on.
`python dagster_job.py` waits until a run of the instance, first or retried, has succeeded.
"""

import os
import time

import dagster

import train

EPOCHS = int(os.environ["COMPARISON_EPOCHS"])


class Settings(dagster.ConfigurableResource):
    path: str


@dagster.op
def train_all(settings: Settings) -> str:
    return train.train(settings.path)


@dagster.op
def first_epoch(settings: Settings) -> bytes:
    return train.train_epoch(settings.path, None)


@dagster.op
def next_epoch(settings: Settings, before: bytes) -> bytes:
    return train.train_epoch(settings.path, before)


@dagster.op
def save_model(settings: Settings, state: bytes) -> str:
    return train.save_model(settings.path, state)


RESOURCES = {"settings": Settings.configure_at_launch()}


# One process for all ops: they run one after the other, and a process for each would load PyTorch each time.
@dagster.job(executor_def=dagster.in_process_executor, resource_defs=RESOURCES)
def plain() -> None:
    train_all()


@dagster.job(executor_def=dagster.in_process_executor, resource_defs=RESOURCES)
def epochs() -> None:
    state = first_epoch()
    for number in range(2, EPOCHS + 1):
        state = next_epoch.alias(f"epoch_{number}")(state)
    save_model(state)


definitions = dagster.Definitions(jobs=[plain, epochs])

if __name__ == "__main__":
    with dagster.DagsterInstance.get() as instance:
        finished = dagster.RunsFilter(statuses=[dagster.DagsterRunStatus.SUCCESS])
        while instance.get_runs_count(finished) == 0:
            time.sleep(0.1)
