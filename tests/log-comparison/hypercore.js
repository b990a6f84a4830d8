// Measures how long Hypercore takes to append entries. Arguments: FOLDER COUNT BYTES BATCH. Prints seconds.
const Hypercore = require('hypercore')

const [folder, count, bytes, batch] = [process.argv[2], ...process.argv.slice(3).map(Number)]

async function main () {
  const core = new Hypercore(folder)
  await core.ready()
  const start = process.hrtime.bigint()
  for (let at = 0; at < count; at += batch) {
    const blocks = []
    for (let next = at; next < Math.min(at + batch, count); next++) {
      const block = Buffer.alloc(bytes, 7)
      block.writeBigUInt64BE(BigInt(next))
      blocks.push(block)
    }
    await core.append(blocks)
  }
  if (core.length !== count) throw new Error(`${core.length} of ${count} appended`)
  console.log(Number(process.hrtime.bigint() - start) / 1e9)
  await core.close()
}

main()
