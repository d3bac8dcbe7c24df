/** Pictures from elsewhere than the training data (another camera, a later year): the model is measured on them, never trained. */
import type { PreparePicturesInput } from '../../contract/data.ts';
import type { StepContext } from '../../step.ts';
import { badData, deduplicate, type BadRow } from '../checks.ts';
import { fromElsewhere, sameAs } from '../elsewhere.ts';
import { compareText } from '../group.ts';
import { byPlace } from '../findings.ts';
import { readSources, type CheckedPicture, type ReadPictures } from './read-sources.ts';

/** `left`: dropped as duplicates, or since they are not from elsewhere. */
export type PicturesElsewhere = ReadPictures & { readonly left: readonly BadRow[] };

/**
 * Checked as all pictures are, of known labels, each once and none that a `known` one (of the splits) is, sorted by id; none where the
 * definition names no such files. Throws BadData for bad ones, unless the definition drops them, and where none can be used.
 */
export async function readElsewhere(
  { files, data }: PreparePicturesInput,
  { labels, known }: { readonly labels: readonly string[]; readonly known: readonly CheckedPicture[] },
  context: StepContext,
): Promise<PicturesElsewhere> {
  const read = await readSources({ files, data: { ...data, labels: [...labels] } }, context, 'elsewhere');
  if (!files.some(({ split }) => split === 'shifted')) return { ...read, left: [] };
  const { kept, duplicates, conflicts } = deduplicate(read.rows, 'picture');
  const bad = [...read.badRows, ...conflicts].toSorted(byPlace);
  if (bad.length > 0 && data.onBadRow === 'fail') throw badData(bad);
  const { rows, left } = fromElsewhere(kept, sameAs(kept, known), { thing: 'picture', asks: 'is it', bad });
  const sorted = rows.toSorted((one, other) => compareText(one.id, other.id));
  return { ...read, badRows: bad, rows: sorted, left: [...duplicates, ...left] };
}
