/** Of a generator that is a prototype: what all test prompts should show, what the whole run takes, and whether it is worth its cost. */
import { html, type Content } from '../../../artifacts/html.ts';
import { count, percent, points } from '../format.ts';
import type { Section } from '../page.ts';
import { badge, facts } from '../parts.ts';
import type { ForetoldAdherenceGate, WholeAnswers } from '../whole-answers.ts';
import { expenseText } from './prototypes.ts';

export const wholeAnswersSection: Section = {
  id: 'whole-run',
  title: 'The whole run',
  optional: true,
  body: ({ wholeAnswers: whole }) => {
    if (whole === undefined) return null;
    const { passes, interval, completions, currency } = whole;
    const prompts = count(whole.testPrompts);
    return html`<p>${verdictText(whole)}</p>
      <p>${modelText(whole)}</p>
      <p>
        Times to the first token and of a token, memory and size are not extrapolated: weights of the same shape take as
        long, so what the gates measured here holds for the same candidate and prompt on the same machine.
      </p>
      ${facts([
        [
          `Adherence over ${prompts} test prompts, at the share that ${count(whole.asked)} show here`,
          html`${percent(whole.adherence)}<small>${percent(interval.low)} to ${percent(interval.high)}</small>`,
        ],
        ...whole.gates.map((gate) => [`What the gate ${gate.name} would judge`, gateText(gate)] as const),
        ...(passes === null
          ? []
          : [
              ['Probability that adherence passes', chanceText(passes.probability)] as const,
              [`The most that it can judge of ${prompts} prompts`, percent(passes.most)] as const,
            ]),
        [
          `To ask ${prompts} test prompts of this model, and of the one told nothing`,
          whole.asking === null ? 'not known' : expenseText(whole.asking, currency),
        ],
        ...(completions === null
          ? []
          : [
              [
                `To tune on some ${count(completions)} good answers`,
                whole.training === null
                  ? 'not known: the training was there already, resumed, or ended by the budget'
                  : expenseText(whole.training, currency),
              ] as const,
            ]),
      ])}`;
  },
};

function verdictText(whole: WholeAnswers): Content {
  const { passes, verdict, tunes } = whole;
  const strict = whole.gates.filter(({ severity }) => severity === 'fail');
  const named = (outlook: ForetoldAdherenceGate['outlook']): string =>
    strict.flatMap((gate) => (gate.outlook === outlook ? `${gate.name}: ${gateText(gate)}` : [])).join('; ');
  if (verdict === 'fails') {
    return passes !== null && passes.most < passes.threshold
      ? html`${badge('bad', 'not worth it')} The whole run is not worth its cost as it stands: of
        ${count(whole.testPrompts)} test prompts, even if every answer keeps the guidelines, ${percent(passes.most)}
        would be judged, and at least ${percent(passes.threshold)} is asked.`
      : html`${badge('bad', 'not worth it')} The whole run is not worth its cost as it stands: more test prompts let no
        gate through that this model fails beyond chance (${named('fails')}).`;
  }
  if (verdict === 'passes') {
    return html`${badge('good', 'worth it')} The whole run is worth its cost: the
    model${tunes ? ', as tuned on so few rows already,' : ''} passes even at worst (${named('passes')}).`;
  }
  const left = tunes && named('fails') !== '' ? named('fails') : named('open');
  return html`${badge('care', 'not shown')} Whether the whole run is worth its cost is not
  shown${left === '' ? '' : ` (${left})`}.`;
}

/** Which model the figures are of, and what is no part of them. */
function modelText({ tunes, completions }: WholeAnswers): string {
  if (completions !== null) {
    return 'The figures are of the model as it is here. What more rows to learn from bring is not predicted: one size is no curve. If they do no harm they bring between nothing, where the figures stay, and answers that all keep the guidelines.';
  }
  return tunes
    ? 'The figures are of the prompted model as it is here. No prompt was enough for the target, and nothing was tuned: what the whole run would tune, and how long that takes, is not predicted.'
    : 'A prompt was enough here, and nothing was tuned: the whole run is taken to serve the same model, told the same. It searches its prompt anew, on more validation prompts.';
}

function gateText({ name, judged, threshold }: ForetoldAdherenceGate): string {
  const figure = name === 'adherence' ? (value: number) => percent(value) : (value: number) => points(value);
  return `${figure(judged.low)} to ${figure(judged.high)}, at least ${figure(threshold)} is asked`;
}

/** No certainty is read off a share. */
function chanceText(probability: number): string {
  if (probability >= 0.9995) return 'nearly certain';
  return probability < 0.0005 ? 'next to none' : percent(probability);
}
