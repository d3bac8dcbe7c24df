"""The training in Prefect: as one task, and as one task an epoch whose persisted results are the checkpoints.

    python prefect_flow.py plain|epochs SETTINGS EPOCHS; after a kill: the same again
"""

import sys

from prefect import flow, task
from prefect.cache_policies import INPUTS

import train


@task(retries=2)
def train_all(settings: str) -> str:
    return train.train(settings)


# The default policy counts the run as an input: another run would reuse nothing.
@task(retries=2, persist_result=True, cache_policy=INPUTS)
def train_epoch(settings: str, number: int, before: bytes | None) -> bytes:
    return train.train_epoch(settings, before)


@task(retries=2)
def save_model(settings: str, state: bytes) -> str:
    return train.save_model(settings, state)


@flow
def plain(settings: str) -> str:
    return train_all(settings)


@flow
def epochs(settings: str, count: int) -> str:
    state = None
    for number in range(count):
        state = train_epoch(settings, number, state)
    return save_model(settings, state)


if __name__ == "__main__":
    way, path, count = sys.argv[1:]
    if way == "plain":
        plain(path)
    else:
        epochs(path, int(count))
