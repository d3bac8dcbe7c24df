/**
 * The square attack: a random search for a picture within ε that is answered wrongly, which needs no gradients, only answers
 * (Andriushchenko, Croce, Flammarion and Hein, "Square Attack: a query-efficient black-box adversarial attack via random
 * search", ECCV 2020, arXiv:1912.00049, algorithms 1 and 2, in the largest norm). Every proposal has one square at another
 * corner of the box of ε around the picture; what lowers the margin is kept. Pure.
 *
 * Pixels are float32 levels 0 to 255, [3, height, width], of the picture as the model sees it.
 */
import type { Random } from './random.ts';

export interface SeenSize {
  readonly height: number;
  readonly width: number;
}

export interface SquareSettings {
  /** No pixel is moved by more, in levels of 255. */
  readonly epsilonLevels: number;
  /** Proposals in all: the schedule of the squares' sizes is stretched over them. */
  readonly queries: number;
}

/**
 * Share of the picture that the first squares take: that of AutoAttack (Croce and Hein 2020, arXiv:2003.01690). The paper's 0.05
 * is for pictures of 299 pixels and 10,000 proposals: of 28 pixels and 300 proposals all but the first 30 squares would be one pixel.
 */
const FIRST_SHARE = 0.8;
/** Proposals of 10,000 after which squares have half the area; of fewer proposals in proportion, as the paper and its code have it. */
const HALVED_AT = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];
/** Colours drawn for a square that so far would change nothing. */
const MOST_DRAWS = 16;
const HIGHEST = 255;

/** Share of the picture that the square of the n-th proposal (from 0) takes. */
export function squareShare(proposal: number, queries: number): number {
  const of = Math.floor((10_000 * proposal) / queries);
  return FIRST_SHARE / 2 ** HALVED_AT.filter((at) => of > at).length;
}

/** Its edge in pixels: at least one, and less than the picture's shorter edge where that has more than one. */
export function squareEdge(share: number, { height, width }: SeenSize): number {
  const longest = Math.max(1, Math.min(height, width) - 1);
  return Math.min(longest, Math.max(1, Math.round(Math.sqrt(share * height * width))));
}

/** The search for one picture. Call `propose`, then `judge` with the margin of what it gave; begin anew until `lost`. */
export class SquareSearch {
  readonly #levels: Float32Array;
  readonly #size: SeenSize;
  readonly #settings: SquareSettings;
  readonly #random: Random;
  #best: Float32Array;
  #proposed: Float32Array;
  #margin: number;
  #asked = 0;

  /** `margin` of the picture itself: above 0 while its answer is right. */
  constructor(levels: Float32Array, size: SeenSize, margin: number, settings: SquareSettings, random: Random) {
    this.#levels = levels;
    this.#size = size;
    this.#settings = settings;
    this.#random = random;
    this.#best = levels;
    this.#proposed = levels;
    this.#margin = margin;
  }

  /** Answers that were judged. */
  get asked(): number {
    return this.#asked;
  }

  /** Whether a picture was found that is not answered rightly. What is no number is no right answer. */
  get lost(): boolean {
    return !(this.#margin > 0);
  }

  /** Of the best picture so far. */
  get margin(): number {
    return this.#margin;
  }

  get best(): Float32Array {
    return this.#best;
  }

  /** The next picture to ask for: stripes of full height first, which convolutions are sensitive to, then squares. */
  propose(): Float32Array {
    this.#proposed = this.#asked === 0 ? this.#striped() : this.#withSquare();
    return this.#proposed;
  }

  /** The margin of what was proposed; keeps it where it is lower. */
  judge(margin: number): void {
    this.#asked++;
    if (margin >= this.#margin) return;
    this.#margin = margin;
    this.#best = this.#proposed;
  }

  #striped(): Float32Array {
    const { width } = this.#size;
    const signs = Array.from({ length: 3 * width }, () => this.#sign());
    const area = this.#levels.length / 3;
    return this.#levels.map((_, at) => this.#moved(at, signs[Math.floor(at / area) * width + (at % width)]!));
  }

  #withSquare(): Float32Array {
    const { height, width } = this.#size;
    const edge = squareEdge(squareShare(this.#asked, this.#settings.queries), this.#size);
    const left = this.#random.below(width - edge + 1);
    const top = this.#random.below(height - edge + 1);
    const proposed = Float32Array.from(this.#best);
    for (let draw = 0; draw < MOST_DRAWS; draw++) {
      let changes = false;
      for (let channel = 0; channel < 3; channel++) {
        const sign = this.#sign();
        for (let y = top; y < top + edge; y++) {
          const row = (channel * height + y) * width;
          for (let at = row + left; at < row + left + edge; at++) {
            proposed[at] = this.#moved(at, sign);
            changes ||= proposed[at] !== this.#best[at];
          }
        }
      }
      if (changes) break;
    }
    return proposed;
  }

  #sign(): 1 | -1 {
    return this.#random.below(2) === 0 ? 1 : -1;
  }

  /** To a corner of what is allowed: within ε, and a picture still. */
  #moved(at: number, sign: 1 | -1): number {
    return Math.min(HIGHEST, Math.max(0, this.#levels[at]! + sign * this.#settings.epsilonLevels));
  }
}
