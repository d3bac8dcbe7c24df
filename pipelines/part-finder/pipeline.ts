/**
 * Which parts look like this one: docs/images.md walks through it. It looks at the pictures of the pipeline machine-parts. Its candidates
 * come from the Hugging Face hub, as that one's do: without the hub name others here.
 */
import { definePipeline } from '../index.ts';

export default definePipeline({
  name: 'part-finder',
  task: 'image-retrieval',
  description: 'The parts of the catalogue that look most like the one on the belt.',
  data: {
    files: ['../machine-parts/data/parts.tar'],
    licence: 'CC-BY-4.0',
    source: 'drawn for Espalier by its authors (../machine-parts/data/DATA_CARD.md)',
    legalBasis: 'not-personal',
    retention: 'as long as the repository',
    // One belt and four outlines: at the default distance of 5 different pictures would already pass for twins.
    nearDuplicates: { distance: 1 },
    // The first half is the catalogue that is searched.
    split: { train: 0.5, validation: 0.2, test: 0.3, seed: 7 },
  },
  intendedUse: { commercial: true, domain: 'manufacturing: sorting of parts', hosted: true },
  candidates: [
    // 11 million parameters.
    { id: 'resnet-18', model: 'hf:microsoft/resnet-18@main' },
    // Twice the size; without it the run goes on with the other, and says so.
    { id: 'resnet-50', model: 'hf:microsoft/resnet-50@main', optional: true },
  ],
  selection: { maxLatencyP95Ms: 250, maxSizeMb: 150 },
  // Without `training` the encoder is indexed as it came.
  retrieval: { k: 5 },
  gates: {
    // A part has 30 pictures in the catalogue: the first five can all be right.
    precisionAtK: { min: 0.5 },
    latencyP95Ms: { max: 250 },
    sizeMb: { max: 150 },
  },
  approvals: {
    review: { seats: [{ role: 'legal' }] },
    release: { seats: [{ role: 'product-owner' }] },
  },
  deploy: { model: 'part-finder' },
});
