/** Uploads checkpoints while training goes on: one at a time, always the newest; those overtaken meanwhile are skipped. */
import { rm } from 'node:fs/promises';
import type { ArtifactRef } from '../../artifacts/reference.ts';

export interface LocalCheckpoint {
  readonly path: string;
  readonly step: number;
}

export class CheckpointUploads {
  readonly #store: (checkpoint: LocalCheckpoint) => Promise<ArtifactRef>;
  readonly #publish: (step: number, tree: ArtifactRef) => Promise<void>;
  readonly #onProblem: (message: string) => void;
  #waiting: LocalCheckpoint | undefined;
  #working: Promise<void> | undefined;

  constructor(options: {
    readonly store: (checkpoint: LocalCheckpoint) => Promise<ArtifactRef>;
    readonly publish: (step: number, tree: ArtifactRef) => Promise<void>;
    /** A checkpoint that could not be kept does not stop the training: the next one tries again. */
    readonly onProblem: (message: string) => void;
  }) {
    this.#store = options.store;
    this.#publish = options.publish;
    this.#onProblem = options.onProblem;
  }

  add(checkpoint: LocalCheckpoint): void {
    const overtaken = this.#waiting;
    this.#waiting = checkpoint;
    if (overtaken !== undefined) void this.#remove(overtaken);
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Resolves when everything added so far is kept or has failed. */
  async drained(): Promise<void> {
    await this.#working;
  }

  async #work(): Promise<void> {
    while (this.#waiting !== undefined) {
      const checkpoint = this.#waiting;
      this.#waiting = undefined;
      try {
        await this.#publish(checkpoint.step, await this.#store(checkpoint));
      } catch (error) {
        this.#onProblem(`the checkpoint of step ${checkpoint.step} could not be kept: ${(error as Error).message}`);
      }
      await this.#remove(checkpoint);
    }
  }

  /** The trainer never deletes a checkpoint: it cannot know what is being uploaded. */
  async #remove(checkpoint: LocalCheckpoint): Promise<void> {
    await rm(checkpoint.path, { recursive: true, force: true }).catch((error: Error) =>
      this.#onProblem(`cannot remove ${checkpoint.path}: ${error.message}`),
    );
  }
}
