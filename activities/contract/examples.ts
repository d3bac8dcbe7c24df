/** Inputs that show people what a gate means. */
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';

/** One of them, in the details of an evaluation; a report has its texts redacted. */
export interface GateExample {
  /** Of a row, or the name of an input that is in no data. */
  readonly id: string;
  /** What came of it, in words. */
  readonly note: string;
  /** As the model was asked it, edits included; missing of pictures, and of what is too long to be kept twice. */
  readonly text?: string;
  /** Of an edited one as the data have it: an edit can hide a personal value from whoever looks for it. */
  readonly unedited?: string;
}

/** By gate the ids of up to five, those that tell most first. This is all that a history has of them. */
export type ExampleIds = Readonly<Record<string, readonly string[]>>;

/** An artifact with examples. */
export interface GateEvidence {
  readonly artifact: ArtifactRef;
  /** JSON lines, a row each; otherwise JSON with the examples of each gate below `examples`. */
  readonly lines?: true;
  readonly ids: ExampleIds;
}

/** Where the examples of one gate stand. */
export interface GateExamples {
  readonly artifact: Digest;
  /** Field of the artifact's JSON; missing of JSON lines, where the ids are those of the rows. */
  readonly path?: string;
  readonly ids: readonly string[];
}
