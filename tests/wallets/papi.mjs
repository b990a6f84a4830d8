// Does what a wallet does, with polkadot-api (PAPI) over a node's RPC: reads the properties, asks for the fee, signs and
// submits.
//
// It has no code for this chain. Prints one JSON object, which `tests/wallets.rs` checks.

import { createClient } from "polkadot-api";
import { getWsProvider } from "polkadot-api/ws";
import { WebSocket } from "ws";
import { alice, json, remark } from "./accounts.mjs";

const [url] = process.argv.slice(2);
const client = createClient(getWsProvider(url, { websocketClass: WebSocket }));
const api = client.getUnsafeApi();
const transaction = remark(api, "by PAPI");

const found = {
  spec: await client.getChainSpecData(),
  specVersion: (await api.constants.System.Version()).spec_version,
  fee: await transaction.getEstimatedFees(alice.address),
  info: await transaction.getPaymentInfo(alice.address),
  remark: await transaction.signAndSubmit(alice.signer),
  parties: (await api.query.Parties.Parties.getEntries()).length,
};
console.log(json(found));
client.destroy();
