/**
 * Which part lies on the belt: docs/images.md walks through it. The candidates come from the Hugging Face hub: no package
 * registry carries a ResNet's weights as safetensors. Without the hub it does not run, and with these candidates it was never
 * run where it was written: there was none. With a tiny stand-in on a local hub it was.
 */
import { definePipeline } from '../index.ts';

export default definePipeline({
  name: 'machine-parts',
  task: 'image-classification',
  description: 'Which of four parts lies on the belt, so that it is sorted into the right box.',
  data: {
    files: ['data/parts.tar'],
    licence: 'CC-BY-4.0',
    source: 'drawn for Espalier by its authors (data/DATA_CARD.md)',
    legalBasis: 'not-personal',
    retention: 'as long as the repository',
    // One belt and four outlines: at the default distance of 5 different pictures would already pass for twins.
    nearDuplicates: { distance: 1 },
    split: { train: 0.5, validation: 0.2, test: 0.3, seed: 7 },
  },
  intendedUse: { commercial: true, domain: 'manufacturing: sorting of parts', hosted: true },
  candidates: [
    // 11 million parameters.
    { id: 'resnet-18', model: 'hf:microsoft/resnet-18@main' },
    // Twice the size; without it the run goes on with the other, and says so.
    { id: 'resnet-50', model: 'hf:microsoft/resnet-50@main', optional: true },
  ],
  // Tries from one seed: of so few pictures they would have three, and a residual network takes minutes for each on a CPU.
  selection: { maxLatencyP95Ms: 250, maxSizeMb: 150, prototype: { seeds: 1 } },
  training: {
    method: 'full',
    epochs: 6,
    batchSize: 16,
    learningRate: 1e-4,
    // A part mirrored is the same part.
    augmentation: { horizontalFlip: true, minimumCropArea: 0.6 },
  },
  gates: {
    // 72 test pictures: 0.95 reaches down to 0.87.
    accuracy: { min: 0.8 },
    // So few cannot show a gain over a probe that is nearly always right: it tells, and does not decide.
    gainOverProbe: { min: -0.05, severity: 'warn' },
    latencyP95Ms: { max: 250 },
    sizeMb: { max: 150 },
  },
  approvals: {
    review: { seats: [{ role: 'legal' }] },
    release: { seats: [{ role: 'product-owner' }] },
  },
  deploy: { model: 'machine-parts' },
});
