//! `streembit contract`: writing, agreeing on, fulfilling, changing and ending contracts.

mod agree;
mod args;
mod author;
mod documents;
mod due;
mod history;
mod lookup;
mod outcome;
mod prove;
mod records;
mod view;

pub use args::Command;
pub(super) use args::ContractArgs;
pub(super) use lookup::find_contract as find_contract_on_chain;

use super::common::{CommandResult, Context};
use std::process::ExitCode;

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::New(args) => author::new(args, context).await?,
        Command::Propose(args) => author::propose(args, context).await?,
        Command::Amend(args) => author::amend(args, context).await?,
        Command::Show(args) => view::run(args, context).await?,
        Command::List(args) => due::list(args, context).await?,
        Command::Due(args) => due::run(args, context).await?,
        Command::History(args) => history::run(args, context).await?,
        Command::Accept(args) => agree::accept(args, context).await?,
        Command::Reject(args) => agree::reject(args, context).await?,
        Command::Withdraw(args) => agree::withdraw(args, context).await?,
        Command::HandOver(args) => agree::hand_over(args, context).await?,
        Command::Terminate(args) => agree::terminate(args, context).await?,
        Command::Prune(args) => agree::prune(args, context).await?,
        Command::Prove(args) => prove::run(args, context).await?,
        Command::Report(args) => records::report(args, context).await?,
        Command::Record(args) => records::record(args, context).await?,
        Command::Claim(args) => records::claim(args, context).await?,
        Command::Confirm(args) => records::confirm(args, context).await?,
        Command::Contest(args) => records::contest(args, context).await?,
        Command::Retract(args) => records::retract(args, context).await?,
        Command::Refute(args) => records::refute(args, context).await?,
        Command::Answer(args) => records::answer(args, context).await?,
        Command::OfferReading(args) => records::offer_reading(args, context).await?,
        Command::Settle(args) => records::settle(args, context).await?,
        Command::Rule(args) => records::rule(args, context).await?,
        Command::Pay(args) => records::pay(args, context).await?,
    }
    Ok(ExitCode::SUCCESS)
}
