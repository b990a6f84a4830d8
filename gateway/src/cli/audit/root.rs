//! `streembit audit root`: the trust root of a chain as one line of text.

use crate::{
    cli::common::{connect, AllowPlainArg, CommandResult, Context},
    remedies::explain,
};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_chain::NodeUrl;
use streembit_evidence::{collect::fetch_trust_root, output::Output, TrustRootSource};
use streembit_primitives::{
    evidence::{TrustRoot, Voter},
    Hash,
};

/// The arguments of `audit root`.
#[derive(Debug, Args)]
pub struct RootArgs {
    /// The raw chain spec, as written by `streembit-node export-chain-spec --chain CHAIN --raw`, or a trust root: its
    /// text or a file with the text. May be given more than once.
    #[arg(long, visible_alias = "trust-root", value_name = "SPEC|ROOT", required_unless_present = "node")]
    chain_spec: Vec<TrustRootSource>,
    /// The RPC address of a node of the chain, such as ws://127.0.0.1:9944. The trust root is only as trustworthy as the
    /// node, so use your own, or give this option once for each of several nodes that different people run.
    #[arg(long, value_name = "URL")]
    node: Vec<NodeUrl>,
    #[command(flatten)]
    plain: AllowPlainArg,
    /// The file to write, or `-` for standard output, which is the default.
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

/// A trust root, as text and in its parts.
#[derive(Serialize)]
struct RootView {
    /// The text.
    trust_root: String,
    /// The hash of the chain's first block.
    genesis: Hash,
    /// The chain's first voters.
    voters: Vec<Voter>,
}

/// Runs the command.
pub async fn run(args: RootArgs, context: &Context) -> CommandResult {
    let root = agreed_root(read_all(&args).await?)?;
    let trust_root = root.to_text().context("writing the trust root as text")?;
    let view = RootView { trust_root, genesis: root.genesis, voters: root.authorities.voters };
    match args.output.as_deref().filter(|path| *path != Path::new("-")) {
        None => context.print(&view, |view| view.trust_root.clone())?,
        Some(path) => {
            write(path, args.force, &view.trust_root)?;
            context.print(&view, |view| written_text(view, path))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the trust root of each source. Returns them with the names of the sources.
async fn read_all(args: &RootArgs) -> anyhow::Result<Vec<(String, TrustRoot)>> {
    let mut roots = Vec::new();
    for source in args.chain_spec.clone() {
        let name = source.to_string();
        let root = tokio::task::spawn_blocking(move || source.read()).await?.map_err(explain)?;
        roots.push((name, root));
    }
    for url in &args.node {
        let chain = connect(url.clone().with_plain_allowed(args.plain.allowed)).await?;
        roots.push((chain.node().to_owned(), fetch_trust_root(&chain).await.map_err(explain)?));
    }
    Ok(roots)
}

/// Returns the trust root of all sources, or an error if two of them differ.
fn agreed_root(roots: Vec<(String, TrustRoot)>) -> anyhow::Result<TrustRoot> {
    let mut roots = roots.into_iter();
    let (first, root) = roots.next().context("no source of a trust root was given")?;
    for (other, found) in roots {
        anyhow::ensure!(
            found.genesis == root.genesis,
            "{first} is of the chain with genesis {}, and {other} of the chain with genesis {}. What to do: find out \
             which chain you mean before you trust either",
            root.genesis,
            found.genesis
        );
        anyhow::ensure!(
            found == root,
            "{first} and {other} name different first voters of the chain with genesis {}. What to do: trust neither \
             before you know which of them is wrong, and why",
            root.genesis
        );
    }
    Ok(root)
}

fn write(path: &Path, force: bool, text: &str) -> anyhow::Result<()> {
    let mut output = Output::create(path, force).map_err(explain)?;
    writeln!(output, "{text}").with_context(|| format!("writing {}", path.display()))?;
    output.finish().map_err(explain)
}

fn written_text(view: &RootView, path: &Path) -> String {
    let voters = match view.voters.len() {
        1 => "1 voter".to_owned(),
        count => format!("{count} voters"),
    };
    format!("{}: the trust root of a chain with {voters}\nchain    {}", path.display(), view.genesis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::evidence::{AuthorityKey, AuthoritySet};

    fn root(genesis: u8, voter: u8) -> TrustRoot {
        let voters = vec![Voter { key: AuthorityKey([voter; 32]), weight: 1 }];
        TrustRoot { genesis: Hash([genesis; 32]), authorities: AuthoritySet { id: 0, voters } }
    }

    fn agreed(roots: &[TrustRoot]) -> anyhow::Result<TrustRoot> {
        agreed_root(
            (0..).zip(roots).map(|(number, root)| (format!("source {number}"), root.clone())).collect(),
        )
    }

    #[test]
    fn sources_that_differ_are_refused_with_their_names() {
        assert_eq!(agreed(&[root(1, 1)]).unwrap(), root(1, 1));
        assert_eq!(agreed(&[root(1, 1), root(1, 1)]).unwrap(), root(1, 1));
        for (roots, words) in [
            ([root(1, 1), root(1, 1), root(2, 1)], "genesis 0x0202"),
            ([root(1, 1), root(1, 1), root(1, 2)], "different first voters"),
        ] {
            let error = agreed(&roots).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert!(error.contains("source 0") && error.contains("source 2"), "{error}");
        }
        assert!(agreed(&[]).is_err());
    }
}
