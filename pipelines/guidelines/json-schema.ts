/** JSON Schemas that a user or a stranger wrote, checked and applied in bounded time: patterns run on our own matcher. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import * as formats from 'ajv-formats';
import { Pattern } from './pattern.ts';

/** A schema is a few kilobytes; compiling one takes time with its size. */
const MAX_SCHEMA_CHARACTERS = 50_000;
/** Formats that ajv-formats reads by comparing or by expressions without ambiguity; those that backtrack are not among them. */
const FORMATS = ['date', 'time', 'date-time', 'uuid', 'ipv4', 'int32', 'int64', 'float', 'double'] as const;

/**
 * A function that tells whether a value satisfies the schema; its `errors` say why not. No `$ref` leaves the schema.
 * @throws Error with one line that says what the schema has wrong
 */
export function compileJsonSchema(schema: object): ValidateFunction {
  const size = JSON.stringify(schema).length;
  if (size > MAX_SCHEMA_CHARACTERS) {
    throw new Error(`the schema has ${size} characters; at most ${MAX_SCHEMA_CHARACTERS} are read`);
  }
  const ajv = new Ajv2020({
    strict: false,
    logger: false,
    code: { regExp: Object.assign((source: string) => linear(source), { code: 'linear' }) },
  });
  formats.default.default(ajv, [...FORMATS]);
  return ajv.compile(schema);
}

/** What is wrong with a schema, in a line; undefined: nothing. */
export function jsonSchemaProblem(schema: object): string | undefined {
  try {
    compileJsonSchema(schema);
    return undefined;
  } catch (error) {
    return `is no JSON Schema that can be applied: ${(error as Error).message.split('\n')[0]}`;
  }
}

/** What ajv asks of a regular expression. By its text it tells one from another: two of the same text would be one. */
function linear(source: string): { test(text: string): boolean; toString(): string } {
  const pattern = new Pattern(source, { ignoreCase: false });
  return { test: (text) => pattern.test(text), toString: () => source };
}
