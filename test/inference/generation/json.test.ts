import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import * as fc from 'fast-check';
import { ChoiceOfTokens } from '../../../inference/generation/choice.ts';
import type { GeneratorConfig } from '../../../inference/generation/config.ts';
import { Automaton } from '../../../inference/generation/json/grammar.ts';
import { grammarOf } from '../../../inference/generation/json/schema.ts';
import { checkOptions } from '../../../inference/generation/options.ts';
import { uniform } from '../../../inference/generation/random.ts';
import { readVocabulary, type Vocabulary } from '../../../inference/generation/vocabulary.ts';
import { tinyGpt } from '../../support/tiny-gpt.ts';

/** Whether the grammar of a schema has this very text. */
function accepts(schema: unknown, text: string): boolean {
  const automaton = new Automaton(grammarOf(schema));
  let state = automaton.start;
  for (const byte of Buffer.from(text)) {
    const next = automaton.step(state, byte);
    if (next === null) return false;
    state = next;
  }
  return state.accepting;
}

describe('the grammar of a JSON schema', () => {
  it('has the texts that the schema accepts and no others', () => {
    const object = {
      type: 'object',
      properties: { a: { type: 'string', maxLength: 3 }, b: { type: 'integer' }, c: { type: ['boolean', 'null'] } },
      required: ['b'],
      additionalProperties: false,
    };
    for (const [schema, text, expected] of [
      [object, '{"b":1}', true],
      [object, '{"a":"xyz","b": -20, "c":null}', true],
      [object, '{"a":"wxyz","b":1}', false],
      [object, '{"a":"x"}', false],
      [object, '{"b":1,"a":"x"}', false],
      [object, '{"b":1,}', false],
      [object, '{"b":01}', false],
      [object, '{"b":-0}', false],
      [{ type: 'string', minLength: 2 }, '"é"', false],
      [{ type: 'string', minLength: 2 }, '"é😀"', true],
      [{ type: 'string' }, '"a\nb"', false],
      [{ type: 'string', maxLength: 1 }, String.raw`"\n"`, true],
      [{ type: 'number' }, '-0.50', true],
      [{ type: 'number' }, '1.', false],
      [{ type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 }, '[]', false],
      [{ type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 }, '[true, false]', true],
      [{ type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 }, '[true,true,true]', false],
      [{ enum: ['a', 1, null] }, 'null', true],
      [{ enum: ['a', 'ab'] }, '"ab"', true],
      [{ enum: ['a', 1], type: 'string' }, '1', false],
      [{ anyOf: [{ const: { x: [1] } }, { type: 'integer', minimum: 3, maximum: 5 }] }, '{"x":[1]}', true],
      [{ anyOf: [{ const: { x: [1] } }, { type: 'integer', minimum: 3, maximum: 5 }] }, '6', false],
      [{ $ref: '#/$defs/Kind', $defs: { Kind: { enum: ['refund'] } } }, '"refund"', true],
      [{ type: 'object', properties: {} }, '{}', true],
    ] as const) {
      equal(accepts(schema, text), expected, `${JSON.stringify(schema)} ${text}`);
      if (expected) ok(new Ajv({ strict: false }).validate(schema, JSON.parse(text)), 'ajv agrees');
    }
  });

  it('refuses bytes that are no UTF-8', () => {
    for (const bytes of [
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xf5],
      [0x80],
      [0xe0, 0x80, 0x80],
    ]) {
      const automaton = new Automaton(grammarOf({ type: 'string' }));
      let state: typeof automaton.start | null = automaton.step(automaton.start, 0x22);
      for (const byte of bytes) state = state === null ? null : automaton.step(state, byte);
      equal(state, null, bytes.map((byte) => byte.toString(16)).join(' '));
    }
  });

  it('refuses what would take long to look at in one place', () => {
    const anyOf = Array.from({ length: 60 }, (_, maxLength) => ({ type: 'string', maxLength }));
    throws(() => accepts({ anyOf }, '"a"'), { kind: 'BadRequest', message: /too many things in one place/ });
  });

  it('names what it does not support', () => {
    const node: Record<string, unknown> = { type: 'array', items: { $ref: '#/$defs/Node' } };
    for (const [schema, expected] of [
      [{ type: 'string', pattern: 'a' }, /jsonSchema\.pattern is not supported/],
      [{ type: 'object', properties: { a: { type: 'string', format: 'email' } } }, /properties\.a\.format is not/],
      [{ oneOf: [] }, /oneOf is not supported/],
      [{}, /type must be one of/],
      [true, /must be an object/],
      [{ type: 'integer', minimum: 0 }, /together/],
      [{ type: 'object', required: ['a'] }, /names 'a', which is not in properties/],
      [{ $ref: '#/$defs/Node', $defs: { Node: node } }, /contains itself/],
      [{ $ref: 'https://example.com/x' }, /not one of the schema's own/],
      [{ enum: [] }, /allows no value/],
      [{ enum: Array.from({ length: 1001 }, (_, value) => value) }, /more than 1000 values/],
      [{ type: 'string', minLength: 3, maxLength: 2 }, /less than minLength/],
    ] as const) {
      throws(() => grammarOf(schema), expected, JSON.stringify(schema));
    }
  });
});

describe('an answer that is held to a schema', () => {
  let vocabulary: Vocabulary;
  const config = { endTokens: [0] } as unknown as GeneratorConfig;
  before(async () => {
    const { model } = await tinyGpt();
    const text = await readFile(join(model, 'tokenizer.json'), 'utf8');
    vocabulary = readVocabulary(text, 320, model);
  });

  /** What a model of random weights writes: `bias` makes it want the same tokens again and again. */
  function write(schema: unknown, seed: number, most: number, bias: number, temperature: number): string {
    const options = checkOptions({ maxNewTokens: most, temperature, seed, jsonSchema: schema });
    const choice = new ChoiceOfTokens(options, config, vocabulary, [], most);
    const bytes: Uint8Array[] = [];
    for (let place = 0; place < most && !choice.finished; place++) {
      const logits = Float32Array.from(vocabulary.bytes, (_, token) => {
        const own = uniform(seed, token) * bias;
        return own + uniform(seed + 1, place * 1000 + token) * 4;
      });
      const token = choice.next(logits);
      if (token === 'end') break;
      bytes.push(vocabulary.bytes[token] ?? new Uint8Array());
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(bytes));
  }

  const leafSchema = fc.oneof(
    fc.constant({ type: 'boolean' }),
    fc.constant({ type: 'null' }),
    fc.constant({ type: 'integer' }),
    fc.constant({ type: 'number' }),
    fc.constant({ type: ['string', 'null'] }),
    fc.record({
      type: fc.constant('integer'),
      minimum: fc.integer({ min: -5, max: 5 }),
      maximum: fc.integer({ min: 5, max: 20 }),
    }),
    fc.record({ type: fc.constant('string'), minLength: fc.nat(3), maxLength: fc.integer({ min: 3, max: 9 }) }),
    fc.record({
      enum: fc.uniqueArray(fc.oneof(fc.string(), fc.integer(), fc.constant(null)), { minLength: 1, maxLength: 4 }),
    }),
    fc.record({ const: fc.jsonValue({ maxDepth: 2 }) }),
  );
  const { schema: anySchema } = fc.letrec<{ schema: unknown }>((tie) => ({
    schema: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leafSchema,
      fc.record({
        type: fc.constant('array'),
        items: tie('schema'),
        minItems: fc.nat(2),
        maxItems: fc.integer({ min: 2, max: 4 }),
      }),
      fc.record({ type: fc.constant('array'), items: tie('schema') }),
      fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }),
      fc
        .dictionary(
          fc.string().filter((name) => name !== '__proto__'),
          tie('schema'),
          { maxKeys: 4 },
        )
        .chain((properties) =>
          fc.subarray(Object.keys(properties)).map((required) => ({
            type: 'object',
            properties,
            required,
            additionalProperties: false,
          })),
        ),
    ),
  }));

  it('always parses and validates, whatever the model wants and however few tokens are left', () => {
    const ajv = new Ajv({ strict: false, validateSchema: false });
    fc.assert(
      fc.property(
        anySchema,
        fc.nat(1e6),
        fc.nat(30),
        fc.constantFrom(0, 12),
        fc.constantFrom(0, 0.7, 3),
        (schema, seed, slack, bias, temperature) => {
          const most = new Automaton(grammarOf(schema)).start.shortest + slack;
          fc.pre(most > 0 && most < 400);
          const text = write(schema, seed, most, bias, temperature);
          const value: unknown = JSON.parse(text);
          ok(ajv.validate(schema as object, value), `${text} for ${JSON.stringify(schema)}: ${ajv.errorsText()}`);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('says how many tokens a schema needs at least, when they are too few', () => {
    throws(() => write({ const: 'abc' }, 1, 4, 0, 0), {
      kind: 'BadRequest',
      message: /may need 5 tokens, and 4 are left/,
    });
    equal(write({ const: 'abc' }, 1, 5, 0, 0), '"abc"');
  });

  it('does not go together with stop sequences, and fails openly where a ban forbids what the schema demands', () => {
    throws(() => checkOptions({ maxNewTokens: 5, stop: ['x'], jsonSchema: {} }), { kind: 'BadRequest', where: 'stop' });
    const options = checkOptions({ maxNewTokens: 9, jsonSchema: { const: 'abc' }, bannedPhrases: ['BC'] });
    const choice = new ChoiceOfTokens(options, config, vocabulary, [], 9);
    throws(() => {
      for (let place = 0; place < 9; place++) choice.next(new Float32Array(320));
    }, /banned/);
    deepEqual(choice.finished, false);
  });
});
