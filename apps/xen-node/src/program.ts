import { Command, InvalidArgumentError } from "commander";
import { addXlCommands } from "./control/xl-cli.ts";
import { type DaemonCommandOptions, runDaemon } from "./daemon/daemon-command.ts";
import { defaultCacheFolder } from "./fetch/cache.ts";
import { fetchDebian } from "./fetch/debian.ts";
import { writeSymbolFile } from "./gdb/symbol-file.ts";
import { type CompareOptions, compare } from "./lockstep/compare.ts";
import { type RunOptions, run } from "./run/run.ts";
import { ExitStatus, UserError } from "./user-error.ts";

interface FetchOptions {
  cache?: string;
  mirror?: string;
  suite?: string;
}

const CPUS = "processors of the machine, which take turns on the one that it runs on (default: 1)";

/** The command line of xen-node. `onStatus` is told the exit status of a command that came to its end. */
export function program(version: string, onStatus: (status: number) => void): Command {
  const command = new Command("xen-node")
    .description("Boots unmodified Xen PV guests in Node.js.")
    .version(version)
    .showHelpAfterError("(xen-node --help shows the options)");

  const withFetchOptions = (sub: Command): Command =>
    sub
      .option("--cache <folder>", "where fetched images are kept (default: xen-node in $XDG_CACHE_HOME or ~/.cache)")
      .option("--mirror <url>", "fetch from this Debian mirror instead of through apt")
      .option("--suite <name>", "the release to take from the mirror (default: this machine's, else stable)");

  const withGuestOptions = (sub: Command): Command =>
    sub
      .option("--kernel <file>", "guest kernel: ELF or bzImage with Xen support")
      .option("--initrd <file>", "initial ram disk")
      .option("--cmdline <text>", "kernel command line")
      .option("--memory <MiB>", "guest memory (default: 256)", wholeNumber)
      .option("--vcpus <n>", "virtual processors (default: 1)", wholeNumber)
      .option("--translator <setting>", "how hot code is translated: default, off, eager, evict or unlinked");

  withFetchOptions(
    withGuestOptions(
      command
        .command("run")
        .description("Run guests with this terminal as their console. Without --kernel and files: Debian's own kernel.")
        .argument("[config...]", "xl.cfg files; several guests run side by side"),
    )
      .option("--demo", "a small guest that comes with xen-node, with a command line: nothing is fetched")
      .option("--sched <name>", "who divides the processors: credit2 (default), rtds, bvt or null")
      .option("--cpus <n>", CPUS, wholeNumber)
      .option("--name <name>", "name of the domain")
      .option("--type <type>", "pv or pvh: how the kernel is entered and virtualized (default: pv)")
      .option(
        "--root",
        "Debian's userland on a root disk, with network: made from Debian's packages at first, then kept",
      )
      .option("--disk <spec>", "a disk in xl's syntax, such as root.img,raw,xvda,w; may be repeated", collect)
      .option("--vif <spec>", "a network interface in xl's syntax, '' for the defaults; may be repeated", collect)
      .option(
        "--uplink <bridge=kind>",
        "what joins a bridge to the world: nat (xenbr0's default), none, passt, stream:SOCKET, tap:NAME",
        collect,
      )
      .option(
        "--forward <spec>",
        "with nat: a port of this machine that leads to a guest, such as tcp::8080-:80",
        collect,
      )
      .option("--dns <address>", "with nat: name servers to ask instead of this machine's", collect)
      .option("--firewall <file>", "rules for the guests' packets, a line each")
      .option("--pcap <folder>", "write the packets of each guest's interface into a file there, for Wireshark")
      .option("--trace <file>", "write exits, hypercalls and events as a trace for Perfetto")
      .option("--log <filter>", "messages of the hypervisor to show: LEVEL or SUBSYSTEM=LEVEL,… (default: warning)")
      .option("--restore <file>", "instead of a kernel: a guest that was saved by --save or xl save")
      .option("--save <file>", "at SIGTERM save the guest into this file instead of killing it")
      .option("--gdb <address>", "serve gdb's remote protocol for the first guest at :PORT or HOST:PORT")
      .option("--gdb-wait", "with --gdb: the guest starts when gdb lets it continue")
      .option("--no-kept-translations", "translate all code anew, and keep no translations for later runs")
      .option("--counters", "tell what the processor did: at userspace, if it is known when that is, and at the end")
      .option("--dump-regions <file>", "list what is translated: each region's instructions and their WebAssembly"),
  )
    .addHelpText(
      "after",
      `
Ctrl-] kills the guest and leaves. Exit status: ${ExitStatus.poweredOff} guests powered off; ${ExitStatus.hostError} something on the host or in
the input is wrong; ${ExitStatus.guestCrash} a guest crashed; ${ExitStatus.left} left with Ctrl-]; 128 + n ended by signal n. SIGTERM
has guests power themselves off.`,
    )
    .action(async (files: string[], { cache, mirror, suite, ...options }: RunOptions & FetchOptions) => {
      onStatus(await run(files, options, { cache: cache ?? defaultCacheFolder(), mirror, suite }));
    });

  withFetchOptions(
    withGuestOptions(
      command
        .command("lockstep")
        .description(
          "Run a guest translated and interpreted and compare the processor at every exit. Without --kernel and file: Debian's own kernel, until userspace.",
        )
        .argument("[config...]", "an xl.cfg file"),
    ).option("--instructions <millions>", "end after this many, and else with the guest", wholeNumber),
  )
    .addHelpText(
      "after",
      `\nExit status: ${ExitStatus.poweredOff} no difference; ${ExitStatus.hostError} something on the host or in the input is wrong; ${ExitStatus.difference} a difference.`,
    )
    .action(async (files: string[], { cache, mirror, suite, ...options }: CompareOptions & FetchOptions) => {
      onStatus(await compare(files, options, { cache: cache ?? defaultCacheFolder(), mirror, suite }));
    });

  withFetchOptions(
    command
      .command("fetch")
      .description("Get a guest into the cache folder.")
      .argument("<guest>", "which guest: debian"),
  ).action(async (guest: string, { cache, mirror, suite }: FetchOptions) => {
    if (guest !== "debian") throw new UserError(`there is no guest "${guest}" to fetch: use xen-node fetch debian.`);
    const progress = (message: string): void => {
      process.stderr.write(`${message}\n`);
    };
    const fetched = await fetchDebian({ cache: cache ?? defaultCacheFolder(), mirror, suite, progress });
    progress(`Fetched ${fetched.description}.`);
    process.stdout.write(`kernel ${fetched.kernel}\ninitrd ${fetched.initrd}\n`);
    onStatus(ExitStatus.poweredOff);
  });

  command
    .command("daemon")
    .description("Own a machine whose guests come and go by xl, until SIGTERM, which ends them all.")
    .option("--memory <MiB>", "memory of all guests together (default: 1024)", wholeNumber)
    .option(
      "--nominal-memory <MiB>",
      "how much may be given to guests in all, if more: they take what they write (default: as --memory)",
      wholeNumber,
    )
    .option(
      "--state <folder>",
      "folder of its lock, journal and socket (default: $XEN_NODE_STATE, else ~/.local/state/xen-node)",
    )
    .option("--metrics <address>", "serve numbers to Prometheus: PORT of the loopback interface, or ADDRESS:PORT")
    .option("--save", "at SIGTERM save the guests into the state folder, from where the next daemon restores them")
    .option(
      "--cache <folder>",
      "where unpacked kernels and translations are kept (default: xen-node in $XDG_CACHE_HOME or ~/.cache)",
    )
    .option("--translator <setting>", "how hot code is translated: default, off, eager, evict or unlinked")
    .option("--no-kept-translations", "translate all code anew, and keep no translations for later daemons")
    .option("--sched <name>", "who divides the processors of Pool-0: credit2 (default), rtds, bvt or null")
    .option("--cpus <n>", CPUS, wholeNumber)
    .option("--uplink <bridge=kind>", "what joins a bridge to the world, as with run; may be repeated", collect)
    .option("--forward <rule>", "with nat: a port of this machine for a guest's, as with run; may be repeated", collect)
    .option("--dns <address>", "with nat: name servers to ask instead of this machine's", collect)
    .option("--firewall <file>", "rules for the guests' packets, a line each")
    .option("--log <filter>", "messages of the hypervisor to show: LEVEL or SUBSYSTEM=LEVEL,… (default: warning)")
    .action(async ({ cache, ...options }: DaemonCommandOptions & { cache?: string }) => {
      onStatus(await runDaemon(options, cache ?? defaultCacheFolder()));
    });

  addXlCommands(command, onStatus);

  command
    .command("symbols")
    .description("Write a kernel's symbols, from its symbol table or kallsyms, as an ELF file for gdb.")
    .argument("<kernel>", "guest kernel: ELF or bzImage")
    .requiredOption("-o, --output <file>", "the file to write")
    .action(async (kernel: string, { output }: { output: string }) => {
      const count = await writeSymbolFile(kernel, output);
      process.stderr.write(`${output}: ${count} symbols of ${kernel}\n`);
      onStatus(ExitStatus.poweredOff);
    });
  return command;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
