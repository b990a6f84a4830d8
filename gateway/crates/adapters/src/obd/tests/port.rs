//! A scripted ELM327: answers each command as a dialogue says, on a stream in memory.

use crate::{obd::elm327::Open, serial::Stream};
use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    time::sleep,
};

/// The time between two pieces of an answer.
const PAUSE: Duration = Duration::from_millis(20);

/// The answers to each command. The last one is repeated. A key may name the settings that it counts for, such as
/// `0100@H1` (headers on) or `0100@TP5` (protocol 5 tried). `~` in an answer is a pause of 20 ms. The prompt is added.
pub type Answers = HashMap<String, Vec<String>>;

/// Input that no command asked for: this text, 20 ms after the answer to the command with this number.
#[derive(Clone, Debug)]
pub struct Stray {
    pub after: usize,
    pub text: String,
}

/// The port of a scripted adapter. Each opening starts with a reset adapter, and goes on in the script.
#[derive(Clone)]
pub struct ScriptedPort(Arc<Mutex<Script>>);

struct Script {
    answers: HashMap<String, VecDeque<String>>,
    stray: Option<Stray>,
    commands: Vec<String>,
}

impl Script {
    /// Returns the answer to a command, and the input that follows it unasked.
    fn answer(&mut self, command: &str, settings: &[String]) -> (String, Option<String>) {
        self.commands.push(command.to_owned());
        let number = self.commands.len();
        let stray = self.stray.as_ref().filter(|stray| stray.after == number).map(|stray| stray.text.clone());
        let mut keys: Vec<String> = settings.iter().rev().map(|set| format!("{command}@{set}")).collect();
        keys.push(command.to_owned());
        let key = keys.iter().find(|key| self.answers.contains_key(*key));
        let answer = match key.and_then(|key| self.answers.get_mut(key)) {
            Some(answers) if answers.len() > 1 => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None if command.starts_with("AT") => Some("OK".to_owned()),
            None => Some("NO DATA".to_owned()),
        };
        (answer.unwrap_or_default(), stray)
    }
}

impl ScriptedPort {
    pub fn new(answers: Answers, stray: Option<Stray>) -> Self {
        let answers = answers.into_iter().map(|(command, answers)| (command, answers.into())).collect();
        Self(Arc::new(Mutex::new(Script { answers, stray, commands: Vec::new() })))
    }

    /// Returns all commands so far.
    pub fn commands(&self) -> Vec<String> {
        self.0.lock().unwrap().commands.clone()
    }

    async fn serve(self, mut stream: DuplexStream) -> io::Result<()> {
        let mut settings = vec!["H0".to_owned()];
        loop {
            let command = read_command(&mut stream).await?;
            match command.strip_prefix("AT") {
                Some("Z" | "WS" | "D") => settings = vec!["H0".to_owned()],
                Some(set @ ("H0" | "H1")) => {
                    settings.retain(|set| !set.starts_with('H'));
                    settings.push(set.to_owned());
                }
                Some(set) if set.starts_with("TP") || set.starts_with("SP") => {
                    settings.retain(|set| !set.contains('P'));
                    settings.push(set.to_owned());
                }
                _ => {}
            }
            let (answer, stray) = self.0.lock().unwrap().answer(&command, &settings);
            let mut pieces = format!("{answer}\r\r>").split('~').map(str::to_owned).collect::<Vec<_>>();
            pieces.extend(stray);
            for (number, piece) in pieces.iter().enumerate() {
                if number > 0 {
                    sleep(PAUSE).await;
                }
                stream.write_all(piece.as_bytes()).await?;
            }
        }
    }
}

async fn read_command(stream: &mut DuplexStream) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await? {
            b'\r' => return Ok(String::from_utf8_lossy(&line).trim().to_uppercase()),
            byte => line.push(byte),
        }
    }
}

impl Open for ScriptedPort {
    async fn open(&self, _: u32) -> io::Result<Box<dyn Stream>> {
        let (near, far) = tokio::io::duplex(4_096);
        tokio::spawn(self.clone().serve(far));
        Ok(Box::new(near))
    }
}
