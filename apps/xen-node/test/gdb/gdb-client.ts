import { execFile, execFileSync } from "node:child_process";

/** Why tests with the real gdb cannot run here, or undefined. CI is never excused. */
export const noGdb: string | undefined = (() => {
  if (process.env.CI) return undefined;
  try {
    execFileSync("gdb", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "gdb is not on this machine";
  }
})();

/** Runs gdb without a terminal through commands; everything it prints. */
export function runGdb(commands: string[], { program = [] as string[], timeoutMs = 60_000 } = {}): Promise<string> {
  const args = ["--batch", "--nx", ...["set width 0", "set confirm off", ...commands].flatMap((line) => ["-ex", line])];
  return new Promise((resolve, reject) => {
    execFile("gdb", [...args, ...program], { timeout: timeoutMs }, (error, stdout, stderr) => {
      // gdb's own exit status says nothing about commands that failed.
      if (error?.killed) reject(new Error(`gdb hung:\n${stdout}\n${stderr}`));
      else resolve(`${stdout}\n${stderr}`);
    });
  });
}
