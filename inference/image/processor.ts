/**
 * `preprocessor_config.json` of transformers, of the processors of ResNet and ConvNext, MobileNet, ViT and their like. The
 * trainer reads the same file the same way (workers/trainer/espalier_trainer/images.py).
 */
import { z } from 'zod';
import { FILTERS } from './resample.ts';

/** What is done to a picture before a model sees it. */
export interface ImageProcessor {
  /** The shorter edge is resized to it and the rest follows, or the whole is stretched to a size. */
  readonly resize: { readonly shortestEdge: number } | { readonly width: number; readonly height: number };
  /** Of Pillow: 1 Lanczos, 2 bilinear, 3 bicubic, 4 box. */
  readonly filter: number;
  /** From the middle. What the model sees. */
  readonly crop: { readonly width: number; readonly height: number };
  readonly scale: number;
  /** A channel each: red, green, blue. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/** No vision model of today sees more, and a typing mistake must not allocate gigabytes. */
const MAX_EDGE = 4096;
const edge = z.int().min(1).max(MAX_EDGE);
const rectangle = z.looseObject({ height: edge, width: edge });
const channels = z.array(z.number()).length(3);
/** Whatever of these a file asks for, the numbers would be others. */
const NOT_DONE = ['do_pad', 'do_flip_channel_order', 'rescale_offset', 'do_thumbnail', 'do_align_long_axis'];

const Raw = z.looseObject({
  image_processor_type: z.string().nullish(),
  feature_extractor_type: z.string().nullish(),
  do_resize: z.boolean().nullish(),
  size: z
    .union([edge, z.looseObject({ shortest_edge: edge, longest_edge: z.null().optional() }), rectangle])
    .default(224),
  do_center_crop: z.boolean().nullish(),
  crop_size: z.union([edge, rectangle]).nullish(),
  crop_pct: z.number().min(0.1).max(1).nullish(),
  resample: z.int().nullish(),
  do_rescale: z.boolean().nullish(),
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
  do_normalize: z.boolean().nullish(),
  image_mean: channels.nullish(),
  image_std: z.array(z.number().positive()).length(3).nullish(),
});

/** Of the file's content to what is done; refuses what this code does not do. */
export const ImageProcessorSchema = Raw.transform((raw, context): ImageProcessor => {
  const refuse = (path: string, message: string): never => {
    context.addIssue({ code: 'custom', path: [path], message });
    return z.NEVER;
  };
  for (const name of NOT_DONE) if (raw[name] === true) return refuse(name, 'is not done here');
  if (raw.do_resize === false) return refuse('do_resize', 'is false: the pictures of a batch must have one size');
  const convNext = /ConvNext/i.test(raw.image_processor_type ?? raw.feature_extractor_type ?? '') || 'crop_pct' in raw;
  const filter = raw.resample ?? (convNext ? 3 : 2);
  if (!FILTERS.has(filter))
    return refuse('resample', `is ${filter}: only 1 to 4 are known (Lanczos, bilinear, bicubic, box)`);
  const normalised = raw.do_normalize !== false;
  if (normalised && (raw.image_mean == null || raw.image_std == null)) {
    return refuse('image_mean', 'is missing, or image_std is');
  }
  return {
    ...geometry(raw, convNext),
    filter,
    scale: raw.do_rescale === false ? 1 : raw.rescale_factor,
    mean: normalised ? (raw.image_mean ?? []) : [0, 0, 0],
    deviation: normalised ? (raw.image_std ?? []) : [1, 1, 1],
  };
});

/** A size alone is a shortest edge: where nothing is cropped from it, the picture is stretched to the square. */
function geometry(raw: z.output<typeof Raw>, convNext: boolean): Pick<ImageProcessor, 'resize' | 'crop'> {
  const crop = typeof raw.crop_size === 'number' ? square(raw.crop_size) : pick(raw.crop_size);
  const cropped = raw.do_center_crop === true ? crop : undefined;
  if (typeof raw.size === 'object' && 'height' in raw.size) {
    const resize = { width: raw.size['width'] as number, height: raw.size['height'] as number };
    return { resize, crop: cropped ?? resize };
  }
  const shortestEdge = typeof raw.size === 'number' ? raw.size : raw.size.shortest_edge;
  if (cropped !== undefined) return { resize: { shortestEdge }, crop: cropped };
  // ResNet's and ConvNext's own way: only small sizes are cropped.
  if (convNext && shortestEdge < 384) {
    return {
      resize: { shortestEdge: Math.trunc(shortestEdge / (raw.crop_pct ?? 224 / 256)) },
      crop: square(shortestEdge),
    };
  }
  return { resize: square(shortestEdge), crop: square(shortestEdge) };
}

function square(edgeLength: number): { width: number; height: number } {
  return { width: edgeLength, height: edgeLength };
}

function pick(
  size: { width: number; height: number } | null | undefined,
): { width: number; height: number } | undefined {
  return size == null ? undefined : { width: size.width, height: size.height };
}
