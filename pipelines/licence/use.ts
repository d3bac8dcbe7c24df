/**
 * What a model will be used for, as a definition or a case states it. Nothing here is guessed: a fact that is left out
 * is unknown, and what is unknown never allows. No I/O: a run's own validator parses definitions with it.
 */
import { z } from 'zod';

const count = z.number().min(0).max(1e15);
const text = z.string().trim().min(1).max(500);

/**
 * The device the model has to fit: a licence review compares file sizes with it, the gate `hardwareFit` what the tuned model takes.
 * Megabytes are 10^6 bytes.
 */
const HardwareSchema = z.strictObject({
  ramMb: z.number().positive().optional(),
  storageMb: z.number().positive().optional(),
  /** A server there has a worker thread for each, up to four, with a copy of the model each. */
  cores: z.int().min(1).max(1024).optional(),
  accelerator: z.strictObject({ name: text.optional(), memoryMb: z.number().positive() }).optional(),
});

/** Every fact optional: what an evaluator may be asked with. */
export const UseFactsSchema = z.strictObject({
  commercial: z.boolean().optional(),
  /** What it is for, in a word or two: 'customer support', 'medical diagnosis'. */
  domain: text.optional(),
  /** Weights are given to others. */
  publish: z.boolean().optional(),
  /** Others reach the model over a network. */
  hosted: z.boolean().optional(),
  /** The model is changed: tuned, merged, quantised. */
  modify: z.boolean().optional(),
  /** Where it is used: an ISO 3166 code, a country, 'EU' or 'worldwide'. */
  region: text.optional(),
  /** Where the company sits (a person: lives); some licences bind by this and not by the place of use. */
  principalPlaceOfBusiness: text.optional(),
  /** Monthly users of all products, affiliates included, in the month before the base model was released. */
  mauAtModelRelease: count.optional(),
  mauNow: count.optional(),
  /** Affiliates included. */
  annualRevenueUsd: count.optional(),
  monthlyRevenueUsd: count.optional(),
  /** What the model answers is used to train or improve another model… */
  outputsTrainOtherModel: z.boolean().optional(),
  /** …of this family, e.g. 'llama 3'; without it, of a foreign one. */
  family: text.optional(),
  /** It decides about people, and nobody reviews the decision. */
  automatedDecision: z.boolean().optional(),
  /** The model takes images, sound or video besides text. */
  multimodal: z.boolean().optional(),
  /** What the tuned model is called where others see it. */
  derivedName: text.optional(),
  // Duties. The first four are Espalier's own to carry out unless they are refused with `false`.
  builtWithDisplayed: z.boolean().optional(),
  licenseCopyIncluded: z.boolean().optional(),
  noticesRetained: z.boolean().optional(),
  changesStated: z.boolean().optional(),
  // The rest only people can promise.
  /** Users are bound by the licence's restrictions in enforceable terms. */
  passThroughTerms: z.boolean().optional(),
  disclosesMachineGenerated: z.boolean().optional(),
  /** The owner has given permission in writing, beyond the licence. */
  writtenAuthorization: z.boolean().optional(),
  /** Title and place of the study that shows the model fit for a sensitive domain. */
  validationStudy: text.optional(),
  hardware: HardwareSchema.optional(),
});

/** A definition's section: the facts every review starts from must be there, and a pipeline tunes and serves. */
export const IntendedUseSchema = UseFactsSchema.extend({
  commercial: z.boolean(),
  domain: text,
  publish: z.boolean().default(false),
  hosted: z.boolean().default(true),
  modify: z.boolean().default(true),
});

export type UseFacts = z.output<typeof UseFactsSchema>;
export type IntendedUse = z.output<typeof IntendedUseSchema>;
