/* The page's style. Colours of routes keep 3:1 to their ground, texts 4.5:1, in both modes. */
#include "html.h"

const char *const html_style[] = {
	":root{color-scheme:light dark;--ground:#fff;--text:#1c2128;--soft:#57606a;--line:#d8dee4;"
	"--panel:#f6f8fa;--track:#eaeef2;--bad:#b3261e;"
	"--zero_copy:#0b7a6b;--bounced:#b26a00;--staged:#2f6db5;--cached:#c5432b;--in_kernel:#7b54b3;"
	"--not_file:#737c87}\n",
	"@media (prefers-color-scheme:dark){:root{--ground:#14171b;--text:#e4e8ed;--soft:#a3adb8;"
	"--line:#343b44;--panel:#1c2026;--track:#272d35;--bad:#ff9389;"
	"--zero_copy:#35b8a3;--bounced:#e0a033;--staged:#6ea8ea;--cached:#f0806a;--in_kernel:#b497ec;"
	"--not_file:#8d97a3}}\n",
	"*{box-sizing:border-box}"
	"body{margin:0 auto;padding:1.5rem 1.25rem 3rem;max-width:72rem;background:var(--ground);"
	"color:var(--text);font:1rem/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;"
	"-webkit-text-size-adjust:100%}"
	"header{border-bottom:1px solid var(--line);padding-bottom:.5rem}"
	".brand{margin:0;color:var(--soft);font-weight:600;letter-spacing:.02em}"
	"h1{margin:.15rem 0;font-size:1.25rem;line-height:1.35;overflow-wrap:anywhere}"
	"h2{margin:2.25rem 0 .5rem;font-size:1.1rem}"
	"p{margin:.4rem 0;max-width:46rem}"
	".note,footer,header p{color:var(--soft)}.note,footer{font-size:.875rem}"
	".code,code{font-family:ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;"
	"font-size:.9em;overflow-wrap:anywhere}"
	"h1 .code{font-size:1em}"
	".bad{color:var(--bad)}.alarm{border:1px solid;padding:.5rem .75rem;font-weight:600}\n",
	".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.75rem;margin:1.25rem 0}"
	".tile{background:var(--panel);border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem;"
	"display:flex;flex-direction:column;justify-content:space-between}"
	".tile dt{color:var(--soft);font-size:.875rem;line-height:1.35}"
	".tile dd{margin:.25rem 0 0;font-size:1.5rem;font-weight:600;line-height:1.2;font-variant-numeric:tabular-nums}"
	".lead dd{color:var(--zero_copy)}\n",
	".scroll{overflow-x:auto}"
	"table{border-collapse:collapse;width:100%;font-size:.9rem}"
	"th,td{padding:.35rem .6rem .35rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}"
	"thead th{color:var(--soft);font-weight:500;font-size:.8rem;vertical-align:bottom}"
	"tbody th{font-weight:600;white-space:nowrap}"
	"tr>:last-child{padding-right:0}"
	".n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"
	"thead .n{white-space:normal}"
	".say{color:var(--soft);min-width:14rem}"
	".path{min-width:13rem;max-width:34rem}"
	".wide{width:26%;min-width:9rem}"
	".rest td{color:var(--soft)}.cut td{border-bottom:0;padding-bottom:0}\n",
	".bar{display:block;width:100%;height:.8rem;margin-top:.3rem}"
	".ground{fill:var(--track)}"
	".legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.4rem 0 .6rem;padding:0;list-style:none;"
	"color:var(--soft);font-size:.875rem}"
	".key{width:.75rem;height:.75rem;margin-right:.35rem}"
	".zero_copy,.fits{fill:var(--zero_copy)}.bounced,.off{fill:var(--bounced)}.staged{fill:var(--staged)}"
	".cached{fill:var(--cached)}.in_kernel{fill:var(--in_kernel)}.not_file{fill:var(--not_file)}\n",
	"figure{margin:0}figcaption{font-size:.875rem;color:var(--soft)}"
	".dims{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:1rem 1.5rem;margin:.5rem 0}"
	".powers,.timeline{display:block;width:100%;height:auto;margin-top:.25rem}"
	".powers text,.timeline text{fill:var(--soft);font-size:10px;text-anchor:middle}"
	".timeline text{font-size:12px}"
	".powers text.wanted{fill:var(--text);text-anchor:end}"
	".timeline text.start{text-anchor:start}.timeline text.end{text-anchor:end}"
	".timeline{min-width:34rem}.timeline path{shape-rendering:crispEdges}"
	".floor{stroke:var(--soft)}.grid{stroke:var(--line);stroke-dasharray:3 3}"
	".wanted{stroke-width:1.5}line.wanted{stroke:var(--text)}"
	"summary{cursor:pointer;color:var(--soft);font-size:.875rem}"
	"footer{margin-top:2.5rem;border-top:1px solid var(--line);padding-top:.75rem}\n",
	"@media (max-width:40rem){body{padding:1rem .9rem 2rem}.tile dd{font-size:1.25rem}"
	".tiles{grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr))}h1{font-size:1.05rem}"
	/* A line of sums becomes a block, its sentence below: nothing to scroll for. */
	".sums thead{display:none}.sums tr{display:flex;flex-wrap:wrap;gap:0 .8rem;padding:.4rem 0;"
	"border-bottom:1px solid var(--line)}.sums th,.sums td{border:0;padding:.1rem 0}"
	".sums tbody th{flex:1}.sums .wide{flex:0 0 100%;order:1}.sums .say{flex:0 0 100%;order:2}"
	".calls::after{content:' calls'}.copies::after{content:' copies a byte'}.path{max-width:17rem}}\n",
	"@media print{body{max-width:none;padding:0;font-size:10pt}section{break-inside:avoid-page}"
	".scroll{overflow:visible}tr,figure{break-inside:avoid}}",
	NULL,
};
