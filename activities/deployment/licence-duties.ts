/** What the licences of a bundle's model ask for, carried out: which file does it, or what is left to a person. Pure. */
import type { BundleTerms, CarriedDuty } from '../../artifacts/bundle-terms.ts';
import { TERMS_TEXT } from '../../artifacts/bundle-terms.ts';
import type { Obligation } from '../../pipelines/licence/decision.ts';
import { shippedTexts } from '../../pipelines/licence/recognise.ts';
import { restrictionsOf } from '../../pipelines/licence/restrictions.ts';
import { findLicence } from '../../pipelines/licence/rows.ts';
import type { PackageModelInput } from '../contract/deployment.ts';

export const NOTICE_FILE = 'NOTICE';
/** Where the base model's own licence files lie in the bundle, and texts that Espalier ships. */
export const BASE_FOLDER = 'LICENSES/base/';
const SHIPPED_FOLDER = 'LICENSES/texts/';

/** One text serves "only" and "or later". */
const textId = (id: string): string => id.replace(/-(only|or-later)$/, '');
const GIVES_RIGHTS = /(^|\/)(licen[cs]e|copying)[^/]*$/i;

export interface BundleFile {
  readonly path: string;
  readonly text: string;
}

/** The licence texts that the bundle needs and the base model did not bring. */
export function missingTexts({ licence }: PackageModelInput['base'], baseFiles: readonly string[]): BundleFile[] {
  const brought = new Set(
    (licence.texts ?? []).filter(({ path }) => baseFiles.includes(path)).map((text) => text.licence),
  );
  return (licence.licences ?? [])
    .filter((id) => !brought.has(textId(id)))
    .flatMap((id) => shippedTexts(textId(id)).map(({ file, text }) => ({ path: `${SHIPPED_FOLDER}${file}`, text })));
}

export function bundleTerms(
  input: Pick<PackageModelInput, 'model' | 'base'>,
  baseFiles: readonly string[],
): BundleTerms {
  const { licence } = input.base;
  const obligations = licence.obligations ?? [];
  const licences = licence.licences ?? [];
  const copies = copiesOf(input, baseFiles);
  return {
    version: 1,
    licences: [...licences],
    builtWith: [...new Set(obligations.flatMap(({ display }) => display ?? []))].map((words) =>
      sentence(words, input.model),
    ),
    machineGenerated: obligations.some(({ duty }) => duty === 'disclosesMachineGenerated'),
    restrictions: [...restrictionsOf(licences)],
    duties: obligations.map((obligation) => carry(obligation, input.model, copies)),
  };
}

/** A licence may prescribe a sentence whose subject is the model. */
function sentence(words: string, model: string): string {
  return words.startsWith('is ') ? `${model} ${words}` : words;
}

/** Where the text of each licence lies, by the licence's name in obligations. */
function copiesOf(
  { base }: Pick<PackageModelInput, 'base'>,
  baseFiles: readonly string[],
): ReadonlyMap<string, string> {
  const copies = new Map<string, string>();
  const own = (base.licence.texts ?? []).filter(({ path }) => baseFiles.includes(path));
  for (const id of base.licence.licences ?? []) {
    const name = findLicence(id)?.name ?? id;
    const brought = own.find(({ licence }) => licence === textId(id))?.path;
    const shipped = shippedTexts(textId(id))[0]?.file;
    // A text that nobody here knows is still the one that came with the model.
    const unknown = baseFiles.find((path) => GIVES_RIGHTS.test(path));
    if (brought !== undefined) copies.set(name, `${BASE_FOLDER}${brought}`);
    else if (shipped !== undefined) copies.set(name, `${SHIPPED_FOLDER}${shipped}`);
    else if (unknown !== undefined) copies.set(name, `${BASE_FOLDER}${unknown}`);
  }
  return copies;
}

type Carried = Pick<CarriedDuty, 'state' | 'file' | 'note'>;
const done = (file: string, note = ''): Carried => ({ state: 'done', file, note });
const person = (file: string | null, note: string): Carried => ({ state: 'person', file, note });

function carry(obligation: Obligation, model: string, copies: ReadonlyMap<string, string>): CarriedDuty {
  const { licence, text, clause, stated, duty } = obligation;
  const promised = stated ? 'the intended use promises it' : '';
  const how: Readonly<Record<Obligation['duty'], () => Carried>> = {
    licenseCopyIncluded: () => {
      const copy = copies.get(licence);
      return copy === undefined ? person(null, 'the source brings no text of it: add one') : done(copy);
    },
    noticesRetained: () => done(NOTICE_FILE),
    changesStated: () => done(NOTICE_FILE),
    builtWithDisplayed: () => done('MODEL_CARD.md', 'the model server and the API answer it, too'),
    derivedName: () => done('MODEL_CARD.md', `it is called '${model}'`),
    passThroughTerms: () =>
      person(TERMS_TEXT, promised || `bind your users to ${TERMS_TEXT}, which the model server answers`),
    disclosesMachineGenerated: () =>
      person(TERMS_TEXT, promised || 'tell whoever meets its output; the model server’s metadata say so'),
    writtenAuthorization: () => person(null, promised || 'keep the owner’s permission'),
    reminder: () => person(null, ''),
  };
  return { licence, duty, text, clause, ...how[duty]() };
}
