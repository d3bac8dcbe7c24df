/** Steps of text generation that measure, search prompts, choose between prompted and tuned, and judge the choice. */
import type { TimedLength } from '../../pipelines/answer-time.ts';
import type { HardwareClass } from '../../pipelines/hardware-class.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type {
  AdherenceSpec,
  GenerationDefaults,
  GeneratorSelectionSpec,
} from '../../pipelines/definition/generation.ts';
import type { GenerationGatesSpec } from '../../pipelines/definition/generation-gates.ts';
import type { MemorisationGatesSpec } from '../../pipelines/memorisation.ts';
import type { MemorisationMeasures } from '../privacy/memorisation/types.ts';
import type { ExampleIds } from './examples.ts';
import type { ExportedGenerator } from './generation.ts';
import type { Hardware, Score, TimeLimits } from './measures.ts';
import type { CandidateOutcome, Selection } from './selection.ts';
import type {
  BehaviourResult,
  Device,
  FittedPart,
  GateResult,
  JudgeCustom,
  JudgeGatesInput,
  PairedScore,
} from './validation.ts';

export interface ProfileGeneratorInput {
  readonly generator: ArtifactRef;
  readonly dataset: ArtifactRef;
  readonly generation: GenerationDefaults;
  /** Where it may be timed; anywhere when missing. */
  readonly hardware?: HardwareClass;
  /** What its times will be held to. */
  readonly timeLimits?: TimeLimits;
}
export interface GeneratorProfile {
  /** Of one answer at a time, on one thread. */
  readonly firstTokenMs: { readonly p50: number; readonly p95: number };
  readonly msPerToken: { readonly p50: number; readonly p95: number };
  readonly answers: number;
  /** Means of the answers that were timed, 32 tokens at most each, without a prompt of the search. Missing in profiles recorded before it was kept. */
  readonly answer?: {
    /** A whole one, from question to end. */
    readonly meanMs: number;
    readonly meanTokens: number;
    /** To the first token, and the tokens read up to there; missing in profiles recorded before they were kept. */
    readonly firstMs?: number;
    readonly promptTokens?: number;
    /**
     * The same questions with more before them, the shorter first; where the context has no room for twice as much, or reading
     * it would take too long, first their ends alone. Missing in profiles recorded before they were timed, empty in some where no longer ones were.
     */
    readonly longer?: readonly TimedLength[];
  };
  /** As of `Latency`. */
  readonly waitedShare: number | null;
  /** As of `Latency`: to the first token, and of a token after it. */
  readonly leastMs?: { readonly firstToken?: number; readonly token?: number };
  readonly sizeMb: number;
  /** Growth of the process's resident memory from loading and running the model, in a process of its own. */
  readonly memoryMb: number;
  readonly hardware: Hardware;
}

export interface SearchPromptsInput {
  readonly generator: ArtifactRef;
  readonly dataset: ArtifactRef;
  readonly guidelines: ArtifactRef;
  readonly search: GeneratorSelectionSpec['prompts'];
  readonly generation: GenerationDefaults;
  readonly seed: number;
  /** When the run's budget ends the search (ISO 8601), with the best so far. No part of what it is. */
  readonly stopAt?: string;
}
/** One way of asking, and how its answers keep the guidelines; the best first. */
export interface PromptVariant {
  readonly name: string;
  /** Share of answers that keep every guideline of severity `gate`. */
  readonly adherence: Score;
  /** Mean share of guidelines kept, by their weights, the soft ones too; breaks ties. */
  readonly weighted: number;
  /** Tokens read before an answer, on average: the prompt and the question. */
  readonly promptTokens: number;
  /** Tokens of an answer, on average. Missing in searches recorded before it was kept. */
  readonly answerTokens?: number;
  /** Of `adherence.rows`, the prompts that left no room for an answer in the context: no guideline is kept there. Missing where none did. */
  readonly noRoom?: number;
}
export interface PromptSearch {
  /** JSON: the `PromptSpec` that did best. */
  readonly prompt: ArtifactRef;
  readonly best: PromptVariant;
  readonly variants: readonly PromptVariant[];
  /** Variants that were not tried, for the budget or their number. */
  readonly untried: number;
  readonly tokens: number;
  /** Why the search ended before its last round; null when it did not. */
  readonly stoppedBy: string | null;
  /** It was the clock: the same search with more time would go on, and no other run takes this for its own. */
  readonly outOfTime?: true;
  /** JSON: of the best variant, which validation prompts were answered within the guidelines. */
  readonly details: ArtifactRef;
}

export interface RankGeneratorsInput {
  readonly candidates: readonly CandidateOutcome[];
  readonly selection: GeneratorSelectionSpec;
  readonly adherence: AdherenceSpec;
  /** Good answers among the training rows. */
  readonly completions: number;
}
export interface GeneratorSelection extends Selection {
  /** Whether a prompt is enough, and the sentence that says why. */
  readonly training: { readonly needed: boolean; readonly reason: string };
}

export interface FormatPromptsInput {
  readonly dataset: ArtifactRef;
  readonly generator: ArtifactRef;
  /** What the tuned model will be told, as it will be told: the best prompt, without its examples. */
  readonly prompt: ArtifactRef;
  readonly guidelines: ArtifactRef;
  /** Good answers that break a guideline themselves are left out. */
  readonly onlyAdherent: boolean;
  readonly minCompletions: number;
  /** Tokens that the trainer takes of a row: of a longer conversation the oldest turns go. null where rows are packed. */
  readonly longest: number | null;
}
export interface FormattedPrompts {
  /**
   * Tree: `train.jsonl`, `validation.jsonl`, `test.jsonl` of `{prompt, completion}`, as the trainer reads them; with
   * `learnt` where earlier answers in the prompt are learnt, too.
   */
  readonly dataset: ArtifactRef;
  readonly rows: Readonly<Record<'train' | 'validation' | 'test', number>>;
  /**
   * Rows without an answer, such whose answer breaks a guideline, and such in which a text spells a special token of the
   * model: somebody's text could close its own turn there.
   */
  readonly leftOut: Readonly<Record<'withoutCompletion' | 'againstGuidelines' | 'spellsSpecial', number>>;
  /** Training rows that have something before the question, and those of them that lost their oldest turns; missing where there are none. */
  readonly conversations?: { readonly rows: number; readonly shortened: number };
}

export interface Prompted {
  readonly generator: ArtifactRef;
  readonly search: PromptSearch;
}
export interface ChooseGeneratorInput {
  readonly prompted: Prompted;
  /** null where a prompt was enough. */
  readonly tuned: Prompted | null;
  /** Why nothing was tuned although no prompt was enough. */
  readonly stopped?: string;
  readonly guidelines: ArtifactRef;
  readonly generation: GenerationDefaults;
  readonly adherence: AdherenceSpec;
  readonly seed: number;
}
export interface ChosenGenerator {
  readonly road: 'prompted' | 'tuned';
  /** Tree: the generator's files with `prompt.json` (prompt and defaults) and `guidelines.json`: what is evaluated and served. */
  readonly generator: ArtifactRef;
  readonly prompt: ArtifactRef;
  readonly reason: string;
  /** Tuned minus prompted on the validation prompts that both answered; null where nothing was tuned. */
  readonly difference: Score | null;
}

/** Gates that ask the chosen generator more than the test prompts as they are. */
export type AskingGate = 'noiseDrop' | 'identityDrop' | 'shiftedDrop';
/** What is left out of what it is asked for them. */
export interface AskedLess {
  /** Gates that are off: no answers are made for them. */
  readonly not?: readonly AskingGate[];
  /** Prompts of a kind (with a mistake, with a sentence after them, from elsewhere), at most; swapped words are spread over identities, and as many as ever. */
  readonly most?: number;
}

export interface EvaluateGeneratorInput {
  readonly generator: ArtifactRef;
  /** The candidate as it came, and what it was: told nothing, it is the baseline; its general text is not to be unlearnt. */
  readonly base: ArtifactRef;
  readonly tuned: boolean;
  readonly dataset: ArtifactRef;
  readonly guidelines: ArtifactRef;
  readonly exportParityMaxAbs: number;
  readonly seed: number;
  /** What the definition declares of it; missing where it declares none. */
  readonly device?: Device;
  /** Where it may be timed; anywhere when missing. */
  readonly hardware?: HardwareClass;
  /** What its times will be held to. */
  readonly timeLimits?: TimeLimits;
  /** Missing where all is asked. */
  readonly askedLess?: AskedLess;
}
/** What is needed of the declared device; memory with the caches of all generations that are under way at once. */
export interface GeneratorFit {
  readonly parts: readonly FittedPart[];
  /** Generations that a worker has under way. */
  readonly turns: number;
  /** Tokens of prompt and answer that each is counted with, and what its cache of so many takes. */
  readonly tokens: number;
  readonly cacheMb: number;
}
export interface PromptSlice {
  readonly name: string;
  readonly rows: number;
  readonly adherence: number;
  /** Adherence of all other test prompts minus the slice's. */
  readonly gap: Score;
}
export interface CheckScore {
  readonly id: string;
  readonly kind: string;
  readonly severity: 'gate' | 'soft';
  readonly meaning: string;
  /** Share that keep it, of the answers to test prompts that it is about. */
  readonly kept: Score;
}
/** `distinctPairs`: different pairs of words over all pairs, of all answers (distinct-2). */
export type AnswerFigure = 'perplexity' | 'bitsPerByte' | 'chrF' | 'rougeL' | 'distinctPairs';
export interface GeneratorEvaluation {
  /** One a gate; the gate of the same name judges it. */
  readonly measures: Readonly<Record<string, Score>>;
  readonly checks: readonly CheckScore[];
  /** A table of behaviour tests each; missing where the definition has none. */
  readonly behaviour?: readonly BehaviourResult[];
  /** Of the test prompts, the one that is judged and then the worst first, twenty at most; missing in evaluations made before there were any. */
  readonly slices?: readonly PromptSlice[];
  /** Missing where no device is declared. */
  readonly hardwareFit?: GeneratorFit;
  /** No gate judges these: what good answers are to the model, and what its answers have in common with them. */
  readonly figures: Readonly<Record<AnswerFigure, Score>>;
  readonly firstTokenMs: GeneratorProfile['firstTokenMs'];
  readonly msPerToken: GeneratorProfile['msPerToken'];
  readonly waitedShare: GeneratorProfile['waitedShare'];
  readonly leastMs?: GeneratorProfile['leastMs'];
  readonly memoryMb: number;
  /** A test prompt, by the clock, of the one that is served and the one told nothing; missing in evaluations made before it was timed. */
  readonly secondsAnAnswer?: { readonly served: number; readonly base: number };
  readonly hardware: Hardware;
  /** Ids of up to 20 test rows whose answers broke most; prompts and answers stay in the artifact. */
  readonly failures: readonly { readonly rowId: string; readonly broken: readonly string[] }[];
  /** Prompts and texts that show what the gates mean; what was said is in the details. */
  readonly examples?: ExampleIds;
  /** JSON with everything above, and every answer to a test prompt. */
  readonly details: ArtifactRef;
  /** Tree `reference.json`: lengths and adherence of the test answers, what drift is measured against. */
  readonly reference: ArtifactRef;
}

export interface CompareGeneratorsInput {
  readonly production: { readonly bundle: Digest; readonly generator: ArtifactRef; readonly dataset: ArtifactRef };
  readonly candidate: { readonly generator: ArtifactRef; readonly evaluation: ArtifactRef };
  readonly dataset: ArtifactRef;
  readonly guidelines: ArtifactRef;
  /** Missing in inputs recorded before it was judged. */
  readonly gate?: GenerationGatesSpec['gainOverProduction'];
  readonly seed: number;
}
/** The chosen generator and the one in production on the same test prompts, by the same checks; or why not. */
export type GeneratorComparison =
  | { readonly comparable: false; readonly bundle: Digest; readonly reason: string; readonly gate?: never }
  | {
      readonly comparable: true;
      readonly bundle: Digest;
      /** Test prompts that both were asked. */
      readonly rows: number;
      /** Test prompts left out, since the one in production was trained or chosen on them; null: nobody can say any more. */
      readonly rowsKnown: number | null;
      readonly adherence: PairedScore;
      /** Prompts that only the candidate answers within the guidelines, and that only production does; McNemar's test. */
      readonly won: number;
      readonly lost: number;
      readonly exactP: number;
      readonly midP: number;
      /** Missing in comparisons made before it was judged. */
      readonly gate?: GateResult;
    };

/** What a run that generates knows besides what every run knows. */
export interface GenerationFacts {
  readonly guidelines: ArtifactRef;
  readonly formatted?: FormattedPrompts;
  /** What was trained on: the formatted conversations, with the canaries among them. */
  readonly learnt?: ArtifactRef;
  readonly tuned?: { readonly exported: ExportedGenerator; readonly search: PromptSearch };
  readonly evaluation?: GeneratorEvaluation;
  readonly memorisation?: MemorisationMeasures;
}

export interface JudgeGenerationInput {
  readonly measures: GeneratorEvaluation['measures'];
  /** null where nothing was tuned, or what was tuned was not chosen. */
  readonly memorisation: MemorisationMeasures['measures'] | null;
  readonly gates: GenerationGatesSpec;
  readonly memorisationGates: MemorisationGatesSpec;
  /** The tables of behaviour tests, with what the evaluation found. */
  readonly behaviour?: JudgeGatesInput['behaviour'];
  readonly custom?: JudgeCustom;
  readonly evidence?: JudgeGatesInput['evidence'];
}
