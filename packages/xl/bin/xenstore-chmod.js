#!/usr/bin/env node
process.argv.splice(2, 0, "chmod");
await import("../dist/xenstore.js");
