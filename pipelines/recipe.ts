/**
 * The numbers of a training that a definition leaves open, by what is tuned, its family, its size and the rows there are, each with its
 * reason. They are where a search would begin, not its end; what a definition names is never touched. Pure, and data:
 *
 * - Turc et al., arXiv:1908.08962: BERT miniatures learn best at 3e-4 to 1e-4, BERT-base (Devlin et al., arXiv:1810.04805) at 5e-5 to 2e-5.
 * - Liu et al., arXiv:1907.11692, table 10: RoBERTa 1e-5 to 3e-5. Lan et al., arXiv:1909.11942, table 14: ALBERT 1e-5 to 5e-5. Clark et
 *   al., arXiv:2003.10555, table 7: ELECTRA 3e-4, 1e-4 and 5e-5 by size, each layer below at 0.8 to 0.9 of the one above. He et al.,
 *   arXiv:2006.03654 and 2111.09543 with the models' cards: DeBERTa.
 * - Liu et al., arXiv:2201.03545, table 5: ConvNeXt 5e-5 by AdamW. ViT by AdamW: the examples of transformers, 2e-5 to 5e-5.
 * - Mosbach et al., arXiv:2006.04884: small data sets need more passes, small rates and a warm-up, not fewer steps.
 * - Hu et al., arXiv:2106.09685: adapters learn at about ten times the rate of the weights that they stand for; adapters of GPT-2 took 2e-4
 *   and five epochs.
 * - Dettmers et al., arXiv:2305.14314: adapters of language models take 2e-4 up to 13 billion parameters, 1e-4 above.
 * - Taori et al., Stanford Alpaca (2023): a language model of 7 billion is tuned whole at 2e-5, three epochs.
 */
import type { Training } from './definition/training.ts';
import type { IMAGE_FAMILIES, TEXT_FAMILIES } from './families.ts';

/** What decides. */
export interface RecipeFacts {
  /** `answer`: a language model, which learns from good answers. */
  readonly input: 'text' | 'image' | 'answer';
  readonly method: Training['method'];
  /** The architecture, as transformers' `model_type`; missing: its size alone decides. */
  readonly family?: string | undefined;
  /** Of the encoder or language model that is tuned. */
  readonly parameters: number;
  /** Classes; missing: nothing is classified, or nobody knows. */
  readonly labels?: number | undefined;
  /** That it is trained on in the end, however few a prototype has; of a language model, rows with a good answer. */
  readonly trainRows: number;
}
export const OPEN_SETTINGS = [
  'epochs',
  'batchSize',
  'learningRate',
  'headLearningRate',
  'weightDecay',
  'warmupFraction',
] as const;
export type OpenSetting = (typeof OPEN_SETTINGS)[number];

export interface Recommended<Path extends string = `training.${OpenSetting}`> {
  /** Of the definition, e.g. `training.epochs`. */
  readonly path: Path;
  readonly value: number;
  readonly reason: string;
}
interface Advised {
  readonly value: number;
  readonly reason: string;
}
type TextFamily = (typeof TEXT_FAMILIES)[number];
type ImageFamily = (typeof IMAGE_FAMILIES)[number];

/** The first row whose limit is not reached by the figure counts. */
type Scale = readonly { readonly below: number; readonly value: number; readonly why: string }[];

/** By size alone: of what has no published rates of its own. */
const LEARNING_RATES: Readonly<Record<'text' | 'image', Scale>> = {
  text: [
    { below: 15e6, value: 2e-4, why: 'a miniature encoder moves slowly' },
    { below: 60e6, value: 1e-4, why: 'a small encoder takes more than a base one' },
    { below: 200e6, value: 3e-5, why: 'usual for encoders of the size of BERT-base' },
    { below: Number.POSITIVE_INFINITY, value: 1e-5, why: 'large encoders diverge above it on few rows' },
  ],
  image: [
    { below: 60e6, value: 1e-4, why: 'usual for tuning a residual network whole' },
    { below: Number.POSITIVE_INFINITY, value: 3e-5, why: 'large vision models forget at higher rates' },
  ],
};

const LIKE_ROBERTA: Scale = [
  { below: 60e6, value: 1e-4, why: 'a small encoder takes more than a base one' },
  { below: 350e6, value: 2e-5, why: 'RoBERTa and its kin were tuned at 1e-5 to 3e-5' },
  { below: Number.POSITIVE_INFINITY, value: 1e-5, why: 'large ones diverge above it on few rows' },
];

/**
 * Of families whose published rates are not what their size says. A vocabulary of 128,000 or 250,000 words makes a small encoder
 * look large; layers that share their weights make a large one look small.
 */
const FAMILY_RATES: Readonly<Partial<Record<TextFamily | ImageFamily, Scale>>> = {
  albert: [
    { below: 100e6, value: 2e-5, why: 'ALBERT was tuned at 1e-5 to 5e-5: every weight moves all its layers at once' },
    { below: Number.POSITIVE_INFINITY, value: 1e-5, why: 'the largest ALBERTs take the lower end of 1e-5 to 5e-5' },
  ],
  distilbert: [
    { below: 60e6, value: 1e-4, why: 'a small encoder takes more than a base one' },
    {
      below: Number.POSITIVE_INFINITY,
      value: 5e-5,
      why: 'with half of the layers it takes the upper end of what BERT takes',
    },
  ],
  electra: [
    {
      below: 60e6,
      value: 1e-4,
      why: 'ELECTRA-small was tuned at 3e-4, falling by a fifth with each layer down: at one rate for all, a third',
    },
    {
      below: 200e6,
      value: 5e-5,
      why: 'ELECTRA-base was tuned at 1e-4, falling by a fifth with each layer down: at one rate for all, half',
    },
    {
      below: Number.POSITIVE_INFINITY,
      value: 2e-5,
      why: 'ELECTRA-large was tuned at 5e-5, falling with each layer down: at one rate for all, less than half',
    },
  ],
  'deberta-v2': [
    {
      below: 160e6,
      value: 4.5e-5,
      why: 'the cards of DeBERTa-v3-xsmall and -small name it; most of their parameters are words',
    },
    { below: 300e6, value: 2e-5, why: 'the card of DeBERTa-v3-base names it' },
    { below: Number.POSITIVE_INFINITY, value: 6e-6, why: 'the large DeBERTas were tuned at 5e-6 to 1e-5' },
  ],
  roberta: LIKE_ROBERTA,
  'xlm-roberta': LIKE_ROBERTA,
  camembert: LIKE_ROBERTA,
  mpnet: LIKE_ROBERTA,
  vit: [
    {
      below: 60e6,
      value: 5e-5,
      why: 'a small vision transformer; without convolutions it forgets at the rates of a residual network',
    },
    { below: 200e6, value: 3e-5, why: 'usual for ViT-B by AdamW are 2e-5 to 5e-5' },
    { below: Number.POSITIVE_INFINITY, value: 1e-5, why: 'large vision transformers forget at higher rates' },
  ],
  convnext: [
    { below: 200e6, value: 5e-5, why: 'ConvNeXt was tuned at it by AdamW' },
    { below: Number.POSITIVE_INFINITY, value: 3e-5, why: 'large vision models forget at higher rates' },
  ],
};

const EPOCHS: Scale = [
  { below: 1_000, value: 10, why: 'few rows give few steps; the epoch with the lowest validation loss is kept' },
  { below: 5_000, value: 6, why: 'few rows give few steps; the epoch with the lowest validation loss is kept' },
  { below: 20_000, value: 4, why: 'enough steps for the rate to fall slowly' },
  { below: 200_000, value: 3, why: 'usual for fine-tuning' },
  { below: Number.POSITIVE_INFINITY, value: 2, why: 'so many rows are learnt in two passes' },
];

const BATCH_SIZES: Scale = [
  { below: 500, value: 8, why: 'so few rows would make hardly any steps in larger batches' },
  { below: 20_000, value: 16, why: 'steps enough, and memory for any encoder' },
  { below: Number.POSITIVE_INFINITY, value: 32, why: 'rows enough for steadier gradients' },
];

const WARMUPS: Scale = [
  {
    below: 20_000,
    value: 0.1,
    why: 'a tenth of the steps at rising rates keeps the first ones from undoing what it knows',
  },
  { below: Number.POSITIVE_INFINITY, value: 0.06, why: 'of many steps fewer are needed to warm up' },
];

/** Of a language model, by method: its adapters' rates are published themselves, not as a multiple. */
const ANSWER_RATES: Readonly<Record<'full' | 'lora', Scale>> = {
  full: [
    { below: 60e6, value: 2e-4, why: 'a small language model moves slowly' },
    { below: 1e9, value: 5e-5, why: 'usual for tuning language models of the size of GPT-2 whole' },
    { below: Number.POSITIVE_INFINITY, value: 2e-5, why: 'large language models tuned whole forget at higher rates' },
  ],
  lora: [
    { below: 60e6, value: 1e-3, why: 'adapters of a small language model have little to move it by' },
    { below: 20e9, value: 2e-4, why: 'usual for adapters, from GPT-2 to 13 billion parameters' },
    { below: Number.POSITIVE_INFINITY, value: 1e-4, why: 'adapters of the largest models take half the usual rate' },
  ],
};

const ANSWER_EPOCHS: Readonly<Record<'full' | 'lora', Scale>> = {
  full: [
    { below: 500, value: 6, why: 'few answers give few steps; the epoch with the lowest validation loss is kept' },
    { below: 2_000, value: 4, why: 'a model tuned whole knows by heart what it reads more often' },
    { below: 50_000, value: 3, why: 'usual for tuning on instructions' },
    { below: Number.POSITIVE_INFINITY, value: 2, why: 'so many answers are learnt in two passes' },
  ],
  lora: [
    { below: 500, value: 10, why: 'few answers give few steps; the epoch with the lowest validation loss is kept' },
    { below: 5_000, value: 5, why: 'adapters learn slower than the whole model and know less by heart' },
    { below: 50_000, value: 3, why: 'usual for tuning on instructions' },
    { below: Number.POSITIVE_INFINITY, value: 2, why: 'so many answers are learnt in two passes' },
  ],
};

/** How many times the rate of the whole model adapters learn at, and the most that is tried. */
const ADAPTER_FACTOR = 10;
const MOST_ADAPTER_RATE = 1e-3;

const ADVICE: { readonly [Setting in OpenSetting]: (facts: RecipeFacts) => Advised } = {
  epochs: (facts) =>
    read(facts.input === 'answer' ? ANSWER_EPOCHS[tunedBy(facts)] : EPOCHS, facts.trainRows, counted(facts)),
  batchSize: (facts) => read(BATCH_SIZES, facts.trainRows, counted(facts)),
  learningRate: learningRate,
  headLearningRate: (facts) => {
    const usual = { value: 1e-3, reason: 'the head is new and learns from nothing, whatever stands before it' };
    return isScarce(facts) ? hastened(usual, SCARCE.head, facts) : usual;
  },
  weightDecay: ({ method, family }) => {
    if (method === 'lora') return { value: 0, reason: 'adapters of low rank are bounded enough' };
    return family === 'convnext'
      ? { value: 0, reason: 'convnext: it was tuned with hardly any' }
      : { value: 0.01, reason: 'AdamW as such models are usually tuned' };
  },
  warmupFraction: (facts) => read(WARMUPS, facts.trainRows, counted(facts)),
};

/** What is left open, filled in; each with its reason. A language model has no head of its own. Empty where the definition names everything. */
export function recommended(
  training: Partial<Pick<Training, OpenSetting>>,
  facts: RecipeFacts,
): readonly Recommended[] {
  return OPEN_SETTINGS.flatMap((setting): readonly Recommended[] =>
    training[setting] === undefined && !(facts.input === 'answer' && setting === 'headLearningRate')
      ? [{ path: `training.${setting}`, ...ADVICE[setting](facts) }]
      : [],
  );
}

/** A training with every number named: its own, and the table's where it has none. */
export function completed<Open extends Partial<Pick<Training, OpenSetting>>>(
  training: Open,
  facts: RecipeFacts,
): Open & Record<OpenSetting, number> {
  const found = recommended(training, facts).map(({ path, value }) => [path.slice('training.'.length), value] as const);
  const named = { ...training, ...Object.fromEntries(found) } as Open & Record<OpenSetting, number>;
  // Nothing of a language model is new: there is one rate.
  return facts.input === 'answer' ? { ...named, headLearningRate: named.learningRate } : named;
}

function learningRate(facts: RecipeFacts): Advised {
  const { input, method, parameters } = facts;
  if (input === 'answer') return read(ANSWER_RATES[tunedBy(facts)], parameters, `${millions(parameters)} parameters`);
  const { value, reason } = wholeRate(facts);
  if (method === 'head') return { value, reason: 'the encoder stays as it is: nothing learns at this rate' };
  if (isScarce(facts)) return hastened({ value, reason }, SCARCE.encoder, facts);
  if (method !== 'lora') return { value, reason };
  const rate = Number(Math.min(MOST_ADAPTER_RATE, ADAPTER_FACTOR * value).toPrecision(3));
  return {
    value: rate,
    reason: `adapters learn at about ten times the rate of the whole model, which would be ${value} (${reason})`,
  };
}

/**
 * Of a miniature encoder tuned whole on many labels with few rows each: it has few steps to tell them apart, and moves slowly. Measured by
 * bench/recipe.ts (docs/benchmarks.md); nothing is known of larger ones, nor of fewer labels, where the search kept the usual rates.
 */
const SCARCE = { labels: 50, rowsALabel: 30, parameters: 15e6, encoder: 4, head: 3 } as const;

/** Other families have rates of their own, and were not measured; a run in flight, whose rates people may have approved, knows no family. */
function isScarce({ input, method, family, parameters, trainRows, labels = 0 }: RecipeFacts): boolean {
  return (
    input === 'text' &&
    method === 'full' &&
    family === 'bert' &&
    parameters < SCARCE.parameters &&
    labels >= SCARCE.labels &&
    trainRows < SCARCE.rowsALabel * labels
  );
}

function hastened({ value, reason }: Advised, times: number, { labels, trainRows }: RecipeFacts): Advised {
  const rows = Math.max(1, Math.round(trainRows / labels!));
  return {
    value: Number((times * value).toPrecision(3)),
    reason: `${labels} labels of some ${rows} rows each: ${times} times what would be ${value} (${reason}), since it has few steps to tell them apart`,
  };
}

/** Of an encoder that is tuned whole. */
function wholeRate({ input, family, parameters }: RecipeFacts): Advised {
  const sized = `${millions(parameters)} parameters`;
  const own = FAMILY_RATES[family as keyof typeof FAMILY_RATES];
  return own === undefined
    ? read(LEARNING_RATES[input as 'text' | 'image'], parameters, sized)
    : read(own, parameters, `${family}, ${sized}`);
}

/** A language model is never trained as a head alone. */
function tunedBy({ method }: RecipeFacts): 'full' | 'lora' {
  return method === 'lora' ? 'lora' : 'full';
}

function counted({ input, trainRows }: RecipeFacts): string {
  return `${trainRows} ${input === 'answer' ? 'good answers' : 'training rows'}`;
}

function read(scale: Scale, figure: number, named: string): Advised {
  const row = scale.find(({ below }) => figure < below) ?? scale.at(-1)!;
  return { value: row.value, reason: `${named}: ${row.why}` };
}

function millions(parameters: number): string {
  return `${Number((parameters / 1e6).toPrecision(3))} million`;
}
