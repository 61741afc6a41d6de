import { basename, dirname, join, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { buildGuest } from "./build/build-guest.ts";
import { DEFAULT_TARGET, type GuestTarget, guestTarget, guestTargets } from "./build/target.ts";
import { targetOfFolder } from "./guest-settings.ts";
import { newGuest } from "./new-guest.ts";
import { type RunOptions, runGuest, testGuest } from "./run/run-guest.ts";

interface BuildArguments {
  output?: string;
  compiler?: string;
  target?: GuestTarget;
  define: string[];
}

interface RunArguments extends BuildArguments {
  memory?: number;
  vcpus?: number;
  cmdline?: string;
  with: string[];
}

interface TestArguments extends RunArguments {
  timeout?: number;
  quiet?: boolean;
}

/** The command line of xen-guest. `onStatus` is told the exit status of a command that came to its end. */
export function program(version: string, onStatus: (status: number) => void): Command {
  const command = new Command("xen-guest")
    .description("Xen PV guests in C: makes, builds, runs and tests them.")
    .version(version)
    .showHelpAfterError("(xen-guest --help shows the options)");

  command
    .command("new")
    .description("Make a folder with a guest that says hello.")
    .argument("<name>", "the guest's name and its folder's")
    .addOption(targetOption(DEFAULT_TARGET))
    .action((name: string, { target }: { target?: GuestTarget }) => {
      newGuest(name, ".", target);
      process.stdout.write(`${name}/main.c is a guest: cd ${name} && xen-guest run\n`);
    });

  const withBuildOptions = (sub: Command): Command =>
    sub
      .option("-o, --output <file>", "the guest's ELF file (default: build/NAME.elf)")
      .addOption(targetOption("what xen-guest.json beside the sources says, else pv64"))
      .option("--compiler <command>", "gcc or clang of some kind (default: $CC, gcc or clang)")
      .option("-D, --define <name[=value]>", "define a macro; may be repeated", collect, []);

  const withRunOptions = (sub: Command): Command =>
    withBuildOptions(sub)
      .option("--memory <MiB>", "the guest's memory (default: 32)", wholeNumber)
      .option("--vcpus <n>", "its virtual processors (default: 1)", wholeNumber)
      .option("--cmdline <text>", "its kernel command line")
      .option(
        "--with <argument>",
        "a further argument for xen-node run, such as --with=--vif=; may be repeated",
        collect,
        [],
      );

  withBuildOptions(
    command
      .command("build")
      .description("Compile a guest.")
      .argument("[source...]", "its .c and .S files (default: those of this folder)"),
  ).action((sources: string[], options: BuildArguments) => {
    process.stdout.write(`${build(sources, options)}\n`);
  });

  withRunOptions(
    command
      .command("run")
      .description("Build a guest and run it with this terminal as its console.")
      .argument("[source...]", "its .c and .S files, or a built .elf (default: the sources of this folder)"),
  ).action(async (sources: string[], options: RunArguments) => {
    onStatus(await runGuest(build(sources, options), runOptions(options)));
  });

  withRunOptions(
    command
      .command("test")
      .description("Build and run a guest that prints TAP, or a line 'Test result: SUCCESS'.")
      .argument("[source...]", "its .c and .S files, or a built .elf (default: the sources of this folder)"),
  )
    .option("--timeout <seconds>", "end it after so long (default: 60)", wholeNumber)
    .option("--quiet", "show nothing but what failed")
    .addHelpText("after", "\nExit status: 0 every check holds; 1 something failed, or is wrong on the host.")
    .action(async (sources: string[], options: TestArguments) => {
      const report = await testGuest(build(sources, options), {
        ...runOptions(options),
        timeoutSeconds: options.timeout,
        onOutput: options.quiet ? undefined : (text) => process.stdout.write(text),
      });
      if (report.problems.length > 0) process.stderr.write(report.runnerOutput);
      for (const problem of report.problems) process.stderr.write(`xen-guest: ${problem}\n`);
      if (report.problems.length === 0) process.stderr.write(`xen-guest: passed, ${report.checks.length} checks\n`);
      onStatus(report.problems.length === 0 ? 0 : 1);
    });
  return command;
}

function targetOption(otherwise: string): Option {
  const description = `${guestTargets.join(" or ")}: 64-bit, or 32-bit with PAE`;
  return new Option("--target <target>", `${description} (default: ${otherwise})`).argParser(guestTarget);
}

function build(sources: string[], { output, compiler, target, define }: BuildArguments): string {
  if (sources.length === 1 && sources[0].endsWith(".elf")) return resolve(sources[0]);
  const name = sources.length > 0 ? basename(sources[0]).replace(/\.\w+$/, "") : basename(process.cwd());
  return buildGuest({
    sources: sources.length > 0 ? sources : ["."],
    output: output ?? join("build", `${name}.elf`),
    buildFolder: "build",
    compiler,
    target: target ?? targetOfFolder(sources.length > 0 ? dirname(sources[0]) : "."),
    flags: define.map((macro) => `-D${macro}`),
  });
}

function runOptions({ memory, vcpus, cmdline, with: further }: RunArguments): RunOptions {
  return { memoryMiB: memory, vcpus, cmdline, arguments: further };
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
