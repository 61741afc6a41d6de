#!/usr/bin/env node
// Stands in the source tree, so that installing before building can already link the command.
import "../dist/cli.js";
