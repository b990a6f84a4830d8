// Follows the chain with a light client, which verifies what it is told. Takes the package of the light client, a raw
// chain spec with a boot node, and optionally a text that it submits as a remark.
//
// Prints one JSON object for each final block, and one for the remark. Runs until it is stopped. `tests/wallets.rs`
// compares the blocks with those of the node.

import { readFileSync } from "node:fs";
import { createClient } from "polkadot-api";
import { getSmProvider } from "polkadot-api/sm-provider";
import { alice, json, remark } from "./accounts.mjs";

const [packageName, spec, text] = process.argv.slice(2);
const { start } = await import(packageName);
const print = (level, target, message) => console.error(`${level} ${target}: ${message}`);
// Level 4 names the reason if a node is banned.
const smoldot = start({ maxLogLevel: 4, logCallback: print });
const chain = () => smoldot.addChain({ chainSpec: readFileSync(spec, "utf8") });
const client = createClient(getSmProvider(chain));

client.finalizedBlock$.subscribe({
  next: ({ number, hash }) => console.log(json({ number, hash })),
  error: (error) => {
    console.error(error);
    process.exit(1);
  },
});

if (text) {
  const result = await remark(client.getUnsafeApi(), text).signAndSubmit(alice.signer);
  console.log(json({ remark: result }));
}
