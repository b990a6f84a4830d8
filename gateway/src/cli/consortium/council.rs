//! Proposals to the council and votes on them, and the output of both.

use super::view;
use crate::{
    cli::common::{submitted_json, Context},
    remedies::explain,
};
use anyhow::{bail, Context as _};
use serde_json::json;
use streembit_chain::{Call, ChainClient, Signer, Submitted};
use streembit_primitives::consortium::{Change, Consortium, Motion};

/// Returns the finalized state of the consortium.
pub(super) async fn consortium(chain: &ChainClient) -> anyhow::Result<Consortium> {
    chain.view().await.map_err(explain)?.consortium().await.map_err(explain)
}

/// Proposes a change to the council.
pub(super) async fn propose(
    chain: &ChainClient,
    signer: &Signer,
    change: Change,
) -> anyhow::Result<Submitted> {
    chain.submit(signer, Call::ProposeChange { change }).await.map_err(explain)
}

/// Proposes a change to the council, and prints the result.
pub async fn propose_and_print(
    chain: &ChainClient,
    signer: &Signer,
    change: Change,
    context: &Context,
) -> anyhow::Result<()> {
    let submitted = propose(chain, signer, change).await?;
    print_outcome(&submitted, change, &consortium(chain).await?, context)
}

/// Finds the only open motion whose id starts with `id`.
pub(super) fn find_motion(consortium: &Consortium, id: &str) -> anyhow::Result<Motion> {
    let digits = id.strip_prefix("0x").unwrap_or(id).to_lowercase();
    let matches = |motion: &&Motion| motion.id.to_string().trim_start_matches("0x").starts_with(&digits);
    let mut found = consortium.motions.iter().filter(matches);
    let first = found.next().with_context(|| {
        format!("there is no open motion {id}: `streembit consortium show` lists the open motions")
    })?;
    if digits.is_empty() || found.next().is_some() {
        bail!("several motions have ids that start with {id:?}: give more digits");
    }
    Ok(first.clone())
}

/// Prints the result of a proposal or a vote: whether the change is decided, or how many votes it has.
pub(super) fn print_outcome(
    submitted: &Submitted,
    change: Change,
    now: &Consortium,
    context: &Context,
) -> anyhow::Result<()> {
    let motion = now.motions.iter().find(|motion| motion.change == Some(change));
    let decided = motion.is_none();
    let json = submitted_json(
        submitted,
        [("change", json!(change)), ("decided", json!(decided)), ("motion", json!(motion))],
    );
    context.print_named(&json, |_| match motion {
        None => {
            let (change, next) = (view::change(&change), next_step(change));
            format!("{change}: decided, finalized in block {}{next}", submitted.block)
        }
        Some(motion) => format!(
            "{}: {} of {} votes, finalized in block {}\n\nNext, members of the council vote:\n  \
             streembit consortium vote {} yes --key MEMBER.key",
            view::change(&change),
            motion.ayes.len(),
            motion.needed,
            submitted.block,
            view::short(motion)
        ),
    })
}

/// Returns what is still to be done for a change that the council has decided on.
fn next_step(change: Change) -> &'static str {
    match change {
        Change::Upgrade { .. } => {
            "\n\nNext, unless the council rejected it, any party or gateway of the consortium applies it:\n  \
             streembit consortium apply-upgrade FILE --key KEY"
        }
        Change::AddParty { .. }
        | Change::RemoveParty(_)
        | Change::AddValidator(_)
        | Change::RemoveValidator(_)
        | Change::SetQuota { .. }
        | Change::Recover { .. } => "",
        Change::AllowDeviceChange { .. } => {
            "\n\nNext, unless the council rejected it, the owner of the device makes the change"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::Hash;

    fn motion(first: u8) -> Motion {
        let id = Hash([first; 32]);
        Motion { id, change: None, members: None, ayes: vec![], nays: vec![], needed: 2, until: 9 }
    }

    #[test]
    fn a_motion_is_found_by_the_first_digits_of_its_id() {
        let mut consortium = Consortium::default();
        assert!(find_motion(&consortium, "ab").unwrap_err().to_string().contains("no open motion"));
        consortium.motions = vec![motion(0xab), motion(0xac)];
        for id in ["ab", "0xab", "0xABAB"] {
            assert_eq!(find_motion(&consortium, id).unwrap().id, Hash([0xab; 32]));
        }
        for id in ["a", "0x", ""] {
            assert!(find_motion(&consortium, id).unwrap_err().to_string().contains("several"), "{id}");
        }
    }
}
