/** What a bundle's licences ask of whoever serves it, from the bundle's own verified files. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BundleTermsSchema, TERMS_FILE, TERMS_TEXT, type BundleTerms } from '../artifacts/bundle-terms.ts';
import { EspalierError } from '../artifacts/errors.ts';

/** Null for a bundle without the file. Throws BadModel when it is there and cannot be read: its duties would go unsaid. */
export async function readTerms(folder: string): Promise<BundleTerms | null> {
  const text = await readFile(join(folder, TERMS_FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  try {
    return BundleTermsSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new EspalierError('BadModel', `${TERMS_FILE} is not readable: ${(error as Error).message}`, {
      where: TERMS_FILE,
      fix: 'package the model again',
    });
  }
}

/** TERMS.md, as it was signed. */
export function termsOfUse(folder: string): Promise<Buffer> {
  return readFile(join(folder, TERMS_TEXT));
}

/** As the protocol's model parameters, which are strings, numbers and booleans. */
export function termsParameters(model: string, terms: BundleTerms | null): Record<string, string | boolean> {
  if (terms === null) return {};
  return {
    terms: `/v2/models/${model}/terms`,
    licences: terms.licences.join(', '),
    restricted: terms.restrictions.length > 0,
    ...(terms.builtWith.length === 0 ? {} : { built_with: terms.builtWith.join('; ') }),
    ...(terms.machineGenerated ? { machine_generated: true } : {}),
  };
}

/** Of a model whose terms have changed since it was released: it is served, and somebody is asked again. */
export function reopenedParameters(reasons: string | undefined): Record<string, string> {
  return reasons === undefined ? {} : { review_reopened: reasons };
}
