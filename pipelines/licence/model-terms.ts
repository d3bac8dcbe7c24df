/** From what a model and its surroundings say to the terms that are judged: card, package, licence texts, parents. Pure. */
import { readCard, type ModelCard } from './card.ts';
import type { LicenceText, ModelTerms, Parent } from './decision.ts';
import { findLicence } from './rows.ts';
import type { WeightsMetadata } from './weights-metadata.ts';

export interface Sources {
  /** README.md, if the model has one. */
  readonly card: string | null;
  /** A wheel's METADATA: a second declaration, which may contradict the card. */
  readonly wheelMetadata?: string | null;
  readonly texts?: readonly LicenceText[];
  /** Bytes that should have been text and are not: each with its path. */
  readonly unreadable?: readonly string[];
  /** What files of weights say of themselves. */
  readonly weights?: readonly WeightsMetadata[];
  /** What is known of the models that the card says it was made of; the others are unknown. */
  readonly parents?: readonly Parent[];
}

export function termsOf({
  card,
  wheelMetadata,
  texts = [],
  unreadable = [],
  weights = [],
  parents = [],
}: Sources): ModelTerms {
  const terms = termsOfCard(readCard(card ?? ''), parents);
  const ofTexts = texts.filter(({ path }) => givesRights(path));
  const known = ofTexts.flatMap(({ licence, path }) =>
    licence === null || findLicence(licence) === undefined ? [] : [{ id: licence, by: `the text ${path}` }],
  );
  // A text says what an 'other' is; a header of the package says nothing about an 'other' in the card.
  const byCard = terms.declared.filter(({ id }) => known.length === 0 || id.toLowerCase() !== 'other');
  const declared = [
    ...byCard,
    ...wheelLicence(wheelMetadata ?? '').map((id) => ({ id, by: 'the package that carries it' })),
    ...known.map(({ id, by }) => ({ id: versionSaid(id, byCard), by })),
    ...weights.flatMap(weightsLicence),
  ];
  // A card that names its licence in words only is not overruled by whoever packs the model.
  const inWords = terms.declared.length === 0 && terms.name !== null && known.length === 0;
  return {
    ...terms,
    declared,
    doubts: [
      ...terms.doubts,
      ...(inWords ? [`the card names its licence in words only: ${terms.name}`] : []),
      ...unreadable.map((path) => `${path} is not UTF-8 text, or too large to be read`),
      ...ofTexts.flatMap(doubtsOf),
      ...weights.flatMap(weightsDoubts),
    ],
  };
}

/** The terms that card fields declare; the models it was made from are known by name only. */
export function termsOfCard(card: ModelCard, parents: readonly Parent[] = []): ModelTerms {
  const given = new Set(parents.map(({ model }) => model));
  return {
    declared: card.license === null ? [] : [card.license].flat().map((id) => ({ id, by: 'the card' })),
    name: card.licenseName,
    link: card.licenseLink,
    doubts: card.note === null ? [] : [card.note],
    parents: [
      ...parents,
      ...card.baseModels.filter((model) => !given.has(model)).map((model) => ({ model, terms: null })),
    ],
    relation: card.relation,
    datasets: card.datasets.map((name) => ({ name, licence: null })),
    gated: card.gated,
  };
}

/** Files whose text gives or takes rights, by name; a NOTICE only names people. */
export const LICENCE_PATHS = '(licen[cs]e|notice|copying|copyright|use[_-]?policy)([._-][^/]*)?';
export function isLicencePath(path: string): boolean {
  return new RegExp(`^${LICENCE_PATHS}$`, 'i').test(path);
}
const givesRights = (path: string): boolean => /^(licen[cs]e|copying)/i.test(path);

function doubtsOf({ path, licence, same, similarity, differences }: LicenceText): readonly string[] {
  if (licence === null) return [`${path} is a text that is not known here`];
  if (same) return [];
  const share = `${Math.floor(similarity * 100)} %`;
  return [`${path} reads like ${licence} (${share}) but is not the same: ${differences.slice(0, 3).join(' | ')}`];
}

/** The text of the GPL is the same for "only" and "or later": which one holds, the card says. */
function versionSaid(id: string, declared: ModelTerms['declared']): string {
  const said = declared.find((one) => [`${id}-only`, `${id}-or-later`].includes(one.id.toLowerCase()));
  return said?.id ?? id;
}

/** The key that names the licence itself, on its own or in somebody's namespace (`modelspec.license`). */
const IS_LICENCE = /(^|[.:/])licen[cs]e(_id)?$/i;
/** Where the text lies: another place to look, and no other licence. */
const IS_PLACE = /licen[cs]e[_-]?(link|url|file|path)$/i;

function weightsLicence({ path, entries }: WeightsMetadata): ModelTerms['declared'] {
  return Object.entries(entries).flatMap(([key, id]) =>
    IS_LICENCE.test(key) ? [{ id, by: `the metadata of ${path}` }] : [],
  );
}

function weightsDoubts({ path, entries }: WeightsMetadata): readonly string[] {
  return Object.entries(entries).flatMap(([key, value]) =>
    IS_LICENCE.test(key) || IS_PLACE.test(key)
      ? []
      : [`the metadata of ${path} say '${key}: ${value.slice(0, 200)}', which is not understood`],
  );
}

/** `License-Expression` (PEP 639), else `License`, from a wheel's METADATA headers. */
function wheelLicence(metadata: string): readonly string[] {
  const headers = metadata.split(/\r?\n\r?\n/, 1)[0] ?? '';
  for (const name of ['License-Expression', 'License']) {
    const found = new RegExp(`^${name}:[ \\t]*(\\S.*)$`, 'mi').exec(headers)?.[1]?.trim();
    if (found !== undefined) return [found];
  }
  return [];
}
