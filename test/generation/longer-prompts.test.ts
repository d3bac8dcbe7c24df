import { deepEqual, equal, ok } from 'node:assert/strict';
import { isFarFrom, lengthened, otherLengths, shortened } from '../../activities/generation/longer-prompts.ts';

describe('the prompts of other lengths that a generator is timed with', () => {
  it('are two: as long as context and time allow, and between that and the questions', () => {
    const quick = { promptTokens: 40, firstMs: 20 };
    deepEqual(otherLengths(quick, { contextTokens: 8192, newTokens: 32 }), [286, 2048]);
    deepEqual(otherLengths(quick, { contextTokens: 1032, newTokens: 32 }), [200, 1000]);
    deepEqual(otherLengths({ promptTokens: 40, firstMs: 1000 }, { contextTokens: 8192, newTokens: 32 }), [126, 400]);
  });

  it('are a shorter one, and the longest where it is a quarter longer at least, where questions fill half of the context or one takes very long', () => {
    const quick = { promptTokens: 520, firstMs: 20 };
    deepEqual(otherLengths(quick, { contextTokens: 1024, newTokens: 32 }), [130, 992]);
    deepEqual(otherLengths(quick, { contextTokens: 650, newTokens: 32 }), [130]);
    deepEqual(otherLengths({ promptTokens: 40, firstMs: 9000 }, { contextTokens: 8192, newTokens: 32 }), [10]);
    deepEqual(otherLengths({ promptTokens: 1, firstMs: 20 }, { contextTokens: 33, newTokens: 32 }), []);
  });

  it('count where they are a quarter longer than what was timed, or what was timed than they', () => {
    deepEqual(
      [32, 33, 49, 50].map((tokens) => isFarFrom(40, tokens)),
      [true, false, false, true],
    );
  });

  it('are the end of a question where they are shorter', () => {
    const asked = [
      { role: 'user', content: 'My parcel is late. ' } as const,
      { role: 'assistant', content: 'I see.' } as const,
      { role: 'user', content: 'Where is it?' } as const,
    ];
    deepEqual(shortened(asked, 19), [{ role: 'user', content: 'I see.\nWhere is it?' }]);
    deepEqual(shortened(asked, 6), [{ role: 'user', content: 'is it?' }]);
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
