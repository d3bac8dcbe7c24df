/** Numbers and times as people read them; the same in every locale and time zone. */
import { shortDigest } from '../../artifacts/reference.ts';
import { offClass, type HardwareClass } from '../../pipelines/hardware-class.ts';
import type { Hardware, Interval, Score } from '../contract/measures.ts';
import { html, type Content, type Html } from '../../artifacts/html.ts';

/** A measure that could not be taken: null and NaN alike. Never a dash that reads as zero. */
export const NOT_MEASURED = 'not measured';

type Maybe = number | null | undefined;

const known = (value: Maybe): value is number => typeof value === 'number' && Number.isFinite(value);

/** Fixed digits, with a true minus sign. */
export function decimal(value: Maybe, digits = 2): string {
  if (!known(value)) return NOT_MEASURED;
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** A small or large number in three significant digits. */
export function significant(value: Maybe): string {
  if (!known(value)) return NOT_MEASURED;
  if (value === 0) return '0';
  const size = Math.abs(value);
  const text = size >= 1e-3 && size < 1e6 ? String(Number(size.toPrecision(3))) : size.toExponential(1);
  return value < 0 ? `−${text}` : text;
}

/** 0–1 as percent. */
export function percent(value: Maybe, digits = 1): string {
  return known(value) ? `${decimal(value * 100, digits)} %` : NOT_MEASURED;
}

/** A difference of shares as percentage points. */
export function points(value: Maybe): string {
  return known(value) ? `${decimal(value * 100, 1)} points` : NOT_MEASURED;
}

/** Of a test: three significant digits, and no figure that is finer than anybody should read. */
export function probability(value: Maybe): string {
  if (!known(value)) return NOT_MEASURED;
  return value < 1e-6 ? 'less than 0.000001' : String(Number(value.toPrecision(3)));
}

/** `12.3 s`, `4 min 5 s`, `2 h 3 min`. */
export function seconds(value: Maybe): string {
  if (!known(value)) return NOT_MEASURED;
  if (value < 60) return `${value.toFixed(1)} s`;
  const minutes = Math.floor(value / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(value % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Two digits, or what there is of less than a hundredth. */
export function money(value: Maybe, currency: string): string {
  if (!known(value)) return NOT_MEASURED;
  return `${value !== 0 && value < 0.01 ? significant(value) : decimal(value, 2)} ${currency}`;
}

/** A setting's value as JSON has it, cut where it is long. */
export function setting(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

export function count(value: Maybe): string {
  return known(value) ? String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ' ') : NOT_MEASURED;
}

export function milliseconds(value: Maybe): string {
  return known(value) ? `${value < 10 ? decimal(value, 2) : decimal(value, 1)} ms` : NOT_MEASURED;
}

/** Beside a time: how much of the clock's was not counted. Nothing where that was nothing. */
export function waitedWords(share: Maybe): string {
  if (!known(share)) return '; on the clock, with what else the machine did';
  return share < 0.0005 ? '' : `; not counted: ${percent(share)} of the clock’s time, when other work had the cores`;
}

/** The machine that the times which gates judge are of, and whether it is of the class that the definition declares. */
export function machineWords(is: Hardware, declared: HardwareClass | undefined): string {
  const machine = `${is.cpu}, ${is.cores} cores, ${is.runtime}`;
  if (declared === undefined) return machine;
  const off = offClass(is, declared);
  return off.length === 0
    ? `${machine}; of the declared class`
    : `${machine}; not of the declared class: ${off.join(', ')}`;
}

export function megabytes(value: Maybe): string {
  return known(value) ? `${decimal(value, 1)} MB` : NOT_MEASURED;
}

export function bytes(value: Maybe): string {
  if (!known(value)) return NOT_MEASURED;
  if (value < 1000) return `${value} B`;
  const power = Math.min(3, Math.floor(Math.log10(value) / 3));
  return `${decimal(value / 1000 ** power, 1)} ${['B', 'kB', 'MB', 'GB'][power] ?? ''}`;
}

/** `2026-03-01T10:00:00.123Z` → `2026-03-01 10:00:00 UTC`; anything else as it is. */
export function time(iso: string): string {
  const [, day, clock] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/.exec(iso) ?? [];
  return day === undefined ? iso : `${day} ${clock} UTC`;
}

export function duration(from: string | undefined, to: string | undefined): string {
  const between = (Date.parse(to ?? '') - Date.parse(from ?? '')) / 1000;
  return Number.isFinite(between) ? seconds(between) : '';
}

export function interval(between: Interval | null, show: (value: number) => string): string {
  return between === null ? '' : `${show(between.low)} to ${show(between.high)}`;
}

/** A measure with its interval below. */
export function score(measured: Score, show: (value: Maybe) => string = (value) => percent(value)): Html {
  const between = measured.value === null ? '' : interval(measured.interval, show);
  return html`${show(measured.value)}${between === '' ? '' : html`<small>${between}</small>`}`;
}

/** A digest, short to the eye, whole on demand. */
export function digest(value: string | undefined): Content {
  return value === undefined ? '' : html`<code title="${value}">${shortDigest(value)}</code>`;
}
