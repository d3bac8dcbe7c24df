/** Every picture of the sources, checked, in the form in which it is kept, in one spool file: memory holds only what is compared. */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { DataFile, PreparePicturesInput, RowSplit } from '../../contract/data.ts';
import type { StepContext } from '../../step.ts';
import { isBlank } from '../normalise.ts';
import { holdsRows, quoted, type BadRow, type CheckedRow } from '../checks.ts';
import { canonicalPicture } from './canonical.ts';
import type { PersonalMetadata } from './exif.ts';
import { differenceHash, meanBrightness, type DifferenceHash } from './perceptual-hash.ts';
import { readPictures, type SourcePicture } from './sources.ts';

/** `text` is the name in its source; `normalised` the sha256 of the kept file, in hex. */
export interface CheckedPicture extends CheckedRow {
  readonly ending: 'jpg' | 'png';
  readonly hash: DifferenceHash | undefined;
  readonly width: number;
  readonly height: number;
  /** 0 (black) to 255. */
  readonly brightness: number;
  readonly at: number;
  readonly bytes: number;
}

export interface ReadPictures {
  readonly rows: readonly CheckedPicture[];
  readonly badRows: readonly BadRow[];
  readonly rowsRead: Readonly<Record<string, number>>;
  readonly animated: number;
  /** Pictures that told of people, by what. */
  readonly told: ReadonlyMap<PersonalMetadata, number>;
  readonly spool: string;
}

const PROGRESS_PICTURES = 100;

/**
 * The sources of rows, or with `from: 'elsewhere'` those that are declared as such: of these every picture's split is `test`, as of all
 * that is only measured on. Throws BadData for a source that cannot be read at all; single pictures that cannot are `badRows`.
 */
export async function readSources(
  { files, data }: PreparePicturesInput,
  context: StepContext,
  from: 'splits' | 'elsewhere' = 'splits',
): Promise<ReadPictures> {
  const spool = join(context.workDir, `pictures-${from}`);
  const handle = await open(spool, 'w');
  const rows: CheckedPicture[] = [];
  const badRows: BadRow[] = [];
  const rowsRead: Record<string, number> = {};
  const told = new Map<PersonalMetadata, number>();
  let animated = 0;
  let at = 0;
  try {
    for (const { path: file, format, split, ref } of files) {
      const side = sideOf(split, from);
      if (side === undefined) continue;
      if (format !== 'tar' && format !== 'csv' && format !== 'jsonl') continue;
      const source = { path: await context.store.file(ref, context.signal), name: file, format };
      let read = 0;
      for await (const found of readPictures(source, data, context.workDir, context.signal)) {
        read += 1;
        context.signal.throwIfAborted();
        if (read % PROGRESS_PICTURES === 0) context.progress({ phase: 'reading pictures', done: read, note: file });
        const checked = await check(found, file, data);
        if ('reason' in checked) badRows.push({ ...checked, file, line: found.line });
        else {
          const { kept, told: tells, animated: moves, ...row } = checked;
          await appendBytes(handle, kept);
          rows.push({ ...row, file, line: found.line, split: side, at, bytes: kept.length });
          at += kept.length;
          animated += Number(moves);
          for (const what of tells) told.set(what, (told.get(what) ?? 0) + 1);
        }
      }
      if (read === 0) {
        throw new EspalierError('BadData', `${file} has no pictures`, {
          where: file,
          fix: 'give a folder or a tar with pictures (.jpg, .png, .webp, .gif, .tif), or a list of them',
        });
      }
      rowsRead[file] = read;
    }
  } finally {
    await handle.close();
  }
  return { rows, badRows, rowsRead, animated, told, spool };
}

function sideOf(split: DataFile['split'], from: 'splits' | 'elsewhere'): RowSplit | undefined {
  if (from === 'elsewhere') return split === 'shifted' ? 'test' : undefined;
  return holdsRows(split) ? split : undefined;
}

type Checked = Omit<CheckedPicture, 'file' | 'line' | 'split' | 'at' | 'bytes'> & {
  readonly kept: Uint8Array;
  readonly told: ReadonlySet<PersonalMetadata>;
  readonly animated: boolean;
};

async function check(
  found: SourcePicture,
  file: string,
  data: PreparePicturesInput['data'],
): Promise<Checked | Pick<BadRow, 'reason' | 'message'>> {
  if ('problem' in found) return found.problem;
  const name = quoted(found.name);
  // Spaces around a label would make a class of their own that nobody meant.
  const label = found.label.normalize('NFC').trim();
  if (isBlank(label)) return { reason: 'empty-label', message: `${name} has an empty label` };
  if (data.labels !== undefined && !data.labels.includes(label)) {
    return { reason: 'unknown-label', message: `the label ${quoted(label)} of ${name} is not in data.labels` };
  }
  try {
    const limits = { maxBytes: data.maxImageBytes, maxPixels: data.maxPixels };
    const { bytes: kept, ending, picture, told, animated } = await canonicalPicture(found.bytes, file, limits);
    const normalised = createHash('sha256').update(kept).digest('hex');
    const { width, height } = picture;
    const identity = { id: normalised.slice(0, 16), normalised, near: normalised };
    return {
      ...identity,
      text: found.name,
      label,
      ...(found.groups === undefined ? {} : { groups: found.groups }),
      ending,
      width,
      height,
      brightness: meanBrightness(picture),
      hash: differenceHash(picture),
      kept,
      told,
      animated,
    };
  } catch (error) {
    if (!(error instanceof EspalierError) || error.kind !== 'BadData') throw error;
    return { reason: 'bad-picture', message: `${name}: ${error.message}` };
  }
}

/** All of them: one write may take fewer. */
export async function appendBytes(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done)).bytesWritten;
}
