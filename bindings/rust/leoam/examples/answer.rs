//! The smallest program: a model answers one question. usage: answer MODEL.gguf QUESTION

use std::env;
use std::io::{self, Write};
use std::process::exit;

use leoam::{ChatMessage, Instance, InstanceOptions, Library, LoadOptions, Model, RequestOptions, Session};

fn answer(path: &str, question: &str) -> leoam::Result<()> {
    let instance = Instance::new(&Library::load()?, InstanceOptions::default())?;
    let model = Model::load(&instance, path, LoadOptions::default())?;
    let mut session = Session::new(&model, &Default::default())?;
    let prompt = model.tokenize_chat(&[ChatMessage::user(question)], &Default::default())?;
    let mut request = session.submit(RequestOptions { prompt, ..Default::default() })?;
    for text in request.texts() {
        print!("{}", text?);
        if io::stdout().flush().is_err() {
            break;
        }
    }
    println!();
    Ok(())
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [path, question] => {
            if let Err(error) = answer(path, question) {
                eprintln!("{error}");
                exit(1);
            }
        }
        _ => {
            eprintln!("usage: answer MODEL.gguf QUESTION");
            exit(2);
        }
    }
}
