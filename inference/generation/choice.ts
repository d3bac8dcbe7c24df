/** Which token comes next in one answer: penalties, bans and the schema first, then the draw of its place. */
import { Buffer } from 'node:buffer';
import { EspalierError } from '../../artifacts/errors.ts';
import type { GeneratorConfig } from './config.ts';
import { JsonConstraint } from './json/constraint.ts';
import type { CheckedOptions } from './options.ts';
import { uniform } from './random.ts';
import { penalise, pickToken } from './sampling.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Bytes of the answer that a banned phrase (200 characters at most) can begin in. */
const REMEMBERED_BYTES = 1024;

export class ChoiceOfTokens {
  readonly #options: CheckedOptions;
  readonly #vocabulary: Vocabulary;
  readonly #ends: ReadonlySet<number>;
  readonly #seen: Set<number>;
  readonly #banned: readonly string[];
  readonly #constraint: JsonConstraint | undefined;
  #recent = Buffer.alloc(0);
  #place = 0;

  /** `most` tokens will be asked for. Throws BadRequest for a schema that cannot be followed. */
  constructor(
    options: CheckedOptions,
    config: GeneratorConfig,
    vocabulary: Vocabulary,
    prompt: readonly number[],
    most: number,
  ) {
    this.#options = options;
    this.#vocabulary = vocabulary;
    this.#ends = new Set(config.endTokens);
    this.#seen = new Set(prompt);
    this.#constraint =
      options.jsonSchema === undefined ? undefined : new JsonConstraint(options.jsonSchema, vocabulary, most);
    this.#banned = options.bannedPhrases.map((phrase) => phrase.toLowerCase());
  }

  /** The answer is complete: no token can follow. */
  get finished(): boolean {
    return this.#constraint?.finished ?? false;
  }

  /** The next token, or the answer's end. `logits` [vocabularySize] are changed. Throws BadModel for logits that are no numbers. */
  next(logits: Float32Array): number | 'end' {
    if (logits.some((logit) => Number.isNaN(logit))) {
      throw new EspalierError('BadModel', 'the model gives logits that are no numbers', {
        fix: 'evaluate the model again: its weights or its export are broken',
      });
    }
    penalise(logits, this.#seen, this.#options.repetitionPenalty);
    this.#constraint?.mask(logits, this.#ends);
    const draw = uniform(this.#options.seed, this.#place);
    this.#place += 1;
    for (;;) {
      const token = pickToken(logits, this.#options, draw);
      if (token < 0) {
        throw new EspalierError('BadRequest', 'every token that could follow is banned', {
          where: 'bannedPhrases',
          fix: 'leave out a phrase that the answer cannot do without, as a schema may ask for it',
        });
      }
      if (this.#ends.has(token)) return 'end';
      const bytes = this.#vocabulary.bytes[token] ?? new Uint8Array();
      const recent = Buffer.concat([this.#recent, bytes]);
      if (!this.#isBanned(recent)) {
        this.#recent = recent.subarray(-REMEMBERED_BYTES);
        this.#seen.add(token);
        this.#constraint?.take(token);
        return token;
      }
      logits[token] = -Infinity;
    }
  }

  #isBanned(bytes: Buffer): boolean {
    if (this.#banned.length === 0) return false;
    const text = bytes.toString('utf8').toLowerCase();
    return this.#banned.some((phrase) => text.includes(phrase));
  }
}
