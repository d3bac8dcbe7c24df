/** One line that is rewritten in place on a terminal; elsewhere now and then a line of its own. */
import { style } from './output.ts';

/** Where the line is written: stderr, or a stand-in. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface LiveLine {
  /** `text` is asked for what fits the width now. `state`: a change of it is shown at once also where lines are rare. */
  show(text: (width: number) => string, state: string): void;
  clear(): void;
}

const REDRAW_MS = 250;
const PLAIN_MS = 10_000;
const ERASE = '\r\u001b[K';
const WRAP = { off: '\u001b[?7l', on: '\u001b[?7h' };

export function liveLine(screen: Screen = process.stderr, now: () => number = Date.now): LiveLine {
  return screen.isTTY === true ? rewritten(screen, now) : plain(screen, now);
}

function rewritten(screen: Screen, now: () => number): LiveLine {
  let shown = '';
  let shownAt = Number.NEGATIVE_INFINITY;
  let lastState = '';
  return {
    show(text, state) {
      if (state === lastState && now() - shownAt < REDRAW_MS) return;
      const line = text((screen.columns ?? 80) - 3);
      if (line === shown) return;
      // Over the old text, then the rest erased, in one write: the line is never seen empty. Without wrapping, a glyph
      // that is wider than it counts, or a window that has just shrunk, cannot push it onto a second row.
      const prefix = line === '' ? '' : '… ';
      screen.write(`${WRAP.off}\r${style.dim(`${prefix}${line}`)}\u001b[K${WRAP.on}`);
      [shown, shownAt, lastState] = [line, now(), state];
    },
    clear() {
      if (shown !== '') screen.write(ERASE);
      [shown, shownAt] = ['', Number.NEGATIVE_INFINITY];
    },
  };
}

function plain(screen: Screen, now: () => number): LiveLine {
  let shown = '';
  let shownAt = Number.NEGATIVE_INFINITY;
  let lastState: string | undefined;
  return {
    show(text, state) {
      if (state === lastState && now() - shownAt < PLAIN_MS) return;
      const line = text(Number.POSITIVE_INFINITY);
      if (line === '' || line === shown) return;
      [shown, shownAt, lastState] = [line, now(), state];
      screen.write(`  ${line}\n`);
    },
    clear: () => undefined,
  };
}
