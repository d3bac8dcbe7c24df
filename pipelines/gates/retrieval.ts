/** The gates of a model that finds pictures, one row each, as table.ts has them for classifiers. Pure data. */
import { HARDWARE_FIT } from './device.ts';
import { GAIN_OVER_PRODUCTION } from './quality.ts';
import { DIFFERENCE, NO_FALSE_ALARMS, POSITIVE, SHARE, type GateRow } from './row.ts';

export type RetrievalGateRow = Omit<GateRow, 'inputs'>;

export const RETRIEVAL_GATE_TABLE = {
  recallAtK: {
    title: 'Recall@k',
    meaning: 'Share of test pictures with one of their label among the first retrieval.k that are found.',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.9,
    why: 'one search in ten that shows nothing wanted on its first page; set your own',
    falseAlarms:
      'a good model fails only where its queries are too few to show it: that is meant; one just at the threshold passes in 6 of 600 draws (0.5 to 2.2 %)',
    examples: { rows: 'test pictures that find nothing of their label, the nearest wrong ones first' },
    severity: 'fail',
    step: 'evaluate',
  },
  precisionAtK: {
    title: 'Precision@k',
    meaning: 'Mean share, over test pictures, of the first retrieval.k found that have their label.',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.5,
    why: 'below it people see more that is wrong than right; a label with fewer than k pictures in the gallery cannot reach it, so it warns',
    falseAlarms:
      'at the edge it is to warn (0 of 800 simulated draws pass); a model at 0.7 warns in 60 % of draws of 20 queries, 7.5 % of 50, 0 of 200 of 100; one at 0.6 in 44 % of 100, 0.5 % of 300',
    examples: { rows: 'test pictures with the fewest of their label among the first k' },
    severity: 'warn',
    step: 'evaluate',
  },
  meanAveragePrecision: {
    title: 'mAP',
    meaning:
      'Mean average precision of the whole gallery ranked by each test picture: how early all of its label come.',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.5,
    why: 'half of what a perfect order has, far above chance with three labels or more; set your own',
    falseAlarms: 'as recallAtK; one just at the threshold passes in 0 of 600 draws (0 to 0.6 %)',
    examples: { rows: 'test pictures that the gallery is ranked worst for' },
    severity: 'fail',
    step: 'evaluate',
  },
  worstLabelPrecision: {
    title: 'mAP of the worst label',
    meaning:
      'Mean average precision of the test pictures of the label that is served worst, of labels with ten or more.',
    direction: 'min',
    judged: 'value',
    unit: 'share',
    range: SHARE,
    threshold: 0.2,
    why: 'a label that hardly finds its own is a gap that the mean hides; the worst of many is low by chance, so it warns',
    falseAlarms:
      'of ten labels that are all served alike, with ten pictures each: 0.1 % of simulated draws where their mAP is 0.5, 3.6 % at 0.4, 17 % at 0.35, 57 % at 0.3; with 20 each 0, 0.1, 1.6 and 19 %',
    examples: { rows: 'test pictures of the label that is served worst' },
    severity: 'warn',
    step: 'evaluate',
  },
  gainOverPixels: {
    title: 'Gain over pixels',
    meaning: 'mAP minus that of the pictures’ own pixels, which know nothing, on the same test pictures.',
    direction: 'min',
    judged: 'interval',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0,
    why: 'a model that does not beat comparing colours beyond chance is not worth serving',
    falseAlarms:
      'a model that is really better fails where the queries are too few to show it, always where it gains no more than 3 / test pictures (0.03 with 100): that is meant; one that is just as good passes in 0 to 4.8 % of simulated draws, in 6.6 % with 200 where one in 20 loses all',
    examples: { rows: 'test pictures that pixels rank the gallery better for, the largest loss first' },
    severity: 'fail',
    step: 'evaluate',
  },
  gainOverFrozen: {
    title: 'Gain over the frozen encoder',
    meaning:
      'mAP of the tuned model minus that of the encoder it was tuned from, on the same test pictures and gallery.',
    direction: 'min',
    judged: 'interval',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0,
    why: 'tuning must be worth something: where it is not, leave out `training`',
    falseAlarms: 'as gainOverPixels',
    examples: { rows: 'test pictures that the frozen encoder ranks the gallery better for, the largest loss first' },
    severity: 'fail',
    step: 'evaluate',
  },
  domainShift: {
    title: 'Test told from the gallery',
    meaning:
      'How often a classifier on frozen embeddings tells held-out test pictures from pictures of the gallery: 0.5 where they are alike.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.6,
    why: 'as for classifiers: a test set taken later differs a little; six in ten beyond chance is another population (of each label as many pictures of both, of near kin one: another mix of labels and bursts do not count)',
    falseAlarms:
      '0 of 48 draws of 50 to 200 real queries (0 to 7.4 %), with a long tail of labels 0 of 48; kin that look little alike may be told; all from elsewhere in 48 of 48, half of 50, 100, 200 in 6, 13, 15 of 16',
    examples: { rows: 'test pictures that are told from the gallery most surely' },
    severity: 'warn',
    step: 'evaluate',
  },
  shiftedDrop: {
    title: 'Precision lost on shifted pictures',
    meaning:
      'Share by which the average precision of declared pictures from elsewhere (data.shiftedFiles) is below that of test pictures of the same labels (geometric means).',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.1,
    why: 'a tenth beyond chance: the test figure does not hold where these pictures come from',
    falseAlarms:
      '2 of 4,800 clean draws (0 to 0.2 %), half of them of pictures with a long tail of labels that the test pictures do not have',
    examples: { rows: 'declared pictures from elsewhere that the gallery is ranked worst for' },
    severity: 'warn',
    step: 'evaluate',
  },
  validationTestGap: {
    title: 'Validation minus test recall',
    meaning:
      'Recall@k of validation pictures, weighted to the test pictures’ mix of labels, minus that of test pictures: what choosing by validation, or another origin of the test, has cost.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.05,
    why: 'five points beyond chance: the validation figures that the model was chosen by do not hold; ten, as for classifiers, let pass in 14 of 120 draws that four in ten test pictures asked with another’s embedding',
    falseAlarms:
      '0, 0 and 0 of 40 clean draws of three sets (0 to 8.8 % each), the draws that moved the threshold down from ten points',
    examples: { rows: 'test pictures that find least of their label' },
    severity: 'warn',
    step: 'evaluate',
  },
  galleryTestGap: {
    title: 'Gallery minus test mAP',
    meaning:
      'mAP of gallery pictures, each asked without itself and weighted to the test pictures’ mix of labels, minus that of test pictures: what a tuned backbone has learnt by heart; of a frozen encoder, which learns nothing from them, how much of the gallery shows the same scenes, or how unlike it test pictures are.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.05,
    why: 'five points beyond chance: a good encoder loses less on pictures that it did not learn from (ResNet-20: 4), and ten are too much where 25 are left to lose; a backbone that must be tuned to tell labels apart is nearer to its gallery by nature: raise it there, and look at the test figures',
    falseAlarms:
      '0, 0 and 0 of 40 clean draws of three sets (0 to 8.8 % each), the draws that moved the threshold down from ten points, one of an encoder that learnt from the gallery’s pictures; simulated, a gallery with a long tail and even test pictures: 0 of 20 (0 to 16.8 %)',
    examples: { rows: 'test pictures that the gallery is ranked worst for' },
    severity: 'warn',
    step: 'evaluate',
  },
  labelErrors: {
    title: 'Labels that look wrong',
    meaning:
      'Of the gallery’s pictures whose nearest ten, themselves left out, agree on a label (seven or more have it, and as many as is usual for it) the share that has another one (confident learning); of test pictures, whose neighbours are weighted to their mix of labels, where more is shown of theirs.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.15,
    why: 'of hard pictures as many as one in seven are among the accused (CIFAR-10 by a frozen SqueezeNet, where few neighbours agree at all); more beyond chance is no hardness',
    falseAlarms:
      '1 of 120 clean draws (0 to 4.6 %): on Fashion-MNIST 0 of 40, on CIFAR-10 1 of 40 where features hardly tell labels apart and 0 of 40 where they do; simulated, a gallery with a long tail and even test pictures: 1 of 20 (0.1 to 24.9 %)',
    examples: { rows: 'gallery and test pictures whose label looks wrong, the surest first' },
    severity: 'warn',
    step: 'evaluate',
  },
  corruptionDrop: {
    title: 'Recall lost on worse pictures',
    meaning:
      'Recall@k of up to 100 test pictures minus that of the same ones with mild noise, blur, JPEG, brightness or rotation, or with what the definition’s own table (corruptions) has, whichever costs most; beyond chance over all kinds.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.15,
    why: 'people ask with photographs that are worse than the gallery; as for classifiers, more is brittle',
    falseAlarms: '1 of 72 clean draws (0 to 7.5 %)',
    examples: { rows: 'test pictures that find their label as they are and not under the corruption that costs most' },
    severity: 'warn',
    step: 'evaluate',
  },
  edgeInputs: {
    title: 'Edge inputs answered',
    meaning:
      'Share of awkward pictures (one pixel, very wide, CMYK, EXIF-turned, 16 bits, a palette, transparent…) whose embedding is finite and not zero, and that find as many neighbours as are asked for.',
    direction: 'min',
    judged: 'value',
    unit: 'share',
    range: SHARE,
    threshold: 1,
    why: 'a crash or a NaN on one of them is an outage waiting for its picture',
    falseAlarms: 'none: each picture is answered or not',
    examples: { rows: 'awkward pictures that find nothing usable' },
    severity: 'fail',
    step: 'evaluate',
  },
  flipRate: {
    title: 'First neighbours lost to harmless edits',
    meaning:
      'Share of up to 100 test pictures whose first neighbour falls out of the first ten, behind one of another label, under an edit after which a person sees the same (a tenth brighter, darker or flatter, a slight blur, a good JPEG).',
    direction: 'max',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.1,
    why: 'a tenth, as for classifiers: features as they came lose 0 to 4 %, whether they tell labels apart or not; which of near neighbours comes first is chance and is not asked',
    falseAlarms:
      '0 of 40 clean draws of 100 test pictures on Fashion-MNIST, 0 of 40 on CIFAR-10 (0 to 8.8 % each; galleries of 350); fewer than 35 test pictures warn whatever they find, for want of them: that is meant',
    examples: { rows: 'test pictures whose first neighbour is lost once they are edited' },
    severity: 'warn',
    step: 'evaluate',
  },
  sliceGap: {
    title: 'Worst slice',
    meaning:
      'Share by which the average precision of the worst slice of the test pictures (by size and brightness, declared groups) is below that of all others of the same labels (geometric means), beyond chance over all slices.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.1,
    why: 'a tenth beyond chance: part of those who ask are served markedly worse',
    falseAlarms:
      'simulated, test pictures that are all served alike: 1 of 2,400 draws (0 to 0.2 %), the darkest third by just a tenth worse: 2 of 800 (0 to 0.9 %); on CIFAR-10 and Fashion-MNIST 0 of 540 with slices dealt out by lot, 0 of 540 by real brightness (0 to 0.7 % each); with fewer than 60 pictures it is off',
    examples: { rows: 'test pictures of the worst slice that the gallery is ranked worst for' },
    severity: 'warn',
    step: 'evaluate',
  },
  queriesInGallery: {
    title: 'Test pictures in the gallery',
    meaning:
      'Share of test pictures whose file, as the dataset has it (without metadata), stands in the gallery that they ask.',
    direction: 'max',
    judged: 'value',
    unit: 'share',
    range: SHARE,
    threshold: 0,
    why: 'what is found of them is no finding; pictures that only look alike are told by data.nearDuplicates',
    falseAlarms: 'none: digests are equal or not',
    examples: { rows: 'test pictures that stand in the gallery' },
    severity: 'fail',
    step: 'evaluate',
  },
  queriesWithoutRelevant: {
    title: 'Test pictures with nothing to find',
    meaning: 'Share of test pictures of whose label the gallery has none: they are left out of every other figure.',
    direction: 'max',
    judged: 'value',
    unit: 'share',
    range: SHARE,
    threshold: 0.05,
    why: 'a figure of the rest alone is better than what people will see',
    falseAlarms: 'none: it is counted',
    examples: { rows: 'test pictures of whose label the gallery has none' },
    severity: 'warn',
    step: 'evaluate',
  },
  latencyP95Ms: {
    title: 'Latency p95',
    meaning:
      'Time that 95 % of single searches stay under, from a picture’s file to its neighbours, after warm-up, without waits for a core that other work had; of several passes the quietest.',
    direction: 'max',
    judged: 'value',
    unit: 'ms',
    range: POSITIVE,
    threshold: 200,
    why: 'feels immediate still: a picture is decoded, embedded and searched for',
    falseAlarms: 'none known: a limit, no test; on a busy machine it is not measured rather than accused',
    examples: { none: 'a time: which picture took it is the machine’s doing' },
    severity: 'fail',
    step: 'evaluate',
  },
  memoryMb: {
    title: 'Memory',
    meaning: 'Memory of a process that has model and index loaded and answers, above what it had before.',
    direction: 'max',
    judged: 'value',
    unit: 'MB',
    range: POSITIVE,
    threshold: 4096,
    why: 'fits a container of 6 GB beside the runtime',
    falseAlarms: NO_FALSE_ALARMS,
    examples: { none: 'a size in memory' },
    severity: 'warn',
    step: 'evaluate',
  },
  sizeMb: {
    title: 'Size',
    meaning: 'Size of model.onnx and of the index together (1 MB = 1,000,000 bytes).',
    direction: 'max',
    judged: 'value',
    unit: 'MB',
    range: POSITIVE,
    threshold: 1000,
    why: 'a base-size encoder and 200,000 pictures of 512 numbers fit',
    falseAlarms: NO_FALSE_ALARMS,
    examples: { none: 'a size of files' },
    severity: 'fail',
    step: 'evaluate',
  },
  hardwareFit: {
    ...HARDWARE_FIT,
    meaning:
      'Share of the declared memory or storage (intendedUse.hardware), whichever is scarcer, that encoder and index take as they are served: a copy of the encoder a worker thread, and one index.',
    step: 'evaluate',
  },
  exportParity: {
    title: 'Export parity, largest |Δ|',
    meaning:
      'Largest difference between PyTorch and onnxruntime: of an embedding where the encoder is frozen, else of a probability.',
    direction: 'max',
    judged: 'value',
    unit: 'number',
    range: POSITIVE,
    threshold: 1e-3,
    why: 'faithful exports differ by less than 1e-4; a thousandth is already another graph',
    falseAlarms: NO_FALSE_ALARMS,
    examples: { none: 'one number of two runtimes: no picture is right or wrong by it' },
    severity: 'fail',
    step: 'evaluate',
  },
  fgsmRobustness: {
    title: 'First neighbours that stand one step of attack',
    meaning:
      'Share of test pictures that find their own label first whose first neighbour is still of it when every pixel moves by at most ε (attack.epsilonLevels) along the sign of the gradient (FGSM).',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.5,
    why: 'off unless the definition names it: nothing here tunes for it; as for classifiers, half',
    falseAlarms:
      'of 200 right neighbours: a model that keeps 60 % fails in 17 of 100 draws, one that keeps 65 % in 1, for want of pictures: that is meant; one just at the threshold passes in 3',
    examples: { rows: 'test pictures whose right first neighbour is lost' },
    severity: 'fail',
    step: 'attack',
  },
  pgdRobustness: {
    title: 'First neighbours that stand an attack of many steps',
    meaning:
      'The same share under projected gradient descent (PGD): attack.steps steps from a random start within ε. What an attacker can do who has the weights and the gallery.',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.5,
    why: 'off unless the definition names it, as fgsmRobustness, and harder to pass',
    falseAlarms: 'as fgsmRobustness',
    examples: { rows: 'test pictures whose right first neighbour is lost' },
    severity: 'fail',
    step: 'attack',
  },
  squareRobustness: {
    title: 'First neighbours that stand an attack without gradients',
    meaning:
      'The same share in every one of attack.queries pictures within ε that the square attack tries, asking the graph that is served. What an attacker can do who can only ask.',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.5,
    why: 'off unless the definition names it, as fgsmRobustness; the only one of the three for a backbone that came as ONNX',
    falseAlarms: 'as fgsmRobustness',
    examples: { rows: 'test pictures whose right first neighbour is lost, after the fewest questions first' },
    severity: 'fail',
    step: 'attack',
  },
  gainOverProduction: {
    ...GAIN_OVER_PRODUCTION,
    meaning:
      'mAP minus that of the model in production, on the test pictures that production was not made of, in the same gallery.',
    falseAlarms:
      'of two equally good models 0 to 4.8 % of simulated draws, 6.6 % in one case; a loss of no more than 3 / test pictures is never shown',
    examples: { rows: 'test pictures that production ranks the gallery better for, the largest loss first' },
  },
} as const satisfies Readonly<Record<string, RetrievalGateRow>>;

export type RetrievalGateName = keyof typeof RETRIEVAL_GATE_TABLE;
export const RETRIEVAL_GATE_NAMES = Object.keys(RETRIEVAL_GATE_TABLE) as readonly RetrievalGateName[];
/** Of the model by itself. */
export type EvaluatedRetrievalGate = {
  [Name in RetrievalGateName]: (typeof RETRIEVAL_GATE_TABLE)[Name]['step'] extends 'evaluate' ? Name : never;
}[RetrievalGateName];
/** Of these the gates that have pictures to look at. */
export type ExampledRetrievalGate = {
  [Name in EvaluatedRetrievalGate]: (typeof RETRIEVAL_GATE_TABLE)[Name]['examples'] extends { readonly rows: string }
    ? Name
    : never;
}[EvaluatedRetrievalGate];
