/** The page's style sheet. */
import { LIGHT, THEME_RULES } from '../../artifacts/theme.ts';

// Shares of a confusion row in tenths: classes, since a strict CSP allows no style attribute.
const heat = Array.from({ length: 11 }, (_, tenth) => {
  const share = tenth === 0 ? 0 : 6 + tenth * 5;
  return `.heat${tenth}{background:color-mix(in srgb,var(--heat) ${share}%,var(--paper))}.miss${tenth}{background:color-mix(in srgb,var(--miss) ${share}%,var(--paper))}`;
}).join('\n');

export const STYLE = `${THEME_RULES}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
header,main,footer,nav{max-width:64rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2rem}
h1{font-size:1.9rem;line-height:1.2;margin:.25rem 0 .5rem;font-weight:650;letter-spacing:-.01em}
h2{font-size:1.3rem;margin:2.75rem 0 .75rem;padding-top:1rem;border-top:1px solid var(--rule);font-weight:650}
h3{font-size:1.02rem;margin:1.6rem 0 .4rem;font-weight:650}
p{margin:.5rem 0;max-width:46rem}
a{color:var(--accent)}
code{font:.86em ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
small{display:block;color:var(--quiet);font-size:.8rem;font-weight:400}
.over{color:var(--quiet);font-size:.85rem;letter-spacing:.04em;text-transform:uppercase}
.quiet{color:var(--quiet)}
.outcome{background:var(--panel);border-left:4px solid var(--accent);padding:.75rem 1rem;margin:1rem 0;border-radius:0 6px 6px 0}
.outcome p{margin:.2rem 0}
nav ul{list-style:none;margin:1rem 0 0;padding:0;display:flex;flex-wrap:wrap;gap:.35rem 1.1rem;font-size:.9rem}
ul{margin:.3rem 0;padding-left:1.2rem}
td ul{margin:0;padding:0;list-style:none}
p.quiet{font-size:.9rem}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:.7rem 1.5rem;margin:1rem 0}
dt{color:var(--quiet);font-size:.8rem}
dd{margin:0}
.scroll{overflow-x:auto;margin:1rem 0}
.scroll:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
table{border-collapse:collapse;font-size:.9rem;min-width:24rem;overflow-wrap:normal}
caption{text-align:left;color:var(--quiet);font-size:.85rem;padding-bottom:.35rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .9rem .4rem 0;border-bottom:1px solid var(--rule)}
thead th{color:var(--quiet);font-weight:500;font-size:.82rem;vertical-align:bottom}
tbody th{font-weight:600;min-width:6.5rem}
table code,td .badge,.number{white-space:nowrap}
.text{display:block;min-width:12rem;max-width:26rem;overflow-wrap:anywhere}
.text code{white-space:normal}
.brief{min-width:7rem;max-width:11rem}
.number{text-align:right;font-variant-numeric:tabular-nums}
.badge{font-weight:600;white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad)}.care{color:var(--care)}.neutral{color:var(--quiet)}
.matrix table{min-width:0;font-size:.82rem}
.matrix th{min-width:0}
.matrix th,.matrix td{padding:.35rem .5rem;border:1px solid var(--rule)}
.matrix td{text-align:right;font-variant-numeric:tabular-nums;min-width:2.4rem}
.matrix thead th{writing-mode:vertical-rl;transform:rotate(180deg);text-align:left;vertical-align:top;padding:.5rem .35rem;max-height:11rem}
.matrix thead th:first-child{writing-mode:horizontal-tb;transform:none;vertical-align:bottom}
${heat}
figure{margin:1rem 0}
figcaption{color:var(--quiet);font-size:.85rem;max-width:46rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem 2rem}
svg{max-width:100%;height:auto;display:block}
svg text{fill:var(--ink);font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
svg .ticks text,svg .note{fill:var(--quiet)}
svg .grid path{stroke:var(--rule);fill:none}
svg .bubble{fill:var(--accent);fill-opacity:.28;stroke:var(--accent);stroke-width:1.5}
svg .bubble.lost{fill:var(--quiet);fill-opacity:.16;stroke:var(--quiet)}
svg .whisker,svg .leader{stroke:var(--quiet);fill:none}
svg .limit{stroke:var(--care);stroke-dasharray:5 4;fill:none;stroke-width:1.5}
svg .train{stroke:var(--quiet);fill:none;stroke-width:1;opacity:.7}
svg .mean{stroke:var(--accent);fill:none;stroke-width:2}
svg .validation{stroke:var(--second);fill:none;stroke-width:2}
svg .dot{fill:var(--second)}
svg .dot.train-dot{fill:var(--accent)}
svg .box{fill:var(--panel);stroke:var(--rule)}
svg .strong{font-weight:600}
svg .arrow{stroke:var(--quiet);fill:none;stroke-width:1.2}
svg .head{fill:var(--quiet)}
footer{padding-top:1rem;padding-bottom:3rem;margin-top:3rem;color:var(--quiet);font-size:.85rem}
@media print{:root{color-scheme:light;${LIGHT}}body{font-size:10.5pt}nav{display:none}h2,h3,caption{break-after:avoid}figure,tr,.outcome{break-inside:avoid}.scroll{overflow:visible}*{print-color-adjust:exact}}
@media (max-width:40rem){h1{font-size:1.5rem}}
`;
