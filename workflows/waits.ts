/** What of a run's time was no machine's: it waited for people, or for a machine of a declared class. Pure. */

interface Wait {
  readonly fromMs: number;
  /** Missing while it lasts. */
  untilMs?: number;
}

/** Waits side by side count once. All times are milliseconds since 1970. */
export class Waits {
  private readonly open = new Map<string, Wait>();
  private readonly all: Wait[] = [];

  /** One at a time by a name; a second begin of it changes nothing. */
  begin(name: string, fromMs: number): void {
    if (this.open.has(name)) return;
    const wait = { fromMs };
    this.open.set(name, wait);
    this.all.push(wait);
  }

  /** Nothing where none of that name lasts. */
  end(name: string, untilMs: number): void {
    const wait = this.open.get(name);
    if (wait !== undefined) wait.untilMs = untilMs;
    this.open.delete(name);
  }

  /** How much of the time between two moments was waited; what lasts is counted up to the second. */
  within(fromMs: number, toMs: number): number {
    let [total, reached] = [0, fromMs];
    for (const wait of this.all.toSorted((left, right) => left.fromMs - right.fromMs)) {
      const begun = Math.max(wait.fromMs, reached);
      const ended = Math.min(wait.untilMs ?? toMs, toMs);
      if (!(ended > begun)) continue;
      total += ended - begun;
      reached = ended;
    }
    return total;
  }
}
