/** A generator: the prompts that were tried, whether it was tuned and why, and how its answers keep the guidelines. */
import { html, type Content, type Html } from '../../../artifacts/html.ts';
import type {
  CheckScore,
  FormattedPrompts,
  GeneratorEvaluation,
  PromptSearch,
  PromptSlice,
  PromptVariant,
} from '../../contract/prompting.ts';
import type { RunFacts } from '../../contract/evidence.ts';
import type { AnswerExample } from '../answers.ts';
import {
  count,
  decimal,
  digest,
  machineWords,
  megabytes,
  milliseconds,
  percent,
  points,
  score,
  waitedWords,
} from '../format.ts';
import type { Section } from '../page.ts';
import { badge, facts, list, table } from '../parts.ts';
import { deviceFacts } from './device.ts';

export const generationSection: Section = {
  id: 'generation',
  title: 'Prompts and guidelines',
  body: ({ facts: run, answers }) => {
    const { generation, selection } = run;
    if (generation === undefined || selection === undefined) return null;
    return html`${decision(run)}
      ${(run.candidates ?? []).map(({ id, generator }) =>
        generator?.search === undefined
          ? ''
          : searched(`Ways of asking ${id}, on validation prompts`, generator.search),
      )}
      ${generation.tuned === undefined ? '' : searched('Ways of asking the tuned model, on validation prompts', generation.tuned.search)}
      ${generation.evaluation === undefined ? '' : kept(generation.evaluation.checks)}
      ${sliced(generation.evaluation?.slices ?? [])} ${failures(answers)}
      <p class="quiet">The guidelines: ${digest(generation.guidelines.digest)}</p>`;
  },
};

/** Whether it was tuned, what came of it, and what is served. */
function decision({ selection, exported, generation, pipeline }: RunFacts): Html {
  const training = selection !== undefined && 'training' in selection ? selection.training : undefined;
  const chosen = exported !== undefined && 'road' in exported ? exported : undefined;
  const { evaluation, formatted } = generation ?? {};
  const entries: readonly (readonly [name: string, value: Content])[] = [
    ...(isDecision(training)
      ? ([
          [
            'Is a prompt enough?',
            html`${badge(training.needed ? 'care' : 'good', training.needed ? 'no' : 'yes')} ${training.reason}`,
          ],
        ] as const)
      : []),
    ...(formatted === undefined
      ? []
      : ([
          [
            'Learnt from',
            `${count(formatted.rows.train)} good answers; left out: ${count(formatted.leftOut.withoutCompletion)} rows without one, ${count(formatted.leftOut.againstGuidelines)} that break a guideline, ${count(formatted.leftOut.spellsSpecial)} in which a text spells a special token of the model${conversations(formatted)}`,
          ],
        ] as const)),
    ...(chosen === undefined
      ? []
      : ([
          ['Served', html`${badge('neutral', chosen.road)} ${chosen.reason}`],
          ...(chosen.difference === null
            ? []
            : ([['Tuned minus prompted', score(chosen.difference, points)]] as const)),
        ] as const)),
    ...(evaluation === undefined
      ? []
      : ([
          [
            'Adherence on test prompts',
            score(evaluation.measures['adherence'] ?? { value: null, interval: null, rows: 0 }),
          ],
          [
            'First token',
            `p50 ${milliseconds(evaluation.firstTokenMs.p50)}, p95 ${milliseconds(evaluation.firstTokenMs.p95)}${waitedWords(evaluation.waitedShare)}`,
          ],
          ['A token', milliseconds(evaluation.msPerToken.p50)],
          ['Measured on', machineWords(evaluation.hardware, pipeline.selection.hardware)],
          ...fitted(evaluation.hardwareFit),
          ...figureEntries(evaluation.figures),
        ] as const)),
  ];
  return facts(entries);
}

function fitted(fit: GeneratorEvaluation['hardwareFit']): ReturnType<typeof deviceFacts> {
  if (fit === undefined) return [];
  const { parts, turns, tokens, cacheMb } = fit;
  const caches = ` and ${count(turns)} answers under way in each, of ${count(tokens)} tokens with their prompts (a cache of ${megabytes(cacheMb)})`;
  return deviceFacts(parts, caches);
}

/** What no gate judges. */
function figureEntries(figures: GeneratorEvaluation['figures']): readonly (readonly [name: string, value: Content])[] {
  return [
    ['Perplexity of good answers', score(figures.perplexity, decimal)],
    ['Bits a byte of good answers', score(figures.bitsPerByte, decimal)],
    ['In common with good answers, chrF', score(figures.chrF)],
    ['In common with good answers, ROUGE-L', score(figures.rougeL)],
    ['Different pairs of words', score(figures.distinctPairs)],
  ];
}

function isDecision(value: unknown): value is { readonly needed: boolean; readonly reason: string } {
  return typeof value === 'object' && value !== null && 'needed' in value && 'reason' in value;
}

function searched(caption: string, { variants, untried, tokens, stoppedBy }: PromptSearch): Html {
  const left = untried === 0 ? '' : ` ${untried} more were not tried.`;
  const stopped = stoppedBy === null ? '' : ` It ended early: ${stoppedBy}.`;
  const crowded = variants.some(({ noRoom = 0 }) => noRoom > 0);
  const room = crowded
    ? ' No room: prompts that left none for an answer in the context. Nothing was asked there, and no guideline counts as kept.'
    : '';
  return html`${table(
      caption,
      [
        { title: 'What it is told', cell: (row: PromptVariant) => row.name },
        { title: 'Answers within the guidelines', numeric: true, cell: (row) => score(row.adherence) },
        { title: 'Prompts', numeric: true, cell: (row) => count(row.adherence.rows) },
        { title: 'By weight', numeric: true, cell: (row) => percent(row.weighted) },
        { title: 'Tokens read', numeric: true, cell: (row) => decimal(row.promptTokens, 0) },
        ...(crowded ? [{ title: 'No room', numeric: true, cell: (row: PromptVariant) => count(row.noRoom ?? 0) }] : []),
      ],
      variants,
    )}
    <p class="quiet">
      The better half of each round goes on to twice as many prompts; ${count(tokens)} tokens in
      all.${left}${stopped}${room}
    </p>`;
}

function conversations({ conversations: turns }: FormattedPrompts): string {
  if (turns === undefined) return '';
  return `; ${count(turns.rows)} of them in conversations of several turns, of which ${count(turns.shortened)} lost their oldest to fit`;
}

function kept(checks: readonly CheckScore[]): Html {
  return table(
    'Guideline by guideline, on test prompts',
    [
      { title: 'Guideline', cell: (row: CheckScore) => row.id },
      { title: 'What it says', cell: (row) => row.meaning },
      { title: 'Severity', cell: (row) => row.severity },
      { title: 'Kept', numeric: true, cell: (row) => score(row.kept) },
      { title: 'Answers', numeric: true, cell: (row) => count(row.kept.rows) },
    ],
    checks,
  );
}

function sliced(slices: readonly PromptSlice[]): Html {
  if (slices.length === 0) return html``;
  return table(
    'Slices of the test prompts; the interval holds for all of them at once',
    [
      { title: 'Slice', cell: (row: PromptSlice) => row.name },
      { title: 'Prompts', numeric: true, cell: (row) => count(row.rows) },
      { title: 'Answers within the guidelines', numeric: true, cell: (row) => percent(row.adherence) },
      { title: 'All others minus it', numeric: true, cell: (row) => score(row.gap, points) },
    ],
    slices,
  );
}

function failures(answers: readonly AnswerExample[] | null | undefined): Html {
  if (answers === null || answers === undefined) return html``;
  if (answers.length === 0) return html`<p>No answer to a test prompt broke a guideline.</p>`;
  return table(
    'Answers that broke most; placeholders stand for personal data, long texts are cut',
    [
      { title: 'Row', cell: (row: AnswerExample) => html`<code>${row.rowId}</code>` },
      { title: 'Broken', cell: (row) => list([...row.broken]) },
      { title: 'Prompt', cell: (row) => html`<span class="text">${row.prompt}</span>` },
      { title: 'Answer', cell: (row) => html`<span class="text">${row.answer}</span>` },
    ],
    answers,
  );
}
