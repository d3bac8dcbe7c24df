/** How hard a model of pictures is attacked, where one of the gates `fgsmRobustness`, `pgdRobustness` and `squareRobustness` is named. */
import { z } from 'zod';

/** Of the 255 that a pixel has: `epsilonLevels: 2` is what papers write as ε = 2/255. More than half a step of the scale and any picture can be any other. */
const levels = z.number().positive().max(128);

/** Through the model and back, of all pictures. */
const MOST_PASSES = 20_000;
/** Of the model that is served, of all pictures; most are lost, or asked about, long before. */
const MOST_QUESTIONS = 300_000;
/** Questions about each picture where none are named: of the right answers of a model tuned as usual about half stand so many at eight levels. */
const QUESTIONS = 1000;

export const AttackSchema = z
  .strictObject({
    /** No pixel is changed by more: two levels are not to be seen. */
    epsilonLevels: levels.default(2),
    /** Of PGD; each costs a pass through the model and back. FGSM takes one. */
    steps: z.int().min(1).max(100).default(10),
    /** How far one step of PGD goes. Missing: two and a half times ε over all steps, so that any edge is reached from any start. */
    stepLevels: levels.optional(),
    /**
     * Of the square attack: pictures that are tried in the place of each; it ends earlier where one is answered wrongly. Missing:
     * 1,000, and of more than 300 pictures as many as may be asked.
     */
    queries: z.int().min(10).max(10_000).optional(),
    /** Test pictures, drawn by the training's seed: 200 tell a share to about seven points. */
    pictures: z.int().min(20).max(1000).default(200),
  })
  .refine(({ epsilonLevels, steps, stepLevels }) => stepLevels === undefined || steps * stepLevels >= epsilonLevels, {
    path: ['stepLevels'],
    error: 'is so small that all steps together do not reach epsilonLevels: raise it, or steps',
  })
  .refine(({ pictures, steps }) => pictures * steps <= MOST_PASSES, {
    path: ['pictures'],
    error: `times steps must be at most ${MOST_PASSES}, which take a large model on processors about an hour: lower one of them`,
  })
  .refine(({ pictures, queries }) => queries === undefined || pictures * queries <= MOST_QUESTIONS, {
    path: ['pictures'],
    error: `times queries must be at most ${MOST_QUESTIONS}, which take a large model on one core up to five hours: lower one of them`,
  })
  .transform((attack) => {
    const queries = Math.min(QUESTIONS, Math.floor(MOST_QUESTIONS / attack.pictures));
    return { ...attack, queries: attack.queries ?? queries };
  });
export type AttackSpec = z.output<typeof AttackSchema>;
