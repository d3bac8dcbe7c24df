/** Steps that read, check and split the data. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ImageData, PiiKind, PromptData } from '../../pipelines/definition/data.ts';
import type { BehaviourTables } from '../../pipelines/definition/behaviour.ts';
import type { TextClassification } from '../../pipelines/definition.ts';

/** What a file's rows are for; `all` are to be split. */
export type RowSplit = 'train' | 'validation' | 'test' | 'all';
/** A data file as the definition names it; `ref` is its snapshot in the store. */
export interface DataFile {
  readonly path: string;
  /** `tar`: pictures. Of pictures, `csv` and `jsonl` are such a tar, too: the list of them is its first member. */
  readonly format: 'csv' | 'jsonl' | 'json' | 'text' | 'tar';
  /**
   * `evaluation`: texts that only their overlap with the dataset is counted of; `description`: a Croissant file;
   * `shifted`: rows from elsewhere, which the tuned model is measured on. `behaviour`: a table of behaviour tests; of pictures a
   * tar, as of their lists.
   * `general`: text that a tuned language model is to go on knowing.
   */
  readonly split: RowSplit | 'evaluation' | 'description' | 'general' | 'shifted' | 'behaviour';
  readonly ref: ArtifactRef;
}

/** The same before snapshotting: local files come with a ref (uploaded by the client), those elsewhere are read by the worker. */
export interface DataFileSource extends Omit<DataFile, 'ref'> {
  readonly ref?: ArtifactRef;
}

export interface SnapshotDataInput {
  readonly files: readonly DataFileSource[];
}
export interface SnapshotDataOutput {
  readonly files: readonly DataFile[];
  /**
   * By address, what was found there: the commit that a revision stood at, the wheel's digest. Apart from the files, which
   * are the same for what follows wherever their bytes are.
   */
  readonly pinned?: Readonly<Record<string, string>>;
}

export interface PrepareDataInput {
  readonly files: readonly DataFile[];
  readonly data: TextClassification['data'];
  /** Missing where the definition has none. */
  readonly behaviour?: BehaviourTables;
}

export interface PreparePromptsInput {
  readonly files: readonly DataFile[];
  readonly data: PromptData;
  /** The tables, with the guidelines whose checks they name; missing where the definition has none. */
  readonly behaviour?: BehaviourTables;
  readonly guidelines?: ArtifactRef;
}

export interface PreparePicturesInput {
  readonly files: readonly DataFile[];
  readonly data: ImageData;
  /** Missing where the definition has none. */
  readonly behaviour?: BehaviourTables;
  /** What they test finds pictures. */
  readonly finds?: true;
}

export type Split = 'train' | 'validation' | 'test';
/** Pictures that lie in a pack of their own: a split's, or those from elsewhere. */
export type PictureSet = Split | 'shifted';
/** The same, and the pictures of behaviour tests, which no rows name. */
export type PicturePack = PictureSet | 'behaviour';

export interface DatasetSummary {
  /** Of prompts: training rows with a good answer. */
  readonly completions?: number;
  /**
   * Tree: `train.jsonl`, `validation.jsonl`, `test.jsonl` (rows `{"id","text","label"}`, id = first 16 hex of sha256 of
   * the normalised text), `labels.json` (string[]; index = class), `dataset.json` (provenance: source, licence, sha256
   * of every file, rows a split), `shifted.jsonl` where there are rows from elsewhere, `behaviour.jsonl` where there are behaviour tests. Of prompts: rows `{"id","prompt"[,"completion"][,"facts"][,"history"]}`, no `labels.json`, and
   * `general.jsonl` (`{"text"}`) where there is general text, `shifted.jsonl` as of texts. Of pictures: rows `{"id","image","label","seen"}` (size, brightness and difference hash), id = first 16 hex
   * of the sha256 of the picture's file as it is here, without metadata, and `train.tar`, `validation.tar`, `test.tar` (and `shifted.tar`, `behaviour.tar`) with these files (activities/data/images).
   */
  readonly dataset: ArtifactRef;
  readonly labels: readonly string[];
  readonly rows: Readonly<Record<Split, number>>;
  /** Of a run that is a prototype: the rows that there are in all. */
  readonly wholeRows?: Readonly<Record<Split, number>>;
  /** Rows a label, over each split. */
  readonly labelCounts: Readonly<Record<string, Readonly<Record<Split, number>>>>;
  /** Rows left out, by reason (`empty-text`, `unknown-label`, `duplicate`, `conflicting-duplicate`, `not-utf8`, `too-long`, …). */
  readonly dropped: Readonly<Record<string, number>>;
  /** What was done about personal data before anything was stored; missing where the policy asks for neither. */
  readonly personalData?: PersonalDataRemoved;
  /** Missing in results recorded before it was looked for. */
  readonly contamination?: Contamination;
  /** What the data's Croissant description says, where the definition names one. */
  readonly described?: DataDescription;
  /** The first 50 findings, for people; all are in the artifact. */
  readonly findings: readonly DataFinding[];
  readonly findingsFile: ArtifactRef;
  /** What stood at the addresses of files on the hub or an index, as the snapshot found it; missing where none is there. */
  readonly pinned?: Readonly<Record<string, string>>;
}
/** Rows left out, rows changed, and the values that gave way to placeholders. */
export interface PersonalDataRemoved {
  readonly rowsDropped: number;
  readonly rowsRedacted: number;
  readonly values: Readonly<Partial<Record<PiiKind, { readonly replaced: number; readonly different: number }>>>;
}
/** How far what is measured is known from training, or from the evaluation files. Similarity: Jaccard of character 5-grams; near twins are also short texts that are the same but for a slip of the pen. */
export interface Contamination {
  readonly similarity: number;
  /** Chance that a pair of just this similarity is overlooked. */
  readonly missRate: number;
  /** Rows that have a near twin in a split that is used before them, after what the policy did. */
  readonly nearTwins: { readonly validation: number; readonly test: number };
  /** Rows that the policy took out because of one. */
  readonly dropped: number;
  /** A named evaluation file each: its texts that are in the dataset, word for word or nearly. */
  readonly evaluation: readonly {
    readonly file: string;
    readonly rows: number;
    readonly exact: number;
    readonly near: number;
  }[];
}
/** Of a Croissant file (ML Commons, 1.0): what is said about the data, and how many files' SHA-256 it confirmed. */
export interface DataDescription {
  readonly name: string | null;
  readonly licence: string | null;
  readonly creators: readonly string[];
  readonly url: string | null;
  readonly filesVerified: number;
}
export interface DataFinding {
  readonly severity: 'error' | 'warning';
  readonly reason: string;
  readonly file?: string;
  readonly line?: number;
  readonly message: string;
}
