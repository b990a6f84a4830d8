//! Writing contracts, and proposing them: `new`, `propose` and `amend`.

use super::{
    args::{AmendArgs, NewArgs, ProposeArgs},
    lookup::{ensure_members, find_parties, Found},
};
use crate::{
    cli::{
        common::{connect, submitted_json, Context},
        resolver::{Reference, Resolver},
    },
    contracts::{self, plain, Answers, ContractFile, Draft, Question, QuestionKind, Template, Texts},
    remedies::explain,
};
use anyhow::{bail, ensure, Context as _};
use serde_json::json;
use std::{
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};
use streembit_chain::{Call, ContractAction, ContractCall};
use streembit_clock::now_ms;
use streembit_primitives::contract::{state::ContractState, ContentHash, Terms};

/// Runs `contract new`.
pub(super) async fn new(args: NewArgs, context: &Context) -> anyhow::Result<()> {
    let template = Template::find(&args.template)?;
    let now = now_ms();
    let chain = match args.node.given() {
        Some(node) => Some(connect(node).await?),
        None => None,
    };
    let gateway = args.config.load_with_ids(context)?;
    let mut resolver = context.resolver();
    if let Some((config, account)) = &gateway {
        resolver = resolver.gateway(config, *account);
    }
    if let Some(chain) = &chain {
        resolver = resolver.chain(chain);
    }
    let mut answers: Answers = args.settings.iter().cloned().collect();
    for question in template.questions() {
        if let Some(answer) = answers.get_mut(&question.name) {
            *answer = resolve(question, answer, &resolver).await?;
        }
    }
    if io::stdin().is_terminal() && !context.json {
        ask_missing(&template, &mut answers, now, &resolver).await?;
    }
    let text = template.fill(&answers, now)?;
    let draft = Draft::parse(&text, Path::new(template.name()))?;
    let parties = match &chain {
        Some(chain) => find_parties(chain, &draft).await?,
        None => draft.likely_parties()?,
    };
    let before = args.amends.as_deref().map(contracts::read).transpose()?;
    let file = draft.finish(&parties, now, before.as_ref())?;
    file.write(&args.out)?;
    let view = json!({
        "file": args.out, "title": file.title(), "content_hash": file.hash(), "text": file.text(),
        "parties": file.terms().parties, "devices": file.terms().devices,
    });
    context.print(&view, |_| {
        let out = args.out.display();
        format!(
            "{}\n\n{out}: written, content {}\n\nNext: propose it with\n  streembit contract propose {out} --key OWNER.key\nand \
             send the file to the other parties.",
            file.text(),
            file.hash()
        )
    })
}

/// Asks for the answers that are missing, on the terminal.
async fn ask_missing(
    template: &Template,
    answers: &mut Answers,
    now: u64,
    resolver: &Resolver<'_>,
) -> anyhow::Result<()> {
    for question in template.questions() {
        if answers.contains_key(&question.name) {
            continue;
        }
        // An empty answer takes the default, or leaves an optional field out.
        if let Some(answer) = ask(question, now, resolver).await? {
            answers.insert(question.name.clone(), answer);
        }
    }
    Ok(())
}

async fn ask(question: &Question, now: u64, resolver: &Resolver<'_>) -> anyhow::Result<Option<String>> {
    loop {
        let default = question.default.as_deref().map(|default| format!(" [{default}]")).unwrap_or_default();
        let mut terminal = io::stderr();
        write!(terminal, "{}{default}: ", question.question)
            .and_then(|()| terminal.flush())
            .context("asking on the terminal")?;
        let mut answer = String::new();
        let length = io::stdin().read_line(&mut answer).context("reading the answer")?;
        ensure!(length > 0, "the input ended before all questions were answered");
        let answer = answer.trim();
        if answer.is_empty() && (question.default.is_some() || question.optional) {
            return Ok(None);
        }
        match valid_answer(question, answer, now, resolver).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) => writeln!(terminal, "{error:#}").context("asking on the terminal")?,
        }
    }
}

async fn valid_answer(
    question: &Question,
    answer: &str,
    now: u64,
    resolver: &Resolver<'_>,
) -> anyhow::Result<String> {
    let answer = resolve(question, answer, resolver).await?;
    question.validate(&answer, now)?;
    Ok(answer)
}

/// Returns an answer with the whole id of a party or device in place of its name or the beginning of its id.
async fn resolve(question: &Question, answer: &str, resolver: &Resolver<'_>) -> anyhow::Result<String> {
    let answer = answer.trim();
    if answer.is_empty() {
        return Ok(String::new());
    }
    let found = match question.kind {
        QuestionKind::Party => find_party_name(answer, resolver).await,
        QuestionKind::Device => find_device(answer, resolver).await,
        _ => return Ok(answer.to_owned()),
    };
    found.with_context(|| format!("{}: {answer:?} is not valid", question.name))
}

async fn find_party_name(answer: &str, resolver: &Resolver<'_>) -> anyhow::Result<String> {
    Ok(resolver.party_name(&answer.parse()?).await?.to_string())
}

async fn find_device(answer: &str, resolver: &Resolver<'_>) -> anyhow::Result<String> {
    Ok(resolver.device(&Reference::of_device(answer)?).await?.to_string())
}

/// Returns an error if a time in the terms is over, so that the contract or a right would end at once.
fn ensure_to_come(terms: &Terms, now: u64) -> anyhow::Result<()> {
    if terms.ends.is_some_and(|ends| ends <= now) {
        bail!("the end of the contract is over: write it again with a later end");
    }
    for numbered in &terms.clauses {
        if numbered.clause.until().is_some_and(|until| until <= now) {
            bail!(
                "the right of clause {} has ended: write the contract again with a later end",
                numbered.number
            );
        }
    }
    Ok(())
}

/// Runs `contract propose`.
pub(super) async fn propose(args: ProposeArgs, context: &Context) -> anyhow::Result<()> {
    let file = contracts::read(&args.file)?;
    ensure_to_come(file.terms(), now_ms())?;
    let signer = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let state = chain.view().await.map_err(explain)?;
    ensure_members(&state, file.terms()).await?;
    let id = file.content().id(&state.lineage().await.map_err(explain)?);
    let proposer = chain.party_of(signer.account()).await.map_err(explain)?;
    args.confirm.ask(&file.text())?;
    let call = Call::Contract(ContractCall::Propose(Box::new(file.content().clone())));
    let submitted = chain.submit(&signer, call).await.map_err(explain)?;
    let parties = file.terms().parties.iter().map(|holder| holder.party).chain(file.terms().arbiter);
    let waiting: Vec<_> = parties.filter(|party| *party != proposer).collect();
    let view = submitted_json(
        &submitted,
        [("id", json!(id)), ("content_hash", json!(file.hash())), ("waiting_for", json!(waiting))],
    );
    context.print(&view, |_| {
        let mut lines = vec![format!("contract {id} is proposed, finalized in block {}", submitted.block)];
        lines.extend(waiting.iter().map(|party| format!("waiting for party {party}")));
        lines.push(format!(
            "\nNext, send {} to each of them, who accepts it:\n  streembit contract accept {} --key THEIR.key",
            args.file.display(),
            args.file.display()
        ));
        lines.join("\n")
    })
}

/// Runs `contract amend`.
pub(super) async fn amend(args: AmendArgs, context: &Context) -> anyhow::Result<()> {
    let file = contracts::read(&args.to)?;
    ensure_to_come(file.terms(), now_ms())?;
    let signer = args.key.signer(context).await?;
    let found = Found::find(&args.contract, context).await?;
    ensure!(
        found.view.state == ContractState::Active,
        "only a contract in force can be amended: `streembit contract show {}` shows its state",
        found.id()
    );
    ensure!(file.hash() != found.view.hash, "{} is the content in force already", args.to.display());
    ensure_members(&found.chain.view().await.map_err(explain)?, file.terms()).await?;
    let texts = texts_of_both(&file, args.before.as_ref(), found.view.hash)?;
    let changes = plain::changes(found.terms(), file.terms(), &texts);
    args.confirm.ask(&format!(
        "{}\n\nWhat changes\n------------\n\n{}",
        file.text(),
        plain::changes_text(&changes)
    ))?;
    let action =
        ContractAction::Amend { current: found.view.hash, content: Box::new(file.content().clone()) };
    let call = Call::Contract(ContractCall::About(found.id(), action));
    let submitted = found.chain.submit(&signer, call).await.map_err(explain)?;
    let missing = found.reload().await?.and_then(|view| view.amendment).map(|amendment| amendment.missing);
    let view = submitted_json(
        &submitted,
        [("id", json!(found.id())), ("content_hash", json!(file.hash())), ("waiting_for", json!(missing))],
    );
    context.print(&view, |_| {
        let parties = missing.unwrap_or_default();
        let waiting: String = parties.iter().map(|party| format!("\nwaiting for party {party}")).collect();
        format!(
            "an amendment of contract {} is proposed, finalized in block {}{waiting}",
            found.id(),
            submitted.block
        )
    })
}

/// Returns the texts of a file and of the file of the version before, which must have the content in force.
pub(super) fn texts_of_both(
    file: &ContractFile,
    before: Option<&PathBuf>,
    in_force: ContentHash,
) -> anyhow::Result<Texts> {
    let mut texts = file.texts().clone();
    if let Some(path) = before {
        let old = contracts::read(path)?;
        ensure!(
            old.hash() == in_force,
            "{} has the content {}, but {in_force} is in force: give the file of that version with --before",
            path.display(),
            old.hash()
        );
        texts.extend(old.texts());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address_book::{AddressBookFile, KnownId};
    use streembit_primitives::{DeviceId, PartyId};

    #[tokio::test]
    async fn a_name_in_an_answer_becomes_an_id() {
        let folder = tempfile::tempdir().unwrap();
        let book = AddressBookFile::new(Some(folder.path().join("names.toml")));
        let (anna, car) = (PartyId([1; 32]), DeviceId([2; 32]));
        book.add("anna".parse().unwrap(), KnownId::from(anna)).unwrap();
        book.add("car".parse().unwrap(), KnownId::from(car)).unwrap();
        let book = AddressBookFile::new(Some(folder.path().join("names.toml")));
        let resolver = Resolver::new(&book);
        let template = Template::find("vehicle-service").unwrap();
        let find = |name: &str| template.questions().iter().find(|question| question.name == name).unwrap();
        let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
        for (question, answer, expected) in [
            ("owner", "anna", anna.to_string()),
            ("owner", alice, alice.to_owned()),
            ("owner", &anna.to_string(), anna.to_string()),
            ("device", " car ", car.to_string()),
            ("device", "0x0202", car.to_string()),
            ("arbiter", "", String::new()),
            ("title", "anna", "anna".to_owned()),
        ] {
            assert_eq!(resolve(find(question), answer, &resolver).await.unwrap(), expected, "{question}");
        }
        let error = resolve(find("device"), "anna", &resolver).await.unwrap_err();
        let error = format!("{error:#}");
        for part in ["device: \"anna\"", "the name of a party", "a device is needed"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
