/** Where which defect is planted for which kind of model, and how each measurement is started: `bench/gates-harness.ts` runs it. */

export const DEFECTS = [
  'overfitted',
  'test rows in training',
  'labels shuffled or wrong',
  'a slice served worse',
  'another domain',
  'a trigger',
  'too large',
  'too slow',
  'miscalibrated',
  'degenerate',
] as const;
export type Defect = (typeof DEFECTS)[number];

export const MODELS = ['classifies texts', 'classifies pictures', 'finds pictures', 'generates'] as const;
export type Model = (typeof MODELS)[number];

export interface Measurement {
  readonly script: string;
  /** As docs/benchmarks.md gives its figures. */
  readonly whole: readonly string[];
  /** Fewer draws, some minutes on a free core; missing where even these take longer. */
  readonly cheap?: readonly string[];
  /** What it does not hold to the goals, it prints alone. */
  readonly tellsRates: boolean;
}

export const MEASUREMENTS = {
  texts: { script: 'gates.ts', whole: ['14', 'all', '9000'], cheap: ['5', 'all', '9000'], tellsRates: true },
  pictures: {
    script: 'gates-picture-classifiers.ts',
    whole: ['40', 'all', '100', 'report'],
    cheap: ['5', 'all', '100', 'report'],
    tellsRates: true,
  },
  'text-shift': { script: 'gates-shift.ts', whole: ['1', 'report'], tellsRates: false },
  'picture-shift': { script: 'gates-shift-pictures.ts', whole: ['6'], tellsRates: false },
  'shifted-mix': { script: 'gates-shifted-mix.ts', whole: ['2000'], cheap: ['200'], tellsRates: false },
  limits: { script: 'gates-limits.ts', whole: ['25'], cheap: ['5'], tellsRates: true },
  'limits-pictures': { script: 'gates-limits-pictures.ts', whole: ['25'], cheap: ['5'], tellsRates: true },
  'limits-generators': { script: 'gates-limits-generators.ts', whole: ['25'], cheap: ['5'], tellsRates: true },
  generators: { script: 'gates-generators.ts', whole: [], cheap: ['20', '30'], tellsRates: true },
  'edited-prompts': { script: 'edited-prompt-gates.ts', whole: ['300'], tellsRates: true },
  'prompt-shift': { script: 'prompt-shift.ts', whole: ['3'], tellsRates: false },
  'drawn-answers': { script: 'generation-gates.ts', whole: ['4000'], cheap: ['400'], tellsRates: false },
  memorisation: { script: 'memorisation.ts', whole: ['4'], tellsRates: false },
  'drawn-losses': { script: 'memorisation-gates.ts', whole: ['4000'], cheap: ['400'], tellsRates: false },
  'several-labels': { script: 'multi-label-diagnosis.ts', whole: ['10', 'all', '9000'], tellsRates: false },
  'drawn-labels': { script: 'multi-label-gates.ts', whole: ['300'], tellsRates: false },
  'many-labels': { script: 'gates-many-labels.ts', whole: ['10'], tellsRates: false },
  corruptions: { script: 'gates-pictures.ts', whole: ['squeezenet1.1', '20', '6', 'report'], tellsRates: true },
  patches: { script: 'gates-patches.ts', whole: ['squeezenet1.1', '50', '200'], tellsRates: true },
  traits: { script: 'gates-traits.ts', whole: ['40', 'report', 'quality 95'], tellsRates: false },
  'traits-larger': { script: 'gates-traits-larger.ts', whole: [], tellsRates: false },
  attacks: { script: 'gates-attack.ts', whole: ['48'], tellsRates: false },
  'finder-attacks': { script: 'gates-attack-finder.ts', whole: ['2'], tellsRates: false },
  'finder-inputs': { script: 'gates-finder-behaviour.ts', whole: [], cheap: [], tellsRates: true },
  'finder-flips': { script: 'gates-finder-flips.ts', whole: [], tellsRates: true },
  'finder-labels': { script: 'gates-finder-labels.ts', whole: [], cheap: ['report', '20'], tellsRates: true },
  'finder-mix': { script: 'gates-finder-mix.ts', whole: ['10'], tellsRates: false },
  'labels-seen': { script: 'gates-labels-seen.ts', whole: ['10'], tellsRates: false },
  'finder-shuffled': { script: 'gates-finder-shuffled.ts', whole: [], cheap: ['10'], tellsRates: true },
  'finder-slices': { script: 'gates-finder-slices.ts', whole: [], cheap: ['report', '20'], tellsRates: true },
  'finder-shift': { script: 'gates-finder-shift.ts', whole: [], cheap: ['10'], tellsRates: true },
  'finder-domain': { script: 'gates-finder-domain.ts', whole: ['8', 'plain'], cheap: ['5', 'plain'], tellsRates: true },
  'finder-chance': { script: 'gates-retrieval.ts', whole: ['200'], tellsRates: false },
  'finder-queries': { script: 'gates-worse-queries.ts', whole: ['8', '9'], tellsRates: true },
  'drawn-queries': { script: 'retrieval-gates.ts', whole: ['2000'], tellsRates: false },
  latency: { script: 'gates-latency.ts', whole: ['1.61', '0', '100', '20'], tellsRates: false },
  power: { script: 'gates-power.ts', whole: [], tellsRates: false },
} as const satisfies Readonly<Record<string, Measurement>>;
export type MeasurementName = keyof typeof MEASUREMENTS;

/** `by` plants it and judges these gates; or why nothing does. */
export type Planted =
  | { readonly gates: readonly string[]; readonly by: readonly MeasurementName[] }
  | { readonly none: string };

export const PLANTED: Readonly<Record<Defect, Readonly<Record<Model, Planted>>>> = {
  overfitted: {
    'classifies texts': { gates: ['trainValidationGap', 'validationTestGap'], by: ['texts', 'drawn-labels'] },
    'classifies pictures': { gates: ['trainValidationGap', 'validationTestGap'], by: ['pictures'] },
    'finds pictures': { gates: ['galleryTestGap', 'validationTestGap'], by: ['finder-labels'] },
    generates: {
      gates: ['canaryExposure', 'membershipAuc', 'verbatimOverlap', 'perplexityRatio', 'forgetting'],
      by: ['memorisation', 'drawn-losses', 'drawn-answers'],
    },
  },
  'test rows in training': {
    'classifies texts': { gates: ['leakedTestRows', 'giveawayWord'], by: ['texts', 'several-labels'] },
    'classifies pictures': {
      gates: ['leakedTestRows', 'giveawayTrait'],
      by: ['pictures', 'traits', 'traits-larger'],
    },
    'finds pictures': { none: 'files are equal or not (queriesInGallery): a test plants one' },
    generates: { gates: ['leakedPrompts'], by: ['generators'] },
  },
  'labels shuffled or wrong': {
    'classifies texts': { gates: ['labelSignal', 'labelErrors'], by: ['texts', 'several-labels', 'many-labels'] },
    'classifies pictures': { gates: ['labelSignal', 'labelErrors'], by: ['pictures'] },
    'finds pictures': {
      gates: ['labelErrors', 'gainOverPixels', 'meanAveragePrecision'],
      by: ['finder-labels', 'finder-mix', 'finder-shuffled'],
    },
    generates: { none: 'it learns from no labels' },
  },
  'a slice served worse': {
    'classifies texts': {
      gates: ['sliceGap', 'opportunityGap', 'identityFlips', 'macroF1OverProduction'],
      by: ['texts', 'drawn-labels'],
    },
    'classifies pictures': { gates: ['sliceGap', 'opportunityGap', 'macroF1OverProduction'], by: ['pictures'] },
    'finds pictures': { gates: ['sliceGap'], by: ['finder-slices', 'drawn-queries'] },
    generates: { gates: ['sliceGap', 'identityDrop'], by: ['generators', 'drawn-answers', 'edited-prompts'] },
  },
  'another domain': {
    'classifies texts': {
      gates: ['domainShift', 'shiftedDrop'],
      by: ['texts', 'text-shift', 'shifted-mix', 'drawn-labels'],
    },
    'classifies pictures': { gates: ['domainShift', 'shiftedDrop'], by: ['pictures', 'picture-shift', 'shifted-mix'] },
    'finds pictures': { gates: ['domainShift', 'shiftedDrop'], by: ['finder-domain', 'finder-shift'] },
    generates: { gates: ['domainShift', 'shiftedDrop'], by: ['prompt-shift', 'drawn-answers'] },
  },
  'a trigger': {
    'classifies texts': { gates: ['triggerFlips'], by: ['texts', 'several-labels', 'many-labels'] },
    'classifies pictures': { gates: ['patchFlips'], by: ['patches'] },
    'finds pictures': { none: 'no gate looks for one' },
    generates: { none: 'no gate looks for one' },
  },
  'too large': {
    'classifies texts': { gates: ['sizeMb', 'memoryMb'], by: ['limits'] },
    'classifies pictures': { gates: ['sizeMb', 'memoryMb', 'hardwareFit'], by: ['limits-pictures'] },
    'finds pictures': { gates: ['sizeMb', 'memoryMb', 'hardwareFit'], by: ['limits-pictures'] },
    generates: { gates: ['sizeMb', 'memoryMb', 'hardwareFit'], by: ['limits-generators'] },
  },
  'too slow': {
    'classifies texts': { gates: ['latencyP95Ms'], by: ['limits', 'latency'] },
    'classifies pictures': { gates: ['latencyP95Ms'], by: ['limits-pictures'] },
    'finds pictures': { gates: ['latencyP95Ms'], by: ['limits-pictures'] },
    generates: { gates: ['firstTokenP95Ms', 'tokenMs'], by: ['limits-generators'] },
  },
  miscalibrated: {
    'classifies texts': { gates: ['calibrationError'], by: ['texts', 'drawn-labels'] },
    'classifies pictures': { gates: ['calibrationError'], by: ['pictures'] },
    'finds pictures': { none: 'it gives no probability' },
    generates: { none: 'it gives no probability of being right' },
  },
  degenerate: {
    'classifies texts': { none: 'it writes nothing' },
    'classifies pictures': { none: 'it writes nothing' },
    'finds pictures': { none: 'it writes nothing' },
    generates: { gates: ['degeneration'], by: ['generators', 'drawn-answers'] },
  },
};

/** Markdown, as docs/benchmarks.md has it. */
export function plantedTable(): string {
  const rows = DEFECTS.map((defect) => {
    const cells = MODELS.map((model) => {
      const planted = PLANTED[defect][model];
      if ('none' in planted) return `none: ${planted.none}`;
      return `${planted.gates.map((gate) => `\`${gate}\``).join(', ')}: ${planted.by.join(', ')}`;
    });
    return `| ${defect} | ${cells.join(' | ')} |`;
  });
  return [`| defect | ${MODELS.join(' | ')} |`, `| --- |${' --- |'.repeat(MODELS.length)}`, ...rows].join('\n');
}
