//! Conversations in the model's own format.

use std::marker::PhantomData;

use leoam_sys as sys;

use crate::error::Result;
use crate::ffi::{collect, flag};
use crate::model::Model;

/// One turn of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatMessage {
    /// "system", "user", "assistant", "tool".
    pub role: String,
    /// Its text. Control tokens spelt out in it stay text.
    pub content: String,
}

impl ChatMessage {
    /// A turn of `role`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }

    /// A turn of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new("user", content)
    }

    /// A turn of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new("assistant", content)
    }

    /// Instructions.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new("system", content)
    }
}

/// How a conversation is written.
#[derive(Clone, Debug, Default)]
pub struct ChatOptions {
    /// Does not open the assistant's turn at the end.
    pub no_generation_prompt: bool,
    /// Further variables of the template: name ("enable_thinking") and JSON value ("false").
    pub variables: Vec<(String, String)>,
}

/// The C form of a conversation, whose elements point into the arguments.
struct Chat<'a> {
    messages: Vec<sys::leoam_chat_message>,
    variables: Vec<sys::leoam_chat_variable>,
    flags: u64,
    guess: usize,
    texts: PhantomData<&'a str>,
}

impl<'a> Chat<'a> {
    fn new(messages: &'a [ChatMessage], options: &'a ChatOptions) -> Self {
        let view = |text: &String| sys::leoam_string::view(text.as_bytes());
        Self {
            messages: messages
                .iter()
                .map(|message| sys::leoam_chat_message {
                    role: view(&message.role),
                    content: view(&message.content),
                    ..Default::default()
                })
                .collect(),
            variables: options
                .variables
                .iter()
                .map(|(name, value)| sys::leoam_chat_variable {
                    name: view(name),
                    value: view(value),
                    ..Default::default()
                })
                .collect(),
            flags: flag(options.no_generation_prompt, sys::LEOAM_CHAT_NO_GENERATION_PROMPT),
            guess: messages.iter().fold(1024, |size, message| size + message.content.len() + 64),
            texts: PhantomData,
        }
    }

    /// Points into this.
    fn to_c(&self) -> sys::leoam_chat {
        let mut c = sys::leoam_chat::default();
        c.flags = self.flags;
        c.messages = self.messages.as_ptr();
        c.n_messages = self.messages.len() as u64;
        c.variables = self.variables.as_ptr();
        c.n_variables = self.variables.len() as u64;
        c
    }
}

impl Model {
    /// The conversation in the model's own format, as text, for display.
    ///
    /// # Errors
    ///
    /// `Unsupported` (no template, or one that the library cannot read: line and construct),
    /// `InvalidArgument` (the template refuses, with its words), `NoSpace` (a limit of the interpreter).
    pub fn render_chat(&self, messages: &[ChatMessage], options: &ChatOptions) -> Result<String> {
        let chat = Chat::new(messages, options);
        let (api, c) = (self.api(), chat.to_c());
        let bytes = collect(chat.guess, |text: *mut u8, capacity, size, error| {
            // SAFETY: a live handle; `chat`, what it points at and the buffer live during the call.
            unsafe { (api.model_render_chat)(self.handle().get(), &c, text.cast(), capacity, size, error) }
        })?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// The conversation as tokens: control tokens of the template become tokens, those spelt out in messages
    /// stay text. Begins with `bos_token` where the file asks for it. Fails as [`Model::render_chat`].
    pub fn tokenize_chat(&self, messages: &[ChatMessage], options: &ChatOptions) -> Result<Vec<i32>> {
        let chat = Chat::new(messages, options);
        let (api, c) = (self.api(), chat.to_c());
        collect(chat.guess, |tokens, capacity, n_tokens, error| {
            // SAFETY: a live handle; `chat`, what it points at and the buffer live during the call.
            unsafe { (api.model_tokenize_chat)(self.handle().get(), &c, tokens, capacity, n_tokens, error) }
        })
    }
}
