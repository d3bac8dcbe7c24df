/** The YAML front matter of a model card, read as what it is: a stranger's text. Pure. */
import { parseDocument } from 'yaml';

export interface ModelCard {
  /** Null when the card says nothing that can be read. */
  readonly license: string | readonly string[] | null;
  readonly licenseName: string | null;
  readonly licenseLink: string | null;
  readonly baseModels: readonly string[];
  readonly tags: readonly string[];
  /** Why the front matter could not be read; null when it could, or when there is none. */
  readonly note: string | null;
}

/** Real front matter has a few hundred lines at most. */
const MAX_FRONT_MATTER_CHARACTERS = 256 * 1024;
const MAX_ITEMS = 1000;

/**
 * Never throws: a card that cannot be read declares nothing, and says why. Aliases are refused (they can blow up a small text,
 * and no card needs them); tags of YAML are not resolved to objects.
 */
export function readCard(markdown: string): ModelCard {
  const opened = /^\uFEFF?---[ \t]*\r?\n/.exec(markdown);
  if (opened === null) return card({});
  const from = opened[0].length;
  const head = markdown.slice(from, from + MAX_FRONT_MATTER_CHARACTERS);
  const closed = /^(?:---|\.\.\.)[ \t]*$/m.exec(head.replaceAll('\r\n', '\n'));
  if (closed === null) {
    const long = markdown.length - from > MAX_FRONT_MATTER_CHARACTERS;
    return card(
      {},
      long
        ? `the front matter is longer than ${MAX_FRONT_MATTER_CHARACTERS} characters`
        : 'the front matter is never closed',
    );
  }
  try {
    const document = parseDocument(head.replaceAll('\r\n', '\n').slice(0, closed.index), {
      schema: 'core',
      customTags: [],
      merge: false,
      uniqueKeys: true,
      logLevel: 'silent',
    });
    const fault = document.errors[0];
    if (fault !== undefined) return card({}, `the front matter is not valid YAML: ${fault.message.split('\n')[0]}`);
    const value: unknown = document.toJS({ maxAliasCount: 0 });
    if (value === null || value === undefined) return card({});
    if (typeof value !== 'object' || Array.isArray(value)) return card({}, 'the front matter is not a mapping');
    return card(value as Record<string, unknown>);
  } catch (error) {
    return card({}, `the front matter cannot be read: ${(error as Error).message.split('\n')[0]}`);
  }
}

function card(fields: Readonly<Record<string, unknown>>, note: string | null = null): ModelCard {
  const own = (name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : undefined);
  const raw = own('license');
  const licences = strings(raw);
  // Of a list that holds anything else, the readable part must not stand for the whole.
  const unreadable = raw !== undefined && raw !== null && licences.length !== (Array.isArray(raw) ? raw.length : 1);
  return {
    license: unreadable || licences.length === 0 ? null : Array.isArray(raw) ? licences : (licences[0] ?? null),
    licenseName: strings(own('license_name'))[0] ?? null,
    licenseLink: strings(own('license_link'))[0] ?? null,
    baseModels: strings(own('base_model')),
    tags: strings(own('tags')),
    note: note ?? (unreadable ? 'the card’s licence is not a text' : null),
  };
}

function strings(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list
    .slice(0, MAX_ITEMS)
    .filter((item): item is string => typeof item === 'string')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
