/** What only a pipeline of pictures says: candidates without pooling, no length in tokens, and how pictures are varied in training. */
import { z } from 'zod';
import { CandidateSchema } from './candidates.ts';
import { SelectionSchema } from './selection.ts';
import { evenShares, searchShape, trainingShape } from './training.ts';
import { fraction } from './values.ts';

/** A backbone is taken whole: what is pooled, and how, is its architecture's own. */
export const ImageCandidateSchema = CandidateSchema.omit({ layers: true, pooling: true });

export const ImageSelectionSchema = SelectionSchema.omit({ maxLength: true, windows: true, languages: true });

const imageTrainingShape = {
  ...trainingShape,
  /** Pictures are varied anew in each epoch; what is measured never is. null: not at all. Of a head on frozen features that came as a graph there is nothing to vary. */
  augmentation: z
    .strictObject({
      /** Half of the pictures mirrored, left for right. Not where that changes the label: letters, road signs, left and right. */
      horizontalFlip: z.boolean().default(false),
      /** A crop keeps at least this share of the picture's area; null: none. */
      minimumCropArea: fraction.positive().nullable().default(null),
    })
    .nullable()
    .default(null),
} as const;

const SHARED_STEPS = {
  path: ['gradientAccumulation'],
  error: 'must be a multiple of processes, which share the micro-batches of a step',
};

export const ImageTrainingSchema = z
  .strictObject({ ...imageTrainingShape, ...searchShape })
  .refine(evenShares, SHARED_STEPS);

/** A head on frozen features leaves their embeddings as they are: where nothing is tuned there is no training at all. */
export const BackboneTrainingSchema = z
  .strictObject({ ...imageTrainingShape, method: trainingShape.method.unwrap().exclude(['head']).default('full') })
  .refine(evenShares, SHARED_STEPS);
