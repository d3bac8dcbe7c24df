/** Stable placeholders instead of personal data: `<EMAIL_1>`, the same for the same value all over a dataset. Pure. */
import { hash } from 'node:crypto';
import type { PiiKind } from '../../pipelines/definition/data.ts';
import { plainText } from './plain.ts';
import { findPersonalData } from './scan.ts';

export interface Redacted {
  readonly texts: readonly string[];
  /** Values replaced, and different ones among them, a kind. */
  readonly values: Readonly<Partial<Record<PiiKind, { readonly replaced: number; readonly different: number }>>>;
  /** Texts that were changed. */
  readonly changed: number;
}

/**
 * Replaces every value of these kinds; what is left holds none of them. A value's number is its place in the order of
 * the values' hashes: it says nothing of the value, and does not depend on the order of the texts. Texts are read again
 * until nothing is found: what stood beside a value may only then stand on its own. `breathe` is called between texts.
 */
export async function redactTexts(
  texts: readonly string[],
  kinds: readonly PiiKind[],
  breathe: (text: string) => Promise<void>,
): Promise<Redacted> {
  const result = [...texts];
  const numbers = new Map<PiiKind, Map<string, number>>(kinds.map((kind) => [kind, new Map()]));
  const replaced = new Map<PiiKind, number>();
  let open = new Map(texts.entries());
  while (open.size > 0) {
    const found = new Map<number, readonly Value[]>();
    for (const [index, text] of open) {
      const values = valuesIn(text, numbers);
      if (values.length > 0) found.set(index, values);
      await breathe(text);
    }
    number(numbers, [...found.values()].flat());
    for (const [index, values] of found) {
      result[index] = withPlaceholders(result[index] as string, values, numbers);
      for (const { kind } of values) replaced.set(kind, (replaced.get(kind) ?? 0) + 1);
    }
    open = new Map([...found.keys()].map((index) => [index, result[index] as string]));
  }
  const counts = [...replaced].map(([kind, count]) => [
    kind,
    { replaced: count, different: numbers.get(kind)?.size ?? 0 },
  ]);
  return {
    texts: result,
    values: Object.fromEntries(counts) as Redacted['values'],
    changed: result.filter((text, index) => text !== texts[index]).length,
  };
}

interface Value {
  readonly kind: PiiKind;
  readonly start: number;
  readonly end: number;
  /** Equal for one value however it is written: without separators, in one case. */
  readonly identity: string;
}

function valuesIn(text: string, kinds: ReadonlyMap<PiiKind, unknown>): readonly Value[] {
  return findPersonalData(text)
    .filter(({ kind }) => kinds.has(kind))
    .map(({ kind, start, end }) => ({ kind, start, end, identity: identityOf(kind, text.slice(start, end)) }));
}

function identityOf(kind: PiiKind, written: string): string {
  const value = plainText(written).text;
  const bare =
    kind === 'secret'
      ? value
      : kind === 'email'
        ? value.toLowerCase()
        : value.toLowerCase().replaceAll(/[ ().\-/]/g, '');
  return hash('sha256', `${kind}:${bare}`);
}

/** Numbers the new values behind those that have one. */
function number(numbers: ReadonlyMap<PiiKind, Map<string, number>>, values: readonly Value[]): void {
  for (const { kind, identity } of values.toSorted((left, right) => (left.identity < right.identity ? -1 : 1))) {
    const known = numbers.get(kind) as Map<string, number>;
    if (!known.has(identity)) known.set(identity, known.size + 1);
  }
}

function withPlaceholders(
  text: string,
  values: readonly Value[],
  numbers: ReadonlyMap<PiiKind, ReadonlyMap<string, number>>,
): string {
  let from = 0;
  const parts = values.flatMap(({ kind, start, end, identity }) => {
    const before = text.slice(from, start);
    from = end;
    return [before, `<${PLACEHOLDERS[kind]}_${numbers.get(kind)?.get(identity)}>`];
  });
  return [...parts, text.slice(from)].join('');
}

const PLACEHOLDERS: Readonly<Record<PiiKind, string>> = {
  email: 'EMAIL',
  phone: 'PHONE',
  card: 'CARD',
  iban: 'IBAN',
  nationalId: 'NATIONAL_ID',
  ipAddress: 'IP_ADDRESS',
  macAddress: 'MAC_ADDRESS',
  secret: 'SECRET',
  birthDate: 'BIRTH_DATE',
};
