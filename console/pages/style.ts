/** How the console's pages look: the report's colours, the evidence left, the decision beside it. */
import { THEME_RULES } from '../../artifacts/theme.ts';

export const STYLE = `${THEME_RULES}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
header,main{max-width:84rem;margin:0 auto;padding:0 1.5rem}
header{padding-top:2rem}
main{display:grid;grid-template-columns:minmax(0,1fr) 22rem;gap:1rem 2.5rem;align-items:start;padding-bottom:3rem}
main.single{display:block;max-width:44rem;padding-top:2rem}
h1{font-size:1.9rem;line-height:1.2;margin:.25rem 0 .5rem;font-weight:650;letter-spacing:-.01em}
h2{font-size:1.15rem;margin:1.75rem 0 .6rem;font-weight:650}
p{margin:.5rem 0}
a{color:var(--accent)}
code{font:.86em ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
.over{color:var(--quiet);font-size:.85rem;letter-spacing:.04em;text-transform:uppercase;margin:0}
.quiet{color:var(--quiet);font-size:.9rem}
.jump{display:none}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.45rem 1.25rem;margin:.5rem 0}
dt{color:var(--quiet)}
dd{margin:0}
dd p{margin:0 0 .3rem}
.badge{font-size:inherit;font-weight:600;white-space:nowrap;margin-right:.35rem}
.good{color:var(--good)}.bad{color:var(--bad)}.care{color:var(--care)}
iframe{width:100%;height:75vh;min-height:24rem;border:1px solid var(--rule);border-radius:8px;background:var(--paper)}
aside{position:sticky;top:1.5rem;max-height:calc(100vh - 3rem);overflow:auto;background:var(--panel);border:1px solid var(--rule);border-top:4px solid var(--accent);border-radius:8px;padding:1rem 1.25rem 1.25rem;margin-top:1.5rem}
aside h2{margin:.1rem 0 .5rem}
h3{font-size:.95rem;margin:1.1rem 0 .3rem}
.seats,.votes{list-style:none;margin:0;padding:0}
.votes li{padding:.35rem 0;border-top:1px solid var(--rule)}
.votes small{display:block}
.void strong{text-decoration:line-through;font-weight:400}
.notice{border-left:4px solid var(--care);padding:.1rem 0 .1rem .75rem;margin:.75rem 0}
.notice.bad{border-color:var(--bad);color:inherit}
.notice.good{border-color:var(--good);color:inherit}
label{display:block;font-weight:600;margin:1rem 0 .3rem}
label span{font-weight:400;color:var(--quiet)}
textarea,select{width:100%;padding:.55rem .65rem;font:inherit;color:var(--ink);background:var(--paper);border:1px solid var(--quiet);border-radius:6px}
textarea{min-height:7rem;resize:vertical}
select{min-height:2.75rem}
.glass{margin:1.25rem 0 .25rem;border:1px solid var(--bad);border-radius:6px;padding:0 .75rem}
.glass summary{padding:.6rem 0;font-weight:600;color:var(--bad);cursor:pointer}
.actions{display:flex;flex-wrap:wrap;gap:.6rem;margin:.9rem 0 .4rem}
button{flex:1;padding:.6rem 1rem;min-height:2.75rem;font:inherit;font-weight:650;border-radius:6px;border:2px solid var(--accent);cursor:pointer}
button.approve{background:var(--accent);color:var(--paper)}
button.approve{flex-basis:100%}
button.changes{background:var(--paper);border-color:var(--care);color:var(--care)}
button.reject{background:var(--paper);border-color:var(--bad);color:var(--bad)}
button:hover{filter:brightness(1.08)}
:focus-visible{outline:3px solid var(--second);outline-offset:2px}
@media (max-width:60rem){main{display:flex;flex-direction:column;align-items:stretch}aside{position:static;max-height:none}.jump{display:block}iframe{height:60vh}}
@media (max-width:40rem){h1{font-size:1.5rem}dl{grid-template-columns:1fr;gap:.1rem}dd{margin-bottom:.5rem}}
`;
