/** The YAML front matter of a model card, read as what it is: a stranger's text. Pure. */
import { parseStrangersYaml } from './strangers-yaml.ts';
import type { ModelTerms } from './decision.ts';

export interface ModelCard {
  /** Null when the card says nothing that can be read. */
  readonly license: string | readonly string[] | null;
  readonly licenseName: string | null;
  readonly licenseLink: string | null;
  readonly baseModels: readonly string[];
  readonly relation: ModelTerms['relation'];
  readonly datasets: readonly string[];
  readonly gated: boolean;
  readonly tags: readonly string[];
  /** Of what it was trained on, as the card names them. */
  readonly languages: readonly string[];
  /** Why the front matter could not be read; null when it could, or when there is none. */
  readonly note: string | null;
}

/** Real front matter has a few hundred lines at most. */
const MAX_FRONT_MATTER_CHARACTERS = 256 * 1024;
const MAX_ITEMS = 200;
/** Longer than any name or link: not meant as one. */
const MAX_ITEM_CHARACTERS = 500;

/** Never throws: a card that cannot be read declares nothing, and says why. */
export function readCard(markdown: string): ModelCard {
  const opened = /^\uFEFF?---[ \t]*\r?\n/.exec(markdown);
  if (opened === null) return cardOf({});
  const from = opened[0].length;
  const head = markdown.slice(from, from + MAX_FRONT_MATTER_CHARACTERS).replaceAll('\r\n', '\n');
  const closed = /^(?:---|\.\.\.)[ \t]*$/m.exec(head);
  if (closed === null) {
    const long = markdown.length - from > MAX_FRONT_MATTER_CHARACTERS;
    const reason = long ? `is longer than ${MAX_FRONT_MATTER_CHARACTERS} characters` : 'is never closed';
    return cardOf({}, `the front matter ${reason}`);
  }
  try {
    const value = parseStrangersYaml(head.slice(0, closed.index));
    if (value === null || value === undefined) return cardOf({});
    if (typeof value !== 'object' || Array.isArray(value)) return cardOf({}, 'the front matter is not a mapping');
    return cardOf(value as Record<string, unknown>);
  } catch (error) {
    return cardOf({}, `the front matter ${(error as Error).message.split('\n')[0]}`);
  }
}

const RELATIONS = ['adapter', 'merge', 'quantized', 'finetune'] as const;

/** The same from the fields alone, as a case states them. */
export function cardOf(fields: Readonly<Record<string, unknown>>, note: string | null = null): ModelCard {
  const own = (name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : undefined);
  const raw = own('license');
  const licences = strings(raw);
  // Of a list that holds anything else, the readable part must not stand for the whole.
  const whole = (value: unknown): boolean =>
    value === undefined || value === null || strings(value).length === (Array.isArray(value) ? value.length : 1);
  const unreadable = ['license', 'base_model', 'base_model_relation'].filter((name) => !whole(own(name)));
  const relation = own('base_model_relation');
  const known = RELATIONS.find((one) => one === relation);
  const strange = typeof relation === 'string' && known === undefined && unreadable.length === 0;
  const gated = own('gated') ?? own('extra_gated_prompt') ?? own('extra_gated_fields');
  return {
    license: !whole(raw) || licences.length === 0 ? null : Array.isArray(raw) ? licences : (licences[0] ?? null),
    licenseName: strings(own('license_name'))[0] ?? null,
    licenseLink: strings(own('license_link'))[0] ?? null,
    baseModels: strings(own('base_model')),
    relation: known ?? null,
    datasets: strings(own('datasets')),
    gated: gated !== undefined && gated !== null && gated !== false && gated !== 'false',
    tags: strings(own('tags')),
    languages: strings(own('language')),
    note:
      note ??
      (unreadable.length > 0
        ? `the card’s ${unreadable.join(' and ')} is not a text`
        : strange
          ? `the card’s base_model_relation '${relation.slice(0, 80)}' is not known`
          : null),
  };
}

function strings(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list
    .slice(0, MAX_ITEMS)
    .filter((item): item is string => typeof item === 'string' && item.length <= MAX_ITEM_CHARACTERS)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
