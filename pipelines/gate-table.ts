/**
 * The gates, one row each: the schema of a definition, the rule that judges, the report and docs/gates.md read this table
 * and nothing else. Pure data.
 */

/** What rows of the evidence show what a gate means, as a report calls them; or why no row does. */
export type ExamplesRow = { readonly rows: string } | { readonly none: string };

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
  /** How often it accuses a model without the defect, as bench/gates.ts measured it (docs/benchmarks.md), or why it cannot. */
  readonly falseAlarms: string;
  readonly examples: ExamplesRow;
  readonly severity: 'fail' | 'warn';
  /** What measures it: `evaluate` the tuned model by itself; `attack` it, only where a definition names the gate; `compare` it beside the one in production. */
  readonly step: 'evaluate' | 'attack' | 'compare';
  /** Inputs that it can be measured on. */
  readonly inputs: 'any' | 'text' | 'image';
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
    falseAlarms:
      'where its rows are too few to show it, which is meant: at the default a model of 90 % fails in 57 of 100 draws of 50 rows, 20 of 100 rows, 3 of 200; one of 80 % passes in 3 at most (exact)',
    examples: { rows: 'test rows with a wrong label, the surest first' },
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
    falseAlarms:
      'where the rows are too few, which is meant: of 4 labels at 90 % recall it fails in 25 of 100 simulated draws of 10 rows a label, 3 of 25; one at the threshold passes in 1 to 4',
    examples: { rows: 'a wrong row of each of the labels with the lowest F1' },
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
    falseAlarms:
      'it warns of 4 labels at 90 % recall in 18 of 100 simulated draws of 10 rows a label, in none of 25; of 10 labels of 10 rows in 51',
    examples: { rows: 'test rows of the worst label that are wrong, and others that are taken for it' },
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
    falseAlarms:
      'where the rows are too few to show the gain, which is meant: of 600 rows won in 8 % and lost in 3 % it fails in 2 of 100 simulated draws, of 100 rows in 56; one that is just as good passes in 3 to 6',
    examples: { rows: 'test rows that the probe has right and the tuned model has not' },
    severity: 'fail',
    step: 'evaluate',
    inputs: 'any',
  },
  gainOverTrivial: {
    title: 'Gain over a trivial model',
    meaning:
      'Test accuracy of the tuned model minus that of the better of two trivial ones (the most frequent label; for texts TF-IDF with logistic regression, for pictures the five nearest by their pixels), on the same rows.',
    direction: 'min',
    judged: 'interval',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0,
    why: 'a model that does not beat counting words beyond chance is not worth serving; a small test set cannot show it, so it warns',
    falseAlarms: '0 of 56 clean draws (0 to 6.4 %)',
    examples: { rows: 'test rows that the better trivial model has right and the tuned one has not' },
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
    falseAlarms: '0 of 56 clean draws (0 to 6.4 %)',
    examples: { rows: 'test rows that production has right and the new model has not' },
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
    falseAlarms: '0 of 56 clean draws (0 to 6.4 %)',
    examples: { rows: 'test rows with a wrong label, the surest first' },
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
    threshold: 0.2,
    why: 'a head on frozen features with the penalty that cross-validation chose has a gap of 18 points on hard data (TREC-6, 700 rows); more is memory instead of skill',
    falseAlarms: '0 of 160 clean draws (0 to 2.3 %)',
    examples: { rows: 'validation rows with a wrong label, the surest first' },
    severity: 'fail',
    step: 'evaluate',
    inputs: 'any',
  },
  latencyP95Ms: {
    title: 'Latency p95',
    meaning:
      'Time that 95 % of single inputs stay under, after warm-up, on the machine that evaluated, without waits for a core that other work had; of several passes over the inputs the quietest.',
    direction: 'max',
    judged: 'value',
    unit: 'ms',
    range: POSITIVE,
    threshold: 100,
    why: 'feels immediate',
    falseAlarms:
      '0 of 100 measurements (0 to 3.7 %) on two cores at a load of 10 to 13, asked at low priority; more where it waits for a core nine tenths of the time: measure on a quieter machine',
    examples: { none: 'a time: which input took it is the machine’s doing' },
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
    falseAlarms: 'none: a limit, no test',
    examples: { none: 'a size of files' },
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
    falseAlarms: 'none: each input is answered or not',
    examples: { rows: 'awkward inputs without a usable answer' },
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
    falseAlarms:
      'by the binomial, of 500 test rows: a model that really changes 5 % of its labels warns in 1 of 100 draws, one of 6 % in 11, of 100 pictures one of 3 % in 18, for want of rows: that is meant; one just at the threshold passes in 2',
    examples: { rows: 'test rows as edited, whose label changes' },
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
    falseAlarms: 'none: a limit, no test',
    examples: { none: 'one number of two runtimes: no row is right or wrong by it' },
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
    falseAlarms: '0 of 56 clean draws (0 to 6.4 %)',
    examples: { rows: 'test rows with a wrong label, the surest first' },
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  labelSignal: {
    title: 'Label-shuffle check',
    meaning:
      'Held-out accuracy that a simple classifier learns from the labels, minus the highest of 99 that it learns from shuffled labels.',
    direction: 'min',
    judged: 'value',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0,
    why: 'labels that mean nothing do as well as the best of 99 shufflings one time in 100',
    falseAlarms: '2 of 160 clean draws (0.3 to 4.4 %)',
    examples: { none: 'of shuffled labels: what is learnt of all rows together' },
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
    falseAlarms: '0 of 56 clean draws (0 to 6.4 %)',
    examples: { rows: 'training rows whose label looks wrong, the surest first' },
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  leakedTestRows: {
    title: 'Test rows seen in training',
    meaning:
      'Share of test rows that are also training rows, word for word or nearly (texts by character 5-grams, pictures by their look within data.nearDuplicates.distance).',
    direction: 'max',
    judged: 'value',
    unit: 'share',
    range: SHARE,
    threshold: 0.01,
    why: 'one in a hundred moves accuracy less than its interval',
    falseAlarms: '0 of 56 clean draws (0 to 6.4 %); of photographs 0 of 30 (0 to 11.4 %)',
    examples: { rows: 'test rows with the training row that they repeat' },
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  giveawayWord: {
    title: 'A word that gives the label away',
    meaning:
      'F1 of the best rule “this word at this place of the text, this label” over the training rows; of a word of nearly every text and a label of most, of the rule “not this word, not this label”.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.8,
    why: 'a template’s word is at its place in nearly every row; words of the subject stand where the sentence wants them, and where one ends every text, raise it',
    falseAlarms: '0 of 56 clean draws (0 to 6.4 %); a word of the subject that ends every text of its label is accused',
    examples: { rows: 'training rows with the word at its place' },
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
    falseAlarms: '0 of 56 clean draws (0 to 6.4 %)',
    examples: { rows: 'test rows that are told from training rows most surely' },
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
    falseAlarms: '0 of 56 clean draws (0 to 6.4 %)',
    examples: { rows: 'declared rows from elsewhere with a wrong label, the surest first' },
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  sliceGap: {
    title: 'Worst slice',
    meaning:
      'Accuracy of all other test rows minus that of the worst slice (texts by length, pictures by size and brightness, declared groups), beyond chance over all slices.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.1,
    why: 'ten points beyond chance: part of the users are served markedly worse',
    falseAlarms: '0 of 56 clean draws (0 to 6.4 %)',
    examples: { rows: 'rows of the worst slice that are wrong' },
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
    falseAlarms: '0 of 46 clean draws (0 to 7.7 %)',
    examples: { rows: 'rows of the label, in the group served worse, that are not recognised' },
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
    falseAlarms: '0 of 28 clean draws (0 to 12.1 %)',
    examples: { rows: 'test rows with the mistake in them that changes their label' },
    severity: 'warn',
    step: 'evaluate',
    inputs: 'text',
  },
  paraphraseFlips: {
    title: 'Labels flipped by other words',
    meaning:
      'Share of texts with an everyday phrase ("can you", "do not", "right now") whose label changes when another that says the same stands for it.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.2,
    why: 'as of typos: one label in five that hangs on the wording, beyond chance, is brittle',
    falseAlarms: '0 of 28 clean draws (0 to 12.1 %)',
    examples: { rows: 'test rows in other words, whose label changes' },
    severity: 'warn',
    step: 'evaluate',
    inputs: 'text',
  },
  identityFlips: {
    title: 'Labels that depend on who writes',
    meaning:
      'Share of texts whose label changes with their identity words (gender, name, nationality, religion) swapped, or a sentence after them that says who writes, minus the share that changes with neutral ones; the worst group.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.1,
    why: 'one text in ten beyond what neutral swaps and sentences do',
    falseAlarms: '0 of 80 clean draws (0 to 4.6 %)',
    examples: { rows: 'test rows with the swap, or the sentence after them, that changes their label' },
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
    falseAlarms: '0 of 28 clean draws (0 to 12.1 %)',
    examples: { rows: 'test rows with the word before them that turns their label' },
    severity: 'warn',
    step: 'evaluate',
    inputs: 'text',
  },
  corruptionDrop: {
    title: 'Accuracy lost on worse pictures',
    meaning:
      'Accuracy on up to 100 test pictures minus that on the same ones with mild noise, blur, JPEG, brightness or rotation, whichever costs most; beyond chance over all five.',
    direction: 'max',
    judged: 'proof',
    unit: 'points',
    range: DIFFERENCE,
    threshold: 0.15,
    why: 'frozen features measured up to 12 points beyond chance on tiny photographs; more is brittle',
    falseAlarms: '2 of 72 clean draws (0.3 to 9.7 %)',
    examples: { rows: 'test pictures that are right as they are and wrong under the corruption that costs most' },
    severity: 'warn',
    step: 'evaluate',
    inputs: 'image',
  },
  patchFlips: {
    title: 'A patch that turns labels',
    meaning:
      'Share of test pictures of other labels that one small patch turns into its label: patches that several training pictures of one label share, and those of published attacks.',
    direction: 'max',
    judged: 'proof',
    unit: 'share',
    range: SHARE,
    threshold: 0.5,
    why: 'a planted trigger turns most; what a patch of an eighth hides turned up to 35 % of clean answers',
    falseAlarms: '0 of 50 clean draws (0 to 7.1 %)',
    examples: { rows: 'test pictures whose label the patch turns' },
    severity: 'warn',
    step: 'evaluate',
    inputs: 'image',
  },
  fgsmRobustness: {
    title: 'Right answers that stand one step of attack',
    meaning:
      'Share of rightly answered test pictures whose answer stays right when every pixel moves by at most ε (attack.epsilonLevels) along the sign of the gradient (FGSM).',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.5,
    why: 'off unless the definition names it: nothing here tunes for it. Of the right answers of a tiny ResNet 83 % stand two levels of 255, and 38 % eight',
    falseAlarms:
      'of 200 right answers: a model that keeps 60 % fails in 17 of 100 draws, one that keeps 65 % in 1, for want of pictures: that is meant; one just at the threshold passes in 3',
    examples: { rows: 'test pictures whose right answer is lost, or whose loss no pixel changes' },
    severity: 'fail',
    step: 'attack',
    inputs: 'image',
  },
  pgdRobustness: {
    title: 'Right answers that stand an attack of many steps',
    meaning:
      'The same share under projected gradient descent (PGD): attack.steps steps from a random start within ε. What an attacker who has the weights can do.',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.5,
    why: 'off unless the definition names it, as fgsmRobustness, and harder to pass: of the same answers 81 % stand two levels, and 19 % eight',
    falseAlarms: 'as fgsmRobustness',
    examples: { rows: 'test pictures whose right answer is lost, or whose loss no pixel changes' },
    severity: 'fail',
    step: 'attack',
    inputs: 'image',
  },
  squareRobustness: {
    title: 'Right answers that stand an attack without gradients',
    meaning:
      'Share of rightly answered test pictures that stay right in every one of attack.queries pictures within ε that the square attack tries, asking the graph that is served. What an attacker can do who can only ask.',
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    range: SHARE,
    threshold: 0.5,
    why: 'off unless the definition names it, as fgsmRobustness; half, as of the attacks that have the weights and leave less',
    falseAlarms: 'as fgsmRobustness',
    examples: { rows: 'test pictures whose right answer is lost, after the fewest questions first' },
    severity: 'fail',
    step: 'attack',
    inputs: 'image',
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
    falseAlarms: 'none: a limit, no test',
    examples: { none: 'a size in memory' },
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  hardwareFit: {
    title: 'Fit for the device',
    meaning:
      'Share of the declared memory or storage (intendedUse.hardware), whichever is scarcer, that the model takes as it is served, with a copy a worker thread.',
    direction: 'max',
    judged: 'value',
    unit: 'share',
    range: POSITIVE,
    threshold: 0.9,
    why: 'a tenth is left to the system; beyond it the device swaps, or ends the server',
    falseAlarms: 'none: a limit, no test',
    examples: { none: 'a size against a device' },
    severity: 'fail',
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
/** Of these the gates that have rows to look at. */
export type ExampledGate = {
  [Name in EvaluatedGate]: (typeof GATE_TABLE)[Name]['examples'] extends { readonly rows: string } ? Name : never;
}[EvaluatedGate];
