// Does what a wallet does, with @polkadot/api over a node's RPC: shows amounts, asks for the fee, tries the transaction,
// signs and submits it.
//
// It has no code for this chain. Prints one JSON object, which `tests/wallets.rs` checks.

import { ApiPromise, Keyring, WsProvider } from "@polkadot/api";

const [url] = process.argv.slice(2);
const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true });
const keyring = new Keyring({ type: "sr25519" });
const alice = keyring.addFromUri("//Alice");
const stranger = keyring.addFromUri("//Nobody");
const remark = () => api.tx.system.remarkWithEvent("by polkadot.js");

const found = {
  chain: (await api.rpc.system.chain()).toString(),
  specVersion: api.runtimeVersion.specVersion.toNumber(),
  tokens: api.registry.chainTokens,
  decimals: api.registry.chainDecimals,
  ss58Format: api.registry.chainSS58,
  amount: api.registry.createType("Balance", 5).toHuman(),
  fee: (await remark().paymentInfo(alice)).toJSON(),
  // Both are mortal, as by default.
  dryRun: (await remark().dryRun(alice)).toJSON(),
  strangersDryRun: (await remark().dryRun(stranger)).toJSON(),
  refused: await submit(stranger).catch((error) => error.message),
  remark: await submit(alice),
  parties: (await api.query.parties.parties.keys()).length,
};
console.log(JSON.stringify(found));
await api.disconnect();

/** Signs and submits a remark, and waits until it is final. */
function submit(signer) {
  return new Promise((resolve, reject) => {
    const follow = ({ status, events, dispatchError }) => {
      if (status.isFinalized) {
        const names = events.map(({ event }) => `${event.section}.${event.method}`);
        resolve({ block: status.asFinalized.toHex(), events: names, error: dispatchError?.toString() });
      } else if (status.isInvalid || status.isDropped || status.isUsurped) {
        reject(new Error(status.type));
      }
    };
    remark().signAndSend(signer, follow).catch(reject);
  });
}
