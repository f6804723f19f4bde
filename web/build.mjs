// Bundles src/ into the pages of dist/: each one file, no reference to anything outside it.
//
// `node build.mjs` writes them; `node build.mjs --check` builds in memory and fails when a
// committed file differs, so that nobody edits the output or forgets to rebuild.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const kMaxBytes = 1.5 * 1024 * 1024;
const kPlaceholder = "__WINDLASS_DATA__";
// Each page: src/NAME.html is the frame, and these are its script and its style.
const kPages = [
  { name: "report", script: "src/main.ts", style: "src/report.css" },
  { name: "sweep", script: "src/sweep.ts", style: "src/sweep.css" },
  { name: "diff", script: "src/diff.ts", style: "src/diff.css" },
  { name: "drift", script: "src/drift.ts", style: "src/drift.css" },
];

async function bundle(entry, loader) {
  const result = await build({
    entryPoints: [here(entry)],
    bundle: true,
    minify: true,
    write: false,
    charset: "ascii",
    target: ["chrome109", "firefox115", "safari16.4"],
    format: loader === "js" ? "iife" : undefined,
    legalComments: "none",
    absWorkingDir: here("."),
    metafile: true,
  });
  return { text: result.outputFiles[0].text.trim(), inputs: result.metafile.inputs };
}

// The licences of the bundled packages ask that their notices travel with every copy. Packages
// under the same words are listed together. Returns HTML.
function notices(inputs) {
  const folders = new Set();
  for (const input of Object.keys(inputs)) {
    const found = input.match(/^node_modules\/(@[^/]+\/)?[^/]+/);
    if (found) folders.add(found[0]);
  }
  const byWords = new Map();
  for (const folder of [...folders].sort()) {
    const { name, version } = JSON.parse(readFileSync(here(`${folder}/package.json`), "utf8"));
    const file = readdirSync(here(folder)).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
    if (file === undefined) throw new Error(`${folder} has no licence file to pass on`);
    const lines = readFileSync(here(`${folder}/${file}`), "utf8").split("\n");
    const isCopyright = (line) => /^\s*copyright\b.*\d{4}/i.test(line);
    const words = lines
      .filter((line) => !isCopyright(line))
      .join(" ")
      .replace(/\s+/g, " ")
      .trim();
    const copyright = lines
      .filter(isCopyright)
      .map((line) => line.trim())
      .join(", ");
    const entry = copyright === "" ? `${name} ${version}` : `${name} ${version}: ${copyright}`;
    byWords.set(words, [...(byWords.get(words) ?? []), entry]);
  }
  const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return [...byWords]
    .map(([words, entries]) => `<p>${entries.map(escape).join("<br>")}</p><p>${escape(words)}</p>`)
    .join("\n");
}

function once(text, needle, replacement) {
  const parts = text.split(needle);
  if (parts.length !== 2) {
    throw new Error(`"${needle}" must stand exactly once, but stands ${parts.length - 1} times`);
  }
  return parts.join(replacement);
}

async function buildPage({ name, script: entry, style: sheet }) {
  const { text: script, inputs } = await bundle(entry, "js");
  const { text: style } = await bundle(sheet, "css");
  if (/<\/script|<!--/i.test(script)) throw new Error("the script would end its own element");
  // Only this very script may run: one that slipped in with the data has another hash.
  const hash = createHash("sha256").update(script).digest("base64");

  let page = readFileSync(here(`src/${name}.html`), "utf8").replace(/\n\s*/g, "\n");
  page = once(page, "__NOTICES__", notices(inputs));
  page = once(page, "__STYLE__", style);
  page = once(page, "__SCRIPT_HASH__", `sha256-${hash}`);
  page = once(page, "__SCRIPT__", script);
  once(page, kPlaceholder, "");
  if (Buffer.byteLength(page) >= kMaxBytes) {
    throw new Error(`the page has ${Buffer.byteLength(page)} bytes, but may have ${kMaxBytes}`);
  }
  return page;
}

for (const entry of kPages) {
  const page = await buildPage(entry);
  const output = `dist/${entry.name}.html`;
  if (!process.argv.includes("--check")) {
    mkdirSync(here("dist"), { recursive: true });
    writeFileSync(here(output), page);
    console.log(`${output}: ${Buffer.byteLength(page)} bytes`);
  } else if (readFileSync(here(output), "utf8") !== page) {
    console.error(`${output} is not what src/ builds; run \`npm run build\` and commit it`);
    process.exitCode = 1;
  } else {
    console.log(`${output} is what src/ builds`);
  }
}
