/** The inputs that show what the gates mean, as an approver may see them: no personal value that the scanner knows. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { PII_KINDS } from '../../pipelines/definition/data.ts';
import type { RunFacts } from '../contract/evidence.ts';
import type { ExampleIds, GateExample } from '../contract/examples.ts';
import { lineBlocks } from '../data/line-blocks.ts';
import { redactTexts } from '../privacy/redact.ts';
import { cut } from './examples.ts';

/** Between a prompt and its answer, as the evaluation of a generator writes them. */
const ANSWERED = '\n→ ';
/** Code points before an edit that tell what it stands in. */
const BEFORE_EDIT = 80;

/** By gate; `text` redacted and cut, null where the evaluation kept none. */
export type ShownExamples = Readonly<Record<string, readonly ShownExample[]>>;
export interface ShownExample extends Pick<GateExample, 'id' | 'note'> {
  readonly text: string | null;
}

/** undefined where nothing was evaluated, or an evaluation kept none. */
export async function readExamples(
  { evaluation, retrieval, generation, attack, squareAttack }: RunFacts,
  store: ArtifactStore,
): Promise<ShownExamples | undefined> {
  const evaluated = evaluation ?? retrieval ?? generation?.evaluation;
  if (evaluated?.examples === undefined) return undefined;
  const { examples } = await store.getJson<{ readonly examples: Readonly<Record<string, readonly GateExample[]>> }>(
    evaluated.details,
  );
  const attacked: Record<string, readonly GateExample[]> = {};
  for (const one of [attack, squareAttack]) {
    if (one !== undefined) Object.assign(attacked, await attackedPictures(one, store));
  }
  return shownExamples({ ...examples, ...attacked });
}

/**
 * Redacted as a whole, before it is cut. An edit can hide a value from the scanner (a mistyped address is none), so of a row
 * that has one people see the text as it was, redacted.
 */
export async function shownExamples(
  examples: Readonly<Record<string, readonly GateExample[]>>,
): Promise<ShownExamples> {
  const all = Object.entries(examples).flatMap(([gate, of]) => of.map((example) => ({ gate, example })));
  const texts = all.flatMap(({ example: { text = '', unedited = '' } }) => [text, unedited]);
  const { texts: redacted } = await redactTexts(texts, PII_KINDS, () => Promise.resolve());
  const shown: Record<string, ShownExample[]> = {};
  for (const [place, { gate, example }] of all.entries()) {
    const { id, note, text, unedited = '' } = example;
    const [edited, before] = [redacted[2 * place] ?? '', redacted[2 * place + 1] ?? ''];
    const isPersonal = before !== unedited;
    const one = {
      id,
      note: isPersonal ? `${note}; shown without the edit, as it holds personal data` : note,
      text: text === undefined ? null : isPersonal ? cutParts(before) : cutParts(fromTheEdit(edited, before)),
    };
    (shown[gate] ??= []).push(one);
  }
  return shown;
}

/** Of a generator: what was asked, and below it what was answered; each is cut by itself. */
function cutParts(text: string): string {
  const answer = text.lastIndexOf(ANSWERED);
  return answer < 0 ? cut(text) : `${cut(text.slice(0, answer))}${cut(text.slice(answer))}`;
}

/** What an edit changed is what the example shows: it must not lie behind the cut. */
function fromTheEdit(edited: string, before: string): string {
  if (before === '') return edited;
  const [points, plain] = [Array.from(edited), Array.from(before)];
  const first = points.findIndex((point, place) => point !== plain[place]);
  return first <= BEFORE_EDIT ? edited : `…${points.slice(first - BEFORE_EDIT).join('')}`;
}

interface Attacked {
  readonly details: ArtifactRef;
  readonly examples?: ExampleIds;
}
interface AttackedLine {
  readonly rowId: string;
  readonly label?: string;
  readonly fgsm?: string;
  readonly pgd?: string;
  readonly gradient?: boolean;
  readonly queries?: number;
}

/** What became of each picture that lost its right answer. */
async function attackedPictures(
  { details, examples = {} }: Attacked,
  store: ArtifactStore,
): Promise<Readonly<Record<string, readonly GateExample[]>>> {
  const wanted = new Set(Object.values(examples).flat());
  const lines = new Map<string, AttackedLine>();
  for await (const block of lineBlocks(await store.file(details), details.name)) {
    for (const line of block as readonly AttackedLine[]) if (wanted.has(line.rowId)) lines.set(line.rowId, line);
  }
  const exampleIn =
    (gate: string) =>
    (id: string): GateExample => ({ id, note: became(gate, lines.get(id)) });
  return Object.fromEntries(Object.entries(examples).map(([gate, ids]) => [gate, ids.map(exampleIn(gate))]));
}

function became(gate: string, { label, fgsm, pgd, gradient, queries }: Partial<AttackedLine> = {}): string {
  if (queries !== undefined) return `lost after ${queries} questions`;
  // Nothing attacked it: it counts as lost (attack-measures.ts), whatever is answered.
  if (gradient === false) return `${label ?? 'right'}, no pixel changes its loss`;
  return `${label ?? 'right'}, under the attack ${(gate === 'pgdRobustness' ? pgd : fgsm) ?? 'another'}`;
}
