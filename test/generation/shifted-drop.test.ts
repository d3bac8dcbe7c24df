import { deepEqual, equal, match } from 'node:assert/strict';
import { EspalierError } from '../../artifacts/errors.ts';
import { UNPROMPTED } from '../../activities/generation/answers.ts';
import type { Asking } from '../../activities/generation/edited/ask-edited.ts';
import { judgeBy } from '../../activities/generation/judge.ts';
import { shiftedDrop } from '../../activities/generation/shifted-drop.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { GenerationDefaultsSchema } from '../../pipelines/definition/generation.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';
import { parseGuidelines } from '../../pipelines/guidelines/guidelines.ts';

const judge = judgeBy(
  parseGuidelines(
    `version: 1
checks:
  - { id: calm, kind: banned-phrases, phrases: [damn] }
  - { id: short, kind: length, maxWords: 2 }
`,
    'g.yaml',
  ),
);
const asking = (says: (prompt: string) => string): Asking => ({
  generator: {
    complete: (messages) => {
      const text = says(typeof messages === 'string' ? messages : messages.at(-1)!.content);
      return Promise.resolve({ text, promptTokens: 1, tokens: 1, finish: 'end' });
    },
  },
  prompt: UNPROMPTED,
  judge,
  options: { generation: GenerationDefaultsSchema.parse({}), seed: 7, signal: new AbortController().signal },
});
const test = Array.from({ length: 100 }, (_, at) => ({ adherent: at >= 10 }));
const elsewhere = {
  of: 300,
  rows: Array.from({ length: 60 }, (_, at) => ({ id: `row ${at}`, prompt: `Where is bus ${at}?` })),
};
const gate = GENERATION_GATE_TABLE.shiftedDrop;
const verdict = (score: Parameters<typeof judgeGate>[2]) =>
  judgeGate('shiftedDrop', gate, score, { max: gate.threshold, severity: gate.severity });

describe('answers to prompts from elsewhere', () => {
  it('cost a model its gate where they keep the guidelines less than those to test prompts, beyond chance', async () => {
    const { score, shifted, examples } = await shiftedDrop(
      test,
      elsewhere,
      asking((prompt) => (/[0-4]\?/.test(prompt) ? 'Damn it all, no.' : 'Soon.')),
    );
    deepEqual([score.value, score.rows], [0.4, 60]);
    equal(verdict(score).verdict, 'warn');
    deepEqual([shifted?.of, shifted?.answers.length, shifted?.answers[0]?.broken], [300, 60, ['calm', 'short']]);
    equal(examples.length, 5);
    deepEqual(examples[0], { id: 'row 0', note: 'breaks calm, short', text: 'Where is bus 0?\n→ Damn it all, no.' });
  });

  it('cost nothing where they are as good, and what leaves no room for an answer counts as it does of test prompts', async () => {
    const same = await shiftedDrop(
      test,
      elsewhere,
      asking((prompt) => (prompt.includes(' 7?') ? 'Damn.' : 'Soon.')),
    );
    equal(verdict(same.score).verdict, 'pass');
    const full = await shiftedDrop(
      test,
      elsewhere,
      asking(() => {
        throw new EspalierError('BadRequest', 'no room', { where: 'messages', fix: 'ask less' });
      }),
    );
    equal(full.score.value, 0.9);
    match(full.examples[0]?.text ?? '', /\n→ \(no room\)$/);
  });

  it('are not measured where the definition names none', async () => {
    const { score, shifted } = await shiftedDrop(
      test,
      null,
      asking(() => 'Soon.'),
    );
    equal(shifted, undefined);
    deepEqual([verdict(score).verdict, score.notApplicable], ['off', 'the definition names no data.shiftedFiles']);
  });
});
