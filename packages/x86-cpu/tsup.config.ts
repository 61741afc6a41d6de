import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "tsup";
import { packImage } from "./src/interpreter/image.ts";
import { generateInterpreter } from "./src/interpreter/module.ts";

interface Build {
  onLoad(filter: { filter: RegExp }, load: () => { contents: string; loader: "ts"; resolveDir: string }): void;
}

/** The generated interpreter in the place of the file that generates it. */
const builtImage = {
  name: "built-image",
  setup(build: Build) {
    build.onLoad({ filter: /interpreter[\\/]built-image\.ts$/ }, () => ({
      contents: [
        'import { unpackImage } from "./image.ts";',
        `export const builtImage = () => unpackImage(${packImage(generateInterpreter())});`,
      ].join("\n"),
      loader: "ts",
      resolveDir: "src/interpreter",
    }));
  },
};

/** Sources that say what translated code is, and what memory it runs in. */
const SOURCES = ["src", "../wasm-emit/src", "../mmu/src"];

const buildIdentity = {
  name: "build-identity",
  setup(build: Build) {
    build.onLoad({ filter: /translator[\\/]build-identity\.ts$/ }, () => ({
      contents: `export const buildIdentity = "${hashOf(SOURCES)}";`,
      loader: "ts",
      resolveDir: "src/translator",
    }));
  },
};

function hashOf(folders: readonly string[]): string {
  const hash = createHash("sha256");
  for (const folder of folders) {
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
    for (const name of files.sort()) hash.update(readFileSync(join(folder, name)));
  }
  return hash.digest("hex").slice(0, 32);
}

export default defineConfig({
  entry: ["src/index.ts"],
  format: "esm",
  dts: true,
  sourcemap: true,
  clean: true,
  target: "node20",
  esbuildPlugins: [builtImage, buildIdentity],
});
