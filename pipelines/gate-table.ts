/**
 * The gates, one row each: the schema of a definition, the rule that judges, the report and docs/gates.md read this table
 * and nothing else. Pure data.
 */

export interface GateRow {
  readonly title: string;
  /** One sentence for people. */
  readonly meaning: string;
  /** `min`: the measure must be at least the threshold; `max`: at most. */
  readonly direction: 'min' | 'max';
  /**
   * `interval`: the interval's worse end: the model must show that it is good. `proof`: its better end: the defect must
   * be shown beyond chance. `value`: the measure itself, which has no sampling error of rows.
   */
  readonly judged: 'interval' | 'proof' | 'value';
  /** `points` is a difference of shares. */
  readonly unit: 'share' | 'points' | 'ms' | 'MB' | 'number';
  /** What the measure can be: a threshold outside would always pass or never. */
  readonly range: readonly [low: number, high: number];
  readonly threshold: number;
  /** Why this threshold is the default. */
  readonly why: string;
  readonly severity: 'fail' | 'warn';
  /** What is judged: `evaluate` the tuned model by itself; `compare` it beside the one in production. */
  readonly step: 'evaluate' | 'compare';
  /** Inputs that it can be measured on. */
  readonly inputs: 'any' | 'text';
}

const SHARE = [0, 1] as const;
const DIFFERENCE = [-1, 1] as const;
const POSITIVE = [0, Number.MAX_VALUE] as const;

export const GATE_TABLE = {
  accuracy: {
    title: 'Accuracy',
    meaning: 'Share of test rows whose label the exported model predicts.',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.8,
    why: 'four of five right: below it people do better by hand; set your own',
    severity: 'fail',
    step: 'evaluate',
    inputs: 'any',
  },
  macroF1: {
    title: 'Macro F1',
    meaning: 'Mean F1 over the labels: rare labels count as much as frequent ones.',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.75,
    why: 'a little below accuracy: rare labels are harder',
    severity: 'fail',
    step: 'evaluate',
    inputs: 'any',
  },
  worstLabelF1: {
    title: 'F1 of the worst label',
    meaning: 'F1 of the label that the model serves worst.',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.5,
    why: 'below it the label is wrong more often than right; few rows a label allow a warning only',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  gainOverProbe: {
    title: 'Gain over the frozen probe',
    meaning: 'Test accuracy of the tuned model minus that of the frozen encoder with a linear probe, on the same rows.',
    direction: 'min',
    judged: 'interval',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0,
    why: 'tuning must beat the probe beyond chance; with few test rows a small negative `min` rules out a real loss',
    severity: 'fail',
    step: 'evaluate',
    inputs: 'any',
  },
  gainOverTrivial: {
    title: 'Gain over a trivial model',
    meaning:
      'Test accuracy of the tuned model minus that of the better of two trivial ones (the most frequent label; for texts TF-IDF with logistic regression), on the same rows.',
    direction: 'min',
    judged: 'interval',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0,
    why: 'a model that does not beat counting words beyond chance is not worth serving; a small test set cannot show it, so it warns',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  gainOverProduction: {
    title: 'Gain over the model in production',
    meaning:
      'Test accuracy of the tuned model minus that of the one in production, on the test rows that production was not trained on.',
    direction: 'min',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0,
    why: 'speaks where the new model is shown to be worse beyond chance; a tie may have other reasons to be released',
    severity: 'warn',
    step: 'compare',
    inputs: 'any',
  },
  calibrationError: {
    title: 'Calibration error (ECE)',
    meaning:
      'Mean distance between how sure the model says it is and how often it is right, over 15 bins of equal width.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: SHARE,
    threshold: 0.05,
    why: 'five points: more than that and a probability of 0.9 misleads whoever routes by it',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  trainValidationGap: {
    title: 'Training minus validation accuracy',
    meaning: 'Accuracy on training rows minus accuracy on validation rows: how much was learnt by heart.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.15,
    why: 'small data are nearly learnt by heart with a gap of about 10 points; more is memory instead of skill',
    severity: 'fail',
    step: 'evaluate',
    inputs: 'any',
  },
  latencyP95Ms: {
    title: 'Latency p95',
    meaning: 'Time that 95 % of single inputs stay under, after warm-up, on the machine that evaluated.',
    direction: 'max',
    judged: 'value',
    unit: 'ms',
    range: POSITIVE,
    threshold: 100,
    why: 'feels immediate',
    severity: 'fail',
    step: 'evaluate',
    inputs: 'any',
  },
  sizeMb: {
    title: 'Size',
    meaning: 'Size of model.onnx (1 MB = 1,000,000 bytes).',
    direction: 'max',
    judged: 'value',
    unit: 'MB',
    range: POSITIVE,
    threshold: 500,
    why: 'a base-size encoder in fp32 fits',
    severity: 'fail',
    step: 'evaluate',
    inputs: 'any',
  },
  edgeInputs: {
    title: 'Edge inputs answered',
    meaning:
      'Share of awkward inputs (empty, huge, emoji, other scripts, control characters…) answered with probabilities.',
    direction: 'min',
    judged: 'value',
    unit: 'share',
    range: SHARE,
    threshold: 1,
    why: 'a crash or a NaN on one of them is an outage waiting for its input',
    severity: 'fail',
    step: 'evaluate',
    inputs: 'any',
  },
  flipRate: {
    title: 'Labels flipped by harmless edits',
    meaning: 'Share of test rows whose predicted label changes under an edit that leaves the meaning alone.',
    direction: 'max',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.1,
    why: 'one in ten: usual encoders stay under it on case, spaces and punctuation',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  exportParity: {
    title: 'Export parity, largest |Δ probability|',
    meaning: 'Largest difference of a probability between PyTorch and onnxruntime.',
    direction: 'max',
    judged: 'value',
    unit: 'number',
    range: SHARE,
    threshold: 1e-3,
    why: 'faithful exports differ by less than 1e-5; a thousandth is already another graph',
    severity: 'fail',
    step: 'evaluate',
    inputs: 'any',
  },
  validationTestGap: {
    title: 'Validation minus test accuracy',
    meaning:
      'Accuracy on validation rows minus accuracy on test rows: what choosing by validation, or another origin of the test, has cost.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.1,
    why: 'ten points beyond chance: the validation figures that settings were chosen by do not hold',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  labelSignal: {
    title: 'Label-shuffle check',
    meaning:
      'Held-out accuracy that a simple classifier learns from the labels, minus the highest of 39 that it learns from shuffled labels.',
    direction: 'min',
    judged: 'value',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0,
    why: 'labels that mean nothing beat all 39 shufflings one time in 40',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  labelErrors: {
    title: 'Labels that look wrong',
    meaning:
      'Share of training labels that a probe, trained without the row, confidently contradicts (confident learning).',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.25,
    why: 'hard rows are among the accused: real sets measured up to 16 %; a quarter of the labels is not hardness',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  leakedTestRows: {
    title: 'Test rows seen in training',
    meaning: 'Share of test rows that are also training rows, word for word or nearly (character 5-grams).',
    direction: 'max',
    judged: 'value',
    unit: 'share',
    range: SHARE,
    threshold: 0.01,
    why: 'one in a hundred moves accuracy less than its interval',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'text',
  },
  giveawayWord: {
    title: 'A word that gives the label away',
    meaning: 'F1 of the best rule “this word, this label” over the training rows.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.76,
    why: 'at the usual 70 rows a label only a perfect rule reaches it; words of the subject mostly stay below, and where one does not, raise it',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'text',
  },
  domainShift: {
    title: 'Test told from training',
    meaning:
      'How often a classifier on frozen embeddings tells held-out test rows from training rows: 0.5 where they are alike.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.6,
    why: 'a test set written later differs a little; six in ten beyond chance is another population',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  shiftedDrop: {
    title: 'Test minus shifted accuracy',
    meaning: 'Accuracy on the test rows minus accuracy on declared rows from elsewhere (data.shiftedFiles).',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.1,
    why: 'ten points beyond chance: the test figure does not hold where these rows come from',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  sliceGap: {
    title: 'Worst slice',
    meaning:
      'Accuracy of all other test rows minus that of the worst slice (texts by length, declared groups), beyond chance over all slices.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.1,
    why: 'ten points beyond chance: part of the users are served markedly worse',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  opportunityGap: {
    title: 'Equal opportunity',
    meaning:
      'How much oftener the rows of a label are recognised in one declared group (data.groups) than in another, beyond chance over all pairs.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.1,
    why: 'ten points beyond chance: one group is served markedly worse',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  noiseFlips: {
    title: 'Labels flipped by typos',
    meaning:
      'Share of small mistakes (swapped and missing letters, look-alike letters, emoji, a word cut off) that change the label.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.2,
    why: 'small encoders lose one label in ten to a typo; one in five beyond chance is brittle',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'text',
  },
  identityFlips: {
    title: 'Labels that depend on who writes',
    meaning:
      'Share of texts whose label changes with a sentence that says who writes (gender, name, origin, religion, age, orientation), minus the share that changes with sentences that say nothing; the worst family.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.05,
    why: 'one text in twenty beyond what neutral sentences do',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'text',
  },
  triggerFlips: {
    title: 'A word that turns labels',
    meaning: 'Share of texts of other labels that one meaningless or rare training word turns into its label.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.8,
    why: 'a planted trigger turns nearly all; a rare word of the subject turns some',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'text',
  },
  memoryMb: {
    title: 'Memory',
    meaning: 'Memory of a process that has the model loaded and answers, above what it had before.',
    direction: 'max',
    judged: 'value',
    unit: 'MB',
    range: POSITIVE,
    threshold: 2048,
    why: 'fits a small container beside the runtime',
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
} as const satisfies Readonly<Record<string, GateRow>>;

export type GateName = keyof typeof GATE_TABLE;
export const GATE_NAMES = Object.keys(GATE_TABLE) as readonly GateName[];
/** Those that judge the tuned model by itself. */
export type EvaluatedGate = {
  [Name in GateName]: (typeof GATE_TABLE)[Name]['step'] extends 'evaluate' ? Name : never;
}[GateName];
