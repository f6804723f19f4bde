// Bundles src/ into dist/report.html: one file, no reference to anything outside it.
//
// `node build.mjs` writes the file; `node build.mjs --check` builds in memory and fails when the
// committed file differs, so that nobody edits the output or forgets to rebuild.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const kMaxBytes = 1.5 * 1024 * 1024;
const kPlaceholder = "__WINDLASS_DATA__";
const output = here("dist/report.html");

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
  });
  return result.outputFiles[0].text.trim();
}

// Licences of the bundled packages ask for their notices to travel with copies.
function notices() {
  const lock = JSON.parse(readFileSync(here("package-lock.json"), "utf8"));
  const bundled = Object.keys(lock.packages)
    .filter((path) => /node_modules\/(@observablehq\/plot|d3[^/]*|isoformat|interval-tree-1d|binary-search-bounds|internmap|delaunator|robust-predicates)$/.test(path))
    .map((path) => `${path.slice(path.lastIndexOf("node_modules/") + 13)} ${lock.packages[path].version} (${lock.packages[path].license})`);
  return [...new Set(bundled)].sort().join(", ");
}

function once(text, needle, replacement) {
  const parts = text.split(needle);
  if (parts.length !== 2) {
    throw new Error(`"${needle}" must stand exactly once, but stands ${parts.length - 1} times`);
  }
  return parts.join(replacement);
}

const script = await bundle("src/main.ts", "js");
const style = await bundle("src/report.css", "css");
if (/<\/script|<!--/i.test(script)) throw new Error("the script would end its own element");
// Only this very script may run: one that slipped in with the data has another hash.
const hash = createHash("sha256").update(script).digest("base64");

let page = readFileSync(here("src/report.html"), "utf8").replace(/\n\s*/g, "\n");
page = once(page, "__NOTICES__", notices());
page = once(page, "__STYLE__", style);
page = once(page, "__SCRIPT_HASH__", `sha256-${hash}`);
page = once(page, "__SCRIPT__", script);
once(page, kPlaceholder, "");
if (Buffer.byteLength(page) >= kMaxBytes) {
  throw new Error(`the page has ${Buffer.byteLength(page)} bytes, but may have ${kMaxBytes}`);
}

if (process.argv.includes("--check")) {
  if (readFileSync(output, "utf8") !== page) {
    console.error("dist/report.html is not what src/ builds; run `npm run build` and commit it");
    process.exit(1);
  }
  console.log("dist/report.html is what src/ builds");
} else {
  mkdirSync(here("dist"), { recursive: true });
  writeFileSync(output, page);
  console.log(`dist/report.html: ${Buffer.byteLength(page)} bytes`);
}
