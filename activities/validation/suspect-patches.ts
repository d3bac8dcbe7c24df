/** The patches of a train split that are suspected, cut out of the pictures they stand in. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { decodePicture } from '../../inference/image/decode.ts';
import { countPictures, loadPictures, PACKED_LIMITS, picturesAt, type PictureRow } from '../data/images/pictures.ts';
import { classOf } from '../selection/embed-pictures.ts';
import type { StepContext } from '../step.ts';
import { sketchPicture, suspectPlaces, withRim } from './patches.ts';
import { cut, type Patch } from './picture-triggers.ts';
import { sampleIndices, seededRandom } from './random.ts';

/** Training pictures that are compared, each with each: of a trigger in one of a hundred, four. */
const COMPARED = 400;
const SUSPECTS = 12;

export async function suspectPatches(
  {
    dataset,
    labels,
    seed,
  }: { readonly dataset: ArtifactRef; readonly labels: readonly string[]; readonly seed: number },
  { store, signal, progress }: Pick<StepContext, 'store' | 'signal' | 'progress'>,
): Promise<readonly Patch[]> {
  const rows = await countPictures(store, dataset, 'train', signal);
  const drawn = new Set(sampleIndices(rows, COMPARED, seededRandom(seed, 18)));
  const chosen: PictureRow[] = [];
  const sketches: Uint8Array[] = [];
  for await (const { bytes, ...picture } of picturesAt(drawn, store, dataset, 'train', signal)) {
    chosen.push(picture);
    sketches.push(sketchPicture(await decodePicture(bytes, picture.image, PACKED_LIMITS)));
    progress({ phase: 'looking for patches', done: chosen.length, total: drawn.size });
  }
  const classes = chosen.map(({ id, label }) => classOf(labels, label, `train row ${id}`));
  const found = await suspectPlaces(sketches, classes, SUSPECTS, signal);
  const patches: Patch[] = [];
  for await (const { id, image, bytes } of loadPictures(store, dataset, 'train', signal)) {
    const here = found.filter(({ rows: holders }) => chosen[holders[0]!]!.image === image);
    if (here.length === 0) continue;
    const picture = await decodePicture(bytes, image, PACKED_LIMITS);
    for (const { box: bare, rows: holders } of here) {
      const box = withRim(bare);
      const name = `of training picture ${id}, in ${holders.length} of ${chosen.length} looked at`;
      patches.push({ name, box, within: 'picture', pixels: cut(picture, box) });
    }
  }
  return patches;
}
