/** The frame of the console's pages. They work without script, need nothing from elsewhere, and their policy says so. */
import { createHash } from 'node:crypto';
import { Html, html, type Content } from '../../artifacts/html.ts';
import { STYLE } from './style.ts';

export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "frame-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

// Not in a template: the formatter may indent those, and the policy's hash is of these very bytes.
const STYLE_ELEMENT = new Html(`<style>${STYLE}</style>`);

/** A whole document (HTML5, UTF-8). */
export function page(title: string, body: Content): string {
  return `<!doctype html>\n${
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title} · Espalier</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        ${body}
      </body>
    </html>`.markup
  }\n`;
}

/** Instead of the page that was asked for. */
export function errorPage({ title, detail, fix }: { title: string; detail: string; fix?: string }): string {
  return page(
    title,
    html`<main class="single">
      <p class="over">Espalier</p>
      <h1>${title}</h1>
      <p>${detail}</p>
      ${fix === undefined ? '' : html`<p class="quiet">${fix}</p>`}
    </main>`,
  );
}
