import { deepEqual, equal, ok } from 'node:assert/strict';
import { lengthened, longerLengths } from '../../activities/generation/longer-prompts.ts';

describe('the longer prompts that a generator is timed with', () => {
  it('are two: as long as context and time allow, and between that and the questions', () => {
    const quick = { promptTokens: 40, firstMs: 20 };
    deepEqual(longerLengths(quick, { contextTokens: 8192, newTokens: 32 }), [286, 2048]);
    deepEqual(longerLengths(quick, { contextTokens: 1032, newTokens: 32 }), [200, 1000]);
    deepEqual(longerLengths({ promptTokens: 40, firstMs: 1000 }, { contextTokens: 8192, newTokens: 32 }), [126, 400]);
  });

  it('are none where questions fill half of the context already, or one takes very long', () => {
    deepEqual(longerLengths({ promptTokens: 40, firstMs: 20 }, { contextTokens: 100, newTokens: 32 }), []);
    deepEqual(longerLengths({ promptTokens: 40, firstMs: 9000 }, { contextTokens: 8192, newTokens: 32 }), []);
  });

  it('have so many characters of the questions before them, as a system text', () => {
    const asked = [[{ role: 'user', content: 'late?' } as const], [{ role: 'user', content: 'where is it?' } as const]];
    const [system, question] = lengthened(asked[0]!, 100, asked);
    equal(system?.role, 'system');
    equal(system?.content.length, 100);
    ok(system?.content.startsWith('late?\nwhere is it?'));
    deepEqual(question, asked[0]![0]);
    deepEqual(lengthened([{ role: 'user', content: '' }], 100, [[{ role: 'user', content: '' }]]), [
      { role: 'user', content: '' },
    ]);
  });
});
