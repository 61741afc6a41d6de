// The sources as JavaScript that a process of plain Node runs.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** Writes src and the given files of test to `directory`; resolves to that directory. */
export async function buildSources(directory: string, ...tests: string[]): Promise<string> {
  const root = join(dirname(fileURLToPath(import.meta.url)), "..");
  const sources = (await readdir(join(root, "src"), { recursive: true })).filter((name) => name.endsWith(".ts"));
  for (const name of [...sources.map((source) => join("src", source)), ...tests.map((test) => join("test", test))]) {
    const { outputText } = ts.transpileModule(await readFile(join(root, name), "utf8"), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true,
      },
    });
    const target = join(directory, name.replace(/\.ts$/, ".js"));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, outputText);
  }
  await writeFile(join(directory, "package.json"), '{ "type": "module" }');
  return directory;
}
