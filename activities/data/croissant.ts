/**
 * What a Croissant file (ML Commons, Croissant format specification 1.0: schema.org's Dataset as JSON-LD) says of the data.
 * Only read: nothing it names is fetched, and nothing but these fields counts. Pure.
 */
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import type { DataDescription, DataFile } from '../contract/data.ts';
import { maskPersonalData } from '../privacy/scan.ts';

const oneOrMore = <Schema extends z.ZodType>(schema: Schema) =>
  z.union([schema.transform((one) => [one]), z.array(schema)]).optional();
/** JSON-LD has a thing as its text, its address, or an object with a name. */
const named = z
  .union([
    z.string(),
    z.looseObject({ name: z.string().optional(), '@id': z.string().optional(), url: z.string().optional() }),
  ])
  .transform((thing) => (typeof thing === 'string' ? thing : (thing.name ?? thing.url ?? thing['@id'] ?? '')));
const CroissantSchema = z.looseObject({
  '@type': z.string().regex(/(?:^|[:/])Dataset$/, 'is not a Dataset'),
  name: z.string().optional(),
  license: oneOrMore(named),
  creator: oneOrMore(named),
  url: z.string().optional(),
  distribution: oneOrMore(
    z.looseObject({
      name: z.string().optional(),
      contentUrl: z.string().optional(),
      sha256: z
        .string()
        .regex(/^[0-9a-fA-F]{64}$/, 'is not a SHA-256 in hex')
        .optional(),
    }),
  ),
});

/** Files of more than this describe no dataset. */
const MAX_BYTES = 4 * 2 ** 20;

/**
 * The description's fields. A data file of which the description has the SHA-256, by its name, must have it: throws
 * BadData otherwise, and for what is no Croissant file.
 */
export function readCroissant(bytes: Buffer, name: string, files: readonly DataFile[]): DataDescription {
  const described = CroissantSchema.safeParse(parse(bytes, name));
  if (!described.success) {
    const [issue] = described.error.issues;
    throw bad(name, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  const { license, creator, url, distribution = [] } = described.data;
  let filesVerified = 0;
  for (const { path, ref } of files) {
    const stated = distribution.find(
      (one) => one.sha256 !== undefined && baseName(one.contentUrl ?? one.name) === baseName(path),
    );
    if (stated?.sha256 === undefined) continue;
    if (`sha256:${stated.sha256.toLowerCase()}` !== ref.digest) {
      throw new EspalierError('BadData', `${path} is not the file that ${name} describes: its SHA-256 is another`, {
        where: 'data.croissant',
        fix: 'fetch the file again from where the description says, or take the description of this version',
      });
    }
    filesVerified += 1;
  }
  // People put their addresses beside their names.
  return {
    name: described.data.name === undefined ? null : maskPersonalData(described.data.name),
    licence: license === undefined ? null : maskPersonalData(license.join(', ')),
    creators: (creator ?? []).map(maskPersonalData),
    url: url ?? null,
    filesVerified,
  };
}

function parse(bytes: Buffer, name: string): unknown {
  if (bytes.length > MAX_BYTES) throw bad(name, `has ${bytes.length} bytes, more than ${MAX_BYTES}`);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw bad(name, 'is not JSON');
  }
}

function baseName(path = ''): string {
  return path.split(/[?#]/, 1)[0]?.split('/').at(-1) ?? '';
}

function bad(name: string, problem: string): EspalierError {
  return new EspalierError('BadData', `${name} is no Croissant description: ${problem}`, {
    where: 'data.croissant',
    fix: "give a JSON-LD file with '@type': 'sc:Dataset' (Croissant 1.0), or leave data.croissant out",
  });
}
