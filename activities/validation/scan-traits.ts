/** Traits of training pictures that give a label away, of a sample of them: each is decoded once, one at a time. */
import { extname } from 'node:path';
import { decodePicture } from '../../inference/image/decode.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { GateExample } from '../contract/examples.ts';
import { countPictures, PACKED_LIMITS, picturesAt } from '../data/images/pictures.ts';
import { classOf } from '../selection/embed-pictures.ts';
import type { StepContext } from '../step.ts';
import { exampleOf, MOST_EXAMPLES } from './gate-examples.ts';
import { findGiveawayTrait, traitsOf, type PictureTraits, type TraitScan } from './picture-traits.ts';
import { sampledPlaces } from './sample-rows.ts';

/** A rule of one label of ten is judged on a hundred pictures then. */
const TRAIT_PICTURES = 1000;

export async function scanTraits(
  {
    dataset,
    labels,
    seed,
  }: { readonly dataset: ArtifactRef; readonly labels: readonly string[]; readonly seed: number },
  { store, signal, progress }: Pick<StepContext, 'store' | 'signal' | 'progress'>,
): Promise<TraitScan & { readonly examples: readonly GateExample[] }> {
  const rows = await countPictures(store, dataset, 'train', signal);
  const drawn = new Set(sampledPlaces(rows, TRAIT_PICTURES, seed));
  const ids: string[] = [];
  const classes: number[] = [];
  const traits: PictureTraits[] = [];
  for await (const { id, label, image, bytes } of picturesAt(drawn, store, dataset, 'train', signal)) {
    ids.push(id);
    classes.push(classOf(labels, label, `train row ${id}`));
    traits.push(traitsOf(await decodePicture(bytes, image, PACKED_LIMITS), bytes, extname(image).slice(1)));
    progress({ phase: 'traits of training pictures', done: ids.length, total: drawn.size });
  }
  const found = await findGiveawayTrait(traits, Int32Array.from(classes), labels.length, MOST_EXAMPLES, signal);
  const { worst } = found;
  const examples = found.rows.map((place) => exampleOf(ids[place]!, `${worst?.place ?? ''} ${worst?.word ?? ''}`));
  return { ...found, examples };
}
