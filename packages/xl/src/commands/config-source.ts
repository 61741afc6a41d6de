import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { ExitStatus, type GivenOptions, XlError } from "../command.ts";

/**
 * The file, and behind it, a line each, the settings of the command line: `memory=512`, `name="web2"`.
 *
 * @param command the subcommand's name
 * @param failed its exit status if the file cannot be read
 * @returns `file`: its path, or what messages call it if there is none
 */
export async function readSource(
  command: string,
  args: string[],
  options: GivenOptions,
  failed: number,
): Promise<{ file: string; text: string; isFile: boolean }> {
  const rest = [...args];
  const named = typeof options.defconfig === "string" ? options.defconfig : undefined;
  const file = named ?? (rest.length > 0 && !isSetting(rest[0]) ? (rest.shift() as string) : undefined);
  const wrong = rest.find((word) => !isSetting(word));
  if (wrong !== undefined)
    throw new XlError(`unrecognized argument \`${wrong}': write settings as key=value.`, ExitStatus.usage);
  if (file === undefined && rest.length === 0)
    throw new XlError(`xl ${command} needs a configuration file.`, ExitStatus.usage);
  const written = file === undefined ? "" : await readConfigFile(file, failed);
  return { file: file ?? "command line", text: [written, ...rest].join("\n"), isFile: file !== undefined };
}

const isSetting = (word: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*\s*\+?=/.test(word);

async function readConfigFile(file: string, failed: number): Promise<string> {
  const bytes = await readFile(resolve(file)).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "No such file or directory" : error.message;
    throw new XlError(`Failed to read config file: ${file}: ${why}`, failed);
  });
  if (bytes.includes(0)) throw new XlError(`Failed to parse config file: ${file}: it is no text.`, failed);
  return bytes.toString("utf8");
}
