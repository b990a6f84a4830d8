//! Running `streembit` as a person would, and looking at what it says.

use crate::{binary, process::bound_command, Scene};
use anyhow::{bail, ensure, Context, Result};
use serde_json::Value;
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::Write as _,
    process::Stdio,
    time::{Duration, Instant},
};

/// How long a command may take: some wait for a block to be finalized.
const LIMIT: Duration = Duration::from_secs(120);

/// One run of `streembit`.
#[must_use = "a command does nothing until it is run"]
pub struct Command<'s> {
    scene: &'s Scene,
    arguments: Vec<OsString>,
    trailing: Vec<OsString>,
    input: Vec<u8>,
    variables: Vec<(String, OsString)>,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// The command as typed.
    pub command: String,
    /// Its exit code; -1 after a signal.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs `streembit-node` to its end, whatever that is.
pub fn streembit_node<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<Output> {
    let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
    let typed: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let command = format!("streembit-node {}", typed.join(" "));
    let output = bound_command(binary("streembit-node")?).args(&arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("running {command}"))?;
    Ok(Output {
        command,
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

impl Scene {
    /// A command of `streembit`, with the scene's passphrase.
    pub fn streembit<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command<'_> {
        let passphrase = ("STREEMBIT_PASSPHRASE_FILE".to_owned(), self.passphrase_file().into_os_string());
        Command {
            scene: self,
            arguments: arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect(),
            trailing: Vec::new(),
            input: Vec::new(),
            variables: vec![passphrase],
        }
    }
}

impl Command<'_> {
    /// One more argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// The node that it asks, after all other arguments.
    pub fn node(mut self, url: &str) -> Self {
        self.trailing = vec!["--node".into(), url.into()];
        self
    }

    /// What it reads from standard input; nothing unless given.
    pub fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = text.into();
        self
    }

    /// One more variable of its environment.
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it to its end, whatever that is.
    pub fn run(self) -> Result<Output> {
        let output = self.execute()?;
        let mut log =
            File::options().create(true).append(true).open(self.scene.dir().join("commands.log"))?;
        writeln!(log, "$ {}\n{}{}[{}]", output.command, output.stdout, output.stderr, output.code)?;
        Ok(output)
    }

    /// Runs it; anything but success is an error.
    pub fn ok(self) -> Result<Output> {
        let output = self.run()?;
        ensure!(output.code == 0, "{output:#?}");
        Ok(output)
    }

    /// Runs it with `--json`; gives what it printed.
    pub fn json(self) -> Result<Value> {
        self.arg("--json").ok()?.json()
    }

    fn execute(&self) -> Result<Output> {
        let folder = tempfile::tempdir_in(self.scene.dir())?;
        let (out, err, input) =
            (folder.path().join("out"), folder.path().join("err"), folder.path().join("in"));
        fs::write(&input, &self.input)?;
        let arguments = || self.arguments.iter().chain(&self.trailing);
        let typed: Vec<_> = arguments().map(|argument| argument.to_string_lossy()).collect();
        let command = format!("streembit {}", typed.join(" "));
        let mut child = bound_command(binary("streembit")?)
            .args(arguments())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(File::open(&input)?)
            .stdout(File::create(&out)?)
            .stderr(Stdio::from(File::create(&err)?))
            .spawn()
            .with_context(|| format!("running {command}"))?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if start.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                let (stdout, stderr) = (fs::read_to_string(&out)?, fs::read_to_string(&err)?);
                bail!("{command}: still running after {LIMIT:?}\n{stdout}{stderr}");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        Ok(Output {
            command,
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&fs::read(&out)?).into_owned(),
            stderr: String::from_utf8_lossy(&fs::read(&err)?).into_owned(),
        })
    }
}

impl Output {
    /// Its standard output as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| {
            format!("{}: standard output is not one JSON value: {:?}", self.command, self.stdout)
        })
    }

    /// Whether it failed and its standard error says all of `words`, in any case of letters.
    pub fn refused(&self, words: &[&str]) -> Result<()> {
        ensure!(self.code != 0, "{} succeeded where it had to refuse:\n{}", self.command, self.stdout);
        says(&self.command, &self.stderr, words)?;
        ensure!(
            !self.stderr.contains("panicked"),
            "{} panicked where a message was due:\n{}",
            self.command,
            self.stderr
        );
        Ok(())
    }
}

/// Whether a text says all of `words`, in any case of letters.
fn says(what: &str, text: &str, words: &[&str]) -> Result<()> {
    let lower = text.to_lowercase();
    for word in words {
        ensure!(lower.contains(&word.to_lowercase()), "{what}: its message does not say {word:?}:\n{text}");
    }
    Ok(())
}
