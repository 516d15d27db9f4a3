// Builds what the console's pages load into dist/: one style sheet, one script, one picture, each named by
// its content. Fails where anything of GOV.UK's brand or of another host is in what comes out.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import * as sass from "sass";

const here = fileURLToPath(new URL(".", import.meta.url));

// What may not be in anything that we ship: GOV.UK's font, crown, crest, colours and hosts, fonts in
// files, and whatever would be fetched from elsewhere.
const never = [
  [/gds.?transport|font-face|woff|\.ttf|\.eot/i, "a font that is not the desk's own"],
  [/crown|crest|lesser-arms|royal/i, "a crown or a crest"],
  [/gov\.uk|justice\.gov|nhs\.uk/i, "a public body's host or name"],
  [/#1d70b8|#003078|#00703c|#1a65a6|rgb\(29,? ?112,? ?184\)/i, "GOV.UK's brand colour"],
  [/frutiger/i, "the NHS's font"],
  [/https?:\/\/(?!www\.w3\.org\/(2000\/svg|1999\/xlink))[a-z0-9]/i, "an address on another host"],
  [/url\((?!["']?data:)/i, "a file that is not shipped"],
];

function style() {
  const compiled = sass.compile(`${here}styles/console.scss`, {
    loadPaths: [`${here}node_modules`, here],
    style: "expanded",
    logger: sass.Logger.silent,
  });
  const plain = compiled.css
    // An icon of a class that we do not use.
    .replace(/background-image: url\(\/assets\/icon-document\.svg\);/g, "")
    // Shades of GOV.UK's blue where components have them without a setting.
    .replace(/#0f385c/g, "#06313a")
    .replace(/#f4f8fb/g, "#f2f6f6")
    .replace(/#d2e2f1/g, "#d5e5e7");
  return esbuild.transformSync(plain, { loader: "css", minify: true, legalComments: "none" }).code;
}

function script() {
  const built = esbuild.buildSync({
    entryPoints: [`${here}scripts/console.ts`],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    legalComments: "none",
  });
  return built.outputFiles[0].text;
}

const made = {
  "console.css": style(),
  "console.js": script(),
  "mark.svg": readFileSync(`${here}images/mark.svg`, "utf8"),
};
const wrong = [];
for (const [name, text] of Object.entries(made)) {
  for (const [pattern, what] of never) {
    const found = text.match(pattern);
    if (found) {
      wrong.push(`${name}: ${what}: ${text.slice(Math.max(0, found.index - 60), found.index + 60)}`);
    }
  }
}
for (const name of readdirSync(`${here}templates`)) {
  const text = readFileSync(`${here}templates/${name}`, "utf8");
  if (/<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:|http-equiv/i.test(text)) {
    wrong.push(`templates/${name}: a script or a style inside of the page, which its policy forbids`);
  }
}
if (wrong.length > 0) {
  console.error(wrong.join("\n"));
  process.exit(1);
}
rmSync(`${here}dist`, { recursive: true, force: true });
mkdirSync(`${here}dist`);
for (const [name, text] of Object.entries(made)) {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
  const [stem, kind] = name.split(".");
  writeFileSync(`${here}dist/${stem}-${hash}.${kind}`, text);
}
