import { deepEqual, equal, throws } from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { servedPromptOf, withServedGeneration } from '../../../inference/generation/served-prompt.ts';

const read = (value: unknown) => servedPromptOf(Buffer.from(JSON.stringify(value)), 'bundle');
const PLAIN = { system: '', examples: [] };

describe('the prompt of a bundle', () => {
  it('says how the model answers where a request does not, option by option', () => {
    const served = { maxNewTokens: 60, temperature: 0.7, topP: 0.9, topK: 40, repetitionPenalty: 1.2, stop: ['\n\n'] };
    deepEqual(withServedGeneration({}, { ...served, seed: 7 }, 100), {
      ...served,
      seed: undefined,
      jsonSchema: undefined,
      bannedPhrases: undefined,
    });
    const asked = { temperature: 0, stop: [], seed: 5, maxNewTokens: 90 };
    const { temperature, topP, stop, seed, maxNewTokens } = withServedGeneration(asked, served, 100);
    deepEqual([temperature, topP, stop, seed, maxNewTokens], [0, 0.9, [], 5, 90]);
  });

  it('asks for no more than the server gives, unless the request itself does', () => {
    equal(withServedGeneration({}, {}, 100).maxNewTokens, 100);
    equal(withServedGeneration({}, { maxNewTokens: 400 }, 100).maxNewTokens, 100);
    equal(withServedGeneration({ maxNewTokens: 400 }, { maxNewTokens: 60 }, 100).maxNewTokens, 400);
  });

  it('leaves its stop sequences out where JSON of a schema is asked for, but not the caller’s, who is told', () => {
    equal(withServedGeneration({ jsonSchema: {} }, { stop: ['}'] }, 9).stop, undefined);
    deepEqual(withServedGeneration({ jsonSchema: {}, stop: ['x'] }, { stop: ['}'] }, 9).stop, ['x']);
  });

  it('refuses options that cannot be kept, by name, and reads prompts that have none', () => {
    equal(read({ ...PLAIN, version: 1 }).generation, undefined);
    for (const [generation, message] of [
      [{ temperature: -1 }, /generation\.temperature/],
      [{ maxNewTokens: 0 }, /generation\.maxNewTokens/],
      [{ stop: [''] }, /generation\.stop\.0/],
      [{ topP: 0 }, /generation\.topP/],
      [{ beams: 4 }, /generation: .*beams/],
    ] as const) {
      throws(() => read({ ...PLAIN, generation }), { kind: 'BadModel', message, where: 'bundle/prompt.json' });
    }
    throws(() => read({ system: 'x' }), { kind: 'BadModel', message: /examples/ });
    throws(() => servedPromptOf(Buffer.from('{'), 'bundle'), { kind: 'BadModel', message: /is no JSON/ });
  });
});
