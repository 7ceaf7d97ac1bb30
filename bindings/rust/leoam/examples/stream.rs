//! A conversation whose answers appear as they are drawn, with their figures; an empty line ends it. Another
//! thread ends an answer that takes too long. usage: stream MODEL.gguf [SECONDS]

use std::env;
use std::io::{self, BufRead, Write};
use std::process::exit;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use leoam::{
    ChatMessage, Event, Instance, InstanceOptions, Library, LoadOptions, Model, RequestOptions,
    SamplerOptions, Session, SessionOptions,
};

fn converse(path: &str, patience: Duration) -> Result<(), Box<dyn std::error::Error>> {
    let instance = Instance::new(&Library::load()?, InstanceOptions::default())?;
    let model = Model::load(&instance, path, LoadOptions::default())?;
    let mut session = Session::new(&model, &SessionOptions::default())?;
    let mut messages = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        messages.push(ChatMessage::user(line));
        let answer = stream(&mut session, &messages, patience)?;
        messages.push(ChatMessage::assistant(answer));
    }
    Ok(())
}

/// The next answer of a conversation. What the session has of it already is not computed again.
fn stream(
    session: &mut Session,
    messages: &[ChatMessage],
    patience: Duration,
) -> Result<String, Box<dyn std::error::Error>> {
    let tokens = session.model().tokenize_chat(messages, &Default::default())?;
    let known = session.tokens(0..session.n_tokens()?)?;
    // One token at least is computed, for its logits.
    let reusable = &tokens[..tokens.len().saturating_sub(1)];
    let n_common = known.iter().zip(reusable).take_while(|(a, b)| a == b).count();
    session.truncate(n_common as u64)?;
    let sampler = SamplerOptions { temperature: 0.7, top_p: 0.9, seed: 1, ..Default::default() };
    let prompt = tokens[n_common..].to_vec();
    let mut request = session.submit(RequestOptions { prompt, sampler, ..Default::default() })?;

    let canceller = request.canceller();
    let (done, is_done) = mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if is_done.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
            canceller.cancel();
        }
    });
    let (mut answer, mut finished) = (String::new(), String::new());
    for event in &mut request {
        let event = event?;
        print!("{}", event.text());
        io::stdout().flush()?;
        answer += event.text();
        if let Event::Finished { reason, .. } = event {
            finished = format!("{reason:?}");
        }
    }
    drop(done);
    guard.join().map_err(|_| "the thread that watches the time has panicked")?;
    let statistics = request.statistics()?;
    eprintln!(
        "\n[{}: {} tokens, the first after {} ms]",
        finished,
        statistics.generated_tokens,
        statistics.time_to_first_token_us / 1000
    );
    Ok(answer)
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (path, seconds) = match (arguments.first(), arguments.get(1).map_or(Ok(60), |text| text.parse())) {
        (Some(path), Ok(seconds)) => (path, seconds),
        _ => {
            eprintln!("usage: stream MODEL.gguf [SECONDS]");
            exit(2);
        }
    };
    if let Err(error) = converse(path, Duration::from_secs(seconds)) {
        eprintln!("{error}");
        exit(1);
    }
}
