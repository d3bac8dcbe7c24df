/**
 * The subset of JSON Schema that answers can be held to, as a grammar: `type` (also several), `properties`, `required`,
 * `items`, `minItems`, `maxItems`, `minLength`, `maxLength`, `enum`, `const`, `anyOf`, `$ref` into `$defs` without recursion,
 * and `minimum` and `maximum` of integers that are close together. Properties come in the order of the schema, others never.
 * Anything else is refused by name: an answer that only looks as if it were checked would be worse.
 */
import { EspalierError } from '../../../artifacts/errors.ts';
import { NodeFactory, type Node } from './grammar.ts';

type Schema = Readonly<Record<string, unknown>>;

const ANNOTATIONS = new Set(
  '$schema $id $comment $defs definitions title description default examples deprecated readOnly writeOnly'.split(' '),
);
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  string: ['minLength', 'maxLength'],
  integer: ['minimum', 'maximum'],
  number: [],
  boolean: [],
  null: [],
  array: ['items', 'minItems', 'maxItems'],
  object: ['properties', 'required', 'additionalProperties'],
};
const MAX_DEPTH = 24;
const MAX_NODES = 50_000;
const MAX_COUNT = 10_000;
/** Digits of a number before and after its point: exact as a double. */
const MAX_DIGITS = 15;
const MAX_INTEGERS = 1000;
const MAX_VALUES = 1000;
const MAX_PROPERTIES = 500;

/** Throws BadRequest naming the place and the keyword. */
export function grammarOf(schema: unknown): Node {
  return new SchemaReader(schema).read();
}

class SchemaReader {
  readonly #root: unknown;
  readonly #nodes = new NodeFactory();
  readonly #open: string[] = [];

  constructor(root: unknown) {
    this.#root = root;
  }

  read(): Node {
    return this.#read(this.#root, 'jsonSchema', 0);
  }

  #read(value: unknown, path: string, depth: number): Node {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(path, 'must be an object');
    if (depth > MAX_DEPTH) throw refused(path, `is more than ${MAX_DEPTH} levels deep`);
    if (this.#nodes.made > MAX_NODES) throw refused(path, 'makes the schema too large');
    const schema = value as Schema;
    if (schema['$ref'] !== undefined) return this.#reference(schema, path, depth);
    if (schema['const'] !== undefined || 'const' in schema) {
      this.#only(schema, path, ['const', 'type']);
      return this.#literals([schema['const']], schema, path);
    }
    if (schema['enum'] !== undefined) {
      this.#only(schema, path, ['enum', 'type']);
      if (!Array.isArray(schema['enum'])) throw refused(`${path}.enum`, 'must be a list');
      return this.#literals(schema['enum'], schema, path);
    }
    if (schema['anyOf'] !== undefined) {
      this.#only(schema, path, ['anyOf']);
      const choices: unknown = schema['anyOf'];
      if (!Array.isArray(choices) || choices.length === 0) throw refused(`${path}.anyOf`, 'must be a list of schemas');
      return this.#nodes.choice(...choices.map((one, index) => this.#read(one, `${path}.anyOf.${index}`, depth + 1)));
    }
    const types = (Array.isArray(schema['type']) ? schema['type'] : [schema['type']]) as unknown[];
    this.#only(schema, path, ['type', ...types.flatMap((type) => KEYWORDS[String(type)] ?? [])]);
    if (types.length === 0) throw refused(`${path}.type`, 'must not be empty');
    return this.#nodes.choice(...types.map((type) => this.#ofType(type, schema, path, depth)));
  }

  #ofType(type: unknown, schema: Schema, path: string, depth: number): Node {
    const { literal, choice, sequence, text } = this.#bound();
    switch (type) {
      case 'string':
        return sequence(
          literal('"'),
          text(this.#count(schema, 'minLength', path, 0), this.#most(schema, 'maxLength', 'minLength', path)),
        );
      case 'boolean':
        return choice(literal('true'), literal('false'));
      case 'null':
        return literal('null');
      case 'number':
        return this.#number();
      case 'integer':
        return this.#integer(schema, path);
      case 'array':
        return this.#array(schema, path, depth);
      case 'object':
        return this.#object(schema, path, depth);
      default:
        throw refused(`${path}.type`, `must be one of ${Object.keys(KEYWORDS).join(', ')}`);
    }
  }

  #number(): Node {
    const { literal, choice, sequence, range, repeat, optional } = this.#bound();
    const digit = range('0', '9');
    const whole = choice(literal('0'), sequence(range('1', '9'), repeat(digit, 0, MAX_DIGITS - 1)));
    return sequence(optional(literal('-')), whole, optional(sequence(literal('.'), repeat(digit, 1, MAX_DIGITS))));
  }

  #integer(schema: Schema, path: string): Node {
    const { literal, choice, sequence, range, repeat, optional } = this.#bound();
    const { minimum, maximum } = schema;
    if (minimum === undefined && maximum === undefined) {
      const more = sequence(optional(literal('-')), range('1', '9'), repeat(range('0', '9'), 0, MAX_DIGITS - 1));
      return choice(literal('0'), more);
    }
    if (typeof minimum !== 'number' || typeof maximum !== 'number' || !(maximum - minimum < MAX_INTEGERS)) {
      throw refused(path, `minimum and maximum are supported together, less than ${MAX_INTEGERS} apart`);
    }
    const [from, to] = [Math.ceil(minimum), Math.floor(maximum)];
    if (from > to || !Number.isSafeInteger(from) || !Number.isSafeInteger(to))
      throw refused(path, 'no integer is between minimum and maximum');
    return choice(...Array.from({ length: to - from + 1 }, (_, index) => literal(String(from + index))));
  }

  #array(schema: Schema, path: string, depth: number): Node {
    const { literal, choice, sequence, repeat } = this.#bound();
    const min = this.#count(schema, 'minItems', path, 0);
    const max = this.#most(schema, 'maxItems', 'minItems', path);
    if (max === 0) return literal('[]');
    if (schema['items'] === undefined) throw refused(`${path}.items`, 'is needed: what the list is of');
    const item = this.#read(schema['items'], `${path}.items`, depth + 1);
    const more = repeat(sequence(this.#comma(), item), Math.max(0, min - 1), max - 1);
    const some = sequence(literal('['), item, more, literal(']'));
    return min === 0 ? choice(literal('[]'), some) : some;
  }

  #object(schema: Schema, path: string, depth: number): Node {
    const { literal, sequence } = this.#bound();
    const properties = (schema['properties'] ?? {}) as unknown;
    const required = (schema['required'] ?? []) as unknown;
    if (typeof properties !== 'object' || properties === null) throw refused(`${path}.properties`, 'must be an object');
    if (!Array.isArray(required)) throw refused(`${path}.required`, 'must be a list');
    if (Object.keys(properties).length > MAX_PROPERTIES)
      throw refused(`${path}.properties`, `are more than ${MAX_PROPERTIES}`);
    const unknown = required.find((name) => !Object.hasOwn(properties, String(name)));
    if (unknown !== undefined)
      throw refused(`${path}.required`, `names '${String(unknown)}', which is not in properties`);
    const members = Object.entries(properties).map(([name, value]) => ({
      member: sequence(
        literal(`${JSON.stringify(name)}:`),
        this.#nodes.optional(literal(' ')),
        this.#read(value, `${path}.properties.${name}`, depth + 1),
      ),
      required: required.includes(name),
    }));
    return sequence(literal('{'), this.#members(members), literal('}'));
  }

  /** The members from each on, when none is there yet and when some are: built from the last to the first. */
  #members(members: readonly { readonly member: Node; readonly required: boolean }[]): Node {
    const { literal, choice, sequence } = this.#bound();
    let [first, later] = [literal(''), literal('')];
    for (const { member, required } of members.toReversed()) {
      const [asFirst, asLater] = [sequence(member, later), sequence(this.#comma(), member, later)];
      first = required ? asFirst : choice(asFirst, first);
      later = required ? asLater : choice(asLater, later);
    }
    return first;
  }

  #comma(): Node {
    return this.#nodes.sequence(this.#nodes.literal(','), this.#nodes.optional(this.#nodes.literal(' ')));
  }

  #literals(values: readonly unknown[], { type }: Schema, path: string): Node {
    const types = type === undefined ? undefined : [type].flat();
    const kept = values.filter((value) => types === undefined || types.some((one) => isOfType(value, one)));
    if (kept.length === 0) throw refused(path, 'allows no value');
    if (kept.length > MAX_VALUES) throw refused(`${path}.enum`, `has more than ${MAX_VALUES} values`);
    return this.#nodes.choice(...kept.map((value) => this.#nodes.literal(JSON.stringify(value))));
  }

  #reference(schema: Schema, path: string, depth: number): Node {
    this.#only(schema, path, ['$ref']);
    const name = String(schema['$ref']);
    const steps = /^#\/(\$defs|definitions)\/([^/]+)$/.exec(name);
    const definitions = (this.#root as Schema)[steps?.[1] ?? ''] as Schema | undefined;
    const found = definitions?.[steps?.[2] ?? ''];
    if (found === undefined) throw refused(`${path}.$ref`, `${name} is not one of the schema's own $defs`);
    if (this.#open.includes(name)) throw refused(`${path}.$ref`, `${name} contains itself: recursion is not supported`);
    this.#open.push(name);
    const node = this.#read(found, path, depth + 1);
    this.#open.pop();
    return node;
  }

  #only(schema: Schema, path: string, known: readonly string[]): void {
    const wrong = Object.keys(schema).find((keyword) => !known.includes(keyword) && !ANNOTATIONS.has(keyword));
    if (wrong !== undefined) throw refused(`${path}.${wrong}`, 'is not supported here');
  }

  #count(schema: Schema, keyword: string, path: string, otherwise: number): number {
    const value = schema[keyword];
    if (value === undefined) return otherwise;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_COUNT) return value;
    throw refused(`${path}.${keyword}`, `must be an integer from 0 to ${MAX_COUNT}`);
  }

  #most(schema: Schema, keyword: string, least: string, path: string): number {
    const most = this.#count(schema, keyword, path, Infinity);
    if (most < this.#count(schema, least, path, 0)) throw refused(`${path}.${keyword}`, `is less than ${least}`);
    return most;
  }

  #bound() {
    const nodes = this.#nodes;
    return {
      literal: nodes.literal.bind(nodes),
      choice: nodes.choice.bind(nodes),
      sequence: nodes.sequence.bind(nodes),
      range: nodes.range.bind(nodes),
      repeat: nodes.repeat.bind(nodes),
      optional: nodes.optional.bind(nodes),
      text: nodes.text.bind(nodes),
    };
  }
}

function isOfType(value: unknown, type: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}

function refused(path: string, message: string): EspalierError {
  return new EspalierError('BadRequest', `${path} ${message}`, {
    where: 'jsonSchema',
    fix: 'what is supported is listed in docs/api.md, "JSON that a schema accepts"',
  });
}
