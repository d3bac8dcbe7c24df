/**
 * What a user writes. A pipeline definition is data: this file and its folder are its schema, every default and the
 * reason for it, a schema a task. `definePipeline` only types and marks the object; `checkPipeline` (check.ts) parses it
 * and reports every mistake.
 */
import { z } from 'zod';
import { ApprovalsSchema } from './definition/approvals.ts';
import { AttackSchema } from './definition/attack.ts';
import { BehaviourSchema } from './definition/behaviour.ts';
import { BudgetSchema, PrototypeRunSchema } from './definition/budget.ts';
import { CandidateSchema } from './definition/candidates.ts';
import { ImageDataSchema, PromptDataSchema, TextDataSchema } from './definition/data.ts';
import { CustomGatesSchema, ImageGatesSchema, TextGatesSchema, type GatesSchema } from './definition/gates.ts';
import {
  AdherenceSchema,
  GenerationDefaultsSchema,
  GeneratorCandidateSchema,
  GeneratorSelectionSchema,
  GeneratorTrainingSchema,
} from './definition/generation.ts';
import { GenerationGatesSchema } from './definition/generation-gates.ts';
import { ImageCandidateSchema, ImageSelectionSchema, ImageTrainingSchema } from './definition/images.ts';
import { MonitorSchema } from './definition/monitor.ts';
import {
  RetrievalGatesSchema,
  RetrievalSelectionSchema,
  RetrievalSettingsSchema,
  RetrievalTrainingSchema,
} from './definition/retrieval.ts';
import { SelectionSchema } from './definition/selection.ts';
import { TrainingSchema } from './definition/training.ts';
import { name } from './definition/values.ts';
import type { OpenSetting } from './recipe.ts';
import { IntendedUseSchema } from './licence/use.ts';
import { MemorisationSectionSchema } from './memorisation.ts';

const identity = {
  name,
  description: z.string().default(''),
} as const;

const sources = {
  /** What the model will be used for: licences are judged against this. */
  intendedUse: IntendedUseSchema,
  review: z
    .strictObject({
      /** The organisation's licence policy, relative to the definition's folder; else by ESPALIER_LICENCE_POLICY. */
      policy: z.string().min(1).optional(),
      /** What people have written for the dossier (docs/privacy.md), relative to the folder; else by ESPALIER_DOSSIER. */
      dossier: z.string().min(1).optional(),
      /** Nothing is packaged for release while a field of the dossier is open. The file of answers can ask for it, too. */
      requireDossier: z.boolean().optional(),
    })
    .optional(),
  candidates: z.array(CandidateSchema).min(1).max(32),
} as const;

/** Of models of pictures. */
const corruptions = {
  /** JSONL of what `corruptionDrop` does to test pictures, in place of the package's table (docs/gates.md), relative to the definition's folder. */
  corruptions: z.string().min(1).optional(),
} as const;

const outcome = {
  approvals: ApprovalsSchema,
  deploy: z.strictObject({
    /** The registry's name for the model; it is also its name on the server. */
    model: name,
    channel: z.enum(['production', 'staging']).default('production'),
    /** Record the text of requests with the predictions. Off: only embedding and output are kept. */
    recordText: z.boolean().default(false),
  }),
  monitor: MonitorSchema.prefault({}),
  budget: BudgetSchema.optional(),
  prototype: PrototypeRunSchema.optional(),
} as const;

/** What every pipeline has, whatever its task. */
export const pipelineShape = { ...identity, ...sources, ...outcome } as const;

export const TextClassificationSchema = z.strictObject({
  ...identity,
  task: z.literal('text-classification'),
  data: TextDataSchema,
  ...sources,
  selection: SelectionSchema.prefault({}),
  training: TrainingSchema.prefault({}),
  gates: TextGatesSchema.prefault({}),
  customGates: CustomGatesSchema.optional(),
  behaviour: BehaviourSchema.optional(),
  ...outcome,
});

export const ImageClassificationSchema = z.strictObject({
  ...identity,
  task: z.literal('image-classification'),
  data: ImageDataSchema,
  ...sources,
  candidates: z.array(ImageCandidateSchema).min(1).max(32),
  selection: ImageSelectionSchema.prefault({}),
  training: ImageTrainingSchema.prefault({}),
  gates: ImageGatesSchema.prefault({}),
  /** Of the gates `fgsmRobustness`, `pgdRobustness` and `squareRobustness`. */
  attack: AttackSchema.prefault({}),
  customGates: CustomGatesSchema.optional(),
  behaviour: BehaviourSchema.optional(),
  ...corruptions,
  ...outcome,
});

export const ImageRetrievalSchema = z.strictObject({
  ...identity,
  task: z.literal('image-retrieval'),
  /** The train split is the gallery that is searched; the test split's pictures ask. What has the asking picture's label is wanted. */
  data: ImageDataSchema,
  ...sources,
  candidates: z.array(ImageCandidateSchema).min(1).max(32),
  selection: RetrievalSelectionSchema.prefault({}),
  training: RetrievalTrainingSchema,
  retrieval: RetrievalSettingsSchema.prefault({}),
  behaviour: BehaviourSchema.optional(),
  ...corruptions,
  gates: RetrievalGatesSchema.prefault({}),
  /** Of the gates `fgsmRobustness`, `pgdRobustness` and `squareRobustness`. */
  attack: AttackSchema.prefault({}),
  customGates: CustomGatesSchema.optional(),
  ...outcome,
});

export const TextGenerationSchema = z.strictObject({
  ...identity,
  task: z.literal('text-generation'),
  data: PromptDataSchema,
  /** The file of communication guidelines (docs/generation.md), relative to the definition's folder. */
  guidelines: z.string().min(1),
  ...sources,
  candidates: z.array(GeneratorCandidateSchema).min(1).max(32),
  selection: GeneratorSelectionSchema.prefault({}),
  adherence: AdherenceSchema,
  training: GeneratorTrainingSchema.prefault({}),
  /** Asked of a tuned model that is to be served: a prompted one has learnt nothing of these data. */
  memorisation: MemorisationSectionSchema.prefault({}),
  gates: GenerationGatesSchema.prefault({}),
  customGates: CustomGatesSchema.optional(),
  behaviour: BehaviourSchema.optional(),
  generation: GenerationDefaultsSchema,
  ...outcome,
});

const SCHEMAS = [
  TextClassificationSchema,
  ImageClassificationSchema,
  ImageRetrievalSchema,
  TextGenerationSchema,
] as const;

export const PipelineSchema = z.discriminatedUnion('task', SCHEMAS);

const TASKS = SCHEMAS.map(({ shape }) => shape.task.value);

/** The schema of a definition's own task. Where it names none that is known, one that says so of the task, and of the rest what holds for texts. */
export function schemaOf(value: unknown): z.ZodObject {
  const task = typeof value === 'object' && value !== null && 'task' in value ? value.task : undefined;
  const known = SCHEMAS.find(({ shape }) => shape.task.value === task);
  return known ?? TextClassificationSchema.extend({ task: z.enum(TASKS) });
}

/** What a user writes: defaults may be left out. */
export type PipelineDefinition = z.input<typeof PipelineSchema>;
export type TextClassificationDefinition = z.input<typeof TextClassificationSchema>;
/** The checked definition, every default resolved. */
export type Pipeline = z.output<typeof PipelineSchema>;
export type TextClassification = z.output<typeof TextClassificationSchema>;
export type ImageClassification = z.output<typeof ImageClassificationSchema>;
export type ImageRetrieval = z.output<typeof ImageRetrievalSchema>;
export type TextGeneration = z.output<typeof TextGenerationSchema>;
/** A pipeline whose model tells labels apart, of whatever it is shown. */
export type Classification = TextClassification | ImageClassification;
/** A candidate of any task: what one task says of it and another does not is missing there. */
export type Candidate = Omit<TextClassification['candidates'][number], 'pooling'> &
  Partial<Pick<TextClassification['candidates'][number], 'pooling'>>;
/** Every number named: what a training process is given. */
export type TrainingSpec = Omit<TextClassification['training'], 'search'> & Record<OpenSetting, number>;
/** Of every input: a task has those that can be measured on its own. */
export type GatesSpec = z.output<typeof GatesSchema>;
export type { GateName } from './gates/table.ts';
export type ApprovalName = keyof Pipeline['approvals'];

/** Types a pipeline definition; nothing runs until `espalier run`. */
export function definePipeline(definition: PipelineDefinition): PipelineDefinition {
  return definition;
}
