/** `espalier gc`: shows what nothing reaches any more and, once confirmed, deletes it. */
import { mark } from '../../artifacts/collect.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { sweep, sweepPartials, type Amount } from '../../artifacts/sweep.ts';
import { MIN_GRACE_MS } from '../../artifacts/touch.ts';
import { collectUploads } from '../../artifacts/upload.ts';
import { runHistories } from '../../client/run-histories.ts';
import { durationSeconds } from '../../pipelines/duration.ts';
import { confirmed, isInteractive } from '../confirm.ts';
import { liveLine } from '../live-line.ts';
import { EXIT, printJson, say } from '../output.ts';
import { withContext } from './runs.ts';

interface Options {
  readonly grace: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly keepCheckpoints?: boolean;
}

export async function gc(json: boolean, { grace, dryRun, yes, keepCheckpoints = false }: Options): Promise<number> {
  const graceMs = graceOf(grace);
  return withContext(async (context) => {
    const [{ client }, { objects }] = await Promise.all([context.temporal(), context.store()]);
    const line = liveLine();
    const onProgress = (text: string): void => line.show(() => text, text.split(' ')[0] ?? '');
    const marked = await mark(objects, runHistories(client), { graceMs, keepCheckpoints, onProgress });
    const found = await sweep(objects, marked, { remove: false, onProgress });
    const partials = await sweepPartials(objects, marked.before, { remove: false });
    line.clear();
    const before = new Date(marked.before).toISOString();
    const report = {
      bucket: objects.settings.bucket,
      before,
      ...found,
      freed: null as Amount | null,
      uploads: 0,
      partials,
    };
    if (!json) {
      say(`in use: ${inWords(found.kept)}; not in use, but newer than ${grace}: ${inWords(found.young)}`);
      say(`garbage: ${inWords(found.garbage)}${notes(partials)}`);
    }
    const unconfirmed = yes !== true && !isInteractive();
    if (dryRun === true || unconfirmed) {
      if (json) printJson(report);
      if (dryRun === true || found.garbage.blobs + partials === 0) return EXIT.ok;
      say('nothing was deleted: add --yes');
      return EXIT.needsConfirmation;
    }
    const question = `Delete ${inWords(found.garbage)}${notes(partials)} from the bucket '${objects.settings.bucket}'?`;
    if (found.garbage.blobs + partials > 0 && !(await confirmed(question, yes))) return EXIT.needsConfirmation;
    const { garbage: freed } = await sweep(objects, marked, { remove: true, onProgress });
    line.clear();
    await sweepPartials(objects, marked.before, { remove: true });
    const uploads = await collectUploads(objects, { olderThanMs: graceMs });
    if (json) printJson({ ...report, freed, uploads, partials });
    else {
      const ended = uploads === 0 ? '' : `, and ended ${uploads} abandoned uploads`;
      say(`freed: ${inWords(freed)}${notes(partials)}${ended}`);
    }
    return EXIT.ok;
  });
}

/** What attempts at steps have left for the next: no blob, and small. */
function notes(partials: number): string {
  return partials === 0 ? '' : `, and ${partials} notes that attempts have left`;
}

function graceOf(grace: string): number {
  const ms = /^\d+[smhd]$/.test(grace) ? durationSeconds(grace) * 1000 : Number.NaN;
  if (ms >= MIN_GRACE_MS) return ms;
  throw new EspalierError(
    'BadConfig',
    `--grace '${grace}' is not a duration of ${MIN_GRACE_MS / 86_400_000} days or more`,
    {
      where: '--grace',
      fix: 'write e.g. 7d or 72h; what is younger may be part of an upload under way',
    },
  );
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

function inWords({ blobs, bytes }: Amount): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const amount = bytes / 1024 ** power;
  return `${blobs} ${blobs === 1 ? 'blob' : 'blobs'}, ${amount.toFixed(power === 0 ? 0 : 1)} ${UNITS[power]}`;
}
