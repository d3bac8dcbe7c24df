/** The patches of a train split that are suspected, cut out of the pictures they stand in. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { decodePicture } from '../../inference/image/decode.ts';
import { loadPictureRows, loadPictures } from '../data/images/pictures.ts';
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
  const rows = await loadPictureRows(store, dataset, 'train', signal);
  const chosen = sampleIndices(rows.length, COMPARED, seededRandom(seed, 18)).map((row) => rows[row]!);
  const places = new Map(chosen.map(({ image }, place) => [image, place]));
  const sketches: Uint8Array[] = chosen.map(() => new Uint8Array());
  let done = 0;
  for await (const { image, bytes } of loadPictures(store, dataset, 'train', signal)) {
    const place = places.get(image);
    if (place === undefined) continue;
    sketches[place] = sketchPicture(await decodePicture(bytes, image));
    progress({ phase: 'looking for patches', done: ++done, total: chosen.length });
  }
  const classes = chosen.map(({ id, label }) => classOf(labels, label, `train row ${id}`));
  const found = await suspectPlaces(sketches, classes, SUSPECTS, signal);
  const patches: Patch[] = [];
  for await (const { image, bytes } of loadPictures(store, dataset, 'train', signal)) {
    const here = found.filter(({ rows: holders }) => chosen[holders[0]!]!.image === image);
    if (here.length === 0) continue;
    const picture = await decodePicture(bytes, image);
    const { id } = chosen[places.get(image)!]!;
    for (const { box: bare, rows: holders } of here) {
      const box = withRim(bare);
      const name = `of training picture ${id}, in ${holders.length} of ${chosen.length} looked at`;
      patches.push({ name, box, within: 'picture', pixels: cut(picture, box) });
    }
  }
  return patches;
}
