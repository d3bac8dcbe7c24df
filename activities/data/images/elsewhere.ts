/** Pictures from elsewhere than the training data (another camera, a later year): the model is measured on them, never trained. */
import { EspalierError } from '../../../artifacts/errors.ts';
import type { PreparePicturesInput } from '../../contract/data.ts';
import type { StepContext } from '../../step.ts';
import { badData, deduplicate } from '../checks.ts';
import { compareText } from '../group.ts';
import { byPlace } from '../findings.ts';
import { readSources, type ReadPictures } from './read-sources.ts';

/**
 * Checked as all pictures are, of known labels, each once, sorted by id; none where the definition names no such files. Throws BadData for
 * bad ones, unless the definition drops them, and where it drops them all.
 */
export async function readElsewhere(
  { files, data }: PreparePicturesInput,
  labels: readonly string[],
  context: StepContext,
): Promise<ReadPictures> {
  const read = await readSources({ files, data: { ...data, labels: [...labels] } }, context, 'elsewhere');
  const { kept, conflicts } = deduplicate(read.rows, 'picture');
  const bad = [...read.badRows, ...conflicts].toSorted(byPlace);
  if (bad.length > 0 && data.onBadRow === 'fail') throw badData(bad);
  if (kept.length === 0 && files.some(({ split }) => split === 'shifted')) {
    const first = bad[0] === undefined ? '' : `: ${bad[0].file}, ${bad[0].line}: ${bad[0].message}`;
    throw new EspalierError('BadData', `no picture of data.shiftedFiles can be used${first}`, {
      where: 'data.shiftedFiles',
      fix: 'correct them, or leave data.shiftedFiles out',
    });
  }
  return { ...read, badRows: bad, rows: kept.toSorted((one, other) => compareText(one.id, other.id)) };
}
