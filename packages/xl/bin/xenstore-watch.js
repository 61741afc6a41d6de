#!/usr/bin/env node
process.argv.splice(2, 0, "watch");
await import("../dist/xenstore.js");
