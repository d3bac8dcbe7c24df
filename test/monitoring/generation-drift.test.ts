import { deepEqual, equal } from 'node:assert/strict';
import { detectGenerationDrift, generationWindow } from '../../activities/monitoring/generation-drift.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import type { GenerationRecord } from '../../artifacts/bundle.ts';

const RATE = 0.02;

function lengths(count: number, mean: number, seed: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => Math.round(mean + random.below(21) - 10));
}

const reference = {
  rows: 200,
  promptTokens: lengths(200, 40, 1),
  answerTokens: lengths(200, 30, 2),
  adherent: Array.from({ length: 200 }, (_, index) => index % 10 !== 0),
};
const options = { falseAlarmRate: RATE, seed: 3 };

describe('drift of a generator', () => {
  it('is seen in longer prompts, in shorter answers, and in answers that keep the guidelines no more', async () => {
    const same = { promptTokens: lengths(150, 40, 4), answerTokens: lengths(150, 30, 5) };
    const alarms = async (window: object): Promise<string[]> => {
      const { tests } = await detectGenerationDrift(reference, { ...same, adherent: null, ...window }, options);
      return tests.filter(({ alarm }) => alarm).map(({ name }) => name);
    };
    deepEqual(await alarms({}), []);
    deepEqual(await alarms({ promptTokens: lengths(150, 48, 6) }), ['prompt-length']);
    deepEqual(await alarms({ answerTokens: lengths(150, 22, 7) }), ['answer-length']);
    deepEqual(await alarms({ adherent: Array.from({ length: 150 }, (_, index) => index % 2 === 0) }), ['adherence']);
  });

  it('raises no more alarms on undrifted traffic than it says', async () => {
    let alarms = 0;
    for (let round = 0; round < 60; round++) {
      const window = {
        promptTokens: lengths(100, 40, 100 + round),
        answerTokens: lengths(100, 30, 300 + round),
        adherent: null,
      };
      const fresh = {
        ...reference,
        promptTokens: lengths(200, 40, 500 + round),
        answerTokens: lengths(200, 30, 700 + round),
      };
      if ((await detectGenerationDrift(fresh, window, { falseAlarmRate: 0.05, seed: round })).drift) alarms += 1;
    }
    // Binomial(60, 0.05): more than 8 has a chance of 0.4 %.
    equal(alarms <= 8, true, `${alarms} of 60`);
  });

  it('judges adherence only where every text is there, and leaves out what is no number', () => {
    const record = { promptTokens: 3, tokens: 5, prompt: 'a', text: 'b' } as GenerationRecord;
    const { text: _, ...silent } = record;
    const adheres = (_prompt: string, answer: string): boolean => answer === 'b';
    deepEqual(generationWindow([record, record], adheres).outputs.adherent, [true, true]);
    equal(generationWindow([record, silent], adheres).outputs.adherent, null);
    equal(generationWindow([record, { ...record, tokens: Number.NaN }], adheres).unusable, 1);
  });
});
