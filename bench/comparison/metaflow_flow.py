"""The training in Metaflow: by itself, and with `@checkpoint` (package metaflow-checkpoint) after every epoch.

    python metaflow_flow.py run --way plain|epochs --settings FILE; after a kill: python metaflow_flow.py resume

Every step is a process of its own: PyTorch is imported where it is needed.
"""

from pathlib import Path

from metaflow import FlowSpec, Parameter, checkpoint, current, retry, step


class TrainingFlow(FlowSpec):
    settings = Parameter("settings", type=str, required=True)
    way = Parameter("way", type=str, required=True)

    @step
    def start(self) -> None:
        self.chosen = self.way
        self.next({"plain": self.train, "epochs": self.train_with_checkpoints}, condition="chosen")

    @retry
    @step
    def train(self) -> None:
        from train import train

        self.digest = train(self.settings)
        self.next(self.end)

    # `resume` is a new run, and only the policy "eager" takes the checkpoint of another run.
    @checkpoint(load_policy="eager")
    @retry
    @step
    def train_with_checkpoints(self) -> None:
        from train import Training

        training, file = Training(self.settings), Path(current.checkpoint.directory) / "state.pt"
        if current.checkpoint.is_loaded:
            training.restore(file.read_bytes())
        while not training.finished:
            training.epoch()
            file.write_bytes(training.state())
            current.checkpoint.save()
        self.digest = training.save()
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


if __name__ == "__main__":
    TrainingFlow()
