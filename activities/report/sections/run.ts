/** Who ran what, when, and how it stands. */
import type { GateResult } from '../../contract/validation.ts';
import { digest, time } from '../format.ts';
import { comparisonLine } from './comparison.ts';
import { html, type Html } from '../../../artifacts/html.ts';
import { badge, facts } from '../parts.ts';
import type { ReportInput, Section } from '../page.ts';

const WAITING = {
  review: 'This is the evidence for the review: may this model and these data be used? Nothing has been tuned yet.',
  release: 'This is the evidence for the release: is this model good enough to serve?',
  final: 'The run has not ended.',
} as const;

/** The outcome first: what a reader with ten seconds needs. */
export function headline(input: ReportInput): Html {
  const { kind, facts: run } = input;
  const [state = '', ...reason] = (run.outcome ?? '').split(': ');
  const good = state === 'deployed';
  const mark = run.outcome === undefined ? badge('neutral', `${kind} evidence`) : badge(good ? 'good' : 'bad', state);
  const sentence = run.outcome === undefined ? WAITING[kind] : reason.join(': ');
  return html`<header>
    <p class="over">Espalier report · ${run.run.pipeline}</p>
    <h1>${run.pipeline.deploy.model}: ${run.outcome === undefined ? `evidence for the ${kind}` : state}</h1>
    ${run.pipeline.description === '' ? '' : html`<p class="quiet">${run.pipeline.description}</p>`}
    <div class="outcome">
      ${run.pipeline.prototype === undefined ? '' : html`<p>${badge('care', 'prototype')} Made from a small part of the data: no channel called production takes it.${foretoldLine(input)}</p>`}
      <p>${mark} ${sentence}</p>
      ${gateLine(run.gates?.gates)}${comparisonLine(run)}${run.selection === undefined ? '' : html`<p>Chosen candidate: <strong>${run.selection.winner}</strong></p>`}
    </div>
  </header>`;
}

/** Where a prototype tells what the whole run should bring. */
function foretoldLine({ facts: { prototyped, retrieval }, wholeAnswers }: ReportInput): string {
  const where =
    prototyped !== undefined
      ? 'Prototypes'
      : retrieval?.foretold !== undefined
        ? 'The whole gallery'
        : wholeAnswers !== undefined
          ? 'The whole run'
          : undefined;
  return where === undefined ? '' : ` What the whole run should bring, and cost, stands under ${where}.`;
}

function gateLine(gates: readonly GateResult<string>[] | undefined): Html {
  if (gates === undefined) return html``;
  const names = (verdict: GateResult['verdict']) =>
    gates.filter((gate) => gate.verdict === verdict).map((gate) => gate.name);
  const some = (list: readonly string[]) => (list.length === 0 ? '' : ` (${list.join(', ')})`);
  const [failed, warned] = [names('fail'), names('warn')];
  return html`<p>
    Gates: ${badge('good', `${names('pass').length} passed`)} ·
    ${badge(failed.length === 0 ? 'neutral' : 'bad', `${failed.length} failed`)}${some(failed)} ·
    ${badge(warned.length === 0 ? 'neutral' : 'care', `${warned.length} warned`)}${some(warned)}
  </p>`;
}

export const runSection: Section = {
  id: 'run',
  title: 'The run',
  body: ({ facts: run }) => {
    const use = run.pipeline.intendedUse;
    const yes = (value: boolean, word: string) => (value ? word : `not ${word}`);
    return facts([
      ['Run', html`<code>${run.run.id}</code>`],
      ['Started', time(run.run.startedAt)],
      ['Started by', `${run.run.startedBy} (${run.run.trigger})`],
      [
        'Intended use',
        `${use.domain}: ${yes(use.commercial, 'commercial')}, ${yes(use.hosted, 'hosted')}, weights ${yes(use.publish, 'published')}`,
      ],
      ['Definition', digest(run.definition.digest)],
    ]);
  },
};
