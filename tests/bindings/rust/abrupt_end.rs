//! Ends while a request runs and everything is open. usage: abrupt_end MODEL exit|return

use std::env;
use std::mem;
use std::process::{exit, ExitCode};
use std::sync::mpsc;

use leoam::{Delivery, Flow, Instance, Library, Model, RequestOptions, Session};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let instance = Instance::new(&Library::load().unwrap(), Default::default()).unwrap();
    let model = Model::load(&instance, &arguments[1], Default::default()).unwrap();
    let mut session = Session::new(&model, &Default::default()).unwrap();
    let (sender, receiver) = mpsc::channel();
    let deliver = move |_| {
        // The receiver is there until the end.
        let _ = sender.send(());
        Flow::Continue
    };
    let options = RequestOptions {
        prompt: vec![1, 2, 3],
        max_tokens: 1000,
        ignore_end: true,
        delivery: Delivery::Callback(Box::new(deliver)),
        ..Default::default()
    };
    let request = session.submit(options).unwrap();
    receiver.recv().unwrap();
    if arguments[2] == "exit" {
        exit(7);
    }
    mem::forget((instance, model, session, request, receiver));
    ExitCode::from(7)
}
