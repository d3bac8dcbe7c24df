import assert from 'node:assert/strict';
import {
  bytes,
  count,
  decimal,
  duration,
  milliseconds,
  percent,
  significant,
  time,
  waitedWords,
} from '../../activities/report/format.ts';
import { html } from '../../artifacts/html.ts';
import { thin } from '../../activities/report/plots/training.ts';
import { THEMES } from '../../artifacts/theme.ts';
import { apart, linearScale, logScale } from '../../activities/report/svg.ts';

describe('html', () => {
  it('escapes what is put in, joins lists, and keeps its own markup', () => {
    assert.equal(
      html`<p title="${`"'&`}">${['<b>', html`<i>${'&'}</i>`, null, false, 0]}</p>`.markup,
      '<p title="&quot;&#39;&amp;">&lt;b&gt;<i>&amp;</i>0</p>',
    );
  });

  it('does not take a look-alike object for markup', () => {
    assert.equal(html`<p>${JSON.parse('{"markup":"<b>"}') as string}</p>`.markup, '<p></p>');
  });
});

describe('numbers for people', () => {
  const table: readonly [shown: string, expected: string][] = [
    [decimal(-0.001), '0.00'],
    [decimal(-1.005, 1), '−1.0'],
    [decimal(null), 'not measured'],
    [percent(0.8945), '89.5 %'],
    [percent(Number.NaN), 'not measured'],
    [percent(Number.POSITIVE_INFINITY), 'not measured'],
    [count(1234567), '1 234 567'],
    [count(999), '999'],
    [milliseconds(9.999), '10.00 ms'],
    [waitedWords(0.253), '; not counted: 25.3 % of the clock’s time, when other work had the cores'],
    [waitedWords(0), ''],
    [waitedWords(null), '; on the clock, with what else the machine did'],
    [milliseconds(1234.56), '1234.6 ms'],
    [significant(0.00000042), '4.2e-7'],
    [significant(1234.5), '1230'],
    [significant(0), '0'],
    [bytes(999), '999 B'],
    [bytes(90_868_376), '90.9 MB'],
    [bytes(5e13), '50000.0 GB'],
    [time('2026-03-02T09:30:00.123Z'), '2026-03-02 09:30:00 UTC'],
    [time('yesterday'), 'yesterday'],
    [duration('2026-03-02T09:30:00Z', '2026-03-02T09:31:59.900Z'), '1 min 59 s'],
    [duration('2026-03-02T09:30:00Z', '2026-03-02T11:31:00Z'), '2 h 1 min'],
    [duration('2026-03-02T09:30:00Z', undefined), ''],
  ];
  for (const [shown, expected] of table) it(`shows ${expected || 'nothing'}`, () => assert.equal(shown, expected));
});

describe('scales', () => {
  it('puts ticks at 1, 2 or 5 times a power of ten, inside the range', () => {
    assert.deepEqual(linearScale(0, 108, 0, 100).ticks, [0, 50, 100]);
    assert.deepEqual(linearScale(0.72, 0.93, 0, 100).ticks, [0.75, 0.8, 0.85, 0.9]);
    assert.deepEqual(logScale(1.5, 40, 0, 100).ticks, [2, 5, 10, 20]);
  });

  it('maps the ends to the ends, and survives a range of nothing', () => {
    assert.equal(linearScale(2, 4, 10, 20)(3), 15);
    assert.equal(Math.round(logScale(1, 100, 0, 100)(10)), 50);
    assert.ok(Number.isFinite(linearScale(1, 1, 0, 100)(1)) && Number.isFinite(logScale(3, 3, 0, 100)(3)));
  });

  it('keeps labels apart and inside', () => {
    assert.deepEqual(apart([50, 50, 52], 10, 0, 100), [50, 60, 70]);
    assert.deepEqual(apart([95, 98], 10, 0, 100), [90, 100]);
  });

  it('averages groups of points', () => {
    const points = Array.from({ length: 1000 }, (_, index) => [index, index % 2] as const);
    const thinned = thin(points, 100);
    assert.equal(thinned.length, 100);
    assert.deepEqual(thinned[0], [4.5, 0.5]);
  });
});

describe('the colours of the report', () => {
  /** Relative luminance and contrast after WCAG 2.2. */
  const luminance = (hex: string) => {
    const [red = 0, green = 0, blue = 0] = [1, 3, 5]
      .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one: string, other: string) => {
    const [dark = 0, light = 0] = [luminance(one), luminance(other)].toSorted((left, right) => left - right);
    return (light + 0.05) / (dark + 0.05);
  };
  const mix = (one: string, other: string, share: number) =>
    `#${[1, 3, 5]
      .map((at) =>
        Math.round(
          Number.parseInt(one.slice(at, at + 2), 16) * share +
            Number.parseInt(other.slice(at, at + 2), 16) * (1 - share),
        )
          .toString(16)
          .padStart(2, '0'),
      )
      .join('')}`;

  for (const [name, theme] of Object.entries(THEMES)) {
    it(`can be read in the ${name} theme: text 4.5 to 1 and more`, () => {
      for (const ink of ['ink', 'quiet', 'accent', 'second', 'good', 'bad', 'care'] as const) {
        for (const paper of ['paper', 'panel'] as const) {
          const ratio = contrast(theme[ink], theme[paper]);
          assert.ok(ratio >= 4.5, `${ink} on ${paper}: ${ratio.toFixed(2)}`);
        }
      }
      for (const shade of ['heat', 'miss'] as const) {
        // The darkest cell of the confusion matrix: 56 % of the shade.
        const ratio = contrast(theme.ink, mix(theme[shade], theme.paper, 0.56));
        assert.ok(ratio >= 4.5, `ink on ${shade}: ${ratio.toFixed(2)}`);
      }
    });
  }
});
