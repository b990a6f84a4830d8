//! Writing contracts, and proposing them: `new`, `propose` and `amend`.

use super::{
    agree::signs_as,
    args::{AmendArgs, NewArgs, ProposeArgs},
    lookup::{ensure_members, find_parties, Found},
};
use crate::{
    cli::{
        common::{connect, submitted_json, Context},
        resolver::{Reference, Resolver},
    },
    contracts::{self, plain, Answers, ContractFile, Draft, Question, QuestionKind, Template, Texts},
    printable::Printable,
    remedies::explain,
};
use anyhow::{bail, ensure, Context as _};
use serde_json::json;
use std::{
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};
use streembit_chain::{Call, ChainClient, ContractAction, ContractCall};
use streembit_clock::now_ms;
use streembit_primitives::contract::{state::ContractState, ContentHash, Terms};

/// Runs `contract new`.
pub(super) async fn new(args: NewArgs, context: &Context) -> anyhow::Result<()> {
    let template = Template::find(&args.template)?;
    // Everything that can be wrong without the answers is checked before the questions: a user answers them only once.
    let before = check_files(&args)?;
    let chain = match args.node.given() {
        Some(node) => Some(connect(node).await?),
        None => None,
    };
    let gateway = args.config.load_with_ids(context)?;
    let mut resolver = context.resolver();
    if let Some((config, account)) = &gateway {
        resolver = resolver.gateway(config, *account);
    }
    let interview = Interview::new(chain.as_ref(), resolver);
    let mut answers = interview.given(&template, &args.settings).await?;
    if io::stdin().is_terminal() && !context.json {
        interview.ask_missing(&template, &mut answers).await?;
    }
    let text = template.fill(&answers, interview.now)?;
    let draft = Draft::parse(&text, Path::new(template.name()))?;
    let parties = match &chain {
        Some(chain) => find_parties(chain, &draft).await?,
        None => draft.likely_parties()?,
    };
    let file = draft.finish(&parties, interview.now, before.as_ref())?;
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

/// Returns the contract that the new one amends. Returns an error if it is no contract, or if the file to write exists.
fn check_files(args: &NewArgs) -> anyhow::Result<Option<ContractFile>> {
    let out = args.out.display();
    let exists = args.out.try_exists().with_context(|| format!("looking for {out}"))?;
    ensure!(
        !exists,
        "{out} exists and is never overwritten: name another file with -o, or move this one away"
    );
    Ok(args.amends.as_deref().map(contracts::read).transpose()?)
}

/// Collects the answers to the questions of a template.
struct Interview<'a> {
    chain: Option<&'a ChainClient>,
    resolver: Resolver<'a>,
    now: u64,
}

impl<'a> Interview<'a> {
    fn new(chain: Option<&'a ChainClient>, resolver: Resolver<'a>) -> Self {
        let resolver = match chain {
            Some(chain) => resolver.chain(chain),
            None => resolver,
        };
        Self { chain, resolver, now: now_ms() }
    }

    /// Returns the answers that are given on the command line.
    async fn given(&self, template: &Template, settings: &[(String, String)]) -> anyhow::Result<Answers> {
        let mut answers = Answers::new();
        for (name, answer) in settings {
            let question = template.question(name)?;
            answers.insert(name.clone(), self.valid_answer(question, answer).await?);
        }
        Ok(answers)
    }

    /// Asks for the answers that are missing, on the terminal.
    async fn ask_missing(&self, template: &Template, answers: &mut Answers) -> anyhow::Result<()> {
        for question in template.questions() {
            if answers.contains_key(&question.name) {
                continue;
            }
            // An empty answer takes the default, or leaves an optional field out.
            if let Some(answer) = self.ask(question).await? {
                answers.insert(question.name.clone(), answer);
            }
        }
        Ok(())
    }

    async fn ask(&self, question: &Question) -> anyhow::Result<Option<String>> {
        loop {
            let default =
                question.default.as_deref().map(|default| format!(" [{default}]")).unwrap_or_default();
            let mut terminal = io::stderr();
            let text = format!("{}{default}: ", question.question);
            write!(terminal, "{}", Printable::escaped(&text))
                .and_then(|()| terminal.flush())
                .context("asking on the terminal")?;
            let mut answer = String::new();
            let length = io::stdin().read_line(&mut answer).context("reading the answer")?;
            ensure!(length > 0, "the input ended before all questions were answered");
            let answer = answer.trim();
            if answer.is_empty() && (question.default.is_some() || question.optional) {
                return Ok(None);
            }
            match self.valid_answer(question, answer).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) => writeln!(terminal, "{error:#}").context("asking on the terminal")?,
            }
        }
    }

    async fn valid_answer(&self, question: &Question, answer: &str) -> anyhow::Result<String> {
        let answer = self.resolve(question, answer).await?;
        question.validate(&answer, self.now)?;
        Ok(answer)
    }

    /// Returns an answer with the whole id of a party or device in place of its name or the beginning of its id.
    async fn resolve(&self, question: &Question, answer: &str) -> anyhow::Result<String> {
        let answer = answer.trim();
        if answer.is_empty() {
            return Ok(String::new());
        }
        let found = match question.kind {
            QuestionKind::Party => self.party_name(answer).await,
            QuestionKind::Device => self.device(answer).await,
            _ => return Ok(answer.to_owned()),
        };
        found.with_context(|| format!("{}: {answer:?} is not valid", question.name))
    }

    async fn party_name(&self, answer: &str) -> anyhow::Result<String> {
        let name = self.resolver.party_name(&answer.parse()?).await?;
        if let Some(chain) = self.chain {
            let found = chain.view().await.map_err(explain)?.find_party(&name).await.map_err(explain)?;
            ensure!(
                found.is_some(),
                "it belongs to no party of this chain: `streembit consortium show` lists them"
            );
        }
        Ok(name.to_string())
    }

    async fn device(&self, answer: &str) -> anyhow::Result<String> {
        Ok(self.resolver.device(&Reference::of_device(answer)?).await?.to_string())
    }
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
    args.confirm.ask(&format!("{}\n\n{}.", file.text(), signs_as(file.terms(), proposer)))?;
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
    let party = found.chain.party_of(signer.account()).await.map_err(explain)?;
    args.confirm.ask(&format!(
        "{}\n\nWhat changes\n------------\n\n{}\n\n{}; in the version in force it is {}.",
        file.text(),
        plain::changes_text(&changes),
        signs_as(file.terms(), party),
        plain::roles_of(found.terms(), &party)
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
        let interview = Interview::new(None, Resolver::new(&book));
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
            assert_eq!(interview.resolve(find(question), answer).await.unwrap(), expected, "{question}");
        }
        let error = interview.resolve(find("device"), "anna").await.unwrap_err();
        let error = format!("{error:#}");
        for part in ["device: \"anna\"", "the name of a party", "a device is needed"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn a_file_that_exists_or_is_no_contract_is_refused_before_the_questions() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            new: NewArgs,
        }
        let folder = tempfile::tempdir().unwrap();
        let (taken, free) = (folder.path().join("taken"), folder.path().join("free"));
        std::fs::write(&taken, "answers").unwrap();
        let checked = |out: &Path, amends: Option<&Path>| {
            let mut words = vec![
                "new".into(),
                "--template".into(),
                "sale".into(),
                "-o".into(),
                out.as_os_str().to_owned(),
            ];
            words
                .extend(amends.into_iter().flat_map(|path| ["--amends".into(), path.as_os_str().to_owned()]));
            check_files(&<Cli as clap::Parser>::parse_from(words).new)
        };
        assert!(checked(&free, None).unwrap().is_none());
        assert!(checked(&taken, None).unwrap_err().to_string().contains("never overwritten"));
        assert!(checked(&free, Some(&taken)).unwrap_err().to_string().contains("not a contract file"));
        assert!(checked(&free, Some(&free)).is_err());
    }

    #[tokio::test]
    async fn an_answer_that_nobody_asks_for_or_that_is_wrong_is_refused_before_the_questions() {
        let book = AddressBookFile::new(None);
        let interview = Interview::new(None, Resolver::new(&book));
        let template = Template::find("vehicle-service").unwrap();
        for (name, answer, words) in [("colour", "red", "colour"), ("until", "2020-01-01", "is over")] {
            let error = interview.given(&template, &[(name.into(), answer.into())]).await.unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
