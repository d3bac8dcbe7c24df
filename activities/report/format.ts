/** Numbers and times as people read them; the same in every locale and time zone. */
import { shortDigest } from '../../artifacts/reference.ts';
import type { Interval, Score } from '../contract.ts';
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

export function count(value: Maybe): string {
  return known(value) ? String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ' ') : NOT_MEASURED;
}

export function milliseconds(value: Maybe): string {
  return known(value) ? `${value < 10 ? decimal(value, 2) : decimal(value, 1)} ms` : NOT_MEASURED;
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
  const seconds = (Date.parse(to ?? '') - Date.parse(from ?? '')) / 1000;
  if (!Number.isFinite(seconds)) return '';
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
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
