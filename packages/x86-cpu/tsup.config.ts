import { defineConfig } from "tsup";
import { packImage } from "./src/interpreter/image.ts";
import { generateInterpreter } from "./src/interpreter/module.ts";

/** The generated interpreter in the place of the file that generates it. */
const builtImage = {
  name: "built-image",
  setup(build: {
    onLoad(filter: { filter: RegExp }, load: () => { contents: string; loader: "ts"; resolveDir: string }): void;
  }) {
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

export default defineConfig({
  entry: ["src/index.ts"],
  format: "esm",
  dts: true,
  sourcemap: true,
  clean: true,
  target: "node20",
  esbuildPlugins: [builtImage],
});
