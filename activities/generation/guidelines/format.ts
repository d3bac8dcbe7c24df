/** Guidelines about an answer's form. Pure. */
import type { CheckOf } from '../../../pipelines/guidelines/checks.ts';
import { compileJsonSchema } from '../../../pipelines/guidelines/json-schema.ts';
import type { Rule } from './checker.ts';

const ITEM = /^\s{0,8}(?:[-*+•–]|\d{1,3}[.)])\s+\S/u;
const MARK_UP: readonly (readonly [what: string, mark: RegExp])[] = [
  ['a heading', /^#{1,6} /mu],
  ['a list', /^\s{0,8}(?:[-*+•]|\d{1,3}[.)])\s/mu],
  ['code marks', /`/u],
  ['marks of emphasis', /\*\*|__|(?:^|\s)[*_]\p{L}/u],
  ['a link in brackets', /\]\(/u],
  ['a table', /^[ \t]{0,8}\|/mu],
  ['a tag', /<\/?[a-z][a-z0-9]{0,20}[\s/>]/iu],
];

const FAULTS: Readonly<Record<CheckOf<'format'>['format'], (answer: string) => string | undefined>> = {
  plain: (answer) => {
    const found = MARK_UP.find(([, mark]) => mark.test(answer));
    return found === undefined ? undefined : `has ${found[0]}`;
  },
  list: (answer) => {
    const lines = answer.split('\n').filter((line) => line.trim() !== '');
    const items = lines.filter((line) => ITEM.test(line)).length;
    if (items < 2) return `has ${items} item${items === 1 ? '' : 's'} of a list, fewer than 2`;
    return 2 * items < lines.length
      ? `has ${items} items of a list in ${lines.length} lines, fewer than half`
      : undefined;
  },
  markdown: (answer) => {
    const fences = answer.split('\n').filter((line) => /^\s{0,3}```/u.test(line)).length;
    if (fences % 2 === 1) return 'has a code block that does not end';
    const text = withoutCode(answer);
    if ((text.match(/`/gu)?.length ?? 0) % 2 === 1) return 'has code marks that are not closed';
    if ((text.match(/\*\*/gu)?.length ?? 0) % 2 === 1) return 'has marks of emphasis that are not closed';
    if (/^#{1,6}[^#\s]/mu.test(text)) return 'has a heading without a space behind its marks';
    return unevenTable(text) ? 'has a table whose rows have different numbers of cells' : undefined;
  },
};

export const formatRule: Rule<'format'> = {
  checker: ({ format }) => FAULTS[format],
  tell: ({ format }) =>
    ({
      plain: 'Write plain text without mark-up.',
      list: 'Answer with a list, each item on a line that begins with "- ".',
      markdown: 'Write well-formed Markdown.',
    })[format],
};

export const jsonRule: Rule<'json'> = {
  checker: ({ schema }) => {
    const valid = schema === undefined ? undefined : compileJsonSchema(schema);
    return (answer) => {
      let value: unknown;
      try {
        value = JSON.parse(answer);
      } catch (error) {
        return `is no JSON: ${(error as Error).message}`;
      }
      try {
        if (valid === undefined || valid(value)) return undefined;
      } catch {
        return 'cannot be checked: the schema goes round in a circle'; // a stack that overflowed
      }
      const [first] = valid.errors ?? [];
      return `is not of the schema: ${first?.instancePath || 'the whole'} ${first?.message ?? ''}`.trimEnd();
    };
  },
  tell: ({ schema }) =>
    `Answer with JSON alone${schema === undefined ? '' : `, of this JSON Schema: ${JSON.stringify(schema)}`}.`,
};

/** The lines outside of fenced blocks. */
function withoutCode(answer: string): string {
  let inside = false;
  return answer
    .split('\n')
    .filter((line) => {
      const fence = /^\s{0,3}```/u.test(line);
      if (fence) inside = !inside;
      return !fence && !inside;
    })
    .join('\n');
}

function unevenTable(text: string): boolean {
  let cells: number | undefined;
  for (const line of text.split('\n')) {
    const row = line.trim();
    const isRow = row.length > 1 && row.startsWith('|') && row.endsWith('|');
    const count = isRow ? row.split('|').length : undefined;
    if (count !== undefined && cells !== undefined && count !== cells) return true;
    cells = count;
  }
  return false;
}
