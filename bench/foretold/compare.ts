/** What a prototype's report foretold beside what the whole run has. Pure. */
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { WholeAnswers } from '../../activities/report/whole-answers.ts';
import type { WholeGallery } from '../../activities/report/whole-gallery.ts';

export interface Compared {
  readonly figure: string;
  /** The prototype's own. */
  readonly prototype: number | null;
  readonly foretold: number | null;
  readonly range?: { readonly low: number; readonly high: number };
  readonly achieved: number | null;
  readonly digits?: number;
}

/** Of a generator: what its gates judge, and the seconds and money of asking and tuning. */
export function compareAnswers(said: WholeAnswers, prototype: RunFacts, whole: RunFacts): readonly Compared[] {
  const [small, large] = [evaluationOf(prototype), evaluationOf(whole)];
  const asking = ({ secondsAnAnswer, measures }: ReturnType<typeof evaluationOf>): number | null =>
    secondsAnAnswer === undefined
      ? null
      : (secondsAnAnswer.served + secondsAnAnswer.base) * (measures['adherence']?.rows ?? 0);
  const judged = (name: string, evaluation: typeof small): number | null =>
    evaluation.measures[name]?.interval?.low ?? null;
  return [
    {
      figure: `adherence over ${said.testPrompts} test prompts (${said.asked} asked)`,
      prototype: small.measures['adherence']?.value ?? null,
      foretold: said.adherence,
      range: said.interval,
      achieved: large.measures['adherence']?.value ?? null,
    },
    ...said.gates.map(({ name, judged: range }) => ({
      figure: `what ${name} judges`,
      prototype: judged(name, small),
      foretold: (range.low + range.high) / 2,
      range,
      achieved: judged(name, large),
    })),
    {
      figure: 'asking, seconds',
      prototype: asking(small),
      foretold: said.asking?.seconds ?? null,
      achieved: asking(large),
      digits: 1,
    },
    {
      figure: 'good answers to learn from',
      prototype: prototype.generation?.formatted?.rows.train ?? null,
      foretold: said.completions,
      achieved: whole.generation?.formatted?.rows.train ?? null,
      digits: 0,
    },
    trainingSeconds(said, prototype, whole),
  ];
}

function evaluationOf({ generation }: RunFacts) {
  const evaluation = generation?.evaluation;
  if (evaluation === undefined) throw new Error('a run has no evaluation');
  return evaluation;
}

/** Of a finder: what it finds, how large it is, and the seconds of embedding. */
export function compareGallery(said: WholeGallery, prototype: RunFacts, whole: RunFacts): readonly Compared[] {
  const [small, large] = [retrievalOf(prototype), retrievalOf(whole)];
  const foretold = small.foretold;
  if (foretold === undefined) throw new Error('the prototype foretold nothing');
  const found = (['recallAtK', 'meanAveragePrecision'] as const).flatMap((name): readonly Compared[] =>
    'not' in foretold
      ? []
      : [
          {
            figure: name,
            prototype: small.measures[name].value,
            foretold: foretold[name].value,
            range: foretold[name].interval,
            achieved: large.measures[name].value,
          },
        ],
  );
  return [
    ...found,
    {
      figure: 'index, bytes',
      prototype: indexBytes(prototype),
      foretold: said.indexBytes,
      achieved: indexBytes(whole),
      digits: 0,
    },
    ...(['sizeMb', 'memoryMb'] as const).map((name) => ({
      figure: name,
      prototype: small.measures[name].value,
      foretold: name === 'memoryMb' ? said.memoryMb : judgedSize(said),
      achieved: large.measures[name].value,
      digits: 2,
    })),
    {
      figure: 'latency at the 95th percentile, ms',
      prototype: small.measures.latencyP95Ms.value,
      foretold: said.latencyP95Ms,
      achieved: large.measures.latencyP95Ms.value,
      digits: 2,
    },
    {
      figure: `embedding ${said.allRows} pictures once, seconds`,
      prototype: null,
      foretold: said.embedding.seconds,
      achieved: null,
      digits: 1,
    },
    trainingSeconds(said, prototype, whole),
  ];
}

function trainingSeconds(
  { training }: Pick<WholeAnswers | WholeGallery, 'training'>,
  prototype: RunFacts,
  whole: RunFacts,
): Compared {
  return {
    figure: 'training, seconds (at most)',
    prototype: ranOf(prototype, 'train'),
    foretold: training?.seconds ?? null,
    achieved: ranOf(whole, 'train'),
    digits: 1,
  };
}

function retrievalOf({ retrieval }: RunFacts) {
  if (retrieval === undefined) throw new Error('a run has no evaluation');
  return retrieval;
}

function judgedSize({ gates }: WholeGallery): number | null {
  const judged = gates.find(({ name }) => name === 'sizeMb')?.judged;
  return typeof judged === 'number' ? judged : null;
}

function indexBytes({ exported }: RunFacts): number | null {
  return exported !== undefined && 'embedder' in exported ? exported.sizeBytes : null;
}

function ranOf({ steps }: RunFacts, step: string): number | null {
  return steps.find(({ id }) => id === step)?.ranSeconds ?? null;
}
