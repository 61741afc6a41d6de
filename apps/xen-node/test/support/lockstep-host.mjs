// Two machines in lockstep in a process of their own, on the built packages; see machine-host.mjs for why. The argument is
// JSON: the guest's configuration, the translator's settings, and where it may end: after a number of instructions, or
// once the guest has printed a text. The result is JSON on stdout.
import { readGuestFiles, validateDomainConfig } from "@xen-node/toolstack";
import { runInLockstep } from "xen-node";

const { config, translator, instructions = Number.POSITIVE_INFINITY, until } = JSON.parse(process.argv[2]);
const checked = validateDomainConfig(config);
let output = "";
const end = await runInLockstep(checked, await readGuestFiles(checked), {
  translator,
  onOutput: (text) => {
    output += text;
  },
  isOver: (done) => done >= instructions || (until !== undefined && output.includes(until)),
});
process.stdout.write(JSON.stringify({ end, output }));
