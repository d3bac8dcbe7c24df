/** The colours of every page of ours, named once a theme; their contrast is tested (WCAG 2.2: 4.5 for text, 3 for marks). */

export const THEMES = {
  light: {
    paper: '#ffffff',
    panel: '#f4f7f5',
    ink: '#1a2220',
    quiet: '#55615c',
    rule: '#d3dbd7',
    accent: '#17684c',
    second: '#8a4b08',
    good: '#17653a',
    bad: '#a02318',
    care: '#7a5000',
    heat: '#2f8f6b',
    miss: '#c2452d',
  },
  dark: {
    paper: '#131816',
    panel: '#1b2220',
    ink: '#e4eae7',
    quiet: '#a2afa9',
    rule: '#36413c',
    accent: '#6fcaa5',
    second: '#f0a75e',
    good: '#7dd6a0',
    bad: '#ff9c90',
    care: '#efc253',
    heat: '#3fa27c',
    miss: '#d2604a',
  },
} as const;

const variables = (theme: keyof typeof THEMES) =>
  Object.entries(THEMES[theme])
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');

/** The light colours as CSS variables: what is printed, too. */
export const LIGHT = variables('light');

/** Style rules: by the reader's choice the one theme or the other. */
export const THEME_RULES = `:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${variables('dark')}}}`;
