/** Pictures from elsewhere than the training data (another camera, a later year): the model is measured on them, never trained. */
import type { PreparePicturesInput } from '../../contract/data.ts';
import type { StepContext } from '../../step.ts';
import { badData, deduplicate } from '../checks.ts';
import { compareText } from '../group.ts';
import { byPlace } from '../findings.ts';
import { readSources, type ReadPictures } from './read-sources.ts';

/**
 * Checked as all pictures are, of known labels, each once, sorted by id; none where the definition names no such files. Throws BadData for
 * bad ones, unless the definition drops them.
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
  return { ...read, rows: kept.toSorted((one, other) => compareText(one.id, other.id)) };
}
